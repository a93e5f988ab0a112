use super::TsallisError;
use crate::math::{EmptyRow, Solver, is_valid_alpha};
use burn::Tensor;
use burn::tensor::Bool;

/// The order `alpha` of the operator on logits of rank `D`.
// One value a call: a box would only be in the way of whoever writes it.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug)]
pub enum Alpha<const D: usize> {
    /// One order for every row, from `-50` to `50`.
    Number(f64),
    /// An order for each row: of the logits' rank, with size 1 along the reduced dimension and 1 or
    /// full along the others. Differentiable; its gradient is summed where it is broadcast. A value
    /// that is not a number from `-50` to `50` gives `NaN` in its rows.
    Tensor(Tensor<D>),
}

/// The reference measure `q` that probabilities are relative to. It need not sum to one.
// As above.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, Default)]
pub enum Reference<const D: usize> {
    /// One over the number of allowed entries of the row. With `K` entries,
    /// `p = entmax_alpha(K^(1 - alpha) x)`: at `alpha != 1` the answer depends on `K`.
    #[default]
    Uniform,
    /// One for every entry: the convention of entmax, independent of the number of entries.
    Ones,
    /// Host numbers, one for each entry of a row.
    Values(Vec<f64>),
    /// One number for each entry of a row, shape `[K]`: positive, or zero where the entry is never
    /// allowed. A number that is negative or not finite gives `NaN` in the rows that it touches.
    /// Differentiable.
    Vector(Tensor<1>),
    /// As `Vector`, of the logits' rank: with `K` entries along the reduced dimension and 1 or full
    /// along the others.
    Tensor(Tensor<D>),
}

/// What the operator is computed with, for logits of rank `D`.
///
/// A number, or a tensor of orders, converts into the options of that order with every other value at
/// its default, so that `tsallis_softargmax(x, 0.5, -1)` is all that most callers write. Options that are
/// used more than once are lent: `tsallis_softargmax(x, &options, -1)`.
///
/// | option | meaning | default |
/// |---|---|---|
/// | `alpha` | the order: heavy-tailed below 1, softmax at 1, sparse above | |
/// | `reference` | the measure `q` | uniform over the allowed entries |
/// | `allowed` | which entries may have probability; `true` is allowed | all |
/// | `temperature` | `t`: logits are divided by it, the value multiplied | 1 |
/// | `empty_row` | what a row without an allowed entry answers | `NaN` |
/// | `solver` | how the root is found | Newton |
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
    /// Options of order `alpha`, a number or a tensor, with every other value at its default.
    ///
    /// # Panics
    ///
    /// Where [`try_new`](Self::try_new) returns an error, with its words.
    pub fn new(alpha: impl Into<Alpha<D>>) -> Self {
        Self::try_new(alpha).unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// [`TsallisError::Alpha`] if `alpha` is a number that is not from `-50` to `50`.
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

    /// With this reference measure.
    ///
    /// # Panics
    ///
    /// Where [`try_with_reference`](Self::try_with_reference) returns an error, with its words.
    pub fn with_reference(self, reference: Reference<D>) -> Self {
        self.try_with_reference(reference)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`with_reference`](Self::with_reference).
    ///
    /// # Errors
    ///
    /// [`TsallisError::Reference`] if a host number is negative or not finite.
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

    /// With the entries that may have probability: `true` is allowed, which is the opposite of Burn's
    /// attention masks. Broadcasts to the logits. An entry that is not allowed has probability zero,
    /// whatever its logit is, and leaves every sum; a given reference is not renormalized.
    pub fn with_allowed(mut self, allowed: Tensor<D, Bool>) -> Self {
        self.allowed = Some(allowed);
        self
    }

    /// With the temperature `t > 0`: `p(x / t)`, `ln p(x / t)`, the value `t V(x / t)`, which is
    /// `max <p, x> - t D`, and the divergence `D` of `p(x / t)`, unscaled.
    ///
    /// # Panics
    ///
    /// Where [`try_with_temperature`](Self::try_with_temperature) returns an error, with its words.
    pub fn with_temperature(self, temperature: f64) -> Self {
        self.try_with_temperature(temperature)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`with_temperature`](Self::with_temperature).
    ///
    /// # Errors
    ///
    /// [`TsallisError::Temperature`] if `temperature` is not a positive normal number of `f32`, which logits of
    /// every dtype but `f64` are divided in.
    pub fn try_with_temperature(mut self, temperature: f64) -> Result<Self, TsallisError> {
        let range = f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX);
        if range.contains(&temperature) {
            self.temperature = temperature;
            Ok(self)
        } else {
            Err(TsallisError::Temperature(temperature))
        }
    }

    /// With this answer of a row that has no allowed entry.
    pub fn with_empty_row(mut self, empty_row: EmptyRow) -> Self {
        self.empty_row = empty_row;
        self
    }

    /// With this solver.
    pub fn with_solver(mut self, solver: Solver) -> Self {
        self.solver = solver;
        self
    }

    /// The order.
    pub fn alpha(&self) -> &Alpha<D> {
        &self.alpha
    }

    /// The reference measure.
    pub fn reference(&self) -> &Reference<D> {
        &self.reference
    }

    /// The entries that may have probability, if not all.
    pub fn allowed(&self) -> Option<&Tensor<D, Bool>> {
        self.allowed.as_ref()
    }

    /// The temperature.
    pub fn temperature(&self) -> f64 {
        self.temperature
    }

    /// The answer of a row that has no allowed entry.
    pub fn empty_row(&self) -> EmptyRow {
        self.empty_row
    }

    /// The solver.
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
    /// [`TsallisOptions::new`], and its panic.
    fn from(alpha: f64) -> Self {
        Self::new(alpha)
    }
}

impl<const D: usize> From<Tensor<D>> for TsallisOptions<D> {
    /// [`TsallisOptions::new`] of an order for each row.
    fn from(alpha: Tensor<D>) -> Self {
        Self::new(alpha)
    }
}

impl<const D: usize> From<Alpha<D>> for TsallisOptions<D> {
    /// [`TsallisOptions::new`], and its panic.
    fn from(alpha: Alpha<D>) -> Self {
        Self::new(alpha)
    }
}

impl<const D: usize> From<&TsallisOptions<D>> for TsallisOptions<D> {
    /// A clone, which copies no tensor.
    fn from(options: &TsallisOptions<D>) -> Self {
        options.clone()
    }
}
