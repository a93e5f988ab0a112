//! Conversion of tensors along any dimension to the rows that backends compute, and back.

use super::backend::TsallisBackend;
use super::request::{
    AlphaTensor, DivergenceTerm, GradientMask, ReferenceTensor, RowParameters, computed_dtype,
};
use super::{Alpha, Reference, TsallisOptions};
use crate::math::{EmptyRow, Output};
use burn::Tensor;
use burn::backend::Dispatch;
use burn::tensor::kind::Basic;
use burn::tensor::{DType, TensorData};

/// One call of the operator on rows of the last dimension.
pub(super) struct Call<const D: usize> {
    /// The reduced dimension of the caller's tensor.
    dim: usize,
    /// The logits, divided by the temperature and masked, with the reduced dimension last. They have the arithmetic
    /// dtype if the temperature is not one.
    logits: Tensor<D>,
    /// The dtype of the caller's tensor.
    dtype: DType,
    temperature: f64,
    /// The number that was subtracted from the logits of each row, if any.
    shift: Option<Tensor<D>>,
    alpha: AlphaTensor<Dispatch>,
    reference: ReferenceTensor<Dispatch>,
    parameters: RowParameters,
}

impl<const D: usize> Call<D> {
    pub fn new(logits: Tensor<D>, options: &TsallisOptions<D>, dim: usize, output: Output) -> Self {
        let shape = logits.dims();
        let dtype = computed_dtype(&logits.device(), logits.dtype());
        let alpha = match &options.alpha {
            Alpha::Number(_) => AlphaTensor::Number,
            Alpha::Tensor(alpha) => {
                let rows = alpha_rows(alpha.clone(), shape, dim, dtype);
                AlphaTensor::Rows(rows.swap_dims(dim, D - 1).into_dispatch())
            }
        };
        let reference = match &options.reference {
            Reference::Uniform => ReferenceTensor::Uniform,
            Reference::Ones => ReferenceTensor::Ones,
            Reference::Values(values) => {
                let data = TensorData::new(values.clone(), [values.len()]);
                let q = Tensor::<1>::from_data(data, (&logits.device(), dtype));
                ReferenceTensor::Vector(reference_vector(q, shape, dim).into_dispatch())
            }
            Reference::Vector(q) => {
                let q = q.clone().cast(dtype);
                ReferenceTensor::Vector(reference_vector(q, shape, dim).into_dispatch())
            }
            Reference::Tensor(q) => {
                let given = q.dims();
                let q = q.clone().cast(dtype);
                let rows = reference_rows(q.clone(), shape, dim);
                let is_shared = (0..D).all(|d| d == dim || given[d] == 1);
                // Burn takes a size of zero in `reshape` for the present size.
                if is_shared && given[dim] > 0 {
                    // The rows share the reference, so it is not copied for each.
                    ReferenceTensor::Vector(q.reshape([given[dim]]).into_dispatch())
                } else {
                    ReferenceTensor::Rows(rows.swap_dims(dim, D - 1).into_dispatch())
                }
            }
        };
        let storage = logits.dtype();
        let (mut logits, shift) = masked_and_tempered(logits, options, dim, dtype);
        if storage == DType::F64 {
            logits = logits.cast(dtype);
        }
        Self {
            dim,
            logits: logits.swap_dims(dim, D - 1),
            dtype: storage,
            temperature: options.temperature,
            shift: shift.map(|shift| shift.swap_dims(dim, D - 1)),
            alpha,
            reference,
            parameters: RowParameters {
                alpha: match options.alpha {
                    Alpha::Number(alpha) => alpha,
                    // Not used: each row has its own alpha.
                    Alpha::Tensor(_) => 1.0,
                },
                solver: options.solver,
                empty_row: options.empty_row,
                output,
            },
        }
    }

    /// Computes the output for the caller's logits. The value is multiplied by the temperature.
    pub fn output(self) -> Tensor<D> {
        if self.has_no_columns() {
            return if self.parameters.output.is_per_entry() {
                self.restore(self.logits.clone())
            } else {
                self.empty_rows()
            };
        }
        let (output, _) = Dispatch::tsallis_forward(
            self.logits.clone().into_dispatch(),
            self.alpha.clone(),
            self.reference.clone(),
            self.parameters,
        );
        let output = Tensor::from_dispatch(output);
        let output = match (self.parameters.output, &self.shift) {
            (Output::Value, Some(shift)) => scaled(output, self.temperature) + shift.clone(),
            (Output::Value, None) => scaled(output, self.temperature),
            _ => output,
        };
        self.restore(output)
    }

    /// Computes the divergence of probabilities that were passed as the logits.
    pub fn divergence(self) -> Tensor<D> {
        if self.has_no_columns() {
            return self.empty_rows();
        }
        let terms = Dispatch::tsallis_divergence_terms(
            self.logits.clone().into_dispatch(),
            self.alpha.clone(),
            self.reference.clone(),
            self.parameters,
            DivergenceTerm::Value,
        );
        self.restore(Tensor::from_dispatch(terms).sum_dim(D - 1))
    }

    /// Computes the gradient of `<cotangent, output>` in the caller's logits. Autodiff treats it as a constant.
    pub fn gradient(self, cotangent: Tensor<D>) -> Tensor<D> {
        let cotangent = cotangent.cast(self.logits.dtype());
        if self.has_no_columns() {
            return self.restore(self.logits.clone().detach());
        }
        let logits = self.logits.clone().into_dispatch();
        let (_, state) = Dispatch::tsallis_forward(
            logits.clone(),
            self.alpha.clone(),
            self.reference.clone(),
            self.parameters,
        );
        let gradients = Dispatch::tsallis_backward(
            logits,
            self.alpha.clone(),
            self.reference.clone(),
            state,
            cotangent.swap_dims(self.dim, D - 1).into_dispatch(),
            self.parameters,
            GradientMask::LOGITS,
        );
        let gradient = gradients
            .logits
            .into_option()
            .expect("the gradient in the logits was requested");
        self.restore(scaled(
            Tensor::from_dispatch(gradient),
            1.0 / self.temperature,
        ))
    }

    /// Whether the rows have no entries. Such a call does not reach a backend.
    fn has_no_columns(&self) -> bool {
        self.logits.dims()[D - 1] == 0
    }

    /// The result for rows without entries if the output has one number for each row.
    fn empty_rows(&self) -> Tensor<D> {
        let mut shape = self.logits.dims();
        shape[D - 1] = 1;
        let value = match self.parameters.empty_row {
            EmptyRow::NaN => f32::NAN,
            EmptyRow::Zero => 0.0,
        };
        let data = TensorData::new(vec![value; shape.iter().product()], shape);
        let options = (&self.logits.device(), self.logits.dtype());
        self.restore(Tensor::from_data(data, options))
    }

    /// Moves the rows back to the caller's dimension and casts them to the caller's dtype.
    fn restore(&self, rows: Tensor<D>) -> Tensor<D> {
        rows.swap_dims(self.dim, D - 1).cast(self.dtype)
    }
}

/// `tensor * factor`, without a launch if the factor is one.
fn scaled<const D: usize>(tensor: Tensor<D>, factor: f64) -> Tensor<D> {
    if factor == 1.0 {
        tensor
    } else {
        tensor.mul_scalar(factor)
    }
}

/// Masks the logits and divides them by the temperature, in `dtype` if it is not one.
///
/// The largest logit of each row, which is returned, is subtracted first. The quotient is then rounded relative to the
/// gap to the largest logit and not relative to the logit. A gap that is out of range becomes the largest number: its
/// entry is still allowed.
pub(super) fn masked_and_tempered<const D: usize>(
    logits: Tensor<D>,
    options: &TsallisOptions<D>,
    dim: usize,
    dtype: DType,
) -> (Tensor<D>, Option<Tensor<D>>) {
    let shape = logits.dims();
    let mut x = logits;
    if let Some(allowed) = &options.allowed {
        check_broadcast(allowed.dims(), shape, "a mask of allowed entries");
        let forbidden = expanded(allowed.clone().bool_not(), shape);
        x = x.mask_fill(forbidden, f64::NEG_INFINITY);
    }
    let temperature = options.temperature;
    if temperature == 1.0 {
        return (x, None);
    }
    let mut x = x.cast(dtype);
    if shape.contains(&0) {
        return (x, None);
    }
    if let Some(q) = given_reference(&x, &options.reference, dim) {
        // A reference of zero masks its entry, but NaN or `+inf` still makes the row invalid.
        let valid = x.clone().lower_scalar(f32::INFINITY);
        x = x.mask_fill(q.equal_scalar(0.0).bool_and(valid), f64::NEG_INFINITY);
    }
    let forbidden = x.clone().equal_scalar(f32::NEG_INFINITY);
    let max = x.clone().detach().max_dim(dim);
    // An empty row has the maximum `-inf`, and a row with a logit of `+inf` is invalid.
    let infinite = max.clone().abs().equal_scalar(f32::INFINITY);
    let max = max.mask_fill(infinite, 0.0);
    let gaps = x - max.clone();
    let x = match dtype {
        // Burn's gradient of `div_scalar` has a reciprocal in `f32`.
        DType::F64 => gaps.mul_scalar(1.0 / temperature),
        _ => gaps.div_scalar(temperature),
    };
    let overflow = x.clone().equal_scalar(f32::NEG_INFINITY);
    let lowest = match dtype {
        DType::F64 => f64::MIN,
        _ => f64::from(f32::MIN),
    };
    let x = x.mask_fill(overflow.bool_and(forbidden.bool_not()), lowest);
    (x, Some(max))
}

/// Returns a given reference with the shape and the dtype of the logits.
pub(super) fn given_reference<const D: usize>(
    x: &Tensor<D>,
    reference: &Reference<D>,
    dim: usize,
) -> Option<Tensor<D>> {
    let shape = x.dims();
    let vector = |q: Tensor<1>| {
        let mut along = [1; D];
        along[dim] = shape[dim];
        let q = reference_vector(q.cast(x.dtype()), shape, dim);
        expanded(q.reshape(along), shape)
    };
    match reference {
        Reference::Uniform | Reference::Ones => None,
        Reference::Values(values) => {
            let data = TensorData::new(values.clone(), [values.len()]);
            Some(vector(Tensor::from_data(data, (&x.device(), x.dtype()))))
        }
        Reference::Vector(q) => Some(vector(q.clone())),
        Reference::Tensor(q) => Some(reference_rows(q.clone().cast(x.dtype()), shape, dim)),
    }
}

/// Expands a tensor, also to a shape with a size of zero, which Burn's `expand` rejects.
pub(crate) fn expanded<const D: usize, K: Basic>(
    tensor: Tensor<D, K>,
    shape: [usize; D],
) -> Tensor<D, K> {
    if shape.contains(&0) {
        Tensor::empty(shape, (&tensor.device(), tensor.dtype()))
    } else {
        tensor.expand(shape)
    }
}

/// [`expanded`], with a gradient of zero in the tensor if the shape has a size of zero.
fn expanded_with_gradient<const D: usize>(tensor: Tensor<D>, shape: [usize; D]) -> Tensor<D> {
    if shape.contains(&0) {
        Tensor::zeros(shape, (&tensor.device(), tensor.dtype())) + tensor
    } else {
        tensor.expand(shape)
    }
}

/// Expands alpha to one value for each row: size 1 along `dim`.
pub(crate) fn alpha_rows<const D: usize>(
    alpha: Tensor<D>,
    shape: [usize; D],
    dim: usize,
    dtype: DType,
) -> Tensor<D> {
    let mut rows = shape;
    rows[dim] = 1;
    check_broadcast(alpha.dims(), rows, "an alpha tensor");
    expanded_with_gradient(alpha.cast(dtype), rows)
}

/// Checks the length of a reference that all rows share.
pub(super) fn reference_vector<const D: usize>(
    q: Tensor<1>,
    shape: [usize; D],
    dim: usize,
) -> Tensor<1> {
    assert_eq!(
        q.dims()[0],
        shape[dim],
        "a reference of {} entries does not fit logits of shape {shape:?} along dimension {dim}",
        q.dims()[0],
    );
    q
}

/// Expands a reference to one for each row.
pub(super) fn reference_rows<const D: usize>(
    q: Tensor<D>,
    shape: [usize; D],
    dim: usize,
) -> Tensor<D> {
    let given = q.dims();
    assert_eq!(
        given[dim], shape[dim],
        "a reference of shape {given:?} does not fit logits of shape {shape:?} along dimension {dim}",
    );
    check_broadcast(given, shape, "a reference");
    expanded_with_gradient(q, shape)
}

pub(crate) fn check_broadcast<const D: usize>(given: [usize; D], shape: [usize; D], what: &str) {
    let fits = given.iter().zip(shape).all(|(&n, m)| n == 1 || n == m);
    assert!(
        fits,
        "{what} of shape {given:?} does not broadcast to {shape:?}: each size must be 1 or equal"
    );
}
