use super::{PpoAgentRecord, TrainingUpdate};
use crate::rl::env::{DiscreteEnvironment, RewardNoise, VectorEnvironment};
use crate::rl::policy::{ActorCritic, TsallisPolicy, TsallisPolicyState};
use crate::rl::ppo::{Checkpoint, ConfigError, Learner, LearnerError, Moments, PpoConfig};
use crate::rl::random::{Purpose, stream};
use burn::module::Module;
use burn::rl::{LearnerTransitionBatch, Policy, PolicyLearner, PolicyState, RLTrainOutput};
use burn::tensor::Device;

/// The PPO [`Learner`] as a [`burn::rl::PolicyLearner`]. [`OnPolicy`](super::OnPolicy) gives it the
/// environments that it learns in.
pub struct PpoAgent {
    config: PpoConfig,
    observation_size: usize,
    actions: usize,
    device: Device,
    stage: Stage,
}

enum Stage {
    /// There is no environment yet.
    Waiting {
        model: Box<ActorCritic>,
        record: PpoAgentRecord,
    },
    Learning(Box<Learner>),
}

impl PpoAgent {
    /// An agent at its beginning, for environments with observations of `observation_size` components and
    /// with `actions` actions. Its first networks are those of a [`Learner`] with the same seed.
    ///
    /// # Errors
    ///
    /// [`LearnerError::Config`] if the configuration is not valid, or if one of the sizes is zero.
    pub fn new(
        config: PpoConfig,
        observation_size: usize,
        actions: usize,
        device: &Device,
    ) -> Result<Self, LearnerError> {
        config.validate()?;
        for (field, size) in [("observation_size", observation_size), ("actions", actions)] {
            if size == 0 {
                return Err(ConfigError::new(field, size, "at least 1").into());
            }
        }
        let device = device.clone().autodiff();
        let mut weights = stream(config.seed, Purpose::Weights, 0);
        let model = ActorCritic::new(
            observation_size,
            actions,
            &config.network,
            config.alpha,
            &device,
            &mut weights,
        );
        Ok(Self {
            config,
            observation_size,
            actions,
            device,
            stage: Stage::Waiting {
                model: Box::new(model),
                record: PpoAgentRecord::default(),
            },
        })
    }

    /// The networks.
    pub fn model(&self) -> &ActorCritic {
        match &self.stage {
            Stage::Waiting { model, .. } => model,
            Stage::Learning(learner) => learner.model(),
        }
    }

    /// The configuration.
    pub fn config(&self) -> &PpoConfig {
        &self.config
    }

    /// The learner; none before the training has begun.
    pub fn learner(&self) -> Option<&Learner> {
        match &self.stage {
            Stage::Waiting { .. } => None,
            Stage::Learning(learner) => Some(learner),
        }
    }

    /// Begins to learn in environments that `make` makes, with the noise of the configuration above them.
    pub(super) fn begin<E: DiscreteEnvironment + 'static>(
        &mut self,
        make: impl Fn() -> E,
        total_steps: usize,
    ) -> Result<(), LearnerError> {
        let config = PpoConfig {
            total_steps,
            ..self.config.clone()
        };
        config.validate()?;
        let environments = VectorEnvironment::seeded(config.environments, config.seed, || {
            RewardNoise::new(make(), config.noise_std)
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
                let wanted = format!("{theirs}, as the environments have it");
                return Err(ConfigError::new(field, own, &wanted).into());
            }
        }
        let PpoAgentRecord { moments, state } = self.record();
        let model = self.model().clone();
        let mut learner =
            Learner::with_environments(config, environments, &self.device.clone().inner())?;
        let moments = moments
            .map(|record| {
                Moments::new(model.num_params(), &self.device.clone().inner())
                    .try_load_record(record)
                    .map_err(|error| LearnerError::Checkpoint(error.to_string()))
            })
            .transpose()?;
        let fresh = learner.checkpoint();
        learner.restore(match state {
            Some(state) => Checkpoint {
                model: model.into_record(),
                moments,
                state,
            },
            None => Checkpoint {
                model: model.into_record(),
                ..fresh
            },
        })?;
        self.stage = Stage::Learning(Box::new(learner));
        Ok(())
    }

    /// The next update; none if there is none left.
    pub(super) fn update(&mut self) -> Option<Result<TrainingUpdate, LearnerError>> {
        match &mut self.stage {
            Stage::Learning(learner) if !learner.is_finished() => Some(
                learner
                    .update()
                    .map(|metrics| TrainingUpdate::new(metrics, &self.config)),
            ),
            _ => None,
        }
    }
}

impl PolicyLearner for PpoAgent {
    type TrainContext = TrainingUpdate;
    type InnerPolicy = TsallisPolicy;
    type Record = PpoAgentRecord;

    /// # Panics
    ///
    /// Always: PPO learns from whole rollouts of its own policy, and not from transitions out of a buffer.
    /// [`OnPolicy`](super::OnPolicy) is the strategy that runs it.
    fn train(
        &mut self,
        _: LearnerTransitionBatch<TsallisPolicy>,
    ) -> RLTrainOutput<TrainingUpdate, TsallisPolicyState> {
        panic!(
            "PPO learns from rollouts of its own policy and not from a buffer of transitions: train it \
             with `RLStrategies::Custom(Arc::new(OnPolicy::new(..)))`"
        )
    }

    fn policy(&self) -> TsallisPolicy {
        TsallisPolicy::new(self.model().valid(), self.config.seed)
    }

    /// # Panics
    ///
    /// If the networks of the policy are of another shape.
    fn update_policy(&mut self, policy: TsallisPolicy) {
        let record = policy.state().into_record();
        match &mut self.stage {
            Stage::Waiting { model, .. } => **model = (**model).clone().load_record(record),
            Stage::Learning(learner) => {
                let checkpoint = Checkpoint {
                    model: record,
                    ..learner.checkpoint()
                };
                if let Err(error) = learner.restore(checkpoint) {
                    panic!("{error}");
                }
            }
        }
    }

    fn record(&self) -> PpoAgentRecord {
        match &self.stage {
            Stage::Waiting { record, .. } => record.clone(),
            Stage::Learning(learner) => {
                let Checkpoint { moments, state, .. } = learner.checkpoint();
                PpoAgentRecord {
                    moments: moments.map(Module::into_record),
                    state: Some(state),
                }
            }
        }
    }

    /// What the next training goes on from. Whether it fits the configuration shows when that begins.
    fn load_record(self, record: PpoAgentRecord) -> Self {
        let model = Box::new(self.model().clone());
        Self {
            stage: Stage::Waiting { model, record },
            ..self
        }
    }

    fn device(&self) -> Device {
        self.device.clone()
    }
}
