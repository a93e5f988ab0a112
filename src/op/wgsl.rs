//! The launches of the WGSL kernels in `kernels/`.

use super::{Output, ReferenceTensor, RowParameters, Wrt};
use crate::math::Solver;
use burn::backend::TensorMetadata;
use burn::tensor::{DType, Shape};
use burn_cubecl::cubecl::client::Client;
use burn_cubecl::cubecl::ir::attributes::BufferIOAttr;
use burn_cubecl::cubecl::prelude::KernelId;
use burn_cubecl::cubecl::server::{KernelArguments, MetadataBindingInfo};
use burn_cubecl::cubecl::{CubeCount, CubeDim};
use burn_wgpu::{
    CubeBackend, CubeTensor, KernelSource, SourceKernel, SourceTemplate, into_contiguous,
};

/// Largest number of invocations that share a row: WebGPU's default limit.
const WORKGROUP: u32 = 256;

/// Smallest: below it no adapter is faster, and a reduction is three barriers.
const SMALLEST_WORKGROUP: u32 = 8;

/// Whether the tensor's runtime takes WGSL text and the kernels take its dtype.
pub(super) fn runs_on(tensor: &CubeTensor) -> bool {
    // Other runtimes of wgpu compile to SPIR-V or MSL and refuse text.
    tensor.client.name() == "wgpu<wgsl>"
        && match tensor.dtype {
            DType::F32 | DType::Flex32 => true,
            DType::F16 => {
                let f16 = burn::backend::cubecl::dtype_to_storage_type(DType::F16);
                tensor.client.properties().supports_type(f16)
            }
            _ => false,
        }
}

pub(super) fn forward(
    logits: CubeTensor,
    reference: ReferenceTensor<CubeBackend>,
    parameters: RowParameters,
) -> (CubeTensor, CubeTensor) {
    let logits = into_contiguous(logits);
    let shape = logits.shape();
    let last = shape.num_dims() - 1;
    let mut row_shape = shape.clone();
    row_shape[last] = 1;
    let rows = row_shape.num_elements();
    let output = empty(&logits, shape.clone(), logits.dtype);
    let state = empty(&logits, row_shape, DType::F32);
    // Without columns there is nothing to compute, and a state that nothing reads.
    if shape.num_elements() == 0 {
        return (output, state);
    }
    let kernel = RowKernel::new(Pass::Forward, &logits, &reference, parameters);
    let mut arguments =
        KernelArguments::new().with_buffer_io(binding(&logits), BufferIOAttr::ReadOnly);
    if let Some(q) = vector(reference) {
        arguments = arguments.with_buffer_io(binding(&q), BufferIOAttr::ReadOnly);
    }
    let arguments = arguments
        .with_buffer_io(binding(&output), BufferIOAttr::WriteOnly)
        .with_buffer_io(binding(&state), BufferIOAttr::WriteOnly);
    kernel.launch(&logits.client, rows, shape[last], parameters, arguments);
    (output, state)
}

pub(super) fn backward(
    logits: CubeTensor,
    reference: ReferenceTensor<CubeBackend>,
    state: CubeTensor,
    cotangent: CubeTensor,
    parameters: RowParameters,
    wrt: Wrt,
) -> CubeTensor {
    let logits = into_contiguous(logits);
    let state = into_contiguous(state);
    let cotangent = into_contiguous(cotangent);
    let shape = logits.shape();
    let last = shape.num_dims() - 1;
    let gradient_dtype = match wrt {
        Wrt::Logits => logits.dtype,
        Wrt::Reference => DType::F32,
    };
    let gradient = empty(&logits, shape.clone(), gradient_dtype);
    if shape.num_elements() == 0 {
        return gradient;
    }
    let rows = shape.num_elements() / shape[last];
    let kernel = RowKernel::new(Pass::Backward(wrt), &logits, &reference, parameters);
    let mut arguments =
        KernelArguments::new().with_buffer_io(binding(&logits), BufferIOAttr::ReadOnly);
    if let Some(q) = vector(reference) {
        arguments = arguments.with_buffer_io(binding(&q), BufferIOAttr::ReadOnly);
    }
    let arguments = arguments
        .with_buffer_io(binding(&state), BufferIOAttr::ReadOnly)
        .with_buffer_io(binding(&cotangent), BufferIOAttr::ReadOnly)
        .with_buffer_io(binding(&gradient), BufferIOAttr::WriteOnly);
    kernel.launch(&logits.client, rows, shape[last], parameters, arguments);
    gradient
}

fn vector(reference: ReferenceTensor<CubeBackend>) -> Option<CubeTensor> {
    match reference {
        ReferenceTensor::Vector(q) => Some(into_contiguous(q)),
        ReferenceTensor::Uniform | ReferenceTensor::Ones => None,
    }
}

fn binding(tensor: &CubeTensor) -> burn_cubecl::cubecl::server::BufferBinding {
    tensor.handle.clone().binding()
}

fn empty(like: &CubeTensor, shape: Shape, dtype: DType) -> CubeTensor {
    let handle = like.client.empty(shape.num_elements() * dtype.size());
    CubeTensor::new_contiguous(
        like.client.clone(),
        like.device.clone(),
        shape,
        handle,
        dtype,
    )
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Pass {
    Forward,
    Backward(Wrt),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Measure {
    Uniform,
    Ones,
    Vector,
}

/// A kernel's text: whatever changes the text is a field, since the id that kernels are cached by is
/// made of the fields. The order is not among them: it travels in the metadata, so that a new
/// order compiles nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct RowKernel {
    pass: Pass,
    output: Output,
    measure: Measure,
    half: bool,
    workgroup: u32,
}

impl RowKernel {
    fn new(
        pass: Pass,
        logits: &CubeTensor,
        reference: &ReferenceTensor<CubeBackend>,
        parameters: RowParameters,
    ) -> Self {
        let shape = logits.shape();
        let columns = shape[shape.num_dims() - 1];
        let hardware = &logits.client.properties().hardware;
        let limit = hardware.max_units_per_cube.min(hardware.max_cube_dim.0);
        // One invocation to an entry up to the limit, in powers of two for the tree reduction.
        let workgroup = (columns.min(WORKGROUP as usize) as u32)
            .next_power_of_two()
            .max(SMALLEST_WORKGROUP)
            .min(1 << limit.ilog2());
        Self {
            pass,
            output: parameters.output,
            measure: match reference {
                ReferenceTensor::Uniform => Measure::Uniform,
                ReferenceTensor::Ones => Measure::Ones,
                ReferenceTensor::Vector(_) => Measure::Vector,
            },
            half: logits.dtype == DType::F16,
            workgroup,
        }
    }

    fn launch(
        self,
        client: &Client,
        rows: usize,
        columns: usize,
        parameters: RowParameters,
        arguments: KernelArguments,
    ) {
        let newton =
            parameters.solver == Solver::Newton && parameters.alpha <= Solver::NEWTON_MAX_ALPHA;
        let words = [
            rows as u32,
            columns as u32,
            ((1.0 - parameters.alpha) as f32).to_bits(),
            if newton {
                Solver::NEWTON_STEPS as u32
            } else {
                0
            },
            // WGSL has no way to write these two.
            f32::NAN.to_bits(),
            f32::NEG_INFINITY.to_bits(),
        ];
        let words = words
            .chunks_exact(2)
            .map(|pair| u64::from(pair[0]) | u64::from(pair[1]) << 32)
            .collect();
        // A workgroup to a row, in two dimensions: one of them holds 65 535 workgroups.
        let widest = client.properties().hardware.max_cube_count.0.max(1) as usize;
        let x = rows.min(widest);
        let grid = CubeCount::Static(x as u32, rows.div_ceil(x) as u32, 1);
        let workgroup = CubeDim::new_1d(self.workgroup);
        client.launch(
            Box::new(SourceKernel::new(self, workgroup)),
            grid,
            arguments.with_info(MetadataBindingInfo::custom(words)),
        );
    }
}

impl KernelSource for RowKernel {
    fn source(&self) -> SourceTemplate {
        let body = match self.pass {
            Pass::Forward => include_str!("../../kernels/forward.wgsl"),
            Pass::Backward(_) => include_str!("../../kernels/backward.wgsl"),
        };
        let text = [include_str!("../../kernels/row.wgsl"), body].concat();
        let stored = if self.half { "f16" } else { "f32" };
        let given = self.measure == Measure::Vector;
        // Every declared binding must be used, so the reference is declared only where it is given.
        let (reference, q) = if given {
            (
                "@group(0) @binding(1) var<storage, read_write> reference: array<f32>;",
                "reference[column]",
            )
        } else {
            ("", "row_q")
        };
        let binding = |n: u32| (n + u32::from(given)).to_string();
        let flag = |b: bool| if b { "true" } else { "false" };
        SourceTemplate::new(text)
            .register("enable", if self.half { "enable f16;" } else { "" })
            .register("stored", stored)
            .register(
                "gradient",
                match self.pass {
                    Pass::Backward(Wrt::Reference) => "f32",
                    Pass::Backward(Wrt::Logits) | Pass::Forward => stored,
                },
            )
            .register("reference", reference)
            .register("q", q)
            .register("binding_1", binding(1))
            .register("binding_2", binding(2))
            .register("binding_3", binding(3))
            .register("binding_4", binding(4))
            .register("given", flag(given))
            .register("uniform", flag(self.measure == Measure::Uniform))
            .register("log_output", flag(self.output == Output::LogProbabilities))
            .register(
                "in_reference",
                flag(self.pass == Pass::Backward(Wrt::Reference)),
            )
            .register("workgroup", self.workgroup.to_string())
    }

    fn id(&self) -> KernelId {
        KernelId::new::<Self>()
            .cube_dim(CubeDim::new_1d(self.workgroup).0)
            .info(self.clone())
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}
