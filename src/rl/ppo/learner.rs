use super::update::update;
use super::{ConfigError, PpoConfig, Rollout, UpdateMetrics};
use crate::rl::env::{EnvironmentError, Episode, VectorEnvironment};
use crate::rl::policy::ActorCritic;
use crate::rl::random::{Purpose, Stream, stream};
use burn::module::Module;
use burn::optim::{AdamConfig, ModuleOptimizer};
use burn::tensor::Device;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Episodes that the reported return is the mean of.
const RECENT_EPISODES: usize = 100;

/// A training run in progress: networks, optimiser, environments and random streams.
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
    optimiser: ModuleOptimizer,
    environments: VectorEnvironment,
    actions: Vec<Stream>,
    minibatches: Stream,
    updates: usize,
    episodes: usize,
    recent: VecDeque<Episode>,
    times: Times,
}

/// What the last update took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Stepping the environments and evaluating the states.
    pub rollout: Duration,
    /// Minibatches.
    pub update: Duration,
}

/// Why a run cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LearnerError {
    /// A hyper-parameter is out of its range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An environment gave what cannot be learnt from.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// Training has diverged.
    #[error(
        "the {0} is no longer a finite number: training has diverged; a smaller learning rate, or a \
         smaller beta, may help"
    )]
    NotFinite(&'static str),
    /// The device failed.
    #[error("the device failed: {0}")]
    Device(String),
}

impl Learner {
    /// A run at its beginning.
    ///
    /// # Errors
    ///
    /// [`LearnerError::Config`] if the configuration is not valid.
    pub fn new(config: PpoConfig, device: &Device) -> Result<Self, LearnerError> {
        config.validate()?;
        let device = device.clone().autodiff();
        let environments = VectorEnvironment::new(config.make_environments())?;
        let model = ActorCritic::new(
            environments.observation_size(),
            environments.actions(),
            &config.hidden,
            config.alpha,
            &device,
            &mut stream(config.seed, Purpose::Weights, 0),
        );
        let optimiser = AdamConfig::new()
            .with_epsilon(config.adam_epsilon as f32)
            .init();
        Ok(Self {
            actions: (0..config.environments as u32)
                .map(|i| stream(config.seed, Purpose::Actions, i))
                .collect(),
            minibatches: stream(config.seed, Purpose::Minibatches, 0),
            config,
            device,
            model,
            optimiser,
            environments,
            updates: 0,
            episodes: 0,
            recent: VecDeque::with_capacity(RECENT_EPISODES),
            times: Times::default(),
        })
    }

    /// Collects a rollout and learns from it.
    ///
    /// # Errors
    ///
    /// If training has diverged or the device failed. The run then cannot go on: what the networks hold
    /// is not what any update left.
    pub fn update(&mut self) -> Result<UpdateMetrics, LearnerError> {
        let begun = Instant::now();
        let rollout = Rollout::collect(
            &self.model.valid(),
            &mut self.environments,
            &mut self.actions,
            &self.config,
            &self.device.clone().inner(),
        )?;
        let collected = Instant::now();
        let mut metrics = self.describe(&rollout);
        self.model = update(
            self.model.clone(),
            &mut self.optimiser,
            &rollout,
            &mut self.minibatches,
            &self.config,
            &mut metrics,
            &self.device,
        )?;
        self.updates += 1;
        self.times = Times {
            rollout: collected - begun,
            update: collected.elapsed(),
        };
        Ok(metrics)
    }

    /// The row of this update, less its losses.
    fn describe(&mut self, rollout: &Rollout) -> UpdateMetrics {
        self.episodes += rollout.episodes.len();
        for &episode in &rollout.episodes {
            if self.recent.len() == RECENT_EPISODES {
                self.recent.pop_front();
            }
            self.recent.push_back(episode);
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
            explained_variance: rollout.explained_variance(),
            ..UpdateMetrics::default()
        };
        rollout.statistics.write(&mut metrics);
        metrics
    }

    /// Whether every update of the configuration has been made.
    pub fn is_finished(&self) -> bool {
        self.updates >= self.config.updates()
    }

    /// Updates made.
    pub fn updates(&self) -> usize {
        self.updates
    }

    /// Environment steps made.
    pub fn global_step(&self) -> usize {
        self.updates * self.config.batch()
    }

    /// The configuration.
    pub fn config(&self) -> &PpoConfig {
        &self.config
    }

    /// The networks.
    pub fn model(&self) -> &ActorCritic {
        &self.model
    }

    /// The optimiser.
    pub fn optimiser(&self) -> &ModuleOptimizer {
        &self.optimiser
    }

    /// What the last update took.
    pub fn times(&self) -> Times {
        self.times
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0_usize, 0.0), |(n, sum), value| (n + 1, sum + value));
    (count > 0).then(|| sum / count as f64)
}
