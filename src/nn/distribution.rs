use crate::op::arithmetic_dtype;
use crate::op::deformed::expm1_ratio;
use crate::{
    Alpha, TsallisOptions, tsallis_divergence, tsallis_log_softargmax, tsallis_softargmax,
};
use burn::Tensor;
use burn::tensor::{Bool, Distribution, Int};

/// Categorical distributions whose probabilities are a Tsallis softargmax of logits along the last
/// dimension, one for each row:
///
/// `p_i = q_i [1 + (alpha - 1)(x_i / t - mu)]_+^(1 / (alpha - 1))`, `mu` such that `sum_i p_i = 1`.
///
/// Order, reference, allowed entries and temperature are those of the [`TsallisOptions`] that it is made
/// with. As for the functions of the operator the reference is uniform unless it is given. Source: arXiv
/// 2601.12604.
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
/// // Logits that `FenchelYoungLossConfig::new(1.5)` trained have the reference of that loss, which is `ones`:
/// // at another one they are other distributions.
/// let options = TsallisOptions::new(1.5).with_reference(Reference::Ones);
/// let classes = TsallisCategorical::new(policy.logits(), options);
/// assert_eq!(classes.support_size().into_data().iter::<i64>().collect::<Vec<_>>(), [2, 1]);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TsallisCategorical<const D: usize> {
    logits: Tensor<D>,
    options: TsallisOptions<D>,
    /// In the dtype that the logits are computed in.
    log_probs: Tensor<D>,
}

impl<const D: usize> TsallisCategorical<D> {
    /// The distributions of these logits.
    ///
    /// # Shapes
    /// - logits: `[.., categories]`
    ///
    /// # Panics
    /// If the shape of an order, a reference or a mask does not fit the logits, or if a number given as
    /// `options` is not an order.
    pub fn new(logits: Tensor<D>, options: impl Into<TsallisOptions<D>>) -> Self {
        let options = options.into();
        let dtype = arithmetic_dtype(logits.dtype());
        let log_probs = tsallis_log_softargmax(logits.clone().cast(dtype), &options, -1);
        Self {
            logits,
            options,
            log_probs,
        }
    }

    /// What the probabilities are the softargmax of, `[.., categories]`.
    pub fn logits(&self) -> Tensor<D> {
        self.logits.clone()
    }

    /// What they are computed with.
    pub fn options(&self) -> &TsallisOptions<D> {
        &self.options
    }

    /// The probabilities, `[.., categories]`.
    pub fn probs(&self) -> Tensor<D> {
        tsallis_softargmax(self.logits.clone(), &self.options, -1)
    }

    /// Their logarithms, `[.., categories]`: `-inf` off the support.
    pub fn log_probs(&self) -> Tensor<D> {
        self.stored(self.log_probs.clone())
    }

    /// The logarithm of the probability of each of `n` categories in every row.
    ///
    /// # Shapes
    /// - categories: `[.., n]`, as [`sample`](Self::sample) and [`mode`](Self::mode) return them
    /// - output: `[.., n]`
    pub fn log_prob(&self, categories: Tensor<D, Int>) -> Tensor<D> {
        self.stored(self.log_probs.clone().gather(D - 1, categories))
    }

    /// Draws `n` categories from every row, on the device, with Burn's own generator: after
    /// `device.seed(..)` the draws are the same. Nothing off the support is ever drawn, and a probability
    /// counts down to about 1e-7. A row that is empty or `NaN` gives a category without meaning. A
    /// constant to autodiff.
    ///
    /// # Shapes
    /// - output: `[.., n]`
    ///
    /// # Panics
    /// If `n` is zero.
    pub fn sample(&self, n: usize) -> Tensor<D, Int> {
        assert!(n > 0, "at least one sample must be drawn");
        let log_probs = self.log_probs.clone().detach();
        // The largest of the logarithms, each plus a Gumbel variate: unlike the inverse of a cumulative sum
        // it cannot round its way to a category of probability zero.
        let draws = (0..n).map(|_| {
            let uniform = log_probs
                .random_like(Distribution::Uniform(0.0, 1.0))
                .clamp(f32::MIN_POSITIVE, 1.0 - f32::EPSILON / 2.0);
            let gumbel = uniform.log().neg().log().neg();
            (log_probs.clone() + gumbel).argmax(D - 1)
        });
        Tensor::cat(draws.collect(), D - 1)
    }

    /// The most probable category of each row, `[.., 1]`; the first of several.
    pub fn mode(&self) -> Tensor<D, Int> {
        self.log_probs.clone().argmax(D - 1)
    }

    /// The Shannon entropy of each row, `-sum_i p_i ln p_i`: `[.., 1]`.
    pub fn entropy(&self) -> Tensor<D> {
        let (p, log_p) = self.on_support();
        self.stored((p * log_p).sum_dim(D - 1).neg())
    }

    /// The Tsallis entropy of each row, of the order of its distribution: `[.., 1]`,
    ///
    /// `S = (1 - sum_i p_i^alpha) / (alpha - 1)` over the support,
    ///
    /// Shannon's at `alpha = 1`.
    pub fn tsallis_entropy(&self) -> Tensor<D> {
        let (p, log_p) = self.on_support();
        // p (p^(alpha - 1) - 1) / (alpha - 1), without its limit at alpha = 1.
        let z = match self.options.alpha() {
            Alpha::Number(alpha) => log_p.clone() * (alpha - 1.0),
            Alpha::Tensor(alpha) => log_p.clone() * (alpha.clone().cast(log_p.dtype()) - 1.0),
        };
        self.stored((p * log_p * expm1_ratio(z)).sum_dim(D - 1).neg())
    }

    /// The divergence of each row from its reference, `D_f(p || q)`: `[.., 1]`. See
    /// [`tsallis_divergence`].
    pub fn divergence(&self) -> Tensor<D> {
        tsallis_divergence(self.logits.clone(), &self.options, -1)
    }

    /// The Kullback-Leibler divergence of each row from that of another, `sum_i p_i ln(p_i / p'_i)`:
    /// `[.., 1]`. Infinite where the other's support lacks a category of this one.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn kl_divergence(&self, other: &Self) -> Tensor<D> {
        assert_eq!(
            self.log_probs.dims(),
            other.log_probs.dims(),
            "the distributions must have one shape"
        );
        let off = self.off_support();
        let missing = other.off_support().bool_and(off.clone().bool_not());
        let (p, log_p) = self.on_support();
        // Where either is -inf the difference would be no number, nor would its gradient.
        let either_off_support = off.bool_or(other.off_support());
        let log_other = other.log_probs.clone().mask_fill(either_off_support, 0.0);
        let terms = (p * (log_p - log_other)).mask_fill(missing, f64::INFINITY);
        self.stored(terms.sum_dim(D - 1))
    }

    /// Which categories have a probability above zero, `[.., categories]`. One that underflows counts.
    pub fn support(&self) -> Tensor<D, Bool> {
        self.log_probs.clone().greater_scalar(f32::NEG_INFINITY)
    }

    /// How many they are in each row, `[.., 1]`.
    pub fn support_size(&self) -> Tensor<D, Int> {
        self.support().int().sum_dim(D - 1)
    }

    fn off_support(&self) -> Tensor<D, Bool> {
        self.log_probs.clone().equal_scalar(f32::NEG_INFINITY)
    }

    /// In the dtype of the logits.
    fn stored(&self, tensor: Tensor<D>) -> Tensor<D> {
        tensor.cast(self.logits.dtype())
    }

    /// Probabilities and their logarithms, both zero off the support, in the dtype that is computed in.
    fn on_support(&self) -> (Tensor<D>, Tensor<D>) {
        let log_p = self.log_probs.clone().mask_fill(self.off_support(), 0.0);
        let logits = self.logits.clone().cast(log_p.dtype());
        (tsallis_softargmax(logits, &self.options, -1), log_p)
    }
}
