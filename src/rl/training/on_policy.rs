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

/// The on-policy loop of [`RLTraining`](burn::train::RLTraining): rollouts of all environments together, and
/// an update after each.
///
/// It is told how an environment of the training is stepped: one of [`env`](crate::rl::env) as it is, any
/// other through [`FromBurnEnvironment`](crate::rl::env::FromBurnEnvironment). It makes as many as the agent's
/// configuration says, seeds each with the configuration's seed and its index, and puts the configuration's
/// noise on the rewards. An episode is reported by its return without that noise, whether it was terminated
/// or truncated.
///
/// Burn is told of every episode (`EpisodeEnd`), of every update (`TrainStep`), and once in an update of the
/// environment steps so far (`EnvStep`), which moves the progress bar. An interruption is noticed after each
/// update.
///
/// Checkpoints are numbered from 1, as Burn's epochs are. There is one every
/// [so many updates](Self::with_checkpoint_interval), and one at the end or at an interruption. A training
/// that fails makes none, and returns the policy of the last.
///
/// ```
/// use burn_tsallis::rl::env::{FromBurnEnvironment, CartPole};
/// use burn_tsallis::rl::training::OnPolicy;
///
/// // One of ours.
/// let on_policy = OnPolicy::new(|cartpole: CartPole| cartpole);
///
/// // One that only implements Burn's trait: four components of an observation, two actions.
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

/// Updates between two checkpoints.
const CHECKPOINT_INTERVAL: usize = 50;

impl<F> OnPolicy<F> {
    /// The loop in environments that `adapt` makes of those of the training.
    pub fn new(adapt: F) -> Self {
        Self {
            adapt,
            checkpoint_interval: CHECKPOINT_INTERVAL,
            evaluation_episodes: 0,
        }
    }

    /// The updates between two checkpoints, 50 unless said otherwise; zero is taken as one.
    pub fn with_checkpoint_interval(self, updates: usize) -> Self {
        Self {
            checkpoint_interval: updates.max(1),
            ..self
        }
    }

    /// Plays so many episodes with the most probable actions before each checkpoint, for Burn's validation
    /// metrics; none unless said otherwise.
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
    /// As Burn's own, but that it asks why the training stopped, and summarizes it, once its events are
    /// processed and before they end: at that end Burn's dashboard forgets the reason.
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
                    let episodes = evaluate_in(&model, make, evaluation, &device)?;
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
            // Of Burn's errors, this is the one that has room for words.
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
    // The last update may go beyond the number of steps, which is rounded up to whole updates.
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
