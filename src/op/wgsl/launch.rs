//! The launch of a kernel.

use super::kernel::{Pass, ReferenceKind, RowKernel};
use super::layout::Layout;
use crate::math::{EmptyRow, Solver, closed_form};
use crate::op::refusal::Refusals;
use crate::op::request::{AlphaTensor, ReferenceTensor, RowParameters};
use burn::backend::TensorMetadata;
use burn::tensor::{DType, Shape};
use burn_cubecl::cubecl::client::Client;
use burn_cubecl::cubecl::ir::attributes::BufferIOAttr;
use burn_cubecl::cubecl::server::{BufferBinding, KernelArguments, MetadataBindingInfo};
use burn_cubecl::cubecl::{CubeCount, CubeDim};
use burn_wgpu::{CubeBackend, CubeTensor, SourceKernel, into_contiguous};

/// The inputs of a launch, contiguous.
pub(super) struct Call {
    pub logits: CubeTensor,
    alpha: Option<CubeTensor>,
    reference: Option<CubeTensor>,
    reference_kind: ReferenceKind,
    parameters: RowParameters,
    layout: Layout,
    workgroup: u32,
}

impl Call {
    pub fn new(
        logits: CubeTensor,
        alpha: AlphaTensor<CubeBackend>,
        reference: ReferenceTensor<CubeBackend>,
        parameters: RowParameters,
    ) -> Self {
        let logits = into_contiguous(logits);
        let (reference_kind, reference) = match reference {
            ReferenceTensor::Uniform => (ReferenceKind::Uniform, None),
            ReferenceTensor::Ones => (ReferenceKind::Ones, None),
            ReferenceTensor::Vector(q) => (ReferenceKind::Vector, Some(into_contiguous(q))),
            ReferenceTensor::Rows(q) => (ReferenceKind::Rows, Some(into_contiguous(q))),
        };
        let alpha = match alpha {
            AlphaTensor::Number => None,
            AlphaTensor::Rows(alpha) => Some(into_contiguous(alpha)),
        };
        let shape = logits.shape();
        let hardware = &logits.client.properties().hardware;
        let limit = hardware.max_units_per_cube.min(hardware.max_cube_dim.0);
        let (layout, workgroup) = Layout::for_rows(shape[shape.num_dims() - 1], limit.max(1));
        Self {
            logits,
            alpha,
            reference,
            reference_kind,
            parameters,
            layout,
            workgroup,
        }
    }

    /// Whether alpha and the reference are tensors.
    pub fn optional_inputs(&self) -> [bool; 2] {
        [self.alpha.is_some(), self.reference.is_some()]
    }

    pub fn empty(&self, shape: Shape, dtype: DType) -> CubeTensor {
        let handle = self
            .logits
            .client
            .empty(shape.num_elements() * dtype.size());
        CubeTensor::new_contiguous(
            self.logits.client.clone(),
            self.logits.device.clone(),
            shape,
            handle,
            dtype,
        )
    }

    /// Launches the kernel with its inputs and these tensors, in the order of its bindings. Returns `false` if the device
    /// refuses it.
    pub fn launch(&self, pass: Pass, read: &[&CubeTensor], written: &[&CubeTensor]) -> bool {
        let shape = self.logits.shape();
        let columns = shape[shape.num_dims() - 1];
        // Rows without entries have no output, and nothing reads their state.
        if shape.num_elements() == 0 {
            return true;
        }
        let rows = shape.num_elements() / columns;
        let mut arguments = KernelArguments::new();
        let inputs = [
            Some(&self.logits),
            self.alpha.as_ref(),
            self.reference.as_ref(),
        ];
        let read: Vec<_> = inputs
            .into_iter()
            .flatten()
            .chain(read.iter().copied())
            .collect();
        for input in &read {
            arguments = arguments.with_buffer_io(binding(input), BufferIOAttr::ReadOnly);
        }
        for output in written {
            arguments = arguments.with_buffer_io(binding(output), BufferIOAttr::WriteOnly);
        }
        let alpha = self.parameters.alpha;
        let newton_steps = match self.parameters.solver {
            Solver::Newton => Solver::NEWTON_STEPS as u32,
            Solver::Bisection => 0,
        };
        // Zero selects the general form with powers.
        let form = match &self.alpha {
            Some(_) => 0,
            None => closed_form(alpha).unwrap_or(0),
        };
        let info = Info {
            rows: rows as u32,
            columns: columns as u32,
            c: (1.0 - alpha) as f32,
            alpha: alpha as f32,
            newton_steps,
            form,
            empty_row_is_zero: self.parameters.empty_row == EmptyRow::Zero,
        };
        let kernel = RowKernel {
            pass,
            output: self.parameters.output,
            reference_kind: self.reference_kind,
            alpha_rows: self.alpha.is_some(),
            half: self.logits.dtype == DType::F16,
            layout: self.layout,
            workgroup: self.workgroup,
        };
        let groups = match self.layout {
            Layout::Short { .. } => rows.div_ceil(self.workgroup as usize),
            Layout::Registers { .. } | Layout::Streaming => rows,
        };
        let (client, device) = (&self.logits.client, &self.logits.device);
        REFUSALS.launch(kernel, client, device, [&read, written], || {
            launch(client, kernel, groups, arguments, info);
        })
    }
}

/// The parameters of a launch: `Info` of `kernels/row.wgsl`.
struct Info {
    rows: u32,
    columns: u32,
    c: f32,
    alpha: f32,
    newton_steps: u32,
    form: i32,
    empty_row_is_zero: bool,
}

impl Info {
    /// Packs the fields in the order of the kernel's struct, two in each word.
    fn words(&self) -> Vec<u64> {
        let fields = [
            self.rows,
            self.columns,
            self.c.to_bits(),
            self.alpha.to_bits(),
            self.newton_steps,
            f32::NAN.to_bits(),
            f32::NEG_INFINITY.to_bits(),
            f32::INFINITY.to_bits(),
            self.form as u32,
            u32::from(self.empty_row_is_zero),
        ];
        let words = fields.chunks_exact(2);
        words
            .map(|pair| u64::from(pair[0]) | u64::from(pair[1]) << 32)
            .collect()
    }
}

/// The kernels that devices refused.
static REFUSALS: Refusals<RowKernel> = Refusals::new();

#[cfg(test)]
thread_local! {
    /// The launches of this thread.
    pub(crate) static LAUNCHES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

fn launch(
    client: &Client,
    kernel: RowKernel,
    groups: usize,
    arguments: KernelArguments,
    info: Info,
) {
    #[cfg(test)]
    LAUNCHES.set(LAUNCHES.get() + 1);
    // In two dimensions, because one dimension is limited to 65 535 workgroups.
    let max_groups = client.properties().hardware.max_cube_count.0.max(1) as usize;
    let x = groups.min(max_groups);
    let grid = CubeCount::Static(x as u32, groups.div_ceil(x) as u32, 1);
    let workgroup = CubeDim::new_1d(kernel.workgroup);
    client.launch(
        Box::new(SourceKernel::new(kernel, workgroup)),
        grid,
        arguments.with_info(MetadataBindingInfo::custom(info.words())),
    );
}

fn binding(tensor: &CubeTensor) -> BufferBinding {
    tensor.handle.clone().binding()
}
