use super::orthogonal::orthogonal_linear;
use crate::rl::random::Stream;
use crate::{
    TsallisOptions, tsallis_divergence, tsallis_divergence_from_probabilities,
    tsallis_log_softargmax, tsallis_softargmax,
};
use burn::Tensor;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Bool, Device, Int};

/// A policy over finitely many actions: a linear layer, whose outputs are the logits of a Tsallis
/// softargmax with the uniform reference.
///
/// Where a mask is taken, it has the logits' shape and is true at the actions that are allowed: the others
/// have probability zero, and the policy is that of the allowed ones alone.
#[derive(Module, Debug)]
pub struct TsallisPolicyHead {
    linear: Linear,
    #[module(skip)]
    alpha: f64,
}

impl TsallisPolicyHead {
    /// A head of order `alpha`, its weights orthogonal with gain 0.01: the first policy is close to
    /// uniform. It panics where it is used if `alpha` is not an order: see [`TsallisOptions::new`].
    pub fn new(
        features: usize,
        actions: usize,
        alpha: f64,
        device: &Device,
        weights: &mut Stream,
    ) -> Self {
        Self {
            linear: orthogonal_linear(features, actions, 0.01, device, weights),
            alpha,
        }
    }

    /// The order of the policy.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }

    /// Features to logits.
    ///
    /// # Shapes
    /// - features: `[batch, features]`
    /// - output: `[batch, actions]`
    pub fn logits(&self, features: Tensor<2>) -> Tensor<2> {
        self.linear.forward(features)
    }

    /// Logits to probabilities, of the same shape.
    pub fn probabilities(&self, logits: Tensor<2>, allowed: Option<Tensor<2, Bool>>) -> Tensor<2> {
        tsallis_softargmax(logits, self.options(allowed), 1)
    }

    /// Logits to log-probabilities, of the same shape; `-inf` off the support.
    pub fn log_probabilities(
        &self,
        logits: Tensor<2>,
        allowed: Option<Tensor<2, Bool>>,
    ) -> Tensor<2> {
        tsallis_log_softargmax(logits, self.options(allowed), 1)
    }

    /// The divergence of order `alpha` of the policy to the uniform one over the allowed actions:
    /// `[batch, actions]` to `[batch, 1]`.
    pub fn divergence(
        &self,
        logits: Tensor<2>,
        alpha: f64,
        allowed: Option<Tensor<2, Bool>>,
    ) -> Tensor<2> {
        if alpha == self.alpha {
            return tsallis_divergence(logits, self.options(allowed), 1);
        }
        let probabilities = self.probabilities(logits, allowed.clone());
        tsallis_divergence_from_probabilities(probabilities, options(alpha, allowed), 1)
    }

    /// Draws an action for each row, by the race of exponential clocks: the action with the smallest
    /// `clock / p`, which is action `i` with probability `p_i`.
    ///
    /// # Arguments
    /// - probabilities: `[batch, actions]`
    /// - clocks: independent draws of the unit exponential distribution, of the same shape.
    ///
    /// # Returns
    /// Actions, `[batch, 1]`. One of probability zero is not drawn.
    pub fn sample(probabilities: Tensor<2>, clocks: Tensor<2>) -> Tensor<2, Int> {
        (probabilities / clocks).argmax(1)
    }

    /// The most probable action of each row, `[batch, actions]` to `[batch, 1]`.
    pub fn mode(probabilities: Tensor<2>) -> Tensor<2, Int> {
        probabilities.argmax(1)
    }

    fn options(&self, allowed: Option<Tensor<2, Bool>>) -> TsallisOptions<2> {
        options(self.alpha, allowed)
    }
}

fn options(alpha: f64, allowed: Option<Tensor<2, Bool>>) -> TsallisOptions<2> {
    let options = TsallisOptions::new(alpha);
    match allowed {
        Some(allowed) => options.with_allowed(allowed),
        None => options,
    }
}
