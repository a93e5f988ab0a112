use super::config::MAX_STEPS;
use super::optimizer::with_sequential_ids;
use super::update::update;
use super::{
    Checkpoint, ClippedAdam, LearnerError, LearnerState, PpoConfig, Rollout, UpdateMetrics,
};
use crate::experiment::{Purpose, Stream, stream};
use crate::rl::env::{EnvironmentError, Episode, RunningStatistics, VectorEnvironment};
use crate::rl::evaluate::FIRST_INDEX;
use crate::rl::policy::{ActorCritic, Initializer};
use crate::rl::transfer::read;
use burn::module::Module;
use burn::tensor::Device;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The number of episodes in the reported mean return.
const RECENT_EPISODES: usize = 100;

/// A training run in progress: networks, optimizer, environments and random streams.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::Device;
/// use burn_tsallis::rl::ppo::{Learner, PpoConfig};
///
/// let config = PpoConfig { total_steps: 1024, epochs: 1, ..PpoConfig::default() };
/// let mut learner = Learner::new(config, &Device::flex()).unwrap();
/// while !learner.is_finished() {
///     let metrics = learner.update().unwrap();
///     assert!(metrics.value_loss.is_finite());
/// }
/// assert_eq!(learner.global_step(), 1024);
/// # }
/// ```
pub struct Learner {
    config: PpoConfig,
    device: Device,
    model: ActorCritic,
    optimizer: ClippedAdam,
    environments: VectorEnvironment,
    actions: Vec<Stream>,
    minibatches: Stream,
    updates: usize,
    episodes: usize,
    bad_episodes: Option<usize>,
    recent: VecDeque<Episode>,
    ended: Vec<Episode>,
    times: UpdateTimes,
}

/// The times of the last update.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpdateTimes {
    /// Stepping the environments and evaluating the states.
    pub rollout: Duration,
    /// Computing the losses of the minibatches. On a CPU, also their gradients in the outputs of the networks.
    pub forward: Duration,
    /// The softargmax of the minibatches and its gradients, a part of `forward`. Zero if the loss is a graph of
    /// tensors, as on other devices than a CPU.
    pub operator: Duration,
    /// Computing the gradients of these losses, or the rest of them.
    pub backward: Duration,
    /// Stepping the optimizer.
    pub optimizer: Duration,
    /// The whole update, including the rollout and all work not listed here.
    pub total: Duration,
}

impl Learner {
    /// Creates a run in the environments of the configuration.
    ///
    /// # Errors
    ///
    /// [`LearnerError::Config`] if the configuration is invalid.
    pub fn new(config: PpoConfig, device: &Device) -> Result<Self, LearnerError> {
        Self::new_unless(config, device, &|| false)
    }

    /// Creates a run like [`new`](Self::new). Returns [`LearnerError::Stopped`] once `stop` returns true while
    /// the networks are initialized.
    pub(in crate::rl) fn new_unless(
        config: PpoConfig,
        device: &Device,
        stop: &dyn Fn() -> bool,
    ) -> Result<Self, LearnerError> {
        config.validate()?;
        let environments = config.make_environments()?;
        Self::initialized(config, environments, device, Some(stop))
    }

    /// Creates a run to be [restored](Self::restore), whose networks are zero.
    pub(in crate::rl) fn to_restore(
        config: PpoConfig,
        device: &Device,
    ) -> Result<Self, LearnerError> {
        config.validate()?;
        let environments = config.make_environments()?;
        Self::initialized(config, environments, device, None)
    }

    /// Creates a run in the given environments. They are used as they are and not seeded
    /// ([`VectorEnvironment::seeded`] seeds them). The configuration's `environment` and noise are ignored.
    /// Only environments inside [`EpisodeStatistics`](crate::rl::env::EpisodeStatistics) report their
    /// returns. Observations and rewards are normalized if the configuration says so.
    ///
    /// # Errors
    ///
    /// [`LearnerError::Config`] if the configuration is invalid, or if its `environments` is not the number
    /// of given environments.
    pub fn with_environments(
        config: PpoConfig,
        environments: VectorEnvironment,
        device: &Device,
    ) -> Result<Self, LearnerError> {
        Self::initialized(config, environments, device, Some(&|| false))
    }

    /// Creates a run in the given environments. Its networks are initialized unless `stop` returns true, and
    /// are zero without `stop`.
    pub(in crate::rl) fn initialized(
        config: PpoConfig,
        mut environments: VectorEnvironment,
        device: &Device,
        stop: Option<&dyn Fn() -> bool>,
    ) -> Result<Self, LearnerError> {
        config.validate()?;
        config.check_environments(environments.len())?;
        config.check_networks(environments.spaces())?;
        config.normalize(&mut environments)?;
        let device = device.clone().autodiff();
        let mut weights = stream(config.seed, Purpose::Weights, 0);
        let check = || match stop {
            Some(stop) if stop() => Err(LearnerError::Stopped),
            _ => Ok(()),
        };
        let mut initializer = match stop {
            Some(_) => Initializer::Orthogonal {
                weights: &mut weights,
                check: &check,
            },
            None => Initializer::Zeros,
        };
        let model = ActorCritic::initialized(
            environments.spaces(),
            &config.network,
            config.alpha,
            &device,
            &mut initializer,
        )?;
        let optimizer = ClippedAdam::new(&model, &config);
        Ok(Self {
            actions: (0..config.environments as u32)
                .map(|i| stream(config.seed, Purpose::Actions, i))
                .collect(),
            minibatches: stream(config.seed, Purpose::Minibatches, 0),
            config,
            device,
            model,
            optimizer,
            environments,
            updates: 0,
            episodes: 0,
            bad_episodes: None,
            recent: VecDeque::with_capacity(RECENT_EPISODES),
            ended: Vec::new(),
            times: UpdateTimes::default(),
        })
    }

    /// Returns the state from which the run can continue. After [`restore`](Self::restore), a run on a CPU
    /// produces the same numbers as an uninterrupted run, to the last bit.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            model: with_sequential_ids(self.model.clone()).into_record(),
            moments: self.optimizer.moments(),
            state: LearnerState {
                spaces: Some(self.environments.spaces().clone()),
                updates: self.updates,
                episodes: self.episodes,
                bad_episodes: self.bad_episodes,
                recent: self.recent.iter().copied().collect(),
                adam_steps: self.optimizer.steps(),
                actions: self.actions.clone(),
                minibatches: self.minibatches.clone(),
                normalization: self.environments.normalization().cloned(),
                environments: self.environments.save(),
            },
        }
    }

    /// Continues from a checkpoint of a run with the same configuration. Returns `false` if the environments
    /// did not save their state, in which case they begin new episodes.
    ///
    /// # Errors
    ///
    /// [`LearnerError::Checkpoint`] if the checkpoint does not match the configuration. The run cannot
    /// continue after an error.
    pub fn restore(&mut self, checkpoint: Checkpoint) -> Result<bool, LearnerError> {
        let Checkpoint {
            model,
            moments,
            state,
        } = checkpoint;
        let refused = |error: &dyn std::fmt::Display| LearnerError::Checkpoint(error.to_string());
        if state.actions.len() != self.actions.len() {
            return Err(refused(&format!(
                "it has the random streams of {} environments instead of {}",
                state.actions.len(),
                self.actions.len()
            )));
        }
        let spaces = self.environments.spaces();
        if let Some(saved) = state.spaces.as_ref().filter(|saved| *saved != spaces) {
            return Err(refused(&format!("it has {saved} instead of {spaces}")));
        }
        // The counters go on from here, and must not overflow.
        let counters = [
            (
                "updates",
                state.updates,
                MAX_STEPS / self.config.batch() + 1,
            ),
            ("adam_steps", state.adam_steps, MAX_STEPS),
            ("episodes", state.episodes, MAX_STEPS),
            (
                "bad_episodes",
                state.bad_episodes.unwrap_or(0),
                state.episodes,
            ),
            (
                "the number of recent episodes",
                state.recent.len(),
                RECENT_EPISODES,
            ),
        ];
        for (name, count, most) in counters {
            if count > most {
                return Err(refused(&format!(
                    "{name} is {count}: it must be at most {most}"
                )));
            }
        }
        self.model = self
            .model
            .clone()
            .try_load_record(model)
            .map_err(|error| refused(&error))?;
        self.optimizer = ClippedAdam::new(&self.model, &self.config);
        self.optimizer
            .restore(state.adam_steps, moments)
            .map_err(|error| refused(&error))?;
        if let Some(saved) = &state.environments {
            self.environments
                .restore(saved)
                .map_err(|error| refused(&error))?;
        }
        self.environments
            .restore_normalization(state.normalization)
            .map_err(|error| refused(&error))?;
        if state.environments.is_none() {
            self.environments.begin_returns();
        }
        self.updates = state.updates;
        self.episodes = state.episodes;
        self.bad_episodes = state.bad_episodes;
        self.recent = state.recent.into();
        self.actions = state.actions;
        self.minibatches = state.minibatches;
        Ok(state.environments.is_some())
    }

    /// Begins new episodes after a [`restore`](Self::restore), with random streams that the run has not used.
    pub(in crate::rl) fn begin_new_episodes(&mut self) -> Result<(), EnvironmentError> {
        let index = self.updates * self.config.environments % FIRST_INDEX as usize;
        self.environments.seed_from(self.config.seed, index as u32)
    }

    /// Collects a rollout and learns from it. After the [end](Self::is_finished) of a run with an annealed
    /// learning rate, it only collects.
    ///
    /// # Errors
    ///
    /// If training has diverged, or if the device or an environment failed. The run cannot continue after an
    /// error, because the networks may be left between two updates.
    pub fn update(&mut self) -> Result<UpdateMetrics, LearnerError> {
        let started = Instant::now();
        let rollout = Rollout::collect(
            &self.model.valid(),
            &mut self.environments,
            &mut self.actions,
            &self.config,
            &self.device.clone().inner(),
        )
        .map_err(|error| error.after(self.global_step()))?;
        let mut metrics = self.rollout_metrics(&rollout);
        self.ended.clone_from(&rollout.episodes);
        self.times = UpdateTimes {
            rollout: started.elapsed(),
            ..UpdateTimes::default()
        };
        self.model = update(
            self.model.clone(),
            &mut self.optimizer,
            &rollout,
            &mut self.minibatches,
            &self.config,
            &mut metrics,
            &mut self.times,
            &self.device,
        )
        .map_err(|error| error.caused_by(&rollout.rewards, &self.config))?;
        self.updates += 1;
        self.times.total = started.elapsed();
        Ok(metrics)
    }

    /// Returns the metrics of this update without its losses.
    fn rollout_metrics(&mut self, rollout: &Rollout) -> UpdateMetrics {
        self.episodes += rollout.episodes.len();
        for &episode in &rollout.episodes {
            if self.recent.len() == RECENT_EPISODES {
                self.recent.pop_front();
            }
            self.recent.push_back(episode);
            if let Some(bad) = episode.bad {
                *self.bad_episodes.get_or_insert(0) += usize::from(bad);
            }
        }
        let total_reward = |e: &Episode| e.total_reward;
        let mut metrics = UpdateMetrics {
            update: self.updates + 1,
            global_step: (self.updates + 1) * self.config.batch(),
            learning_rate: self.config.learning_rate_at(self.updates),
            episodes: self.episodes,
            episodic_return: mean(rollout.episodes.iter().map(total_reward)),
            episodic_length: mean(rollout.episodes.iter().map(|e| e.length as f64)),
            recent_return: mean(self.recent.iter().map(total_reward)),
            bad_episodes: self.bad_episodes,
            explained_variance: rollout.explained_variance(),
            ..UpdateMetrics::default()
        };
        rollout.statistics.write(&mut metrics);
        metrics
    }

    /// Returns whether every parameter is finite. The losses of the last minibatch are finite, but the
    /// optimizer step after them can still produce parameters that are not.
    ///
    /// # Errors
    ///
    /// If the device failed.
    pub fn is_finite(&self) -> Result<bool, LearnerError> {
        let [mean] = read([self.optimizer.half_mean_magnitude().unsqueeze()])?;
        Ok(mean.iter().all(|mean| mean.is_finite()))
    }

    /// Returns whether every update of the configuration has been made.
    pub fn is_finished(&self) -> bool {
        self.updates >= self.config.updates()
    }

    /// Returns the number of updates made.
    pub fn updates(&self) -> usize {
        self.updates
    }

    /// Returns the number of environment steps made.
    pub fn global_step(&self) -> usize {
        self.updates * self.config.batch()
    }

    /// Returns the episodes that ended in the last update.
    pub fn ended_episodes(&self) -> &[Episode] {
        &self.ended
    }

    /// Returns the mean return of the last episodes, at most 100, or `None` before the first has ended.
    pub fn recent_return(&self) -> Option<f64> {
        mean(self.recent.iter().map(|e| e.total_reward))
    }

    /// Returns the configuration.
    pub fn config(&self) -> &PpoConfig {
        &self.config
    }

    /// Returns the environments.
    pub fn environments(&self) -> &VectorEnvironment {
        &self.environments
    }

    /// Returns the networks.
    pub fn model(&self) -> &ActorCritic {
        &self.model
    }

    /// Returns the statistics by which the observations of the networks are normalized, or `None` if they are not.
    pub fn observation_statistics(&self) -> Option<&RunningStatistics> {
        self.environments.observation_statistics()
    }

    /// Returns the times of the last update.
    pub fn times(&self) -> UpdateTimes {
        self.times
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0_usize, 0.0), |(n, sum), value| (n + 1, sum + value));
    (count > 0).then(|| sum / count as f64)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::rl::policy::NetworkConfig;
    use burn::Tensor;

    fn small(alpha: f64) -> PpoConfig {
        PpoConfig {
            environment: "identity:3".parse().expect("a name of an environment"),
            alpha,
            regularizer_alpha: alpha,
            noise_std: 0.0,
            environments: 8,
            rollout_steps: 16,
            epochs: 4,
            minibatches: 2,
            learning_rate: 0.02,
            network: NetworkConfig {
                hidden: vec![16],
                ..NetworkConfig::default()
            },
            ..PpoConfig::default()
        }
    }

    /// The products and the activations are large enough for several threads.
    #[test]
    fn the_same_bits_for_any_number_of_threads() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("a pool");
            let config = PpoConfig {
                environments: 64,
                minibatches: 2,
                network: NetworkConfig {
                    hidden: vec![128, 128],
                    ..NetworkConfig::default()
                },
                ..small(0.5)
            };
            pool.install(|| {
                let mut learner = Learner::new(config, &Device::flex()).expect("valid");
                learner.update().expect("an update");
                let model = learner.checkpoint().model;
                model.into_bytes().expect("bytes").to_vec()
            })
        };
        assert!(run(1) == run(3));
    }

    /// The large reward is five steps away and a small one is beside the start. A learner finds the large
    /// reward only if returns are carried back through an episode.
    #[test]
    fn learns_delayed_rewards() {
        let config = PpoConfig {
            environment: "nchain:5".parse().expect("a name of an environment"),
            rollout_steps: 32,
            learning_rate: 0.01,
            total_steps: 12_800,
            ..small(0.5)
        };
        let best = config.environment.best_return().expect("a known return");
        let mut learner = Learner::new(config, &Device::flex()).expect("valid");
        while !learner.is_finished() {
            learner.update().expect("an update");
        }
        let last = learner.recent_return().expect("episodes ended");
        assert!(last > 0.9 * best, "{last} of {best}");
    }

    /// The weights are loaded next: orthogonal ones would be drawn in vain.
    #[test]
    fn a_run_to_restore_has_zero_weights() {
        let learner = Learner::to_restore(small(0.5), &Device::flex()).expect("valid");
        let mean = learner.optimizer.half_mean_magnitude();
        assert_eq!(mean.into_scalar::<f32>(), 0.0);
    }

    #[test]
    fn updates_after_the_last_change_nothing() {
        let config = PpoConfig {
            total_steps: 256,
            ..small(0.5)
        };
        let mut learner = Learner::new(config, &Device::flex()).expect("valid");
        let model = |learner: &mut Learner| {
            learner.update().expect("an update");
            let record = learner.checkpoint().model;
            record.into_bytes().expect("bytes").to_vec()
        };
        let before = [model(&mut learner), model(&mut learner)];
        assert!(learner.is_finished() && before[0] != before[1]);
        assert!(model(&mut learner) == before[1]);
    }

    /// The reward is 1 for the correct one of three actions, and for those of all dimensions together.
    #[test]
    fn every_alpha_learns_the_identity() {
        let alphas = [-1.0, 0.0, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0].into_iter();
        for (alpha, name) in
            alphas.flat_map(|alpha| ["identity:3", "identity:3x2"].map(|name| (alpha, name)))
        {
            let config = PpoConfig {
                environment: name.parse().expect("a name of an environment"),
                total_steps: 40 * 128,
                ..small(alpha)
            };
            let best = config.environment.best_return().expect("a known return");
            let mut learner = Learner::new(config, &Device::flex()).expect("valid");
            let mut last = None;
            while !learner.is_finished() {
                last = learner.update().expect("an update").episodic_return;
            }
            let last = last.expect("episodes ended");
            // Uniform actions earn 0.42 of the best return or less.
            assert!(last > 0.8 * best, "{name}, alpha {alpha}: {last} of {best}");
        }
    }

    /// A restored run makes the same updates as an uninterrupted one: parameters, moments, streams, statistics and
    /// environments.
    #[test]
    fn a_restored_run_is_the_straight_run() {
        for (environment, normalized) in [
            ("cartpole", false),
            ("cartpole", true),
            ("identity:4x2", true),
        ] {
            a_restored_run_is_the_straight_run_of(&PpoConfig {
                environment: environment.parse().expect("a name of an environment"),
                normalize_observations: normalized,
                normalize_rewards: normalized,
                total_steps: 6 * 128,
                noise_std: 0.5,
                first_step_without_noise: true,
                ..small(0.5)
            });
        }
    }

    fn a_restored_run_is_the_straight_run_of(config: &PpoConfig) {
        let device = Device::flex();
        let new = || Learner::new(config.clone(), &device).expect("valid");
        let rows = |learner: &mut Learner, count: usize| -> Vec<UpdateMetrics> {
            (0..count)
                .map(|_| learner.update().expect("an update"))
                .collect()
        };
        let mut straight = new();
        let want = rows(&mut straight, 6);
        for cut in [0, 1, 4] {
            let mut before = new();
            rows(&mut before, cut);
            let saved = before.checkpoint();
            let text = serde_json::to_string(&saved.state).expect("a state");
            let mut after = new();
            let restored = Checkpoint {
                state: serde_json::from_str(&text).expect("the same state"),
                ..saved
            };
            assert!(after.restore(restored).expect("the same configuration"));
            assert_eq!(after.global_step(), cut * 128);
            assert_eq!(rows(&mut after, 6 - cut), want[cut..], "cut after {cut}");
            assert_eq!(after.checkpoint().state, straight.checkpoint().state);
        }
    }

    /// The statistics change while the rollout is collected and not while the networks learn from it: before the first
    /// step of the optimizer, every ratio is one.
    #[test]
    fn normalization_is_frozen_during_an_update() {
        for environment in ["cartpole", "identity:4x2"] {
            let config = PpoConfig {
                environment: environment.parse().expect("a name of an environment"),
                normalize_observations: true,
                normalize_rewards: true,
                epochs: 1,
                minibatches: 1,
                ..small(0.5)
            };
            let mut learner = Learner::new(config, &Device::flex()).expect("valid");
            for _ in 0..5 {
                let before = learner.observation_statistics().cloned();
                let metrics = learner.update().expect("an update");
                assert!(
                    metrics.old_approx_kl.abs() < 1e-6,
                    "{}",
                    metrics.old_approx_kl
                );
                assert!(metrics.approx_kl.abs() < 1e-10, "{}", metrics.approx_kl);
                assert_ne!(learner.observation_statistics().cloned(), before);
            }
        }
    }

    /// A policy that learned from normalized observations plays with their statistics, and not without them.
    #[test]
    fn an_evaluation_uses_the_statistics() {
        use crate::rl::env::{DiscreteEnvironment, ObservationSizeError, Transition};
        use crate::rl::{Evaluation, evaluate, evaluate_in};

        /// The reward is 1 for the action that is the sign of a small deviation from a large number.
        struct Deviation(u64, usize);

        impl Deviation {
            fn sign(&self) -> usize {
                (self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 63) as usize
            }
        }

        impl DiscreteEnvironment for Deviation {
            fn observation_size(&self) -> usize {
                1
            }

            fn actions(&self) -> usize {
                2
            }

            fn seed(&mut self, seed: u64, index: u32) {
                self.0 = seed + u64::from(index);
            }

            fn reset(&mut self) {
                self.1 = 0;
            }

            fn step(&mut self, action: usize) -> Transition {
                let right = action == self.sign();
                self.0 += 1;
                self.1 += 1;
                Transition {
                    truncated: self.1 >= 10,
                    ..Transition::ongoing(f64::from(right))
                }
            }

            fn observe(&self, observation: &mut [f32]) -> Result<(), ObservationSizeError> {
                observation[0] = 1000.0 + 0.5 * self.sign() as f32;
                Ok(())
            }
        }

        let config = PpoConfig {
            normalize_observations: true,
            total_steps: 20 * 128,
            ..small(0.5)
        };
        let make = || Deviation(0, 0);
        let environments = VectorEnvironment::seeded(8, 0, make).expect("environments");
        let device = Device::flex();
        let mut learner = Learner::with_environments(config, environments, &device).expect("valid");
        while !learner.is_finished() {
            learner.update().expect("an update");
        }
        let evaluation = Evaluation {
            episodes: 20,
            deterministic: true,
            seed: 0,
        };
        let model = learner.model().valid();
        let mean_return = |statistics| {
            let episodes = evaluate_in(&model, make, statistics, evaluation, &device);
            mean(episodes.expect("played").iter().map(|e| e.total_reward)).expect("episodes")
        };
        assert_eq!(mean_return(learner.observation_statistics()), 10.0);
        assert!(mean_return(None) < 8.0);

        let other = evaluate(&model, &small(0.5), None, evaluation, &device);
        let error = other.expect_err("another environment").to_string();
        assert!(
            error.ends_with(
                "its networks are for 1 observation components and [2] actions, and the environment has 3 \
                 observation components and [3] actions"
            ),
            "{error}"
        );
    }

    #[test]
    fn the_first_policy_is_that_of_the_biases() {
        let network = NetworkConfig {
            policy_bias: vec![0.0, 2.0, 0.0],
            ..small(0.5).network
        };
        let config = PpoConfig {
            network,
            ..small(0.5)
        };
        let device = Device::flex();
        let model = Learner::new(config, &device)
            .expect("valid")
            .model()
            .valid();
        let logits = model.logits(Tensor::ones([1, 3], &device)).into_data();
        let logits: Vec<f32> = logits.iter().collect();
        for (logit, bias) in logits.iter().zip([0.0, 2.0, 0.0]) {
            assert!((logit - bias).abs() < 0.05, "{logits:?}");
        }
    }

    #[test]
    fn a_checkpoint_of_another_configuration_is_refused() {
        let device = Device::flex();
        let mut learner = Learner::new(small(0.5), &device).expect("valid");
        let wider = PpoConfig {
            network: NetworkConfig {
                hidden: vec![17],
                ..NetworkConfig::default()
            },
            ..small(0.5)
        };
        let fewer = PpoConfig {
            environments: 4,
            ..small(0.5)
        };
        let normalized = PpoConfig {
            normalize_rewards: true,
            ..small(0.5)
        };
        let factored = PpoConfig {
            environment: "identity:3x3".parse().expect("a name of an environment"),
            ..small(0.5)
        };
        for other in [wider, fewer, normalized, factored] {
            let checkpoint = Learner::new(other, &device).expect("valid").checkpoint();
            let error = learner.restore(checkpoint).expect_err("another one");
            assert!(
                error
                    .to_string()
                    .starts_with("the checkpoint does not match the configuration"),
                "{error}"
            );
        }
    }

    /// A smaller learning rate would not help.
    #[test]
    fn rewards_that_overflow_are_named() {
        let config = PpoConfig {
            noise_std: 1e30,
            ..small(0.5)
        };
        let mut learner = Learner::new(config, &Device::flex()).expect("valid");
        let error = learner.update().expect_err("an infinite loss").to_string();
        assert!(error.contains("the rewards, with their noise"), "{error}");
        assert!(!error.contains("learning rate"), "{error}");
    }

    /// A smaller learning rate would not help.
    #[test]
    fn coefficients_that_overflow_are_named() {
        let value = PpoConfig {
            value_coefficient: 1e38,
            ..small(0.5)
        };
        let entropy = PpoConfig {
            entropy_coefficient: 1e38,
            ..small(0.5)
        };
        for (name, config) in [("value", value), ("entropy", entropy)] {
            let mut learner = Learner::new(config, &Device::flex()).expect("valid");
            let error = (0..5)
                .find_map(|_| learner.update().err())
                .expect("an infinite gradient")
                .to_string();
            let words = format!("is not finite: {name}_coefficient is 1e38, too large");
            assert!(error.contains(&words), "{error}");
            assert!(!error.contains("learning rate"), "{error}");
        }
    }

    #[test]
    fn counters_of_a_damaged_checkpoint_are_refused() {
        let device = Device::flex();
        let mut learner = Learner::new(small(0.5), &device).expect("valid");
        learner.update().expect("an update");
        type Damage = fn(&mut LearnerState);
        let changes: [(&str, Damage); 5] = [
            ("updates", |state| state.updates = usize::MAX),
            ("adam_steps", |state| state.adam_steps = usize::MAX),
            ("episodes", |state| state.episodes = usize::MAX),
            ("bad_episodes", |state| {
                state.bad_episodes = Some(usize::MAX);
            }),
            ("recent", |state| {
                state.recent = vec![Episode::default(); RECENT_EPISODES + 1];
            }),
        ];
        for (name, change) in changes {
            let mut checkpoint = learner.checkpoint();
            change(&mut checkpoint.state);
            let error = learner.restore(checkpoint).expect_err(name).to_string();
            assert!(error.contains(name) && error.contains("at most"), "{error}");
        }
    }

    #[test]
    fn divergence_stops_the_run() {
        let config = PpoConfig {
            learning_rate: 1e30,
            ..small(0.5)
        };
        let mut learner = Learner::new(config, &Device::flex()).expect("valid");
        let error = (0..5)
            .find_map(|_| learner.update().err())
            .expect("a learning rate of 1e30");
        assert!(matches!(error, LearnerError::NotFinite(_)), "{error}");
    }
}
