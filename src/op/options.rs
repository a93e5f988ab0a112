use super::TsallisError;
use crate::math::{EmptyRow, Solver, is_valid_alpha};
use burn::Tensor;
use burn::tensor::Bool;

/// The parameter `alpha` of the operator, for logits of rank `D`.
///
/// Numbers and tensors convert into it.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor, TensorData, Tolerance};
/// use burn_tsallis::{Alpha, TsallisOptions, tsallis_softargmax};
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_data([[2.0, 1.0, 0.1], [2.0, 1.0, 0.1]], &device);
/// // One alpha for each row.
/// let alpha = Alpha::Tensor(Tensor::from_data([[0.5], [2.0]], &device));
/// let p = tsallis_softargmax(x, TsallisOptions::new(alpha), -1);
/// let expected = TensorData::from([[0.6535, 0.2261, 0.1204], [0.6556, 0.3222, 0.0222]]);
/// p.into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-4));
/// # }
/// ```
///
/// The functions are differentiable in a tensor of alphas:
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor, TensorData, Tolerance};
/// use burn_tsallis::tsallis_softargmax;
///
/// let device = Device::flex().autodiff();
/// let x = Tensor::<2>::from_data([[2.0, 1.0, 0.1], [2.0, 1.0, 0.1]], &device);
/// let alpha = Tensor::<2>::from_data([[0.5], [2.0]], &device).require_grad();
/// let p = tsallis_softargmax(x, alpha.clone(), -1);
/// // The derivative of the second probability of each row in the alpha of the row.
/// let gradients = p.slice([0..2, 1..2]).sum().backward();
/// let expected = TensorData::from([[0.0214], [0.1239]]);
/// let gradient = alpha.grad(&gradients).unwrap().into_data();
/// gradient.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-4));
/// # }
/// ```
// A call has one value of this type. A box would save no time and make it harder to construct.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug)]
pub enum Alpha<const D: usize> {
    /// The same alpha for every row, from `-50` to `50`.
    Number(f64),
    /// An alpha for each row. The tensor has the rank of the logits, size 1 along the reduced dimension, and size 1 or
    /// the size of the logits along the others. It is differentiable, and its gradient is summed over the rows that it
    /// is broadcast to. A value outside `-50..=50`, or `NaN`, gives `NaN` in its rows.
    Tensor(Tensor<D>),
}

/// The reference measure `q` of the operator, for logits of rank `D`. It need not sum to one.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor, TensorData, Tolerance};
/// use burn_tsallis::{Reference, TsallisOptions, tsallis_softargmax};
///
/// // With equal logits the probabilities are proportional to the reference.
/// let x = Tensor::<2>::zeros([1, 3], &Device::flex());
/// let prior = Reference::Values(vec![0.5, 0.25, 0.25]);
/// let p = tsallis_softargmax(x, TsallisOptions::new(0.5).with_reference(prior), -1);
/// let expected = TensorData::from([[0.5, 0.25, 0.25]]);
/// p.into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-5));
/// # }
/// ```
// Not boxed, for the same reason as `Alpha`.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, Default)]
pub enum Reference<const D: usize> {
    /// `1 / K` for each of the `K` allowed entries of the row. Then `p = entmax_alpha(K^(1 - alpha) x)`: at
    /// `alpha != 1` the probabilities depend on `K`.
    #[default]
    Uniform,
    /// One for every entry, as in entmax. The probabilities do not depend on the number of entries.
    Ones,
    /// One number for each entry of a row, on the host. The numbers must be finite and not negative.
    Values(Vec<f64>),
    /// One number for each entry of a row, shape `[K]`. A zero masks the entry in every row. A negative, infinite or
    /// `NaN` number gives `NaN` in its rows. The tensor is differentiable.
    Vector(Tensor<1>),
    /// A tensor with the rank of the logits, `K` entries along the reduced dimension, and size 1 or the size of the
    /// logits along the others. A zero masks its entry. A negative, infinite or `NaN` number gives `NaN` in its rows.
    /// The tensor is differentiable.
    Tensor(Tensor<D>),
}

/// The options of the operator, for logits of rank `D`.
///
/// A number or a tensor converts into options with that alpha and the default of every other option, so most callers
/// write `tsallis_softargmax(x, 0.5, -1)`. To use the same options more than once, pass `&options`, which is cloned
/// without copying a tensor.
///
/// | option | meaning | default |
/// |---|---|---|
/// | `alpha` | heavy-tailed below 1, softmax at 1, sparse above | |
/// | `reference` | the reference measure `q` | uniform over the allowed entries |
/// | `allowed` | the mask of allowed entries; `true` is allowed | all |
/// | `temperature` | `t`, which divides the logits and multiplies the value | 1 |
/// | `empty_row` | the result for a row without an allowed entry | `NaN` |
/// | `solver` | the method that finds the root | Newton |
///
/// ```
/// use burn_tsallis::{EmptyRow, Reference, Solver, TsallisOptions};
///
/// let options = TsallisOptions::<2>::new(1.5)
///     .with_reference(Reference::Ones)
///     .with_temperature(0.5)
///     .with_empty_row(EmptyRow::Zero)
///     .with_solver(Solver::Bisection);
/// assert_eq!(options.temperature(), 0.5);
///
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::{tsallis_log_softargmax, tsallis_softargmax};
///
/// let x = Tensor::from_data([[2.0, 1.0, 0.1]], &Device::flex());
/// let p = tsallis_softargmax(x.clone(), &options, -1);
/// let log_p = tsallis_log_softargmax(x, &options, -1);
/// # let _ = (p, log_p); }
///
/// let error = TsallisOptions::<2>::try_new(f64::NAN).unwrap_err();
/// assert_eq!(error.to_string(), "alpha is NaN: it must be a number from -50 to 50");
/// ```
#[derive(Clone, Debug)]
pub struct TsallisOptions<const D: usize> {
    pub(super) alpha: Alpha<D>,
    pub(super) reference: Reference<D>,
    pub(super) allowed: Option<Tensor<D, Bool>>,
    pub(super) temperature: f64,
    pub(super) empty_row: EmptyRow,
    pub(super) solver: Solver,
}

impl<const D: usize> TsallisOptions<D> {
    /// Creates options with this alpha, a number or a tensor, and the default of every other option.
    ///
    /// # Panics
    ///
    /// If `alpha` is a number outside `-50..=50`, or `NaN`. [`try_new`](Self::try_new) returns an error instead.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_tsallis::TsallisOptions;
    ///
    /// let options = TsallisOptions::<2>::new(1.5);
    /// assert_eq!(options.temperature(), 1.0);
    /// ```
    pub fn new(alpha: impl Into<Alpha<D>>) -> Self {
        Self::try_new(alpha).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Creates options with this alpha, a number or a tensor, and the default of every other option.
    ///
    /// # Errors
    ///
    /// Returns [`TsallisError::Alpha`] if `alpha` is a number outside `-50..=50`, or `NaN`.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_tsallis::{TsallisError, TsallisOptions};
    ///
    /// assert!(TsallisOptions::<2>::try_new(-2.0).is_ok());
    /// assert_eq!(TsallisOptions::<2>::try_new(60.0).unwrap_err(), TsallisError::Alpha(60.0));
    /// ```
    pub fn try_new(alpha: impl Into<Alpha<D>>) -> Result<Self, TsallisError> {
        let alpha = alpha.into();
        if let Alpha::Number(alpha) = alpha
            && !is_valid_alpha(alpha)
        {
            return Err(TsallisError::Alpha(alpha));
        }
        Ok(Self {
            alpha,
            reference: Reference::default(),
            allowed: None,
            temperature: 1.0,
            empty_row: EmptyRow::default(),
            solver: Solver::default(),
        })
    }

    /// Sets the reference measure.
    ///
    /// # Panics
    ///
    /// If a number of [`Reference::Values`] is negative or not finite.
    /// [`try_with_reference`](Self::try_with_reference) returns an error instead.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_tsallis::{Reference, TsallisOptions};
    ///
    /// // 1.5-entmax.
    /// let options = TsallisOptions::<2>::new(1.5).with_reference(Reference::Ones);
    /// assert!(matches!(options.reference(), Reference::Ones));
    /// ```
    pub fn with_reference(self, reference: Reference<D>) -> Self {
        self.try_with_reference(reference)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Sets the reference measure.
    ///
    /// # Errors
    ///
    /// Returns [`TsallisError::Reference`] if a number of [`Reference::Values`] is negative or not finite.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_tsallis::{Reference, TsallisError, TsallisOptions};
    ///
    /// let negative = Reference::Values(vec![0.5, -0.5]);
    /// let error = TsallisOptions::<2>::new(0.5).try_with_reference(negative).unwrap_err();
    /// assert_eq!(error, TsallisError::Reference { index: 1, value: -0.5 });
    /// ```
    pub fn try_with_reference(mut self, reference: Reference<D>) -> Result<Self, TsallisError> {
        if let Reference::Values(values) = &reference {
            for (index, &value) in values.iter().enumerate() {
                if !(0.0..f64::INFINITY).contains(&value) {
                    return Err(TsallisError::Reference { index, value });
                }
            }
        }
        self.reference = reference;
        Ok(self)
    }

    /// Sets the mask of allowed entries, which broadcasts to the logits. `true` is allowed, the opposite of Burn's
    /// attention masks.
    ///
    /// A masked entry has probability zero for any logit and is left out of every sum. A given reference is not
    /// renormalized.
    ///
    /// # Example
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Bool, Device, Tensor, TensorData, Tolerance};
    /// use burn_tsallis::{TsallisOptions, tsallis_softargmax};
    ///
    /// let device = Device::flex();
    /// let x = Tensor::<2>::from_data([[2.0, 1.0, 0.1]], &device);
    /// let allowed = Tensor::<2, Bool>::from_data([[true, true, false]], &device);
    /// let p = tsallis_softargmax(x, TsallisOptions::new(1.0).with_allowed(allowed), -1);
    /// let expected = TensorData::from([[0.7311, 0.2689, 0.0]]);
    /// p.into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-4));
    /// # }
    /// ```
    pub fn with_allowed(mut self, allowed: Tensor<D, Bool>) -> Self {
        self.allowed = Some(allowed);
        self
    }

    /// Sets the temperature `t > 0`.
    ///
    /// The probabilities are `p(x / t)`, their logarithms `ln p(x / t)`, the value `t V(x / t)`, which equals
    /// `max <p, x> - t D`, and the divergence is that of `p(x / t)`, unscaled.
    ///
    /// # Panics
    ///
    /// If `temperature` is not a positive normal number of `f32`.
    /// [`try_with_temperature`](Self::try_with_temperature) returns an error instead.
    ///
    /// # Example
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor, TensorData, Tolerance};
    /// use burn_tsallis::{Reference, TsallisOptions, tsallis_softargmax};
    ///
    /// let x = Tensor::<2>::from_data([[2.0, 1.0, 0.1]], &Device::flex());
    /// let entmax = TsallisOptions::new(1.5).with_reference(Reference::Ones);
    /// // At temperature 1 the last probability is zero.
    /// let p = tsallis_softargmax(x, entmax.with_temperature(2.0), -1);
    /// let expected = TensorData::from([[0.6169, 0.2867, 0.0964]]);
    /// p.into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-4));
    /// # }
    /// ```
    pub fn with_temperature(self, temperature: f64) -> Self {
        self.try_with_temperature(temperature)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Sets the temperature `t > 0`.
    ///
    /// The probabilities are `p(x / t)`, their logarithms `ln p(x / t)`, the value `t V(x / t)`, which equals
    /// `max <p, x> - t D`, and the divergence is that of `p(x / t)`, unscaled.
    ///
    /// # Errors
    ///
    /// Returns [`TsallisError::Temperature`] if `temperature` is not a positive normal number of `f32`. Logits of every
    /// dtype but `f64` are divided in `f32`.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_tsallis::{TsallisError, TsallisOptions};
    ///
    /// let error = TsallisOptions::<2>::new(0.5).try_with_temperature(0.0).unwrap_err();
    /// assert_eq!(error, TsallisError::Temperature(0.0));
    /// ```
    pub fn try_with_temperature(mut self, temperature: f64) -> Result<Self, TsallisError> {
        let range = f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX);
        if range.contains(&temperature) {
            self.temperature = temperature;
            Ok(self)
        } else {
            Err(TsallisError::Temperature(temperature))
        }
    }

    /// Sets the result for a row without an allowed entry.
    ///
    /// # Example
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::{EmptyRow, TsallisOptions, tsallis_softargmax};
    ///
    /// let x = Tensor::<2>::full([1, 3], f32::NEG_INFINITY, &Device::flex());
    /// let options = TsallisOptions::new(0.5).with_empty_row(EmptyRow::Zero);
    /// let p = tsallis_softargmax(x, options, -1);
    /// assert_eq!(p.sum().into_scalar::<f32>(), 0.0);
    /// # }
    /// ```
    pub fn with_empty_row(mut self, empty_row: EmptyRow) -> Self {
        self.empty_row = empty_row;
        self
    }

    /// Sets the method that finds the root.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_tsallis::{Solver, TsallisOptions};
    ///
    /// let options = TsallisOptions::<2>::new(0.5).with_solver(Solver::Bisection);
    /// assert_eq!(options.solver(), Solver::Bisection);
    /// ```
    pub fn with_solver(mut self, solver: Solver) -> Self {
        self.solver = solver;
        self
    }

    /// Returns alpha.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_tsallis::{Alpha, TsallisOptions};
    ///
    /// let options = TsallisOptions::<2>::new(1.5);
    /// assert!(matches!(options.alpha(), Alpha::Number(1.5)));
    /// ```
    pub fn alpha(&self) -> &Alpha<D> {
        &self.alpha
    }

    /// Returns the reference measure.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_tsallis::{Reference, TsallisOptions};
    ///
    /// let options = TsallisOptions::<2>::new(1.5);
    /// assert!(matches!(options.reference(), Reference::Uniform));
    /// ```
    pub fn reference(&self) -> &Reference<D> {
        &self.reference
    }

    /// Returns the mask of allowed entries, or `None` if all are allowed.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_tsallis::TsallisOptions;
    ///
    /// assert!(TsallisOptions::<2>::new(1.5).allowed().is_none());
    /// ```
    pub fn allowed(&self) -> Option<&Tensor<D, Bool>> {
        self.allowed.as_ref()
    }

    /// Returns the temperature.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_tsallis::TsallisOptions;
    ///
    /// let options = TsallisOptions::<2>::new(1.5).with_temperature(0.5);
    /// assert_eq!(options.temperature(), 0.5);
    /// ```
    pub fn temperature(&self) -> f64 {
        self.temperature
    }

    /// Returns the result for a row without an allowed entry.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_tsallis::{EmptyRow, TsallisOptions};
    ///
    /// assert_eq!(TsallisOptions::<2>::new(1.5).empty_row(), EmptyRow::NaN);
    /// ```
    pub fn empty_row(&self) -> EmptyRow {
        self.empty_row
    }

    /// Returns the method that finds the root.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_tsallis::{Solver, TsallisOptions};
    ///
    /// assert_eq!(TsallisOptions::<2>::new(1.5).solver(), Solver::Newton);
    /// ```
    pub fn solver(&self) -> Solver {
        self.solver
    }
}

impl<const D: usize> From<f64> for Alpha<D> {
    fn from(alpha: f64) -> Self {
        Self::Number(alpha)
    }
}

impl<const D: usize> From<Tensor<D>> for Alpha<D> {
    fn from(alpha: Tensor<D>) -> Self {
        Self::Tensor(alpha)
    }
}

impl<const D: usize> From<f64> for TsallisOptions<D> {
    /// Calls [`TsallisOptions::new`], which panics if alpha is a number outside `-50..=50`, or `NaN`.
    fn from(alpha: f64) -> Self {
        Self::new(alpha)
    }
}

impl<const D: usize> From<Tensor<D>> for TsallisOptions<D> {
    /// Calls [`TsallisOptions::new`] with an alpha for each row.
    fn from(alpha: Tensor<D>) -> Self {
        Self::new(alpha)
    }
}

impl<const D: usize> From<Alpha<D>> for TsallisOptions<D> {
    /// Calls [`TsallisOptions::new`], which panics if alpha is a number outside `-50..=50`, or `NaN`.
    fn from(alpha: Alpha<D>) -> Self {
        Self::new(alpha)
    }
}

impl<const D: usize> From<&TsallisOptions<D>> for TsallisOptions<D> {
    /// Clones the options. Copies no tensor.
    fn from(options: &TsallisOptions<D>) -> Self {
        options.clone()
    }
}
