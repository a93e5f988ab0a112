//! The policy head and the actor-critic, as Burn modules.

use crate::rl::random::Stream;
use crate::{TsallisOptions, tsallis_log_softargmax, tsallis_softargmax};
use burn::Tensor;
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, TensorData, activation};
use rand_distr::{Distribution, StandardNormal};

/// A policy over finitely many actions: a linear layer, whose outputs are the logits of a Tsallis
/// softargmax with the uniform reference.
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
    pub fn probabilities(&self, logits: Tensor<2>) -> Tensor<2> {
        tsallis_softargmax(logits, TsallisOptions::new(self.alpha), 1)
    }

    /// Logits to log-probabilities, of the same shape; `-inf` off the support.
    pub fn log_probabilities(&self, logits: Tensor<2>) -> Tensor<2> {
        tsallis_log_softargmax(logits, TsallisOptions::new(self.alpha), 1)
    }
}

/// Linear layers with a tanh after each.
#[derive(Module, Debug)]
pub struct Features {
    layers: Vec<Linear>,
}

impl Features {
    fn new(input: usize, hidden: &[usize], device: &Device, weights: &mut Stream) -> Self {
        let inputs = std::iter::once(&input).chain(hidden);
        Self {
            layers: inputs
                .zip(hidden)
                .map(|(&i, &o)| orthogonal_linear(i, o, std::f64::consts::SQRT_2, device, weights))
                .collect(),
        }
    }

    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.layers
            .iter()
            .fold(input, |x, layer| activation::tanh(layer.forward(x)))
    }
}

/// A policy and a value function that share nothing, each two tanh layers by default, orthogonal with
/// gain sqrt(2) below, 0.01 at the policy and 1 at the value.
#[derive(Module, Debug)]
pub struct ActorCritic {
    actor: Features,
    policy: TsallisPolicyHead,
    critic: Features,
    value: Linear,
}

impl ActorCritic {
    /// The networks, their initial weights drawn from `weights`.
    pub fn new(
        observation_size: usize,
        actions: usize,
        hidden: &[usize],
        alpha: f64,
        device: &Device,
        weights: &mut Stream,
    ) -> Self {
        let features = hidden.last().copied().unwrap_or(observation_size);
        Self {
            actor: Features::new(observation_size, hidden, device, weights),
            policy: TsallisPolicyHead::new(features, actions, alpha, device, weights),
            critic: Features::new(observation_size, hidden, device, weights),
            value: orthogonal_linear(features, 1, 1.0, device, weights),
        }
    }

    /// The head that turns logits into the policy.
    pub fn policy(&self) -> &TsallisPolicyHead {
        &self.policy
    }

    /// Observations to logits.
    ///
    /// # Shapes
    /// - observations: `[batch, observation_size]`
    /// - output: `[batch, actions]`
    pub fn logits(&self, observations: Tensor<2>) -> Tensor<2> {
        self.policy.logits(self.actor.forward(observations))
    }

    /// Observations to values.
    ///
    /// # Shapes
    /// - observations: `[batch, observation_size]`
    /// - output: `[batch, 1]`
    pub fn values(&self, observations: Tensor<2>) -> Tensor<2> {
        self.value.forward(self.critic.forward(observations))
    }
}

/// A linear layer with a zero bias and an orthogonal weight of this gain.
///
/// Burn's own orthogonal initialiser draws from the process-wide generator.
fn orthogonal_linear(
    input: usize,
    output: usize,
    gain: f64,
    device: &Device,
    weights: &mut Stream,
) -> Linear {
    let weight: Vec<f32> = orthogonal(input, output, weights)
        .into_iter()
        .map(|w| (gain * w) as f32)
        .collect();
    Linear {
        weight: Param::from_data(TensorData::new(weight, [input, output]), device),
        bias: Some(Param::from_data(
            TensorData::new(vec![0_f32; output], [output]),
            device,
        )),
    }
}

/// A random matrix with orthonormal rows or columns, whichever are fewer, row-major: the uniform
/// distribution over such matrices, by Gram-Schmidt on Gaussian vectors.
fn orthogonal(rows: usize, columns: usize, stream: &mut Stream) -> Vec<f64> {
    let (count, length) = (rows.min(columns), rows.max(columns));
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
    for _ in 0..count {
        let mut vector: Vec<f64> = StandardNormal
            .sample_iter(&mut *stream)
            .take(length)
            .collect();
        // Twice is enough: the second pass removes what rounding left of the first.
        for _ in 0..2 {
            for other in &basis {
                let dot: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
                for (v, o) in vector.iter_mut().zip(other) {
                    *v -= dot * o;
                }
            }
        }
        let norm = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
        for v in &mut vector {
            *v /= norm;
        }
        basis.push(vector);
    }
    let mut matrix = vec![0.0; rows * columns];
    for (i, vector) in basis.iter().enumerate() {
        for (j, &v) in vector.iter().enumerate() {
            let (row, column) = if rows <= columns { (i, j) } else { (j, i) };
            matrix[row * columns + column] = v;
        }
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rl::random::{Purpose, stream};

    #[test]
    fn the_shorter_side_is_orthonormal() {
        for (rows, columns) in [(4, 64), (64, 64), (64, 2), (1, 3), (5, 1)] {
            let m = orthogonal(rows, columns, &mut stream(3, Purpose::Weights, 0));
            let at = |i: usize, j: usize| {
                if rows <= columns {
                    m[i * columns + j]
                } else {
                    m[j * columns + i]
                }
            };
            let (count, length) = (rows.min(columns), rows.max(columns));
            for a in 0..count {
                for b in 0..count {
                    let dot: f64 = (0..length).map(|j| at(a, j) * at(b, j)).sum();
                    let want = f64::from(u8::from(a == b));
                    assert!(
                        (dot - want).abs() < 1e-12,
                        "{rows}x{columns} ({a}, {b}): {dot}"
                    );
                }
            }
        }
    }
}
