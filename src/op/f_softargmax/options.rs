use crate::math::EmptyRow;
use crate::op::{Reference, TsallisError, TsallisOptions};
use burn::Tensor;
use burn::tensor::Bool;
use serde::{Deserialize, Serialize};

/// An f-divergence `D_f(p || q) = sum_i q_i f(p_i / q_i)`; each generator has `f(1) = f'(1) = 0`.
///
/// | divergence | `f(u)` | softargmax |
/// |---|---|---|
/// | Kullback-Leibler | `u ln u - u + 1` | softmax |
/// | reverse Kullback-Leibler | `-ln u + u - 1` | heavy-tailed |
/// | squared Hellinger | `(sqrt(u) - 1)^2` | heavy-tailed |
/// | Jensen-Shannon, twice | `u ln u - (1 + u) ln((1 + u) / 2)` | exponential tail |
/// | Le Cam | `(u - 1)^2 / (u + 1)` | sparse |
/// | Pearson's chi-squared, half | `(u - 1)^2 / 2` | sparse |
/// | Neyman's chi-squared, half | `(u - 1)^2 / (2 u)` | heavy-tailed |
///
/// The generators are those of [`crate::math`], under the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FDivergence {
    /// [`crate::math::KullbackLeibler`]: the Tsallis family at `alpha = 1`.
    KullbackLeibler,
    /// [`crate::math::ReverseKullbackLeibler`]: the Tsallis family at `alpha = 0`.
    ReverseKullbackLeibler,
    /// [`crate::math::Hellinger`]: half of the Tsallis family at `alpha = 1/2`.
    Hellinger,
    /// [`crate::math::JensenShannon`].
    JensenShannon,
    /// [`crate::math::LeCam`].
    LeCam,
    /// [`crate::math::PearsonChiSquared`]: the Tsallis family at `alpha = 2`.
    PearsonChiSquared,
    /// [`crate::math::NeymanChiSquared`]: the Tsallis family at `alpha = -1`.
    NeymanChiSquared,
}

/// What [`f_softargmax`](crate::f_softargmax) is computed with, for logits of rank `D`: as
/// [`TsallisOptions`], with a divergence in the place of the order.
///
/// ```
/// use burn_tsallis::{FDivergence, FSoftargmaxOptions, Reference};
///
/// let options = FSoftargmaxOptions::<2>::new(FDivergence::LeCam)
///     .with_reference(Reference::Ones)
///     .with_temperature(0.5);
/// assert_eq!(options.divergence(), FDivergence::LeCam);
/// ```
#[derive(Clone, Debug)]
pub struct FSoftargmaxOptions<const D: usize> {
    pub(super) divergence: FDivergence,
    /// All else; its order is not read.
    pub(super) tsallis: TsallisOptions<D>,
}

impl<const D: usize> FSoftargmaxOptions<D> {
    /// Options of this divergence, with every other value at its default: the uniform reference, every
    /// entry allowed, temperature 1, and `NaN` in an empty row.
    pub fn new(divergence: FDivergence) -> Self {
        Self {
            divergence,
            tsallis: TsallisOptions::new(1.0),
        }
    }

    /// As [`TsallisOptions::with_reference`].
    ///
    /// # Panics
    ///
    /// As there.
    pub fn with_reference(mut self, reference: Reference<D>) -> Self {
        self.tsallis = self.tsallis.with_reference(reference);
        self
    }

    /// As [`TsallisOptions::try_with_reference`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn try_with_reference(mut self, reference: Reference<D>) -> Result<Self, TsallisError> {
        self.tsallis = self.tsallis.try_with_reference(reference)?;
        Ok(self)
    }

    /// As [`TsallisOptions::with_allowed`].
    pub fn with_allowed(mut self, allowed: Tensor<D, Bool>) -> Self {
        self.tsallis = self.tsallis.with_allowed(allowed);
        self
    }

    /// As [`TsallisOptions::with_temperature`].
    ///
    /// # Panics
    ///
    /// As there.
    pub fn with_temperature(mut self, temperature: f64) -> Self {
        self.tsallis = self.tsallis.with_temperature(temperature);
        self
    }

    /// As [`TsallisOptions::try_with_temperature`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn try_with_temperature(mut self, temperature: f64) -> Result<Self, TsallisError> {
        self.tsallis = self.tsallis.try_with_temperature(temperature)?;
        Ok(self)
    }

    /// As [`TsallisOptions::with_empty_row`].
    pub fn with_empty_row(mut self, empty_row: EmptyRow) -> Self {
        self.tsallis = self.tsallis.with_empty_row(empty_row);
        self
    }

    /// The divergence.
    pub fn divergence(&self) -> FDivergence {
        self.divergence
    }
}

impl<const D: usize> From<FDivergence> for FSoftargmaxOptions<D> {
    fn from(divergence: FDivergence) -> Self {
        Self::new(divergence)
    }
}

impl<const D: usize> From<&FSoftargmaxOptions<D>> for FSoftargmaxOptions<D> {
    /// A clone, which copies no tensor.
    fn from(options: &FSoftargmaxOptions<D>) -> Self {
        options.clone()
    }
}
