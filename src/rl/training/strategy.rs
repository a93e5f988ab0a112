use super::{Actions, ObservationVector, Observations, PolicyNetworks, PpoAgent, TsallisPolicy};
use crate::rl::env::{
    BurnEnvironment, DiscreteEnvironment, EpisodeStatistics, RewardNoise, VectorEnvironment,
};
use crate::rl::ppo::{Learner, LearnerError, UpdateMetrics};
use burn::data::dataloader::Progress;
use burn::rl::{Environment, EnvironmentInit, Policy, PolicyLearner};
use burn::train::{
    EpisodeSummary, EvaluationItem, EventProcessorTraining, RLComponents, RLComponentsTypes,
    RLEvent, RLEventProcessorType, RLStrategy,
};
use std::sync::Arc;

type Seed<E> = dyn Fn(&mut E, u64, u32) + Send + Sync;

/// On-policy learning of a [`PpoAgent`] under [`RLTraining`](burn::train::RLTraining).
///
/// It makes as many environments as the agent's configuration says, with its noise on the rewards, and
/// reports each update as a training step and each episode by its return without noise. An episode that is
/// truncated ends too, and is bootstrapped as the configuration says.
pub struct OnPolicy<E> {
    checkpoint_updates: usize,
    seed: Option<Arc<Seed<E>>>,
}

impl<E> Default for OnPolicy<E> {
    fn default() -> Self {
        Self {
            checkpoint_updates: 50,
            seed: None,
        }
    }
}

impl<E> OnPolicy<E> {
    /// A checkpoint every 50 updates, and environments that are not seeded.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a checkpoint every so many updates and one at the end, numbered from one on as Burn's checkpointing
    /// strategies take them: number `k` is that after `k` times as many updates. Zero is taken as one.
    pub fn with_checkpoint_updates(mut self, updates: usize) -> Self {
        self.checkpoint_updates = updates.max(1);
        self
    }

    /// Says how an environment takes the seed of the configuration and its index. Without it, environments
    /// that are made alike draw alike.
    pub fn with_seed(mut self, seed: impl Fn(&mut E, u64, u32) + Send + Sync + 'static) -> Self {
        self.seed = Some(Arc::new(seed));
        self
    }

    /// The learner of the agent in environments that are made for it.
    fn learner<I>(&self, agent: &PpoAgent, init: &I, steps: usize) -> Result<Learner, LearnerError>
    where
        E: Environment<State: ObservationVector, Action: From<usize>> + Send + 'static,
        I: EnvironmentInit<E>,
    {
        let config = agent.config();
        let environments = VectorEnvironment::new(
            (0..config.environments as u32)
                .map(|index| {
                    let mut environment = BurnEnvironment::new(
                        init.init(),
                        agent.observation_size(),
                        agent.actions(),
                        |state: E::State| state.observation(),
                        E::Action::from,
                    );
                    if let Some(seed) = self.seed.clone() {
                        environment =
                            environment.with_seed(move |e, number, index| seed(e, number, index));
                    }
                    let recorded = EpisodeStatistics::new(environment);
                    let mut noisy = RewardNoise::new(recorded, config.noise_std)
                        .with_first_step_exempt(config.first_step_without_noise);
                    noisy.seed(config.seed, index);
                    Box::new(noisy) as Box<_>
                })
                .collect(),
        )?;
        agent.learner(environments, steps)
    }
}

impl<E, RLC> RLStrategy<RLC> for OnPolicy<E>
where
    E: Environment<State: ObservationVector, Action: From<usize>> + Send + 'static,
    RLC: RLComponentsTypes<
            Env = E,
            State = E::State,
            Action = E::Action,
            LearningAgent = PpoAgent,
            Policy = TsallisPolicy,
            PolicyObs = Observations,
            PolicyAction = Actions,
            PolicyState = PolicyNetworks,
            ActionContext = (),
            TrainingOutput = UpdateMetrics,
        >,
{
    fn train_loop(
        &self,
        components: RLComponents<RLC>,
        agent: &mut PpoAgent,
        _starting_epoch: usize,
        env_init: RLC::EnvInit,
    ) -> (TsallisPolicy, RLEventProcessorType<RLC>) {
        let RLComponents {
            mut event_processor,
            mut checkpointer,
            num_steps,
            interrupter,
            event_store,
            ..
        } = components;
        // Burn has no kind of error for what a learner meets, so a stop carries its words.
        let failed = |error: LearnerError| interrupter.stop(Some(&error.to_string()));
        let mut learner = match self.learner(agent, &env_init, num_steps) {
            Ok(learner) => learner,
            Err(error) => {
                failed(error);
                return (agent.policy(), event_processor);
            }
        };
        while !learner.is_finished() && !interrupter.should_stop() {
            let metrics = match learner.update() {
                Ok(metrics) => metrics,
                Err(error) => {
                    failed(error);
                    break;
                }
            };
            let steps = learner.global_step().min(num_steps);
            let progress = Progress::new(steps, num_steps, Some("steps".into()));
            let episodes = learner.ended_episodes().iter().map(|episode| {
                let summary = EpisodeSummary {
                    episode_length: episode.length,
                    cum_reward: episode.total_reward,
                };
                RLEvent::EpisodeEnd(EvaluationItem::new(summary, progress.clone(), None))
            });
            let trained = EvaluationItem::new(metrics, progress.clone(), None);
            for event in episodes.chain([RLEvent::TrainStep(trained)]) {
                interrupter.fail_on_error(event_processor.process_train(event));
            }
            agent.follow(&learner);
            let due = learner.updates().is_multiple_of(self.checkpoint_updates);
            if let Some(checkpointer) = &mut checkpointer
                && (due || learner.is_finished() || interrupter.should_stop())
            {
                let number = learner.updates().div_ceil(self.checkpoint_updates);
                checkpointer.checkpoint(&agent.policy().state(), agent, number, &event_store);
            }
        }
        (agent.policy(), event_processor)
    }
}
