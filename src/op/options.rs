use super::TsallisError;
use crate::math::Solver;
use burn::Tensor;

/// Largest absolute order that is accepted. The bounds of the tests are held to from -1 to 2. Above, the
/// probability of an entry close to the edge of the support is the `(alpha - 1)`-th root of a difference,
/// and in `f32` the one rounding of that difference counts the more, the larger the order is: over rows of
/// two entries, the worst error of a probability, and of the row's sum, is 1e-7 at 2, 2e-6 at 2.25, 2e-5 at
/// 2.5, 3e-4 at 3 and 6e-3 at 4. Use `f64` there.
pub const MAX_ALPHA: f64 = 50.0;

/// The reference measure `q` that probabilities are relative to. It need not sum to one.
// One value a call: a box would only be in the way of whoever writes it.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, Default)]
pub enum Reference {
    /// One over the number of allowed entries of the row. With `K` entries,
    /// `p = entmax_alpha(K^(1 - alpha) x)`: at `alpha != 1` the answer depends on `K`.
    #[default]
    Uniform,
    /// One for every entry: the convention of entmax, independent of the number of entries.
    Ones,
    /// One number for each entry of a row, shape `[K]`: positive, or zero where the entry is never
    /// allowed. A number that is negative or not finite gives `NaN` in the rows that it touches.
    Vector(Tensor<1>),
}

/// What the operator is computed with: order, reference and solver.
///
/// A number converts into the options of that order with every other value at its default, so that
/// `tsallis_softargmax(x, 0.5, -1)` is all that most callers write.
///
/// ```
/// use burn_tsallis::{Reference, Solver, TsallisOptions};
///
/// let options = TsallisOptions::new(1.5)
///     .with_reference(Reference::Ones)
///     .with_solver(Solver::Bisection);
/// assert_eq!(options.alpha(), 1.5);
///
/// let error = TsallisOptions::try_new(f64::NAN).unwrap_err();
/// assert_eq!(error.to_string(), "alpha is NaN: it must be a number from -50 to 50");
/// ```
#[derive(Clone, Debug)]
pub struct TsallisOptions {
    alpha: f64,
    reference: Reference,
    solver: Solver,
}

impl TsallisOptions {
    /// Options of order `alpha`, with the uniform reference and the Newton solver.
    ///
    /// # Panics
    ///
    /// Where [`try_new`](Self::try_new) returns an error, with its words.
    pub fn new(alpha: f64) -> Self {
        Self::try_new(alpha).unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// [`TsallisError::Alpha`] if `alpha` is not a number from `-50` to `50`.
    pub fn try_new(alpha: f64) -> Result<Self, TsallisError> {
        // A NaN fails the comparison too.
        if alpha.abs() <= MAX_ALPHA {
            Ok(Self {
                alpha,
                reference: Reference::default(),
                solver: Solver::default(),
            })
        } else {
            Err(TsallisError::Alpha(alpha))
        }
    }

    /// With this reference measure.
    pub fn with_reference(mut self, reference: Reference) -> Self {
        self.reference = reference;
        self
    }

    /// With this solver.
    pub fn with_solver(mut self, solver: Solver) -> Self {
        self.solver = solver;
        self
    }

    /// The order.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }

    /// The reference measure.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The solver.
    pub fn solver(&self) -> Solver {
        self.solver
    }
}

impl From<f64> for TsallisOptions {
    /// [`TsallisOptions::new`], and its panic.
    fn from(alpha: f64) -> Self {
        Self::new(alpha)
    }
}
