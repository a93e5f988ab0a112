use super::PpoAgentRecord;
use crate::experiment::{Purpose, stream};
use crate::rl::env::{DiscreteEnvironment, EpisodeStatistics, RewardNoise, VectorEnvironment};
use crate::rl::policy::{ActorCritic, TsallisPolicy, TsallisPolicyState};
use crate::rl::ppo::{
    Checkpoint, ConfigError, Learner, LearnerError, Moments, PpoConfig, UpdateMetrics,
};
use burn::module::Module;
use burn::rl::{LearnerTransitionBatch, Policy, PolicyLearner, PolicyState, RLTrainOutput};
use burn::tensor::Device;

/// The agent that [`OnPolicy`](super::OnPolicy) trains: a configuration, networks and the state of the
/// learner, as a [`burn::rl::PolicyLearner`].
pub struct PpoAgent {
    config: PpoConfig,
    observation_size: usize,
    actions: usize,
    device: Device,
    model: ActorCritic,
    record: PpoAgentRecord,
}

impl PpoAgent {
    /// Creates an untrained agent for environments with observations of `observation_size` components and
    /// with `actions` actions. Its initial networks are those of a [`Learner`] with the same seed.
    ///
    /// # Errors
    ///
    /// If the configuration is invalid, or if one of the sizes is zero.
    pub fn new(
        config: PpoConfig,
        observation_size: usize,
        actions: usize,
        device: &Device,
    ) -> Result<Self, ConfigError> {
        config.validate()?;
        for (field, size) in [("observation_size", observation_size), ("actions", actions)] {
            if size == 0 {
                return Err(ConfigError::new(field, size, "at least 1"));
            }
        }
        let device = device.clone().autodiff();
        let model = ActorCritic::new(
            observation_size,
            actions,
            &config.network,
            config.alpha,
            &device,
            &mut stream(config.seed, Purpose::Weights, 0),
        );
        Ok(Self {
            config,
            observation_size,
            actions,
            device,
            model,
            record: PpoAgentRecord::default(),
        })
    }

    /// Returns the configuration.
    pub fn config(&self) -> &PpoConfig {
        &self.config
    }

    /// Returns the networks.
    pub fn model(&self) -> &ActorCritic {
        &self.model
    }

    /// Returns a learner that continues from this agent up to `total_steps` steps in all, in environments
    /// from `make` with the noise of the configuration.
    pub(super) fn learner<E: DiscreteEnvironment + 'static>(
        &self,
        make: impl Fn() -> E,
        total_steps: usize,
    ) -> Result<Learner, LearnerError> {
        let config = PpoConfig {
            total_steps,
            ..self.config.clone()
        };
        let environments = VectorEnvironment::seeded(config.environments, config.seed, || {
            RewardNoise::new(EpisodeStatistics::new(make()), config.noise_std)
                .with_first_step_exempt(config.first_step_without_noise)
        })?;
        let sizes = [
            (
                "observation_size",
                self.observation_size,
                environments.observation_size(),
            ),
            ("actions", self.actions, environments.actions()),
        ];
        for (field, own, theirs) in sizes {
            if own != theirs {
                let wanted = format!("{theirs}, as in the environments");
                return Err(ConfigError::new(field, own, &wanted).into());
            }
        }
        let device = self.device.clone().inner();
        // The networks are those of the agent.
        let mut learner = Learner::initialized(config, environments, &device, None)?;
        let PpoAgentRecord { moments, state } = self.record.clone();
        let moments = moments
            .map(|record| {
                Moments::new(self.model.num_params(), &device)
                    .try_load_record(record)
                    .map_err(|error| LearnerError::Checkpoint(error.to_string()))
            })
            .transpose()?;
        let resumed = state.is_some();
        let restored = learner.restore(Checkpoint {
            model: self.model.clone().into_record(),
            moments,
            state: state.unwrap_or_else(|| learner.checkpoint().state),
        })?;
        if resumed && !restored {
            log::info!("The environments do not save their states: they begin new episodes.");
        }
        Ok(learner)
    }

    /// Copies the networks and the state of the learner.
    pub(super) fn update_from(&mut self, learner: &Learner) {
        let Checkpoint { moments, state, .. } = learner.checkpoint();
        self.model = learner.model().clone();
        self.record = PpoAgentRecord {
            moments: moments.map(Module::into_record),
            state: Some(state),
        };
    }
}

impl PolicyLearner for PpoAgent {
    type TrainContext = UpdateMetrics;
    type InnerPolicy = TsallisPolicy;
    type Record = PpoAgentRecord;

    /// # Panics
    ///
    /// Always. PPO learns from whole rollouts of its own policy, not from the transitions of a buffer. The
    /// strategy [`OnPolicy`](super::OnPolicy) collects such rollouts.
    fn train(
        &mut self,
        _: LearnerTransitionBatch<TsallisPolicy>,
    ) -> RLTrainOutput<UpdateMetrics, TsallisPolicyState> {
        panic!(
            "PPO learns from rollouts of its own policy, not from a buffer of transitions: train it \
             with `RLStrategies::Custom(Arc::new(OnPolicy::new(..)))`"
        )
    }

    fn policy(&self) -> TsallisPolicy {
        let normalization = self
            .record
            .state
            .as_ref()
            .and_then(|s| s.normalization.as_ref());
        let statistics = normalization.and_then(|n| n.observations.clone());
        TsallisPolicy::new(self.model.valid(), self.config.seed)
            .with_observation_statistics(statistics)
    }

    /// # Panics
    ///
    /// If the networks of the policy have another shape.
    fn update_policy(&mut self, policy: TsallisPolicy) {
        let record = policy.state().into_record();
        self.model = self.model.clone().load_record(record);
    }

    fn record(&self) -> PpoAgentRecord {
        self.record.clone()
    }

    /// Sets the state from which the next training run continues. The state is checked against the
    /// configuration when that run starts.
    fn load_record(self, record: PpoAgentRecord) -> Self {
        Self { record, ..self }
    }

    fn device(&self) -> Device {
        self.device.clone()
    }
}
