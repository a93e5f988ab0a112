#[cfg(any(feature = "flex", feature = "ndarray"))]
use super::optimizer::flat_parameters;
use super::{LearnerError, PolicyStatistics, PpoConfig, generalized_advantages};
use crate::experiment::Stream;
use crate::rl::env::{ActionSpace, EnvironmentError, Episode, VectorEnvironment, VectorStep};
#[cfg(any(feature = "flex", feature = "ndarray"))]
use crate::rl::policy::HostPolicy;
use crate::rl::policy::{ActorCritic, exponential_noise};
#[cfg(any(feature = "flex", feature = "ndarray"))]
use crate::rl::transfer::is_host;
use crate::rl::transfer::{ReadError, indices, mask, matrix, read, read_actions};
use burn::Tensor;
use burn::tensor::{Bool, Device, s};

/// The data of `rollout_steps` steps of every environment. Rows are ordered by time, and the steps of all
/// environments at one time are adjacent.
#[derive(Clone, Debug)]
pub struct Rollout {
    /// The observations, `[steps * environments, observation_size]`.
    pub observations: Tensor<2>,
    /// The allowed actions, `[steps * environments, logits]` ([`ActionSpace::logits`]), or `None` if the environments
    /// have no masks.
    pub allowed: Option<Tensor<2, Bool>>,
    /// The actions of the environments.
    pub action_space: ActionSpace,
    /// The actions taken, `[steps * environments, dimensions]`.
    pub actions: Vec<usize>,
    /// The log-probabilities of the actions taken, summed over the dimensions.
    pub log_probs: Vec<f32>,
    /// The rewards with noise, minus the regularizer if it is in the reward.
    pub rewards: Vec<f64>,
    /// The values of the states.
    pub values: Vec<f64>,
    /// Generalized advantage estimates.
    pub advantages: Vec<f64>,
    /// The targets of the values: advantage plus value.
    pub returns: Vec<f64>,
    /// The episodes that ended.
    pub episodes: Vec<Episode>,
    /// Statistics of the policy.
    pub statistics: PolicyStatistics,
}

/// The continuation of an episode after a step.
#[derive(Clone, Copy, PartialEq)]
enum Successor {
    NextStep,
    /// There are no further rewards.
    Terminated,
    /// The episode was cut short at the final observation of this index.
    Truncated(usize),
}

/// The data that are known before values and log-probabilities are read from the device.
#[derive(Default)]
struct RolloutBuffer {
    observations: Vec<Tensor<2>>,
    allowed: Vec<Tensor<2, Bool>>,
    logits: Vec<Tensor<2>>,
    actions: Vec<usize>,
    rewards: Vec<f64>,
    successors: Vec<Successor>,
    final_observations: Vec<f32>,
    episodes: Vec<Episode>,
}

impl Rollout {
    /// Steps the environments with actions sampled from the policy. During the steps, only the actions are
    /// read back from the device.
    ///
    /// # Errors
    ///
    /// If the device or an environment fails, or if the policy of a state is not a distribution.
    pub fn collect(
        model: &ActorCritic,
        environments: &mut VectorEnvironment,
        actions: &mut [Stream],
        config: &PpoConfig,
        device: &Device,
    ) -> Result<Self, LearnerError> {
        let mut buffer = RolloutBuffer::default();
        let mut step = VectorStep::default();
        let n = environments.len();
        #[cfg(any(feature = "flex", feature = "ndarray"))]
        let mut host_policy = host_policy(model, n, device);
        for time in 0..config.rollout_steps {
            let state = State::observe(environments)
                .map_err(|error| LearnerError::environment(error, time * n))?;
            #[cfg(any(feature = "flex", feature = "ndarray"))]
            let host = host_policy
                .as_mut()
                .map(|policy| policy.draw(&state.observations, state.allowed.as_deref(), actions));
            #[cfg(not(any(feature = "flex", feature = "ndarray")))]
            let host: Option<(Vec<f32>, Vec<Option<usize>>)> = None;
            let (observations, allowed) = state.into_tensors(environments, device);
            let (logits, drawn) = match host {
                Some((logits, drawn)) => {
                    let drawn: Option<Vec<usize>> = drawn.into_iter().collect();
                    let drawn = drawn.ok_or(ReadError::Action)?;
                    (matrix(logits, environments.actions(), device), drawn)
                }
                None => {
                    let logits = model.logits(observations.clone());
                    let probabilities = model
                        .policy()
                        .probabilities(logits.clone(), allowed.clone());
                    let noise = exponential_noise(actions, environments.actions(), device);
                    let drawn = model.policy().sample(probabilities, noise);
                    (logits, read_actions(drawn, &environments.spaces().actions)?)
                }
            };
            environments
                .step(&drawn, &mut step)
                .map_err(|error| LearnerError::environment(error, time * n))?;
            buffer.observations.push(observations);
            buffer.allowed.extend(allowed);
            buffer.logits.push(logits);
            buffer.push(&step);
            buffer.actions.extend(drawn);
        }
        buffer.into_rollout(model, environments, config, device)
    }

    /// Returns one minus the variance of `returns - values` over that of `returns`, or zero if the returns do
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

impl RolloutBuffer {
    /// Adds the result of a step.
    fn push(&mut self, step: &VectorStep) {
        let mut final_observations = step.final_observations();
        for transition in &step.transitions {
            self.rewards.push(transition.reward);
            self.episodes.extend(transition.episode);
            let ending = transition
                .done()
                .then(|| final_observations.next())
                .flatten();
            self.successors.push(match ending {
                None => Successor::NextStep,
                Some((_, observation)) if !transition.terminated => {
                    let index = self.final_observations.len() / observation.len();
                    self.final_observations.extend_from_slice(observation);
                    Successor::Truncated(index)
                }
                Some(_) => Successor::Terminated,
            });
        }
    }

    /// Computes the rollout. Reads values, divergences and log-probabilities from the device in one transfer.
    fn into_rollout(
        mut self,
        model: &ActorCritic,
        environments: &VectorEnvironment,
        config: &PpoConfig,
        device: &Device,
    ) -> Result<Rollout, LearnerError> {
        let (n, batch) = (environments.len(), self.rewards.len());
        let allowed = environments
            .has_action_mask()
            .then(|| Tensor::cat(std::mem::take(&mut self.allowed), 0));
        let logits = Tensor::cat(std::mem::take(&mut self.logits), 0);

        let (next, _) = observe(environments, device)
            .map_err(|error| LearnerError::environment(error, batch))?;
        let mut states = std::mem::take(&mut self.observations);
        states.push(next);
        if !self.final_observations.is_empty() {
            let size = environments.observation_size();
            let final_observations = std::mem::take(&mut self.final_observations);
            states.push(matrix(final_observations, size, device));
        }
        let states = Tensor::cat(states, 0);
        let observations = states.clone().slice(s![0..batch, ..]);
        let policy = model.policy();
        let log_p = policy.log_probabilities(logits.clone(), allowed.clone());
        let divergences =
            policy.divergences(logits.clone(), config.regularizer_alpha, allowed.clone());
        let space = &environments.spaces().actions;
        let taken = indices(space.flat_indices(&self.actions), device);
        let taken = taken.reshape([batch, space.dimensions()]);
        let [log_probs, divergences, values, means] = read([
            policy.joint(log_p.clone().gather(1, taken)),
            divergences,
            model.values(states),
            PolicyStatistics::means(policy, logits, log_p, allowed.clone()),
        ])?;
        let finite = |name, numbers: &[f32]| {
            if numbers.iter().all(|x| x.is_finite()) {
                Ok(())
            } else {
                Err(LearnerError::NotFinite(name))
            }
        };
        finite("policy", &log_probs)?;
        finite("divergence of the policy", &divergences)?;
        finite("value", &values)?;

        let mut rewards = std::mem::take(&mut self.rewards);
        let divergences = divergences.chunks_exact(space.dimensions());
        if config.regularizer.is_in_reward() {
            for (reward, divergences) in rewards.iter_mut().zip(divergences.clone()) {
                let sum: f64 = divergences.iter().copied().map(f64::from).sum();
                *reward -= config.beta * sum;
            }
        }
        let values: Vec<f64> = values.into_iter().map(f64::from).collect();
        let advantages = self.advantages(&rewards, &values, n, config);
        let values = values[..batch].to_vec();
        Ok(Rollout {
            observations,
            allowed,
            action_space: space.clone(),
            actions: self.actions,
            log_probs,
            rewards,
            returns: advantages.iter().zip(&values).map(|(a, v)| a + v).collect(),
            values,
            advantages,
            episodes: self.episodes,
            statistics: PolicyStatistics::new(&means, divergences, config.regularizer_alpha),
        })
    }

    /// Returns the advantage of every step. `values` are those of the states of the rollout, then of the `n`
    /// states after its last steps, and then of the final observations.
    fn advantages(
        &self,
        rewards: &[f64],
        values: &[f64],
        n: usize,
        config: &PpoConfig,
    ) -> Vec<f64> {
        let batch = rewards.len();
        let next_value = |i: usize| match self.successors[i] {
            Successor::NextStep => values[i + n],
            Successor::Truncated(ending) if config.bootstrap_on_truncation => {
                values[batch + n + ending]
            }
            Successor::Truncated(_) | Successor::Terminated => 0.0,
        };
        let mut advantages = vec![0.0; batch];
        for environment in 0..n {
            let steps = || (environment..batch).step_by(n);
            let estimates = generalized_advantages(
                &steps().map(|i| rewards[i]).collect::<Vec<_>>(),
                &steps().map(|i| values[i]).collect::<Vec<_>>(),
                &steps().map(next_value).collect::<Vec<_>>(),
                &steps()
                    .map(|i| self.successors[i] != Successor::NextStep)
                    .collect::<Vec<_>>(),
                config.gamma,
                config.gae_lambda,
            );
            for (i, estimate) in steps().zip(estimates) {
                advantages[i] = estimate;
            }
        }
        advantages
    }
}

/// Returns the policy on the host if the device is a CPU and the parameters are `f32`.
#[cfg(any(feature = "flex", feature = "ndarray"))]
fn host_policy(model: &ActorCritic, states: usize, device: &Device) -> Option<HostPolicy> {
    if !is_host(device) {
        return None;
    }
    let parameters = flat_parameters(model).into_data();
    let parameters = parameters.try_into_vec::<f32>().ok()?;
    Some(HostPolicy::new(model, parameters, states))
}

/// The observations of all environments, and their masks if they have any.
struct State {
    observations: Vec<f32>,
    allowed: Option<Vec<bool>>,
}

impl State {
    fn observe(environments: &VectorEnvironment) -> Result<Self, EnvironmentError> {
        let n = environments.len();
        let mut observations = vec![0.0; n * environments.observation_size()];
        environments.observe_into(&mut observations)?;
        let mut allowed = None;
        if environments.has_action_mask() {
            let mut flags = vec![false; n * environments.actions()];
            environments.action_masks_into(&mut flags)?;
            allowed = Some(flags);
        }
        Ok(Self {
            observations,
            allowed,
        })
    }

    fn into_tensors(
        self,
        environments: &VectorEnvironment,
        device: &Device,
    ) -> (Tensor<2>, Option<Tensor<2, Bool>>) {
        let allowed = self.allowed;
        (
            matrix(self.observations, environments.observation_size(), device),
            allowed.map(|allowed| mask(allowed, environments.actions(), device)),
        )
    }
}

/// Returns the observations of all environments, and their masks if they have any, as tensors.
pub(in crate::rl) fn observe(
    environments: &VectorEnvironment,
    device: &Device,
) -> Result<(Tensor<2>, Option<Tensor<2, Bool>>), EnvironmentError> {
    Ok(State::observe(environments)?.into_tensors(environments, device))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::experiment::{Purpose, stream};
    use crate::rl::env::{DiscreteEnvironment, ObservationSizeError, Transition};
    use crate::rl::policy::NetworkConfig;
    use crate::rl::ppo::Regularizer;
    use crate::rl::transfer::take_reads;

    fn network(environments: &VectorEnvironment, alpha: f64, device: &Device) -> ActorCritic {
        let config = NetworkConfig {
            hidden: vec![8],
            ..NetworkConfig::default()
        };
        let mut weights = stream(1, Purpose::Weights, 0);
        let (size, actions) = (environments.observation_size(), environments.actions());
        ActorCritic::new(size, actions, &config, alpha, device, &mut weights)
    }

    fn streams(count: usize) -> Vec<Stream> {
        (0..count as u32)
            .map(|i| stream(2, Purpose::Actions, i))
            .collect()
    }

    /// An environment whose observation is the time. Its episodes terminate after 3 steps, and are truncated
    /// after 5 and after 4, in turn. Only the second of its three actions is allowed at even times.
    struct Script {
        time: usize,
        episode: usize,
        offset: f32,
    }

    impl DiscreteEnvironment for Script {
        fn observation_size(&self) -> usize {
            2
        }

        fn actions(&self) -> usize {
            3
        }

        fn seed(&mut self, _seed: u64, _index: u32) {}

        fn reset(&mut self) {
            self.time = 0;
            self.episode += 1;
        }

        fn step(&mut self, action: usize) -> Transition {
            assert!(self.time % 2 == 1 || action == 1, "action {action}");
            self.time += 1;
            let ends = [3, 5, 4][self.episode % 3] == self.time;
            Transition {
                terminated: ends && self.episode.is_multiple_of(3),
                truncated: ends && !self.episode.is_multiple_of(3),
                ..Transition::ongoing((self.time as f64).sin() + f64::from(self.offset))
            }
        }

        fn observe(&self, observation: &mut [f32]) -> Result<(), ObservationSizeError> {
            observation.copy_from_slice(&[self.time as f32, self.offset + self.episode as f32]);
            Ok(())
        }

        fn has_action_mask(&self) -> bool {
            true
        }

        fn action_mask(&self, allowed: &mut [bool]) {
            let odd = self.time % 2 == 1;
            allowed.copy_from_slice(&[odd, true, odd]);
        }
    }

    fn scripts() -> VectorEnvironment {
        let script = |i| Script {
            time: 0,
            episode: i,
            offset: i as f32,
        };
        VectorEnvironment::new((0..2).map(|i| Box::new(script(i)) as Box<_>).collect())
            .expect("environments that are alike")
    }

    /// Compares each advantage with the sum of discounted errors up to the end of its episode, computed by a
    /// separate walk through the same script.
    #[test]
    fn advantages_end_with_episodes_and_bootstrap_truncated_ones() {
        let device = Device::flex();
        for (bootstrap, regularizer) in [
            (true, Regularizer::Reward),
            (false, Regularizer::Reward),
            (true, Regularizer::Loss),
        ] {
            let config = PpoConfig {
                environments: 2,
                rollout_steps: 23,
                bootstrap_on_truncation: bootstrap,
                regularizer,
                beta: 0.7,
                ..PpoConfig::default()
            };
            let mut environments = scripts();
            let model = network(&environments, config.alpha, &device);
            let rollout =
                Rollout::collect(&model, &mut environments, &mut streams(2), &config, &device)
                    .expect("a rollout");

            let value = |environment: &Script| {
                let mut observation = vec![0.0; 2];
                environment
                    .observe(&mut observation)
                    .expect("an observation");
                let value = model.values(matrix(observation, 2, &device));
                f64::from(value.into_scalar::<f32>())
            };
            for environment_index in 0..2 {
                let mut environment = Script {
                    time: 0,
                    episode: environment_index,
                    offset: environment_index as f32,
                };
                let mut errors = Vec::new();
                for t in 0..config.rollout_steps {
                    let step = t * 2 + environment_index;
                    let before = value(&environment);
                    assert!((before - rollout.values[step]).abs() < 1e-6);
                    let several = environment.time % 2 == 1;
                    let transition = environment.step(rollout.actions[step]);
                    let penalty = transition.reward - rollout.rewards[step];
                    // If only one action is allowed, the policy equals its reference.
                    let penalized = regularizer.is_in_reward() && several;
                    assert_eq!(
                        penalty > 0.0,
                        penalized,
                        "step {t} of {environment_index}: {penalty}"
                    );
                    let next = if transition.terminated || transition.truncated && !bootstrap {
                        0.0
                    } else {
                        value(&environment)
                    };
                    errors.push((
                        rollout.rewards[step] + config.gamma * next - before,
                        transition.done(),
                    ));
                    if transition.done() {
                        environment.reset();
                    }
                }
                for t in 0..config.rollout_steps {
                    let (mut want, mut factor) = (0.0, 1.0);
                    for &(error, done) in &errors[t..] {
                        want += factor * error;
                        factor *= config.gamma * config.gae_lambda;
                        if done {
                            break;
                        }
                    }
                    let got = rollout.advantages[t * 2 + environment_index];
                    assert!(
                        (got - want).abs() < 1e-5,
                        "step {t} of {environment_index}: {got} {want}"
                    );
                }
            }
        }
    }

    #[test]
    fn an_environment_that_fails_is_named_with_the_step() {
        struct Broken(usize);

        impl DiscreteEnvironment for Broken {
            fn observation_size(&self) -> usize {
                1
            }

            fn actions(&self) -> usize {
                2
            }

            fn seed(&mut self, _seed: u64, _index: u32) {}

            fn reset(&mut self) {}

            fn step(&mut self, _action: usize) -> Transition {
                self.0 += 1;
                Transition::ongoing(if self.0 == 7 { f64::NAN } else { 0.0 })
            }

            fn observe(&self, observation: &mut [f32]) -> Result<(), ObservationSizeError> {
                observation[0] = 0.0;
                Ok(())
            }
        }

        let config = PpoConfig {
            environments: 3,
            rollout_steps: 4,
            minibatches: 1,
            epochs: 1,
            ..PpoConfig::default()
        };
        let environments = (0..3).map(|i| Box::new(Broken(i / 2)) as Box<_>);
        let environments = VectorEnvironment::new(environments.collect()).expect("alike");
        let mut learner =
            crate::rl::ppo::Learner::with_environments(config, environments, &Device::flex())
                .expect("a valid configuration");
        learner.update().expect("nothing is wrong yet");
        let error = learner.update().expect_err("a reward that is not a number");
        assert_eq!(
            error.to_string(),
            "after 15 environment steps, environment 2 returned the reward NaN: rewards must be finite"
        );
    }

    /// Returns the size of each read of a rollout: the actions of each step, and then everything else at
    /// once.
    fn reads_of_a_rollout(environments: usize, device: &Device) -> Vec<usize> {
        let config = PpoConfig {
            environments,
            rollout_steps: 3,
            ..PpoConfig::default()
        };
        let mut vector = config.make_environments().expect("environments");
        let model = network(&vector, config.alpha, device);
        take_reads();
        Rollout::collect(
            &model,
            &mut vector,
            &mut streams(environments),
            &config,
            device,
        )
        .expect("a rollout");
        take_reads()
    }

    #[test]
    fn nothing_is_read_back_in_a_step_on_a_cpu() {
        let batch = 3 * 16;
        assert_eq!(
            reads_of_a_rollout(16, &Device::flex()),
            [batch, batch, batch + 16, 4]
        );
    }

    #[cfg(all(feature = "conformance", feature = "wgpu"))]
    #[test]
    fn nothing_but_actions_is_read_back_in_a_step_of_many_environments_on_wgpu() {
        let Some(device) = crate::conformance::wgpu_device() else {
            return;
        };
        let (n, batch) = (4096, 3 * 4096);
        assert_eq!(
            reads_of_a_rollout(n, &device),
            [n, n, n, batch, batch, batch + n, 4]
        );
    }
}
