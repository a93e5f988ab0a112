use crate::op::computed_dtype;
use crate::op::deformed::expm1_ratio;
use crate::{
    Alpha, TsallisOptions, tsallis_divergence, tsallis_log_softargmax, tsallis_softargmax,
};
use burn::Tensor;
use burn::tensor::{Bool, Distribution, Int};

/// Categorical distributions whose probabilities are the Tsallis softargmax of logits along the last dimension, one
/// distribution for each row:
///
/// `p_i = q_i [1 + (alpha - 1)(x_i / t - mu)]_+^(1 / (alpha - 1))`, `mu` such that `sum_i p_i = 1`.
///
/// The [`TsallisOptions`] set alpha, the reference measure `q`, the allowed entries and the temperature `t`. The
/// reference is uniform by default, as for the functions of the operator. Source: arXiv 2601.12604.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::nn::TsallisCategorical;
/// use burn_tsallis::{Reference, TsallisOptions};
///
/// let device = Device::flex();
/// let logits = Tensor::<2>::from_data([[2.0, 1.0, 0.1], [0.0, f32::NEG_INFINITY, 3.0]], &device);
/// let policy = TsallisCategorical::new(logits, 0.5);
///
/// device.seed(7);
/// let actions = policy.sample(100);
/// assert_eq!(actions.dims(), [2, 100]);
/// assert_eq!(policy.log_prob(actions).dims(), [2, 100]);
/// assert_eq!(policy.mode().into_data().iter::<i64>().collect::<Vec<_>>(), [0, 2]);
///
/// // `FenchelYoungLossConfig::new(1.5)` trains with the reference `Ones`. Its logits need the same reference here;
/// // another reference gives other distributions.
/// let options = TsallisOptions::new(1.5).with_reference(Reference::Ones);
/// let classes = TsallisCategorical::new(policy.logits(), options);
/// assert_eq!(classes.support_size().into_data().iter::<i64>().collect::<Vec<_>>(), [2, 1]);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TsallisCategorical<const D: usize> {
    logits: Tensor<D>,
    options: TsallisOptions<D>,
    /// Stored in the dtype of the computation, which may be wider than that of the logits.
    log_probs: Tensor<D>,
}

impl<const D: usize> TsallisCategorical<D> {
    /// Creates the distributions of the given logits.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::TsallisCategorical;
    ///
    /// // Two distributions over three categories, with alpha = 0.5.
    /// let policy = TsallisCategorical::new(Tensor::<2>::zeros([2, 3], &Device::flex()), 0.5);
    /// assert_eq!(policy.probs().dims(), [2, 3]);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - logits: `[.., categories]`
    ///
    /// # Panics
    /// If the shape of an alpha tensor, a reference or a mask does not fit the logits, or if a number passed as
    /// `options` is not a valid alpha, which is from -50 to 50.
    pub fn new(logits: Tensor<D>, options: impl Into<TsallisOptions<D>>) -> Self {
        let options = options.into();
        let dtype = computed_dtype(&logits.device(), logits.dtype());
        let log_probs = tsallis_log_softargmax(logits.clone().cast(dtype), &options, -1);
        Self {
            logits,
            options,
            log_probs,
        }
    }

    /// Returns the logits, `[.., categories]`.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::TsallisCategorical;
    ///
    /// let logits = Tensor::<1>::from_data([2.0, 1.0, 0.1], &Device::flex());
    /// let policy = TsallisCategorical::new(logits.clone(), 0.5);
    /// assert_eq!(policy.logits().into_data(), logits.into_data());
    /// # }
    /// ```
    pub fn logits(&self) -> Tensor<D> {
        self.logits.clone()
    }

    /// Returns the options of the softargmax.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::TsallisOptions;
    /// use burn_tsallis::nn::TsallisCategorical;
    ///
    /// let options = TsallisOptions::new(0.5).with_temperature(2.0);
    /// let policy = TsallisCategorical::new(Tensor::<1>::zeros([3], &Device::flex()), options);
    /// assert_eq!(policy.options().temperature(), 2.0);
    /// # }
    /// ```
    pub fn options(&self) -> &TsallisOptions<D> {
        &self.options
    }

    /// Returns the probabilities, `[.., categories]`.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::TsallisCategorical;
    ///
    /// let policy = TsallisCategorical::new(Tensor::<1>::zeros([4], &Device::flex()), 0.5);
    /// for p in policy.probs().into_data().iter::<f32>() {
    ///     assert!((p - 0.25).abs() < 1e-6);
    /// }
    /// # }
    /// ```
    pub fn probs(&self) -> Tensor<D> {
        tsallis_softargmax(self.logits.clone(), &self.options, -1)
    }

    /// Returns the logarithms of the probabilities, `[.., categories]`: `-inf` off the support.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::TsallisCategorical;
    ///
    /// let logits = Tensor::<1>::from_data([0.0, f32::NEG_INFINITY], &Device::flex());
    /// let log_p = TsallisCategorical::new(logits, 0.5).log_probs().into_data();
    /// assert_eq!(log_p.as_slice::<f32>().unwrap()[1], f32::NEG_INFINITY);
    /// # }
    /// ```
    pub fn log_probs(&self) -> Tensor<D> {
        self.stored(self.log_probs.clone())
    }

    /// Returns the log-probabilities of `n` categories in each row.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Int, Tensor};
    /// use burn_tsallis::nn::TsallisCategorical;
    ///
    /// let device = Device::flex();
    /// let policy = TsallisCategorical::new(Tensor::<1>::zeros([2], &device), 1.0);
    /// let category = Tensor::<1, Int>::from_data([1], &device);
    /// let log_p = policy.log_prob(category).into_scalar::<f32>();
    /// assert!((log_p - 0.5_f32.ln()).abs() < 1e-6);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - categories: `[.., n]`, as returned by [`sample`](Self::sample) and [`mode`](Self::mode)
    /// - output: `[.., n]`
    pub fn log_prob(&self, categories: Tensor<D, Int>) -> Tensor<D> {
        self.stored(self.log_probs.clone().gather(D - 1, categories))
    }

    /// Draws `n` categories from each row.
    ///
    /// It draws on the device with Burn's generator, so `device.seed(..)` makes the draws reproducible. It never draws
    /// a category off the support. It resolves probabilities down to about 1e-7. The category drawn from an empty row
    /// or a `NaN` row is unspecified. The draws are constants to autodiff.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::TsallisCategorical;
    ///
    /// let device = Device::flex();
    /// let logits = Tensor::<1>::from_data([0.0, f32::NEG_INFINITY, 1.0], &device);
    /// device.seed(7);
    /// let draws = TsallisCategorical::new(logits, 0.5).sample(100);
    /// assert_eq!(draws.dims(), [100]);
    /// assert!(draws.into_data().iter::<i64>().all(|category| category != 1));
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - output: `[.., n]`
    ///
    /// # Panics
    /// If `n` is zero.
    pub fn sample(&self, n: usize) -> Tensor<D, Int> {
        assert!(n > 0, "n is 0: at least one sample must be drawn");
        let log_probs = self.log_probs.clone().detach();
        // Gumbel-max sampling. Unlike the inverse of a cumulative sum, rounding cannot make it return a category of
        // probability zero.
        let draws = (0..n).map(|_| {
            let uniform = log_probs
                .random_like(Distribution::Uniform(0.0, 1.0))
                .clamp(f32::MIN_POSITIVE, 1.0 - f32::EPSILON / 2.0);
            let gumbel = uniform.log().neg().log().neg();
            (log_probs.clone() + gumbel).argmax(D - 1)
        });
        Tensor::cat(draws.collect(), D - 1)
    }

    /// Returns the most probable category of each row, `[.., 1]`. A tie returns the first one.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::TsallisCategorical;
    ///
    /// let logits = Tensor::<2>::from_data([[2.0, 1.0], [0.0, 3.0]], &Device::flex());
    /// let mode = TsallisCategorical::new(logits, 0.5).mode();
    /// assert_eq!(mode.into_data().iter::<i64>().collect::<Vec<_>>(), [0, 1]);
    /// # }
    /// ```
    pub fn mode(&self) -> Tensor<D, Int> {
        self.log_probs.clone().argmax(D - 1)
    }

    /// Computes the Shannon entropy of each row, `-sum_i p_i ln p_i`, in nats: `[.., 1]`.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::TsallisCategorical;
    ///
    /// let policy = TsallisCategorical::new(Tensor::<1>::zeros([4], &Device::flex()), 0.5);
    /// let entropy = policy.entropy().into_scalar::<f32>();
    /// assert!((entropy - 4.0_f32.ln()).abs() < 1e-5);
    /// # }
    /// ```
    pub fn entropy(&self) -> Tensor<D> {
        let (p, log_p) = self.on_support();
        self.stored((p * log_p).sum_dim(D - 1).neg())
    }

    /// Computes the Tsallis entropy of each row with the alpha of its distribution: `[.., 1]`,
    ///
    /// `S = (1 - sum_i p_i^alpha) / (alpha - 1)` over the support,
    ///
    /// which is the Shannon entropy at `alpha = 1`.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::TsallisCategorical;
    ///
    /// // Uniform over four categories, alpha = 2: 1 - 4 / 16.
    /// let policy = TsallisCategorical::new(Tensor::<1>::zeros([4], &Device::flex()), 2.0);
    /// let entropy = policy.tsallis_entropy().into_scalar::<f32>();
    /// assert!((entropy - 0.75).abs() < 1e-5);
    /// # }
    /// ```
    pub fn tsallis_entropy(&self) -> Tensor<D> {
        let (p, log_p) = self.on_support();
        // p (p^(alpha - 1) - 1) / (alpha - 1), written so that it is continuous at alpha = 1.
        let z = match self.options.alpha() {
            Alpha::Number(alpha) => log_p.clone() * (alpha - 1.0),
            Alpha::Tensor(alpha) => log_p.clone() * (alpha.clone().cast(log_p.dtype()) - 1.0),
        };
        self.stored((p * log_p * expm1_ratio(z)).sum_dim(D - 1).neg())
    }

    /// Computes the Tsallis divergence of each row from its reference, `D_f(p || q)`: `[.., 1]`. See
    /// [`tsallis_divergence`] for the formula.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::TsallisCategorical;
    ///
    /// // Equal logits give the uniform reference itself.
    /// let policy = TsallisCategorical::new(Tensor::<1>::zeros([4], &Device::flex()), 0.5);
    /// assert!(policy.divergence().into_scalar::<f32>().abs() < 1e-6);
    /// # }
    /// ```
    pub fn divergence(&self) -> Tensor<D> {
        tsallis_divergence(self.logits.clone(), &self.options, -1)
    }

    /// Computes the Kullback-Leibler divergence of each row from the same row of another distribution,
    /// `sum_i p_i ln(p_i / p'_i)`, in nats: `[.., 1]`.
    ///
    /// It is infinite if the support of this row contains a category off the support of the other.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::TsallisCategorical;
    ///
    /// let device = Device::flex();
    /// let even = TsallisCategorical::new(Tensor::<1>::zeros([2], &device), 1.0);
    /// let odd = Tensor::<1>::from_data([3.0_f32.ln(), 0.0], &device);
    /// let odd = TsallisCategorical::new(odd, 1.0); // 3/4 and 1/4
    /// let kl = even.kl_divergence(&odd).into_scalar::<f32>();
    /// assert!((kl - 0.5 * (4.0_f32 / 3.0).ln()).abs() < 1e-5);
    /// # }
    /// ```
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn kl_divergence(&self, other: &Self) -> Tensor<D> {
        assert_eq!(
            self.log_probs.dims(),
            other.log_probs.dims(),
            "the distributions must have the same shape"
        );
        let off = self.off_support();
        let missing = other.off_support().bool_and(off.clone().bool_not());
        let (p, log_p) = self.on_support();
        // If either is -inf, the difference and its gradient would be NaN.
        let either_off_support = off.bool_or(other.off_support());
        let log_other = other.log_probs.clone().mask_fill(either_off_support, 0.0);
        let terms = (p * (log_p - log_other)).mask_fill(missing, f64::INFINITY);
        self.stored(terms.sum_dim(D - 1))
    }

    /// Returns which categories have a probability above zero, `[.., categories]`. A positive probability that
    /// underflows to zero counts as part of the support.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::TsallisCategorical;
    ///
    /// let logits = Tensor::<1>::from_data([0.0, f32::NEG_INFINITY, 1.0], &Device::flex());
    /// let support = TsallisCategorical::new(logits, 0.5).support();
    /// assert_eq!(support.into_data().iter::<bool>().collect::<Vec<_>>(), [true, false, true]);
    /// # }
    /// ```
    pub fn support(&self) -> Tensor<D, Bool> {
        self.log_probs.clone().greater_scalar(f32::NEG_INFINITY)
    }

    /// Returns the number of categories with a probability above zero in each row, `[.., 1]`.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::TsallisCategorical;
    ///
    /// let logits = Tensor::<1>::from_data([0.0, f32::NEG_INFINITY, 1.0], &Device::flex());
    /// let size = TsallisCategorical::new(logits, 0.5).support_size();
    /// assert_eq!(size.into_data().iter::<i64>().collect::<Vec<_>>(), [2]);
    /// # }
    /// ```
    pub fn support_size(&self) -> Tensor<D, Int> {
        self.support().int().sum_dim(D - 1)
    }

    fn off_support(&self) -> Tensor<D, Bool> {
        self.log_probs.clone().equal_scalar(f32::NEG_INFINITY)
    }

    /// Casts to the dtype of the logits.
    fn stored(&self, tensor: Tensor<D>) -> Tensor<D> {
        tensor.cast(self.logits.dtype())
    }

    /// Returns the probabilities and their logarithms, both zero off the support, in the dtype of the computation.
    fn on_support(&self) -> (Tensor<D>, Tensor<D>) {
        let log_p = self.log_probs.clone().mask_fill(self.off_support(), 0.0);
        let logits = self.logits.clone().cast(log_p.dtype());
        (tsallis_softargmax(logits, &self.options, -1), log_p)
    }
}
