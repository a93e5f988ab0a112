use super::network::forward;
use super::orthogonal::{Initializer, linear};
use crate::experiment::Stream;
use crate::rl::env::ActionSpace;
use crate::rl::transfer::mask;
use crate::{
    TsallisOptions, tsallis_divergence, tsallis_divergence_from_probabilities,
    tsallis_log_softargmax, tsallis_softargmax,
};
#[cfg(any(feature = "flex", feature = "ndarray"))]
use crate::{
    math::{EmptyRow, Output, Solver},
    op::RowParameters,
};
use burn::Tensor;
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Bool, Device, Int, TensorData};
use std::convert::Infallible;

/// A policy over finitely many actions: a linear layer whose outputs are the logits of a Tsallis softargmax
/// with the uniform reference.
///
/// A space of several dimensions has a distribution for each, and an action draws from each independently. The logits
/// of a state are then `[dimensions, K]`, one dimension after another ([`ActionSpace`]); below, `logits` stands for
/// [`ActionSpace::logits`], which is the number of actions if there is one dimension. The padding of a ragged space has
/// probability zero.
///
/// An `allowed` mask has the shape of the logits and is true for allowed actions. The other actions have
/// probability zero, and the policy is computed over the allowed actions alone.
#[derive(Module, Debug)]
pub struct TsallisPolicyHead {
    linear: Linear,
    #[module(skip)]
    actions: ActionSpace,
    #[module(skip)]
    alpha: f64,
}

impl TsallisPolicyHead {
    /// Creates a head with orthogonal weights of gain 0.01, so that the initial policy is close to uniform.
    /// An invalid `alpha` is not detected here: the first use of the head then panics (see
    /// [`TsallisOptions::new`]).
    pub fn new(
        features: usize,
        actions: impl Into<ActionSpace>,
        alpha: f64,
        device: &Device,
        weights: &mut Stream,
    ) -> Self {
        let mut initializer = Initializer::Orthogonal {
            weights,
            check: &|| Ok::<_, Infallible>(()),
        };
        let Ok(head) = Self::initialized(features, actions.into(), alpha, device, &mut initializer);
        head
    }

    /// Creates a head with the weights of `initializer`, whose error ends the initialization.
    pub(super) fn initialized<E>(
        features: usize,
        actions: ActionSpace,
        alpha: f64,
        device: &Device,
        initializer: &mut Initializer<'_, E>,
    ) -> Result<Self, E> {
        Ok(Self {
            linear: linear(features, actions.logits(), 0.01, device, initializer)?,
            actions,
            alpha,
        })
    }

    /// Sets the biases of the logits. An empty slice leaves them.
    pub(super) fn with_bias(mut self, bias: &[f64]) -> Self {
        if !bias.is_empty() {
            let logits = self.actions.logits();
            assert_eq!(
                bias.len(),
                logits,
                "a policy head has a bias for each logit"
            );
            let device = self.linear.weight.val().device();
            let bias = bias.iter().map(|&bias| bias as f32).collect();
            let bias = Tensor::from_data(TensorData::new(bias, [logits]), &device);
            self.linear.bias = Some(Param::from_tensor(bias));
        }
        self
    }

    /// Returns the actions.
    pub fn action_space(&self) -> &ActionSpace {
        &self.actions
    }

    /// Returns the alpha of the policy.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }

    /// Returns the layer that computes the logits.
    pub(super) fn linear(&self) -> &Linear {
        &self.linear
    }

    /// Returns the parameters of the policy for rows of logits on the host.
    #[cfg(any(feature = "flex", feature = "ndarray"))]
    pub(in crate::rl) fn row_parameters(&self, output: Output) -> RowParameters {
        RowParameters {
            alpha: self.alpha,
            solver: Solver::Newton,
            empty_row: EmptyRow::NaN,
            output,
        }
    }

    /// Computes the logits from features.
    ///
    /// # Shapes
    /// - features: `[batch, features]`
    /// - output: `[batch, logits]`
    pub fn logits(&self, features: Tensor<2>) -> Tensor<2> {
        forward(&self.linear, features, None)
    }

    /// Computes the probabilities from logits, both `[batch, logits]`.
    pub fn probabilities(&self, logits: Tensor<2>, allowed: Option<Tensor<2, Bool>>) -> Tensor<2> {
        let (rows, allowed) = self.rows(logits, allowed);
        self.flat(tsallis_softargmax(rows, options(self.alpha, allowed), 1))
    }

    /// Computes the log-probabilities from logits, both `[batch, logits]`. They are `-inf` outside the
    /// support.
    pub fn log_probabilities(
        &self,
        logits: Tensor<2>,
        allowed: Option<Tensor<2, Bool>>,
    ) -> Tensor<2> {
        let (rows, allowed) = self.rows(logits, allowed);
        self.flat(tsallis_log_softargmax(
            rows,
            options(self.alpha, allowed),
            1,
        ))
    }

    /// Computes the divergence `D_i`, with the given `alpha`, of each dimension of the policy from the uniform
    /// distribution over the allowed actions: `[batch, logits]` to `[batch, dimensions]`.
    pub fn divergences(
        &self,
        logits: Tensor<2>,
        alpha: f64,
        allowed: Option<Tensor<2, Bool>>,
    ) -> Tensor<2> {
        let (rows, allowed) = self.rows(logits, allowed);
        self.flat(if alpha == self.alpha {
            tsallis_divergence(rows, options(alpha, allowed), 1)
        } else {
            let own = options(self.alpha, allowed.clone());
            let probabilities = tsallis_softargmax(rows, own, 1);
            tsallis_divergence_from_probabilities(probabilities, options(alpha, allowed), 1)
        })
    }

    /// Computes the sum of the [divergences](Self::divergences) of the dimensions: `[batch, logits]` to `[batch, 1]`.
    /// With it as the regularizer, the policy maximizes `sum_i <p_i, x_i> - D_i(p_i)`.
    pub fn divergence(
        &self,
        logits: Tensor<2>,
        alpha: f64,
        allowed: Option<Tensor<2, Bool>>,
    ) -> Tensor<2> {
        self.joint(self.divergences(logits, alpha, allowed))
    }

    /// Draws an action for each row by the exponential race: the action with the smallest `noise / p`, which
    /// is action `i` with probability `p_i`.
    ///
    /// # Arguments
    /// - probabilities: `[batch, logits]`
    /// - exponential_noise: independent draws from the unit exponential distribution, of the same shape.
    ///
    /// # Returns
    /// The actions, `[batch, dimensions]`. An action of probability zero is never drawn.
    pub fn sample(&self, probabilities: Tensor<2>, exponential_noise: Tensor<2>) -> Tensor<2, Int> {
        self.mode(probabilities / exponential_noise)
    }

    /// Returns the most probable action of each row, `[batch, logits]` to `[batch, dimensions]`.
    pub fn mode(&self, probabilities: Tensor<2>) -> Tensor<2, Int> {
        match self.actions.dimensions() {
            1 => probabilities.argmax(1),
            dimensions => {
                let rows = self.split(probabilities);
                rows.argmax(1).reshape([-1, dimensions as i32])
            }
        }
    }

    /// Sums over the dimensions, `[batch, dimensions]` to `[batch, 1]`.
    pub(in crate::rl) fn joint(&self, x: Tensor<2>) -> Tensor<2> {
        match self.actions.dimensions() {
            1 => x,
            _ => x.sum_dim(1),
        }
    }

    /// Returns the rows that the operator takes, `[batch * dimensions, K]`, and their mask. It forbids the padding.
    pub(in crate::rl) fn rows(
        &self,
        logits: Tensor<2>,
        allowed: Option<Tensor<2, Bool>>,
    ) -> (Tensor<2>, Option<Tensor<2, Bool>>) {
        if self.actions.dimensions() == 1 {
            return (logits, allowed);
        }
        let batch = logits.dims()[0];
        let padding = self.actions.is_ragged().then(|| {
            let mut padding = vec![true; self.actions.logits()];
            self.actions.forbid_padding(&mut padding);
            let row = mask(padding, self.actions.logits(), &logits.device());
            row.repeat_dim(0, batch)
        });
        let allowed = match (allowed, padding) {
            (Some(allowed), Some(padding)) => Some(allowed.bool_and(padding)),
            (allowed, padding) => allowed.or(padding),
        };
        let columns = self.actions.largest() as i32;
        let allowed = allowed.map(|allowed| allowed.reshape([-1, columns]));
        (self.split(logits), allowed)
    }

    /// Returns a row for each dimension of each state, `[batch * dimensions, K]`.
    pub(in crate::rl) fn split(&self, x: Tensor<2>) -> Tensor<2> {
        match self.actions.dimensions() {
            1 => x,
            _ => x.reshape([-1, self.actions.largest() as i32]),
        }
    }

    /// Returns the results of [rows](Self::rows) as rows of states.
    fn flat(&self, rows: Tensor<2>) -> Tensor<2> {
        match self.actions.dimensions() {
            1 => rows,
            dimensions => {
                let columns = rows.dims()[1];
                rows.reshape([-1, (dimensions * columns) as i32])
            }
        }
    }
}

fn options(alpha: f64, allowed: Option<Tensor<2, Bool>>) -> TsallisOptions<2> {
    let options = TsallisOptions::new(alpha);
    match allowed {
        Some(allowed) => options.with_allowed(allowed),
        None => options,
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::experiment::{Purpose, stream};
    use crate::rl::policy::exponential_noise;

    /// Returns the probabilities and the number of times each action is drawn, in `rounds` draws for each of
    /// `rows` rows of the same logits.
    fn counts(
        logits: &[f32],
        allowed: Option<&[bool]>,
        alpha: f64,
        rows: usize,
        rounds: usize,
    ) -> (Vec<f64>, Vec<usize>) {
        let device = Device::flex();
        let actions = logits.len();
        let mut weights = stream(0, Purpose::Weights, 0);
        let head = TsallisPolicyHead::new(1, actions, alpha, &device, &mut weights);
        let shape = [rows, actions];
        let logits = Tensor::from_data(TensorData::new(logits.repeat(rows), shape), &device);
        let allowed =
            allowed.map(|a| Tensor::from_data(TensorData::new(a.repeat(rows), shape), &device));
        let p = head.probabilities(logits, allowed);
        let mut streams: Vec<_> = (0..rows as u32)
            .map(|i| stream(5, Purpose::Actions, i))
            .collect();
        let mut counts = vec![0; actions];
        for _ in 0..rounds {
            let exponential_noise = exponential_noise(&mut streams, actions, &device);
            let drawn = head.sample(p.clone(), exponential_noise);
            for action in drawn.into_data().iter::<i64>() {
                counts[action as usize] += 1;
            }
        }
        let first: Vec<f32> = p.slice(0..1).into_data().iter().collect();
        (first.into_iter().map(f64::from).collect(), counts)
    }

    #[test]
    fn draws_follow_the_probabilities() {
        for alpha in [0.3, 1.0, 1.5] {
            let logits = [0.0, 1.0, -0.5, 2.0, 0.3];
            let (p, counts) = counts(&logits, None, alpha, 1000, 1000);
            let draws = counts.iter().sum::<usize>() as f64;
            assert_eq!(draws, 1e6);
            let chi_squared: f64 = p
                .iter()
                .zip(&counts)
                .map(|(p, &count)| (count as f64 - p * draws).powi(2) / (p * draws))
                .sum();
            // With four degrees of freedom, one seed in 10^4 exceeds this bound.
            assert!(
                chi_squared < 23.5,
                "alpha {alpha}: {chi_squared} {counts:?}"
            );
        }
    }

    #[test]
    fn an_action_that_is_not_allowed_is_never_drawn() {
        for alpha in [0.3, 1.0, 1.5] {
            // The largest logits are forbidden. If alpha > 1, the last action is outside the support.
            let logits = [50.0, 1.0, 80.0, 1.2, -60.0];
            let allowed = [false, true, false, true, true];
            let (p, counts) = counts(&logits, Some(&allowed), alpha, 100, 1000);
            assert_eq!(counts.iter().sum::<usize>(), 100_000);
            assert_eq!((counts[0], counts[2]), (0, 0), "alpha {alpha}");
            assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-6);
            assert_eq!(p[4] == 0.0, alpha > 1.0);
            assert!(alpha <= 1.0 || counts[4] == 0);
        }
    }

    #[test]
    fn divergence_with_another_alpha_matches_probabilities() {
        let device = Device::flex();
        let mut weights = stream(0, Purpose::Weights, 0);
        let head = TsallisPolicyHead::new(1, 3, 0.5, &device, &mut weights);
        let logits = Tensor::<2>::from_data([[0.0, 3.0, -1.0]], &device);
        let own = head.divergence(logits.clone(), 0.5, None);
        let near = head.divergence(logits.clone(), 0.5 + 1e-6, None);
        let difference = (own - near).abs().into_scalar::<f32>();
        assert!(difference < 1e-5, "{difference}");
        // The divergence is ln 3 minus the entropy.
        let p = head.probabilities(logits.clone(), None);
        let entropy = -(p.clone() * p.log()).sum().into_scalar::<f32>();
        let kl = head.divergence(logits, 1.0, None).into_scalar::<f32>();
        assert!((kl - (3_f32.ln() - entropy)).abs() < 1e-5);
    }
}
