//! The definitions of the kernels without a device, for `tools/cube-kernels`. Not a part of the public interface.

use super::kernel::{
    CurveKind, Parameters, ParametersLaunch, ReferenceKind, RowKernel, row_backward, row_forward,
};
use super::plan::{Limits, Plan};
use crate::math::Output;
use crate::op::request::GradientMask;
use burn_cubecl::cubecl::ir::features::{Features, Plane};
use burn_cubecl::cubecl::ir::{
    AddressType, DeviceIdentity, ElemType, FloatKind, HardwareProperties, MemoryDeviceProperties,
};
use burn_cubecl::cubecl::prelude::{
    BufferCompilationArg, ComptimeOptionCompilationArg, CubeDim, CubeKernel, DeviceProperties,
    ExecutionMode, KernelDefinition, KernelLauncher, KernelSettings, LaunchArg, TargetProperties,
};
use std::sync::Arc;

/// A kernel for rows of some length on a device with planes of 32 units.
#[derive(Clone, Debug)]
pub struct NamedKernel {
    pub name: String,
    kernel: RowKernel,
    is_forward: bool,
    stored: FloatKind,
}

/// The lengths of rows: one for each layout.
const COLUMNS: [usize; 5] = [18, 100, 1000, 8192, 100_000];

const CURVES: [(&str, CurveKind); 7] = [
    ("any", CurveKind::Any),
    ("softmax", CurveKind::Softmax),
    ("closed_2", CurveKind::Closed(2)),
    ("closed_4", CurveKind::Closed(4)),
    ("closed_-2", CurveKind::Closed(-2)),
    ("gentle", CurveKind::Gentle),
    ("steep", CurveKind::Steep),
];

const OUTPUTS: [(&str, Output); 4] = [
    ("p", Output::Probabilities),
    ("ln_p", Output::LogProbabilities),
    ("value", Output::Value),
    ("divergence", Output::Divergence),
];

/// Returns a kernel for each layout, pass, output, kind of alpha and reference, and dtype.
pub fn every_kernel() -> Vec<NamedKernel> {
    let mut kernels = Vec::new();
    for columns in COLUMNS {
        for (dtype, stored, vector) in [
            ("f32", FloatKind::F32, 4),
            ("f16", FloatKind::F16, 8),
            ("bf16", FloatKind::BF16, 8),
        ] {
            let vector = [vector, 4, 2, 1]
                .into_iter()
                .find(|&vector| columns.is_multiple_of(vector))
                .unwrap_or(1);
            let limits = Limits {
                units: 1024,
                shared_bytes: 48 << 10,
                plane: Some(PLANE),
                vector,
            };
            let plan = Plan::for_rows(columns, limits);
            for (output_name, output) in OUTPUTS {
                for (curve_name, curve) in CURVES {
                    for (reference_name, reference) in [
                        ("uniform", ReferenceKind::Uniform),
                        ("given", ReferenceKind::Given),
                    ] {
                        for (pass, wanted) in passes(curve, reference) {
                            kernels.push(NamedKernel {
                                name: format!(
                                    "{columns}-{dtype}-{pass}-{output_name}-{curve_name}-{reference_name}"
                                ),
                                kernel: RowKernel {
                                    output,
                                    reference,
                                    curve,
                                    wanted,
                                    plan,
                                },
                                is_forward: wanted == GradientMask::default(),
                                stored,
                            });
                        }
                    }
                }
            }
        }
    }
    kernels
}

/// The passes of a kernel: the forward one, the gradient in the logits, and all gradients, if there are more.
fn passes(curve: CurveKind, reference: ReferenceKind) -> Vec<(&'static str, GradientMask)> {
    let all = GradientMask {
        logits: true,
        alpha: curve == CurveKind::Any,
        reference: reference == ReferenceKind::Given,
    };
    let mut passes = vec![
        ("forward", GradientMask::default()),
        ("backward", GradientMask::LOGITS),
    ];
    if all != GradientMask::LOGITS {
        passes.push(("backward_all", all));
    }
    passes
}

const PLANE: u32 = 32;

impl NamedKernel {
    /// Returns the kernel in CubeCL's own representation, which its compilers take.
    pub fn define(&self) -> KernelDefinition {
        let plan = self.kernel.plan;
        let settings = KernelSettings::new(
            *CubeDim::new_2d(plan.units, plan.rows),
            ExecutionMode::Unchecked,
            AddressType::U32,
        );
        let mut launcher = KernelLauncher::new(settings.clone());
        let numbers = ParametersLaunch::new(1, 1, 1, 1, 1, 1, 0.0, 1.0, 1, 0.0, 0.0, 0.0, 0.0);
        let numbers = <Parameters as LaunchArg>::register(numbers, &mut launcher);
        launcher.discard();

        let buffer = || BufferCompilationArg { inplace: None };
        let stored = ElemType::Float(self.stored);
        let by_entry = self.kernel.output.is_per_entry();
        let wanted = self.kernel.wanted;
        macro_rules! optional {
            ($present:expr) => {
                if $present {
                    ComptimeOptionCompilationArg::Some(buffer())
                } else {
                    ComptimeOptionCompilationArg::None
                }
            };
        }
        let alpha = optional!(self.kernel.curve == CurveKind::Any);
        let reference = optional!(self.kernel.reference == ReferenceKind::Given);
        if self.is_forward {
            row_forward::RowForward::new(
                settings,
                device(),
                Arc::new(TargetProperties::default()),
                buffer(),
                alpha,
                reference,
                buffer(),
                optional!(by_entry),
                optional!(!by_entry),
                numbers,
                plan.vector,
                self.kernel,
                [stored, stored],
            )
            .define()
        } else {
            row_backward::RowBackward::new(
                settings,
                device(),
                Arc::new(TargetProperties::default()),
                buffer(),
                alpha,
                reference,
                buffer(),
                buffer(),
                optional!(wanted.logits),
                optional!(wanted.alpha),
                optional!(wanted.reference),
                numbers,
                plan.vector,
                self.kernel,
                [stored, ElemType::Float(FloatKind::F32)],
            )
            .define()
        }
    }
}

/// The properties of a GPU with planes. Only the compilers of WGSL and SPIR-V read more of them.
fn device() -> Arc<DeviceProperties> {
    let hardware = HardwareProperties {
        load_width: 128,
        vector_register_count: None,
        plane_size_min: PLANE,
        plane_size_max: PLANE,
        max_bindings: 32,
        max_shared_memory_size: 48 << 10,
        max_cube_count: (u32::MAX, u16::MAX as u32, u16::MAX as u32),
        max_units_per_cube: 1024,
        max_cube_dim: (1024, 1024, 64),
        num_streaming_multiprocessors: None,
        num_tensor_cores: None,
        min_tensor_cores_dim: None,
        num_cpu_cores: None,
        last_level_cache_size: None,
        max_vector_size: 16,
        cube_mma_reserved_shared_memory: 0,
    };
    let mut features = Features::default();
    features.plane.insert(Plane::Ops);
    Arc::new(DeviceProperties::new(
        features,
        MemoryDeviceProperties::new(u64::MAX, 256),
        hardware,
        burn_cubecl::cubecl::profile::TimingMethod::Device,
        DeviceIdentity {
            name: String::new(),
            fingerprint: String::new(),
            physical: None,
        },
    ))
}
