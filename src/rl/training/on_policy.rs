use super::PpoAgent;
use crate::rl::Evaluation;
use crate::rl::env::{DiscreteEnvironment, Episode};
use crate::rl::evaluate::evaluate_in;
use crate::rl::policy::{TsallisPolicy, TsallisPolicyState};
use crate::rl::ppo::{Learner, LearnerError, UpdateMetrics};
use burn::data::dataloader::Progress;
use burn::module::Module;
use burn::rl::{EnvironmentInit, Policy, PolicyLearner};
use burn::train::train::WorkerFailure;
use burn::train::{
    AgentEvaluationEvent, EpisodeSummary, EvaluationItem, EventProcessorTraining, RLComponents,
    RLComponentsTypes, RLEvent, RLEventProcessorType, RLResult, RLStrategy, TrainingError,
};

/// The on-policy loop of [`RLTraining`](burn::train::RLTraining): it collects a rollout from all environments
/// together and makes an update after each.
///
/// The loop is created with a function that adapts an environment of the training. The function returns an
/// environment of [`env`](crate::rl::env) unchanged and wraps any other one in a
/// [`FromBurnEnvironment`](crate::rl::env::FromBurnEnvironment). The loop creates the number of environments
/// in the agent's configuration, seeds each with the configuration's seed and its index, and adds the
/// configuration's noise to the rewards. An episode is reported with its return without that noise, whether
/// it was terminated or truncated.
///
/// Burn receives an event for every episode (`EpisodeEnd`) and every update (`TrainStep`). Once per update,
/// it receives the environment steps so far (`EnvStep`), which move the progress bar. An interruption takes
/// effect after the current update.
///
/// Checkpoints are numbered from 1, like Burn's epochs. The loop makes one at a fixed [interval of
/// updates](Self::with_checkpoint_interval), and one at the end or at an interruption. A training run that
/// fails writes no checkpoint at the failure and returns the policy of its last checkpoint.
///
/// ```
/// use burn_tsallis::rl::env::{FromBurnEnvironment, CartPole};
/// use burn_tsallis::rl::training::OnPolicy;
///
/// // An environment of this crate.
/// let on_policy = OnPolicy::new(|cartpole: CartPole| cartpole);
///
/// // An environment that only implements Burn's trait: four observation components, two actions.
/// let on_policy = OnPolicy::new(|cartpole: CartPole| {
///     FromBurnEnvironment::new(cartpole, 4, 2, |state| state.map(|x| x as f32), |action| action)
/// });
/// ```
#[derive(Clone, Debug)]
pub struct OnPolicy<F> {
    adapt: F,
    checkpoint_interval: usize,
    evaluation_episodes: usize,
}

/// The default number of updates between two checkpoints.
const CHECKPOINT_INTERVAL: usize = 50;

impl<F> OnPolicy<F> {
    /// Creates a loop. `adapt` converts each environment of the training to one that the loop can step.
    pub fn new(adapt: F) -> Self {
        Self {
            adapt,
            checkpoint_interval: CHECKPOINT_INTERVAL,
            evaluation_episodes: 0,
        }
    }

    /// Sets the number of updates between two checkpoints. The default is 50; zero counts as one.
    pub fn with_checkpoint_interval(self, updates: usize) -> Self {
        Self {
            checkpoint_interval: updates.max(1),
            ..self
        }
    }

    /// Sets the number of episodes that are played with the most probable actions before each checkpoint, for
    /// Burn's validation metrics. The default is none.
    pub fn with_evaluation(self, episodes: usize) -> Self {
        Self {
            evaluation_episodes: episodes,
            ..self
        }
    }
}

impl<RLC, F, E> RLStrategy<RLC> for OnPolicy<F>
where
    RLC: RLComponentsTypes<
            LearningAgent = PpoAgent,
            Policy = TsallisPolicy,
            PolicyState = TsallisPolicyState,
            ActionContext = (),
            TrainingOutput = UpdateMetrics,
        >,
    F: Fn(RLC::Env) -> E,
    E: DiscreteEnvironment + 'static,
{
    /// Follows Burn's default implementation with one change: it reads the reason of the stop, and summarizes
    /// the training, after the events are processed and before the end event. Burn's dashboard discards the
    /// reason at the end event.
    fn train(
        &self,
        mut agent: PpoAgent,
        mut components: RLComponents<RLC>,
        env_init: RLC::EnvInit,
    ) -> RLResult<TsallisPolicy> {
        let interrupter = components.interrupter.clone();
        let summary = components.summary.clone();
        let starting_epoch = components.checkpoint.unwrap_or(0) + 1;
        let start = RLEvent::Start {
            total_items: components.num_steps,
            label: components.label.clone(),
        };
        interrupter.fail_on_error(components.event_processor.process_train(start));
        let (policy, mut events) =
            self.train_loop(components, &mut agent, starting_epoch, env_init);
        interrupter.fail_on_error(events.flush());
        let (interrupted, error) = (interrupter.interruption(), interrupter.error());
        let summary = summary.and_then(|summary| summary.init().ok());
        interrupter.fail_on_error(events.process_train(RLEvent::End(summary)));
        interrupter.fail_on_error(events.flush());
        RLResult {
            policy,
            renderer: events.renderer(),
            interrupted,
            error: error.or_else(|| interrupter.error()),
        }
    }

    fn train_loop(
        &self,
        components: RLComponents<RLC>,
        agent: &mut PpoAgent,
        starting_epoch: usize,
        env_init: RLC::EnvInit,
    ) -> (TsallisPolicy, RLEventProcessorType<RLC>) {
        let RLComponents {
            num_steps,
            mut checkpointer,
            mut event_processor,
            event_store,
            interrupter,
            ..
        } = components;
        let make = || (self.adapt)(env_init.init());
        let mut learn = || -> Result<(), LearnerError> {
            let mut learner = agent.learner(make, num_steps)?;
            let mut number = starting_epoch;
            let mut stopped = interrupter.should_stop();
            while !(stopped || learner.is_finished()) {
                let update = learner.update()?;
                for event in events(&learner, update, num_steps) {
                    interrupter.fail_on_error(event_processor.process_train(event));
                }
                stopped = interrupter.should_stop();
                let due = learner.updates().is_multiple_of(self.checkpoint_interval);
                if !(due || stopped || learner.is_finished()) {
                    continue;
                }
                if !learner.is_finite()? {
                    return Err(LearnerError::NotFinite("network"));
                }
                agent.update_from(&learner);
                if self.evaluation_episodes > 0 && !stopped {
                    let evaluation = Evaluation {
                        episodes: self.evaluation_episodes,
                        deterministic: true,
                        seed: agent.config().seed,
                    };
                    let device = agent.device().inner();
                    let model = learner.model().valid();
                    let episodes = evaluate_in(
                        &model,
                        make,
                        learner.observation_statistics(),
                        evaluation,
                        &device,
                    )?;
                    for event in evaluation_events(&episodes) {
                        interrupter.fail_on_error(event_processor.process_valid(event));
                    }
                }
                if let Some(checkpointer) = &mut checkpointer {
                    checkpointer.checkpoint(&agent.policy().state(), agent, number, &event_store);
                }
                number += 1;
            }
            Ok(())
        };
        if let Err(error) = learn() {
            // This is the only one of Burn's errors that can hold a message.
            interrupter.fail(TrainingError::Workers(vec![WorkerFailure {
                device_id: 0,
                message: error.to_string(),
            }]));
        }
        (agent.policy(), event_processor)
    }
}

fn events(
    learner: &Learner,
    update: UpdateMetrics,
    num_steps: usize,
) -> impl Iterator<Item = RLEvent<UpdateMetrics, ()>> {
    // The number of steps is rounded up to whole updates, so the last update may exceed it.
    let steps = learner.global_step().min(num_steps);
    let progress = Progress::new(steps, num_steps, Some("steps".to_owned()));
    let updated = RLEvent::TrainStep(EvaluationItem::new(update, progress.clone(), None));
    let stepped = RLEvent::EnvStep(EvaluationItem::new((), progress.clone(), None));
    let ended = learner.ended_episodes().iter().map(move |episode| {
        RLEvent::EpisodeEnd(EvaluationItem::new(
            summary(episode),
            progress.clone(),
            None,
        ))
    });
    ended.chain([updated, stepped])
}

fn evaluation_events(episodes: &[Episode]) -> impl Iterator<Item = AgentEvaluationEvent<()>> {
    let count = episodes.len();
    let ended = (1..).zip(episodes).map(move |(index, episode)| {
        let progress = Progress::new(index, count, Some("episodes".to_owned()));
        AgentEvaluationEvent::EpisodeEnd(EvaluationItem::new(summary(episode), progress, None))
    });
    std::iter::once(AgentEvaluationEvent::Start(count))
        .chain(ended)
        .chain([AgentEvaluationEvent::End])
}

fn summary(episode: &Episode) -> EpisodeSummary {
    EpisodeSummary {
        episode_length: episode.length,
        cum_reward: episode.total_reward,
    }
}
