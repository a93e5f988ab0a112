use super::{LearnerError, PolicyStatistics, PpoConfig, generalised_advantages};
use crate::math::Tsallis;
use crate::rl::env::{Episode, Step, VectorEnvironment};
use crate::rl::policy::ActorCritic;
use crate::rl::random::Stream;
use burn::Tensor;
use burn::tensor::{Device, TensorData};
use rand::RngExt;

/// What the policy met in `rollout_steps` of every environment. The steps of all environments at one
/// time stand together, one time after another.
#[derive(Clone, Debug, Default)]
pub struct Rollout {
    /// `[steps * environments, observation_size]`, row-major.
    pub observations: Vec<f32>,
    /// The actions taken.
    pub actions: Vec<usize>,
    /// Their log-probabilities.
    pub log_probs: Vec<f32>,
    /// Rewards with their noise, less `beta` times the divergence of the policy.
    pub rewards: Vec<f64>,
    /// The values of the states.
    pub values: Vec<f64>,
    /// Generalised advantage estimates.
    pub advantages: Vec<f64>,
    /// What the values are fitted to: advantage plus value.
    pub returns: Vec<f64>,
    /// The episodes that ended.
    pub episodes: Vec<Episode>,
    /// What the policy was like.
    pub statistics: PolicyStatistics,
}

/// How a step was followed.
#[derive(Clone, Copy, PartialEq)]
enum After {
    NextStep,
    /// Worth nothing more.
    Terminated,
    /// In the final observation of this index.
    Truncated(usize),
}

impl Rollout {
    /// Steps the environments with actions drawn from the policy.
    ///
    /// # Errors
    ///
    /// If the device fails, or if the policy of a state is not a distribution.
    pub fn collect(
        model: &ActorCritic,
        environments: &mut VectorEnvironment,
        actions: &mut [Stream],
        config: &PpoConfig,
        device: &Device,
    ) -> Result<Self, LearnerError> {
        let count = environments.actions();
        let regulariser = Tsallis::new(config.regulariser_alpha);
        let mut rollout = Self::default();
        let mut after = Vec::with_capacity(config.batch());
        let mut final_observations = Vec::new();
        let mut step = Step::default();
        let mut observations = vec![0.0; environments.len() * environments.observation_size()];
        for _ in 0..config.rollout_steps {
            environments.observe_into(&mut observations)?;
            let logits = model.logits(matrix(
                observations.clone(),
                environments.observation_size(),
                device,
            ));
            let log_probs = model.policy().log_probabilities(logits.clone());
            // One read: on a GPU each is a round trip.
            let both = read(Tensor::cat(vec![logits, log_probs], 1))?;
            let mut chosen = Vec::with_capacity(environments.len());
            let mut penalties = Vec::with_capacity(environments.len());
            for (both, stream) in both.chunks_exact(2 * count).zip(actions.iter_mut()) {
                let (logits, log_probs) = both.split_at(count);
                let action = sample(log_probs, stream).ok_or(LearnerError::NotFinite("policy"))?;
                let divergence = uniform_divergence(&regulariser, log_probs);
                rollout.statistics.record(logits, log_probs, divergence);
                rollout.log_probs.push(log_probs[action]);
                chosen.push(action);
                penalties.push(config.beta * divergence);
            }
            environments.step(&chosen, &mut step)?;
            let mut endings = step.final_observations();
            for (transition, penalty) in step.transitions.iter().zip(penalties) {
                rollout.rewards.push(transition.reward - penalty);
                rollout.episodes.extend(transition.episode);
                let ending = transition.done().then(|| endings.next()).flatten();
                after.push(match ending {
                    None => After::NextStep,
                    Some((_, observation)) if !transition.terminated => {
                        final_observations.push(observation.to_vec());
                        After::Truncated(final_observations.len() - 1)
                    }
                    Some(_) => After::Terminated,
                });
            }
            rollout.observations.extend_from_slice(&observations);
            rollout.actions.extend(chosen);
        }
        rollout.evaluate(
            model,
            environments,
            &after,
            final_observations,
            config,
            device,
        )?;
        Ok(rollout)
    }

    /// Fills in values, advantages and returns, with one pass of the critic over every state.
    fn evaluate(
        &mut self,
        model: &ActorCritic,
        environments: &VectorEnvironment,
        after: &[After],
        final_observations: Vec<Vec<f32>>,
        config: &PpoConfig,
        device: &Device,
    ) -> Result<(), LearnerError> {
        let n = environments.len();
        let batch = after.len();
        let mut states = self.observations.clone();
        let current = states.len();
        states.resize(current + n * environments.observation_size(), 0.0);
        environments.observe_into(&mut states[current..])?;
        states.extend(final_observations.into_iter().flatten());
        let states = matrix(states, environments.observation_size(), device);
        let values: Vec<f64> = read(model.values(states))?
            .into_iter()
            .map(f64::from)
            .collect();
        if values.iter().any(|value| !value.is_finite()) {
            return Err(LearnerError::NotFinite("value"));
        }
        let next_value = |i: usize| match after[i] {
            After::NextStep => values[i + n],
            After::Truncated(ending) if config.bootstrap_on_truncation => {
                values[batch + n + ending]
            }
            After::Truncated(_) | After::Terminated => 0.0,
        };
        self.advantages = vec![0.0; batch];
        for environment in 0..n {
            let steps: Vec<usize> = (environment..batch).step_by(n).collect();
            let of =
                |f: &dyn Fn(usize) -> f64| -> Vec<f64> { steps.iter().map(|&i| f(i)).collect() };
            let done: Vec<bool> = steps.iter().map(|&i| after[i] != After::NextStep).collect();
            let advantages = generalised_advantages(
                &of(&|i| self.rewards[i]),
                &of(&|i| values[i]),
                &of(&next_value),
                &done,
                config.gamma,
                config.gae_lambda,
            );
            for (&i, advantage) in steps.iter().zip(advantages) {
                self.advantages[i] = advantage;
            }
        }
        self.values = values[..batch].to_vec();
        self.returns = self
            .advantages
            .iter()
            .zip(&self.values)
            .map(|(a, v)| a + v)
            .collect();
        Ok(())
    }

    /// One minus the variance of `returns - values` over that of `returns`; zero where the returns do
    /// not vary.
    pub fn explained_variance(&self) -> f64 {
        let variance = |x: &[f64]| {
            let mean = x.iter().sum::<f64>() / x.len() as f64;
            x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64
        };
        let total = variance(&self.returns);
        if total > 0.0 {
            1.0 - variance(&self.advantages) / total
        } else {
            0.0
        }
    }
}

/// `D_f(p || q)` of a distribution to the uniform one, from its logarithms.
fn uniform_divergence(regulariser: &Tsallis<f64>, log_probs: &[f32]) -> f64 {
    let count = log_probs.len() as f64;
    let sum: f64 = log_probs
        .iter()
        .map(|&log_p| regulariser.value_at_log(f64::from(log_p) + count.ln()))
        .sum();
    sum / count
}

/// Draws an index by its probability; none where the probabilities have no positive sum.
pub(in crate::rl) fn sample(log_probs: &[f32], stream: &mut Stream) -> Option<usize> {
    let probability = |log_p: &f32| f64::from(*log_p).exp();
    let total: f64 = log_probs.iter().map(probability).sum();
    let mut rest = stream.random::<f64>() * total;
    let mut last = None;
    for (i, log_p) in log_probs.iter().enumerate() {
        let p = probability(log_p);
        if p > 0.0 {
            last = Some(i);
            if rest < p {
                break;
            }
        }
        rest -= p;
    }
    // A rounding may leave a rest beyond the last entry, which is then the one drawn.
    last.filter(|_| total > 0.0 && total.is_finite())
}

/// Rows of `columns` numbers, as a tensor.
pub(in crate::rl) fn matrix(values: Vec<f32>, columns: usize, device: &Device) -> Tensor<2> {
    let rows = values.len() / columns;
    Tensor::from_data(TensorData::new(values, [rows, columns]), device)
}

pub(in crate::rl) fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, LearnerError> {
    tensor
        .try_into_vec_as::<f32>()
        .map_err(|error| LearnerError::Device(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rl::random::{Purpose, stream};

    #[test]
    fn draws_follow_the_probabilities_and_never_meet_a_zero() {
        let probabilities = [0.0_f64, 0.1, 0.0, 0.6, 0.3, 0.0];
        let log_probs: Vec<f32> = probabilities.iter().map(|p| p.ln() as f32).collect();
        let mut random = stream(0, Purpose::Actions, 0);
        let draws = 1_000_000;
        let mut counts = [0_u32; 6];
        for _ in 0..draws {
            counts[sample(&log_probs, &mut random).expect("a distribution")] += 1;
        }
        let mut chi_squared = 0.0;
        for (&count, p) in counts.iter().zip(probabilities) {
            if p == 0.0 {
                assert_eq!(count, 0);
            } else {
                let expected = p * f64::from(draws);
                chi_squared += (f64::from(count) - expected).powi(2) / expected;
            }
        }
        // Two degrees of freedom: exceeded once in 10^4 seeds.
        assert!(chi_squared < 18.4, "{chi_squared} {counts:?}");
        assert_eq!(sample(&[f32::NAN, 0.0], &mut random), None);
    }

    #[test]
    fn divergence_of_two_actions() {
        let at = |alpha: f64, p: f64| {
            let log_probs = [p.ln() as f32, (1.0 - p).ln() as f32];
            uniform_divergence(&Tsallis::new(alpha), &log_probs)
        };
        assert!(at(0.5, 0.5).abs() < 1e-7);
        // The largest divergence, at a distribution all on one action: 4 - 2 sqrt(2), and ln 2.
        assert!((at(0.5, 1.0 - 1e-12) - 1.17157).abs() < 1e-4);
        assert!((at(1.0, 1.0 - 1e-12) - std::f64::consts::LN_2).abs() < 1e-5);
    }
}
