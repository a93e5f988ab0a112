use super::{PolicyNetworks, TsallisPolicy};
use crate::rl::env::VectorEnvironment;
use crate::rl::policy::ActorCritic;
use crate::rl::ppo::{
    Checkpoint, ConfigError, Learner, LearnerError, Moments, PpoConfig, UpdateMetrics,
};
use crate::rl::random::{Purpose, stream};
use burn::Tensor;
use burn::module::{Module, Param};
use burn::rl::{LearnerTransitionBatch, PolicyLearner, RLTrainOutput};
use burn::store::ModuleRecord;
use burn::tensor::{Device, Int};

/// What [`OnPolicy`](super::OnPolicy) trains: networks, the optimiser's moments and the configuration, between
/// two updates.
pub struct PpoAgent {
    config: PpoConfig,
    observation_size: usize,
    actions: usize,
    device: Device,
    networks: ActorCritic,
    moments: Option<Moments>,
    adam_steps: usize,
    updates: usize,
}

/// What an agent saves beside its networks, as a module.
#[derive(Module, Debug)]
struct Progress {
    moments: Moments,
    /// Steps of the optimiser and updates of the learner.
    counts: Param<Tensor<1, Int>>,
}

impl PpoAgent {
    /// An agent at its beginning, for environments of this observation size and number of actions.
    ///
    /// # Errors
    ///
    /// If the configuration is not valid.
    pub fn new(
        config: PpoConfig,
        observation_size: usize,
        actions: usize,
        device: &Device,
    ) -> Result<Self, ConfigError> {
        config.validate()?;
        let device = device.clone().autodiff();
        let mut weights = stream(config.seed, Purpose::Weights, 0);
        Ok(Self {
            networks: ActorCritic::new(
                observation_size,
                actions,
                &config.network,
                config.alpha,
                &device,
                &mut weights,
            ),
            config,
            observation_size,
            actions,
            device,
            moments: None,
            adam_steps: 0,
            updates: 0,
        })
    }

    /// The configuration.
    pub fn config(&self) -> &PpoConfig {
        &self.config
    }

    /// The number of components of an observation.
    pub fn observation_size(&self) -> usize {
        self.observation_size
    }

    /// The number of actions.
    pub fn actions(&self) -> usize {
        self.actions
    }

    /// Updates made.
    pub fn updates(&self) -> usize {
        self.updates
    }

    /// The learner of this agent in these environments, over so many steps of them in all.
    pub(super) fn learner(
        &self,
        environments: VectorEnvironment,
        total_steps: usize,
    ) -> Result<Learner, LearnerError> {
        let config = PpoConfig {
            total_steps,
            ..self.config.clone()
        };
        let device = self.device.clone().inner();
        let mut learner = Learner::with_environments(config, environments, &device)?;
        let mut state = learner.checkpoint().state;
        state.adam_steps = self.adam_steps;
        state.updates = self.updates;
        learner.restore(Checkpoint {
            model: self.networks.clone().into_record(),
            moments: self.moments.clone(),
            state,
        })?;
        Ok(learner)
    }

    /// Takes over what a learner has learnt.
    pub(super) fn follow(&mut self, learner: &Learner) {
        let checkpoint = learner.checkpoint();
        self.networks = learner.model().clone();
        self.moments = checkpoint.moments;
        self.adam_steps = checkpoint.state.adam_steps;
        self.updates = checkpoint.state.updates;
    }

    fn progress(&self) -> Progress {
        let device = self.device.clone().inner();
        let counts = [self.adam_steps as i32, self.updates as i32];
        let counts = Tensor::<1, Int>::from_data(counts, &device);
        Progress {
            moments: self
                .moments
                .clone()
                .unwrap_or_else(|| Moments::new(self.networks.num_params(), &device)),
            counts: Param::initialized(burn::module::ParamId::new(), counts),
        }
    }
}

impl PolicyLearner for PpoAgent {
    type TrainContext = UpdateMetrics;
    type InnerPolicy = TsallisPolicy;
    type Record = ModuleRecord;

    /// # Panics
    ///
    /// Always: transitions of another policy, which is what Burn's off-policy loop gives, are not what PPO
    /// learns from. [`OnPolicy`](super::OnPolicy) collects those of this one.
    fn train(
        &mut self,
        _transitions: LearnerTransitionBatch<TsallisPolicy>,
    ) -> RLTrainOutput<UpdateMetrics, PolicyNetworks> {
        panic!(
            "PPO does not learn from transitions of a replay buffer: \
             give RLTraining the learning strategy rl::training::OnPolicy"
        )
    }

    fn policy(&self) -> TsallisPolicy {
        TsallisPolicy::new(self.networks.valid(), self.config.seed)
    }

    fn update_policy(&mut self, policy: TsallisPolicy) {
        self.networks = policy.networks().clone().train();
    }

    fn record(&self) -> ModuleRecord {
        self.progress().into_record()
    }

    fn load_record(mut self, record: ModuleRecord) -> Self {
        let progress = self.progress().load_record(record);
        let counts: Vec<usize> = progress
            .counts
            .val()
            .into_data()
            .iter::<i64>()
            .map(|count| count as usize)
            .collect();
        if let [adam_steps, updates] = counts[..] {
            self.adam_steps = adam_steps;
            self.updates = updates;
            self.moments = (adam_steps > 0).then_some(progress.moments);
        }
        self
    }

    fn device(&self) -> Device {
        self.device.clone()
    }
}
