use super::dense::dense;
#[cfg(any(feature = "flex", feature = "ndarray"))]
use super::flat::{FlatActorCritic, Layer};
use super::orthogonal::{Initializer, linear};
use super::{Activation, TsallisPolicyHead};
use crate::experiment::Stream;
use crate::rl::env::{ActionSpace, Spaces};
use burn::Tensor;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;

/// The architecture of the networks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkConfig {
    /// Width of each hidden layer.
    pub hidden: Vec<usize>,
    /// The activation after each hidden layer.
    pub activation: Activation,
    /// Whether the policy and the value share their hidden layers. Otherwise each has its own.
    pub shared: bool,
    /// Initial biases of the logits, one for each action, or empty for zero. With them, training starts near the policy
    /// of these logits and not near the uniform policy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policy_bias: Vec<f64>,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            hidden: vec![64, 64],
            activation: Activation::Tanh,
            shared: false,
            policy_bias: Vec::new(),
        }
    }
}

/// Linear layers with an activation after each.
#[derive(Module, Debug)]
pub struct Features {
    layers: Vec<Linear>,
    #[module(skip)]
    activation: Activation,
}

impl Features {
    fn new<E>(
        input: usize,
        config: &NetworkConfig,
        device: &Device,
        weights: &mut Initializer<'_, E>,
    ) -> Result<Self, E> {
        let inputs = std::iter::once(&input).chain(&config.hidden);
        Ok(Self {
            layers: inputs
                .zip(&config.hidden)
                .map(|(&i, &o)| linear(i, o, std::f64::consts::SQRT_2, device, weights))
                .collect::<Result<_, _>>()?,
            activation: config.activation,
        })
    }

    /// `[batch, input]` to `[batch, features]`.
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.layers
            .iter()
            .fold(input, |x, layer| forward(layer, x, Some(self.activation)))
    }

    /// Adds the layers, the first of which takes the observations. Returns the number of their output.
    #[cfg(any(feature = "flex", feature = "ndarray"))]
    fn push_to(&self, layers: &mut Vec<Layer>) -> usize {
        let activation = Some(self.activation);
        self.layers
            .iter()
            .fold(0, |input, layer| push(layers, layer, input, activation))
    }
}

/// Adds a layer that takes the given input. Returns the number of its output.
#[cfg(any(feature = "flex", feature = "ndarray"))]
fn push(
    layers: &mut Vec<Layer>,
    layer: &Linear,
    input: usize,
    activation: Option<Activation>,
) -> usize {
    let [inputs, outputs] = layer.weight.val().dims();
    layers.push(Layer {
        input,
        inputs,
        outputs,
        activation,
    });
    layers.len()
}

/// Applies a layer and the activation that follows it.
pub(super) fn forward(layer: &Linear, x: Tensor<2>, activation: Option<Activation>) -> Tensor<2> {
    let weight = layer.weight.val();
    let bias = match &layer.bias {
        Some(bias) => bias.val(),
        None => Tensor::zeros([weight.dims()[1]], &weight.device()),
    };
    dense(x, weight, bias, activation)
}

/// A policy and a value function. By default, each has two tanh layers of its own. The weights are
/// orthogonal, with gain sqrt(2) in the hidden layers, 0.01 at the policy and 1 at the value.
#[derive(Module, Debug)]
pub struct ActorCritic {
    actor: Features,
    policy: TsallisPolicyHead,
    /// `None` if the value uses the features of the actor.
    critic: Option<Features>,
    value: Linear,
}

impl ActorCritic {
    /// Creates the networks, with initial weights drawn from `weights`.
    ///
    /// # Panics
    ///
    /// If [`policy_bias`](NetworkConfig::policy_bias) is not empty and has another length than the logits.
    pub fn new(
        observation_size: usize,
        actions: impl Into<ActionSpace>,
        config: &NetworkConfig,
        alpha: f64,
        device: &Device,
        weights: &mut Stream,
    ) -> Self {
        let Ok(networks) = Self::initialized(
            &Spaces::new(observation_size, actions),
            config,
            alpha,
            device,
            &mut Initializer::Orthogonal {
                weights,
                check: &|| Ok::<_, Infallible>(()),
            },
        );
        networks
    }

    /// Creates the networks with the weights of `initializer`, whose error ends the initialization.
    pub(in crate::rl) fn initialized<E>(
        spaces: &Spaces,
        config: &NetworkConfig,
        alpha: f64,
        device: &Device,
        initializer: &mut Initializer<'_, E>,
    ) -> Result<Self, E> {
        let observation_size = spaces.observation_size;
        let actions = spaces.actions.clone();
        let features = config.hidden.last().copied().unwrap_or(observation_size);
        Ok(Self {
            actor: Features::new(observation_size, config, device, initializer)?,
            policy: TsallisPolicyHead::initialized(features, actions, alpha, device, initializer)?
                .with_bias(&config.policy_bias),
            critic: (!config.shared)
                .then(|| Features::new(observation_size, config, device, initializer))
                .transpose()?,
            value: linear(features, 1, 1.0, device, initializer)?,
        })
    }

    /// Returns the observations and the actions of the networks.
    pub fn spaces(&self) -> Spaces {
        let first = self.actor.layers.first();
        let first = first.unwrap_or_else(|| self.policy.linear());
        Spaces {
            observation_size: first.weight.val().dims()[0],
            actions: self.policy.action_space().clone(),
        }
    }

    /// Returns the head that turns logits into the policy.
    pub fn policy(&self) -> &TsallisPolicyHead {
        &self.policy
    }

    /// Computes the logits of observations.
    ///
    /// # Shapes
    /// - observations: `[batch, observation_size]`
    /// - output: `[batch, logits]`
    pub fn logits(&self, observations: Tensor<2>) -> Tensor<2> {
        self.policy.logits(self.actor.forward(observations))
    }

    /// Computes the values of observations.
    ///
    /// # Shapes
    /// - observations: `[batch, observation_size]`
    /// - output: `[batch, 1]`
    pub fn values(&self, observations: Tensor<2>) -> Tensor<2> {
        let critic = self.critic.as_ref().unwrap_or(&self.actor);
        forward(&self.value, critic.forward(observations), None)
    }

    /// Computes logits and values of observations, with the shapes of [`logits`](Self::logits) and
    /// [`values`](Self::values). Shared layers are computed once.
    pub fn forward(&self, observations: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let features = self.actor.forward(observations.clone());
        let logits = self.policy.logits(features.clone());
        let features = match &self.critic {
            Some(critic) => critic.forward(observations),
            None => features,
        };
        (logits, forward(&self.value, features, None))
    }

    /// Returns the networks without their parameters, for minibatches of `rows` states on the host.
    #[cfg(any(feature = "flex", feature = "ndarray"))]
    pub(in crate::rl) fn flat(&self, rows: usize) -> FlatActorCritic {
        let mut layers = Vec::new();
        let features = self.actor.push_to(&mut layers);
        let logits = push(&mut layers, self.policy.linear(), features, None);
        let features = match &self.critic {
            Some(critic) => critic.push_to(&mut layers),
            None => features,
        };
        push(&mut layers, &self.value, features, None);
        FlatActorCritic::new(layers, logits, rows)
    }
}
