//! The launch of a kernel on the tensors of a call.

use super::kernel::{
    CurveKind, ParametersLaunch, ReferenceKind, RowKernel, row_backward, row_forward,
};
use super::plan::{Limits, Plan};
use crate::math::{EmptyRow, Solver};
use crate::op::kernel_path::{KernelPath, is_allowed};
use crate::op::request::{
    AlphaTensor, GradientMask, InputGradients, OptionalTensor, ReferenceTensor, RowParameters,
    STATE_LEN, row_shape,
};
use burn::backend::TensorMetadata;
use burn::backend::cubecl::dtype_to_storage_type;
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::features::Plane;
use burn_cubecl::cubecl::ir::{AddressType, ElemType};
use burn_cubecl::cubecl::prelude::{BufferArg, ComptimeOptionArgs};
use burn_cubecl::cubecl::{CubeCount, CubeDim};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

/// How the plan of a call is chosen.
pub(crate) type Strategy = fn(usize, Limits) -> Option<Plan>;

/// The strategy of every call outside the tests.
pub(crate) fn inferred(columns: usize, limits: Limits) -> Option<Plan> {
    Some(Plan::for_rows(columns, limits))
}

/// Whether the kernels support the tensor's dtype on its device.
pub(crate) fn runs_on(tensor: &CubeTensor) -> bool {
    match tensor.dtype {
        _ if !is_allowed(KernelPath::Cube) => false,
        DType::F32 | DType::Flex32 => true,
        DType::F16 | DType::BF16 => {
            let properties = tensor.client.properties();
            properties.supports_type(dtype_to_storage_type(tensor.dtype))
        }
        _ => false,
    }
}

/// A tensor whose rows have the same distance from each other and adjacent entries.
struct RowTensor {
    tensor: CubeTensor,
    /// The distance between adjacent rows. Zero if the rows share one.
    stride: u32,
}

impl RowTensor {
    /// Copies the tensor if it is not of this form. Rows with padding, as CUDA and ROCm allocate them, are not copied.
    fn new(tensor: CubeTensor) -> Self {
        if let Some(stride) = row_stride(&tensor) {
            return Self { tensor, stride };
        }
        let tensor = into_contiguous(tensor);
        let shape = tensor.shape();
        let stride = shape[shape.num_dims() - 1] as u32;
        Self { tensor, stride }
    }

    /// A tensor of one row, which all rows share.
    fn shared(tensor: CubeTensor) -> Self {
        Self {
            tensor: into_contiguous(tensor),
            stride: 0,
        }
    }

    fn argument(&self) -> BufferArg {
        self.tensor.clone().into_buffer_arg()
    }
}

/// Returns the distance between adjacent rows, or `None` if there is no such number.
fn row_stride(tensor: &CubeTensor) -> Option<u32> {
    if tensor.meta.is_tiled() {
        return None;
    }
    let (shape, strides) = (tensor.meta.shape(), tensor.meta.strides());
    let last = shape.num_dims().checked_sub(1)?;
    if shape[last] > 1 && strides[last] != 1 {
        return None;
    }
    // The distance between rows of the leading dimensions is a multiple of that between the innermost rows.
    let mut rows = 1;
    let mut stride = None;
    for dim in (0..last).rev().filter(|&dim| shape[dim] > 1) {
        let innermost = *stride.get_or_insert(strides[dim]);
        if strides[dim] != innermost * rows {
            return None;
        }
        rows *= shape[dim];
    }
    u32::try_from(stride.unwrap_or(shape[last])).ok()
}

/// The inputs of a launch.
struct Call {
    logits: RowTensor,
    alpha: Option<RowTensor>,
    reference: Option<RowTensor>,
    parameters: RowParameters,
    kernel: RowKernel,
}

impl Call {
    fn new(
        logits: CubeTensor,
        alpha: AlphaTensor<CubeBackend>,
        reference: ReferenceTensor<CubeBackend>,
        parameters: RowParameters,
        wanted: GradientMask,
        strategy: Strategy,
    ) -> Self {
        let logits = RowTensor::new(logits);
        let (kind, reference) = match reference {
            ReferenceTensor::Uniform => (ReferenceKind::Uniform, None),
            ReferenceTensor::Ones => (ReferenceKind::Ones, None),
            ReferenceTensor::Vector(q) => (ReferenceKind::Given, Some(RowTensor::shared(q))),
            ReferenceTensor::Rows(q) => (ReferenceKind::Given, Some(RowTensor::new(q))),
        };
        let (curve, alpha) = match alpha {
            AlphaTensor::Number => (CurveKind::of_number(parameters.alpha), None),
            AlphaTensor::Rows(alpha) => (CurveKind::Any, Some(RowTensor::new(alpha))),
        };
        let columns = columns(&logits.tensor);
        let limits = limits(&logits);
        let plan = strategy(columns, limits).unwrap_or_else(|| Plan::for_rows(columns, limits));
        Self {
            logits,
            alpha,
            reference,
            parameters,
            kernel: RowKernel {
                output: parameters.output,
                reference: kind,
                curve,
                wanted,
                plan,
            },
        }
    }

    /// The number of buffers of a backward launch.
    fn buffers(&self) -> u32 {
        let wanted = self.kernel.wanted;
        let optional = [
            self.alpha.is_some(),
            self.reference.is_some(),
            wanted.logits,
            wanted.alpha,
            wanted.reference,
        ];
        // The logits, the state and the cotangent.
        3 + optional.into_iter().map(u32::from).sum::<u32>()
    }

    fn empty(&self, shape: Shape, dtype: DType) -> CubeTensor {
        let logits = &self.logits.tensor;
        let handle = logits.client.empty(shape.num_elements() * dtype.size());
        CubeTensor::new_contiguous(
            logits.client.clone(),
            logits.device.clone(),
            shape,
            handle,
            dtype,
        )
    }

    /// The number of rows, or `None` if there is nothing to compute.
    fn rows(&self) -> Option<usize> {
        let entries = self.logits.tensor.shape().num_elements();
        (entries > 0).then(|| entries / columns(&self.logits.tensor))
    }

    /// The cubes of a launch, in two dimensions, because one dimension may be limited to 65 535 cubes.
    fn grid(&self, rows: usize) -> (CubeCount, CubeDim) {
        let plan = self.kernel.plan;
        let cubes = rows.div_ceil(plan.rows as usize);
        let hardware = &self.logits.tensor.client.properties().hardware;
        let x = cubes.min(hardware.max_cube_count.0.max(1) as usize);
        let count = CubeCount::Static(x as u32, cubes.div_ceil(x) as u32, 1);
        (count, CubeDim::new_2d(plan.units, plan.rows))
    }

    fn numbers(&self, rows: usize, cotangent_stride: u32) -> ParametersLaunch {
        let stride = |tensor: &Option<RowTensor>| tensor.as_ref().map_or(0, |tensor| tensor.stride);
        let alpha = self.parameters.alpha;
        let newton_steps = match self.parameters.solver {
            Solver::Newton => Solver::NEWTON_STEPS as u32,
            Solver::Bisection => 0,
        };
        let empty_row = match self.parameters.empty_row {
            EmptyRow::NaN => f32::NAN,
            EmptyRow::Zero => 0.0,
        };
        ParametersLaunch::new(
            rows as u32,
            columns(&self.logits.tensor) as u32,
            self.logits.stride,
            stride(&self.reference),
            cotangent_stride,
            stride(&self.alpha),
            (1.0 - alpha) as f32,
            alpha as f32,
            newton_steps,
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            empty_row,
        )
    }

    /// The width of the indices that reach every entry.
    fn address_type(&self, others: &[&CubeTensor]) -> AddressType {
        let inputs = [&self.alpha, &self.reference];
        let inputs = inputs.into_iter().flatten().map(|input| &input.tensor);
        [&self.logits.tensor]
            .into_iter()
            .chain(inputs)
            .chain(others.iter().copied())
            .map(CubeTensor::required_address_type)
            .max()
            .unwrap_or_default()
    }
}

/// The length of the rows.
fn columns(tensor: &CubeTensor) -> usize {
    let shape = tensor.meta.shape();
    shape[shape.num_dims() - 1]
}

/// The dtype of a kernel's storage. Burn stores `flex32` as `f32`.
fn storage(dtype: DType) -> ElemType {
    match dtype {
        DType::Flex32 => dtype_to_storage_type(DType::F32),
        dtype => dtype_to_storage_type(dtype),
    }
}

fn limits(logits: &RowTensor) -> Limits {
    let client = &logits.tensor.client;
    let properties = client.properties();
    let hardware = &properties.hardware;
    let is_cpu = hardware.num_cpu_cores.is_some();
    let has_planes = properties.features.plane.contains(Plane::Ops)
        && hardware.plane_size_min == hardware.plane_size_max
        && hardware.plane_size_min.is_power_of_two()
        && hardware.plane_size_min > 1;
    // Every row begins at a multiple of the vector.
    let fits = |&vector: &usize| {
        columns(&logits.tensor).is_multiple_of(vector)
            && (logits.stride as usize).is_multiple_of(vector)
    };
    Limits {
        units: if is_cpu {
            // Barriers of a CPU runtime spin.
            1
        } else {
            let (x, y, _) = hardware.max_cube_dim;
            hardware.max_units_per_cube.min(x).min(y).max(1)
        },
        shared_bytes: hardware.max_shared_memory_size,
        plane: has_planes.then_some(hardware.plane_size_min),
        vector: client
            .io_optimized_vector_sizes(logits.tensor.dtype.size())
            .find(fits)
            .unwrap_or(1),
    }
}

/// The argument of a tensor that may be absent.
fn optional<T>(tensor: Option<BufferArg>) -> ComptimeOptionArgs<T>
where
    T: burn_cubecl::cubecl::prelude::LaunchArg<RuntimeArg = BufferArg>,
{
    tensor.into()
}

#[cfg(test)]
thread_local! {
    /// The launches of this thread.
    pub(crate) static LAUNCHES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Computes the output and the state of each row.
pub(crate) fn forward(
    logits: CubeTensor,
    alpha: AlphaTensor<CubeBackend>,
    reference: ReferenceTensor<CubeBackend>,
    parameters: RowParameters,
    strategy: Strategy,
) -> (CubeTensor, CubeTensor) {
    let wanted = GradientMask::default();
    let call = Call::new(logits, alpha, reference, parameters, wanted, strategy);
    let (shape, dtype) = (call.logits.tensor.shape(), call.logits.tensor.dtype);
    let by_entry = parameters.output.is_per_entry();
    let output = if by_entry {
        call.empty(shape.clone(), dtype)
    } else {
        call.empty(row_shape(&shape, 1), dtype)
    };
    let state = call.empty(row_shape(&shape, STATE_LEN), DType::F32);
    let Some(rows) = call.rows() else {
        return (output, state);
    };
    #[cfg(test)]
    LAUNCHES.set(LAUNCHES.get() + 1);
    let (count, dim) = call.grid(rows);
    let written = |writes: bool| writes.then(|| output.clone().into_buffer_arg());
    // SAFETY: every access is within the rows and the columns of the parameters, which are those of the tensors.
    unsafe {
        row_forward::launch_unchecked(
            &call.logits.tensor.client,
            count,
            dim,
            call.address_type(&[&output, &state]),
            call.kernel.plan.vector,
            call.logits.argument(),
            optional(call.alpha.as_ref().map(RowTensor::argument)),
            optional(call.reference.as_ref().map(RowTensor::argument)),
            state.clone().into_buffer_arg(),
            optional(written(by_entry)),
            optional(written(!by_entry)),
            call.numbers(rows, 0),
            call.kernel,
            [storage(dtype), storage(dtype)],
        );
    }
    (output, state)
}

/// Computes the gradients, in one launch if the device can bind the buffers of all of them, otherwise in two.
pub(crate) fn backward(
    logits: CubeTensor,
    alpha: AlphaTensor<CubeBackend>,
    reference: ReferenceTensor<CubeBackend>,
    state: CubeTensor,
    cotangent: CubeTensor,
    parameters: RowParameters,
    wanted: GradientMask,
    strategy: Strategy,
) -> InputGradients<CubeBackend> {
    let inputs = || (logits.clone(), alpha.clone(), reference.clone());
    let (x, alphas, q) = inputs();
    let call = Call::new(x, alphas, q, parameters, wanted, strategy);
    let others = GradientMask {
        reference: false,
        ..wanted
    };
    let max_bindings = call.logits.tensor.client.properties().hardware.max_bindings;
    if wanted.reference && others != GradientMask::default() && call.buffers() > max_bindings {
        let launch = |wanted| {
            let (logits, alpha, reference) = inputs();
            let (state, cotangent) = (state.clone(), cotangent.clone());
            backward(
                logits, alpha, reference, state, cotangent, parameters, wanted, strategy,
            )
        };
        let alone = GradientMask {
            reference: true,
            ..GradientMask::default()
        };
        return InputGradients {
            reference: launch(alone).reference,
            ..launch(others)
        };
    }
    let (shape, dtype) = (call.logits.tensor.shape(), call.logits.tensor.dtype);
    let empty = |wanted: bool, shape, dtype| wanted.then(|| call.empty(shape, dtype));
    let gradients = [
        empty(wanted.logits, shape.clone(), dtype),
        empty(wanted.alpha, row_shape(&shape, 1), DType::F32),
        empty(wanted.reference, shape, DType::F32),
    ];
    if let Some(rows) = call.rows() {
        let (state, cotangent) = (into_contiguous(state), RowTensor::new(cotangent));
        call.launch_backward(rows, &state, &cotangent, &gradients);
    }
    let [logits, alpha, reference] = gradients.map(|gradient| match gradient {
        None => OptionalTensor::None,
        Some(gradient) => OptionalTensor::Some(gradient),
    });
    InputGradients {
        logits,
        alpha,
        reference,
    }
}

impl Call {
    fn launch_backward(
        &self,
        rows: usize,
        state: &CubeTensor,
        cotangent: &RowTensor,
        gradients: &[Option<CubeTensor>; 3],
    ) {
        #[cfg(test)]
        LAUNCHES.set(LAUNCHES.get() + 1);
        let (count, dim) = self.grid(rows);
        let [logits, alpha, reference] = gradients
            .each_ref()
            .map(|gradient| gradient.clone().map(CubeTensor::into_buffer_arg));
        let written: Vec<_> = gradients.iter().flatten().collect();
        let others = [&[state, &cotangent.tensor], written.as_slice()].concat();
        // SAFETY: as in `forward`.
        unsafe {
            row_backward::launch_unchecked(
                &self.logits.tensor.client,
                count,
                dim,
                self.address_type(&others),
                self.kernel.plan.vector,
                self.logits.argument(),
                optional(self.alpha.as_ref().map(RowTensor::argument)),
                optional(self.reference.as_ref().map(RowTensor::argument)),
                state.clone().into_buffer_arg(),
                cotangent.argument(),
                optional(logits),
                optional(alpha),
                optional(reference),
                self.numbers(rows, cotangent.stride),
                self.kernel,
                [storage(self.logits.tensor.dtype), storage(DType::F32)],
            );
        }
    }
}
