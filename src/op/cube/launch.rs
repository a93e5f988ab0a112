//! The launch of a kernel on the tensors of a call.

use super::kernel::{
    CurveKind, ParametersLaunch, ReferenceKind, RowKernel, row_backward, row_forward,
};
use super::plan::{Limits, Plan};
use crate::math::{EmptyRow, Solver};
use crate::op::kernel_path::{KernelPath, is_allowed};
use crate::op::refusal::Refusals;
use crate::op::request::{
    AlphaTensor, GradientMask, InputGradients, ReferenceTensor, RowParameters, STATE_LEN, row_shape,
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
    reference_kind: ReferenceKind,
    curve: CurveKind,
    parameters: RowParameters,
    /// The plan, and the plans for a device that refuses it.
    plans: [Plan; 3],
}

impl Call {
    fn new(
        logits: CubeTensor,
        alpha: AlphaTensor<CubeBackend>,
        reference: ReferenceTensor<CubeBackend>,
        parameters: RowParameters,
        strategy: Strategy,
    ) -> Self {
        let logits = RowTensor::new(logits);
        let (reference_kind, reference) = match reference {
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
        let [fallback, last] = Plan::fallbacks(columns, limits);
        Self {
            logits,
            alpha,
            reference,
            reference_kind,
            curve,
            parameters,
            plans: [plan, fallback, last],
        }
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

    /// The cubes of a launch, in two dimensions, because one dimension may be limited to 65 535 cubes.
    fn grid(&self, rows: usize, plan: Plan) -> (CubeCount, CubeDim) {
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

/// The kernels that devices refused.
static REFUSALS: Refusals<(RowKernel, DType)> = Refusals::new();

/// Computes the output and the state of each row. Returns `None` if the device refuses the kernels.
pub(crate) fn forward(
    logits: CubeTensor,
    alpha: AlphaTensor<CubeBackend>,
    reference: ReferenceTensor<CubeBackend>,
    parameters: RowParameters,
    strategy: Strategy,
) -> Option<(CubeTensor, CubeTensor)> {
    let call = Call::new(logits, alpha, reference, parameters, strategy);
    let kernels = call.kernels(GradientMask::default());
    kernels.into_iter().find_map(|kernel| call.forward(kernel))
}

/// Computes the gradients. Returns `None` if the device refuses the kernels.
pub(crate) fn backward(
    logits: CubeTensor,
    alpha: AlphaTensor<CubeBackend>,
    reference: ReferenceTensor<CubeBackend>,
    state: CubeTensor,
    cotangent: CubeTensor,
    parameters: RowParameters,
    wanted: GradientMask,
    strategy: Strategy,
) -> Option<InputGradients<CubeBackend>> {
    let (state, cotangent) = (into_contiguous(state), RowTensor::new(cotangent));
    let call = Call::new(logits, alpha, reference, parameters, strategy);
    let inputs = [call.alpha.is_some(), call.reference.is_some()];
    let max_bindings = call.logits.tensor.client.properties().hardware.max_bindings;
    InputGradients::in_launches(wanted, inputs, max_bindings, |wanted| {
        let mut kernels = call.kernels(wanted).into_iter();
        kernels.find_map(|kernel| call.backward(kernel, &state, &cotangent))
    })
}

impl Call {
    /// The kernels of the call's plans.
    fn kernels(&self, wanted: GradientMask) -> [RowKernel; 3] {
        self.plans.map(|plan| RowKernel {
            output: self.parameters.output,
            reference: self.reference_kind,
            curve: self.curve,
            wanted,
            plan,
        })
    }

    fn forward(&self, kernel: RowKernel) -> Option<(CubeTensor, CubeTensor)> {
        let (shape, dtype) = (self.logits.tensor.shape(), self.logits.tensor.dtype);
        let by_entry = kernel.output.is_per_entry();
        let width = if by_entry {
            columns(&self.logits.tensor)
        } else {
            1
        };
        let output = self.empty(row_shape(&shape, width), dtype);
        let state = self.empty(row_shape(&shape, STATE_LEN), DType::F32);
        let written = |writes: bool| writes.then(|| output.clone().into_buffer_arg());
        let is_launched = self.launch(
            kernel,
            &[],
            &[&output, &state],
            |rows, count, dim, address| {
                // SAFETY: every access is within the rows and the columns of the parameters, which are those of the tensors.
                unsafe {
                    row_forward::launch_unchecked(
                        &self.logits.tensor.client,
                        count,
                        dim,
                        address,
                        kernel.plan.vector,
                        self.logits.argument(),
                        optional(self.alpha.as_ref().map(RowTensor::argument)),
                        optional(self.reference.as_ref().map(RowTensor::argument)),
                        state.clone().into_buffer_arg(),
                        optional(written(by_entry)),
                        optional(written(!by_entry)),
                        self.numbers(rows, 0),
                        kernel,
                        [storage(dtype), storage(dtype)],
                    );
                }
            },
        );
        is_launched.then_some((output, state))
    }

    fn backward(
        &self,
        kernel: RowKernel,
        state: &CubeTensor,
        cotangent: &RowTensor,
    ) -> Option<InputGradients<CubeBackend>> {
        let (shape, dtype) = (self.logits.tensor.shape(), self.logits.tensor.dtype);
        let empty = |wanted: bool, shape, dtype| wanted.then(|| self.empty(shape, dtype));
        let gradients = [
            empty(kernel.wanted.logits, shape.clone(), dtype),
            empty(kernel.wanted.alpha, row_shape(&shape, 1), DType::F32),
            empty(kernel.wanted.reference, shape, DType::F32),
        ];
        let read = [state, &cotangent.tensor];
        let written: Vec<_> = gradients.iter().flatten().collect();
        let is_launched = self.launch(kernel, &read, &written, |rows, count, dim, address| {
            let [logits, alpha, reference] = gradients
                .each_ref()
                .map(|gradient| gradient.clone().map(CubeTensor::into_buffer_arg));
            // SAFETY: as in `forward`.
            unsafe {
                row_backward::launch_unchecked(
                    &self.logits.tensor.client,
                    count,
                    dim,
                    address,
                    kernel.plan.vector,
                    self.logits.argument(),
                    optional(self.alpha.as_ref().map(RowTensor::argument)),
                    optional(self.reference.as_ref().map(RowTensor::argument)),
                    state.clone().into_buffer_arg(),
                    cotangent.argument(),
                    optional(logits),
                    optional(alpha),
                    optional(reference),
                    self.numbers(rows, cotangent.stride),
                    kernel,
                    [storage(dtype), storage(DType::F32)],
                );
            }
        });
        is_launched.then(|| InputGradients::from_options(gradients))
    }

    /// Launches a kernel that reads and writes these tensors beside the inputs of the call. Returns `false` if the device
    /// refuses it.
    fn launch(
        &self,
        kernel: RowKernel,
        read: &[&CubeTensor],
        written: &[&CubeTensor],
        launch: impl FnOnce(usize, CubeCount, CubeDim, AddressType),
    ) -> bool {
        let logits = &self.logits.tensor;
        let entries = logits.shape().num_elements();
        if entries == 0 {
            return true;
        }
        let rows = entries / columns(logits);
        let (count, dim) = self.grid(rows, kernel.plan);
        let inputs = [&self.alpha, &self.reference].into_iter().flatten();
        let inputs = inputs.map(|input| &input.tensor).chain([logits]);
        let read: Vec<_> = inputs.chain(read.iter().copied()).collect();
        let tensors = read.iter().chain(written).copied();
        let address = tensors.map(CubeTensor::required_address_type).max();
        let address = address.unwrap_or_default();
        REFUSALS.launch(
            (kernel, logits.dtype),
            &logits.client,
            &logits.device,
            [&read, written],
            || {
                #[cfg(test)]
                LAUNCHES.set(LAUNCHES.get() + 1);
                launch(rows, count, dim, address);
            },
        )
    }
}
