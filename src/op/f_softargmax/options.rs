use crate::math::EmptyRow;
use crate::op::{Reference, TsallisError, TsallisOptions};
use burn::Tensor;
use burn::tensor::Bool;
use serde::{Deserialize, Serialize};

/// An f-divergence `D_f(p || q) = sum_i q_i f(p_i / q_i)`. Every generator `f` has `f(1) = f'(1) = 0`.
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
/// The generators have the same names in [`crate::math`].
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor, TensorData, Tolerance};
/// use burn_tsallis::{FDivergence, f_softargmax};
///
/// let x = Tensor::<1>::from_data([2.0, 1.0, 0.1], &Device::flex());
/// let softmax = f_softargmax(x, FDivergence::KullbackLeibler, 0);
/// let expected = TensorData::from([0.6590, 0.2424, 0.0986]);
/// softmax.into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-4));
/// # }
/// ```
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

/// The options of [`f_softargmax`](crate::f_softargmax), for logits of rank `D`.
///
/// A divergence converts into options with that divergence and the default of every other option.
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
    /// The other options. Alpha is not used.
    pub(super) tsallis: TsallisOptions<D>,
}

impl<const D: usize> FSoftargmaxOptions<D> {
    /// Creates options with this divergence, the uniform reference, every entry allowed, temperature 1, and `NaN` as
    /// the result for an empty row.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_tsallis::{FDivergence, FSoftargmaxOptions};
    ///
    /// let options = FSoftargmaxOptions::<2>::new(FDivergence::Hellinger);
    /// assert_eq!(options.divergence(), FDivergence::Hellinger);
    /// ```
    pub fn new(divergence: FDivergence) -> Self {
        Self {
            divergence,
            tsallis: TsallisOptions::new(1.0),
        }
    }

    /// Sets the reference measure.
    ///
    /// # Panics
    ///
    /// If a number of [`Reference::Values`] is negative or not finite.
    ///
    /// # Example
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor, TensorData, Tolerance};
    /// use burn_tsallis::{FDivergence, FSoftargmaxOptions, Reference, f_softargmax};
    ///
    /// // With equal logits the probabilities are proportional to the reference.
    /// let x = Tensor::<1>::zeros([3], &Device::flex());
    /// let prior = Reference::Values(vec![0.5, 0.25, 0.25]);
    /// let options = FSoftargmaxOptions::new(FDivergence::JensenShannon).with_reference(prior);
    /// let p = f_softargmax(x, options, 0);
    /// let expected = TensorData::from([0.5, 0.25, 0.25]);
    /// p.into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-4));
    /// # }
    /// ```
    pub fn with_reference(mut self, reference: Reference<D>) -> Self {
        self.tsallis = self.tsallis.with_reference(reference);
        self
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
    /// use burn_tsallis::{FDivergence, FSoftargmaxOptions, Reference, TsallisError};
    ///
    /// let options = FSoftargmaxOptions::<2>::new(FDivergence::LeCam);
    /// let error = options.try_with_reference(Reference::Values(vec![0.5, -0.5])).unwrap_err();
    /// assert_eq!(error, TsallisError::Reference { index: 1, value: -0.5 });
    /// ```
    pub fn try_with_reference(mut self, reference: Reference<D>) -> Result<Self, TsallisError> {
        self.tsallis = self.tsallis.try_with_reference(reference)?;
        Ok(self)
    }

    /// Sets the mask of allowed entries, which broadcasts to the logits. `true` is allowed.
    ///
    /// # Example
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Bool, Device, Tensor, TensorData, Tolerance};
    /// use burn_tsallis::{FDivergence, FSoftargmaxOptions, f_softargmax};
    ///
    /// let device = Device::flex();
    /// let x = Tensor::<1>::from_data([2.0, 1.0, 0.1], &device);
    /// let allowed = Tensor::<1, Bool>::from_data([true, true, false], &device);
    /// let options = FSoftargmaxOptions::new(FDivergence::KullbackLeibler).with_allowed(allowed);
    /// let p = f_softargmax(x, options, 0);
    /// let expected = TensorData::from([0.7311, 0.2689, 0.0]);
    /// p.into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-4));
    /// # }
    /// ```
    pub fn with_allowed(mut self, allowed: Tensor<D, Bool>) -> Self {
        self.tsallis = self.tsallis.with_allowed(allowed);
        self
    }

    /// Sets the temperature `t > 0`. The probabilities are `p(x / t)`.
    ///
    /// # Panics
    ///
    /// If `temperature` is not a positive normal number of `f32`.
    ///
    /// # Example
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor, TensorData, Tolerance};
    /// use burn_tsallis::{FDivergence, FSoftargmaxOptions, f_softargmax};
    ///
    /// let x = Tensor::<1>::from_data([4.0, 2.0, 0.2], &Device::flex());
    /// let options = FSoftargmaxOptions::new(FDivergence::KullbackLeibler).with_temperature(2.0);
    /// let p = f_softargmax(x, options, 0);
    /// let expected = TensorData::from([0.6590, 0.2424, 0.0986]);
    /// p.into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-4));
    /// # }
    /// ```
    pub fn with_temperature(mut self, temperature: f64) -> Self {
        self.tsallis = self.tsallis.with_temperature(temperature);
        self
    }

    /// Sets the temperature `t > 0`. The probabilities are `p(x / t)`.
    ///
    /// # Errors
    ///
    /// Returns [`TsallisError::Temperature`] if `temperature` is not a positive normal number of `f32`.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_tsallis::{FDivergence, FSoftargmaxOptions, TsallisError};
    ///
    /// let options = FSoftargmaxOptions::<2>::new(FDivergence::LeCam);
    /// let error = options.try_with_temperature(0.0).unwrap_err();
    /// assert_eq!(error, TsallisError::Temperature(0.0));
    /// ```
    pub fn try_with_temperature(mut self, temperature: f64) -> Result<Self, TsallisError> {
        self.tsallis = self.tsallis.try_with_temperature(temperature)?;
        Ok(self)
    }

    /// Sets the result for a row without an allowed entry.
    ///
    /// # Example
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::{EmptyRow, FDivergence, FSoftargmaxOptions, f_softargmax};
    ///
    /// let x = Tensor::<1>::full([3], f32::NEG_INFINITY, &Device::flex());
    /// let options = FSoftargmaxOptions::new(FDivergence::LeCam).with_empty_row(EmptyRow::Zero);
    /// assert_eq!(f_softargmax(x, options, 0).sum().into_scalar::<f32>(), 0.0);
    /// # }
    /// ```
    pub fn with_empty_row(mut self, empty_row: EmptyRow) -> Self {
        self.tsallis = self.tsallis.with_empty_row(empty_row);
        self
    }

    /// Returns the divergence.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_tsallis::{FDivergence, FSoftargmaxOptions};
    ///
    /// let options: FSoftargmaxOptions<2> = FDivergence::LeCam.into();
    /// assert_eq!(options.divergence(), FDivergence::LeCam);
    /// ```
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
    /// Clones the options. Copies no tensor.
    fn from(options: &FSoftargmaxOptions<D>) -> Self {
        options.clone()
    }
}
