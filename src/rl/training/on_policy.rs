use super::{PpoAgent, TrainingUpdate};
use crate::rl::Evaluation;
use crate::rl::env::{DiscreteEnvironment, Episode, EpisodeStatistics};
use crate::rl::evaluate::evaluate_in;
use crate::rl::policy::{TsallisPolicy, TsallisPolicyState};
use crate::rl::ppo::{Learner, LearnerError};
use burn::data::dataloader::Progress;
use burn::module::Module;
use burn::rl::{EnvironmentInit, Policy, PolicyLearner};
use burn::train::train::WorkerFailure;
use burn::train::{
    AgentEvaluationEvent, EpisodeSummary, EvaluationItem, EventProcessorTraining, RLComponents,
    RLComponentsTypes, RLEvent, RLEventProcessorType, RLStrategy, TrainingError,
};

/// The on-policy loop of [`RLTraining`](burn::train::RLTraining): rollouts of all environments together, and
/// an update after each.
///
/// It is told how an environment of the training is stepped: one of [`env`](crate::rl::env) as it is, any
/// other through [`BurnEnvironment`](crate::rl::env::BurnEnvironment). Each is seeded with the
/// configuration's seed and its index, and its rewards get the configuration's noise. What is reported of an
/// episode, whether it was terminated or truncated, is without that noise.
///
/// Burn is told of every update (`TrainStep`), of every episode (`EpisodeEnd`), and once in an update of the
/// environment steps so far (`EnvStep`), which moves the progress bar. An interruption is noticed after each
/// update.
///
/// Checkpoints are numbered from 1, as Burn's epochs are. There is one every
/// [so many updates](Self::with_checkpoint_interval), and one at the end or at an interruption; not one of a
/// training that failed.
///
/// ```
/// use burn_tsallis::rl::env::{BurnEnvironment, CartPole};
/// use burn_tsallis::rl::training::OnPolicy;
///
/// // One of ours.
/// let on_policy = OnPolicy::new(|cartpole: CartPole| cartpole);
///
/// // One that only implements Burn's trait: four components of an observation, two actions.
/// let on_policy = OnPolicy::new(|cartpole: CartPole| {
///     BurnEnvironment::new(cartpole, 4, 2, |state| state.map(|x| x as f32), |action| action)
/// });
/// ```
#[derive(Clone, Debug)]
pub struct OnPolicy<F> {
    adapt: F,
    checkpoint_interval: usize,
    evaluation_episodes: usize,
}

/// Updates between two checkpoints.
const CHECKPOINT_INTERVAL: usize = 10;

impl<F> OnPolicy<F> {
    /// The loop in environments that `adapt` makes of those of the training.
    pub fn new(adapt: F) -> Self {
        Self {
            adapt,
            checkpoint_interval: CHECKPOINT_INTERVAL,
            evaluation_episodes: 0,
        }
    }

    /// The updates between two checkpoints, at least one; ten unless said otherwise.
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
            TrainingOutput = TrainingUpdate,
        >,
    F: Fn(RLC::Env) -> E,
    E: DiscreteEnvironment + 'static,
{
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
        let mut number = starting_epoch;
        let mut unsaved = 0;
        let failed = |error: LearnerError| interrupter.fail(failure(&error));
        if let Err(error) = agent.begin(|| EpisodeStatistics::new(make()), num_steps) {
            failed(error);
        }
        while !interrupter.should_stop() {
            let update = match agent.update() {
                None => break,
                Some(Ok(update)) => update,
                // What the networks then hold is not what any update left: it is not saved.
                Some(Err(error)) => {
                    failed(error);
                    break;
                }
            };
            unsaved += 1;
            let events = events(agent.learner(), update, num_steps);
            for event in events {
                interrupter.fail_on_error(event_processor.process_train(event));
            }
            let ended =
                interrupter.should_stop() || agent.learner().is_none_or(Learner::is_finished);
            if !ended && unsaved < self.checkpoint_interval {
                continue;
            }
            if self.evaluation_episodes > 0 && !interrupter.should_stop() {
                let evaluation = Evaluation {
                    episodes: self.evaluation_episodes,
                    deterministic: true,
                    seed: agent.config().seed,
                };
                let device = agent.device().inner();
                match evaluate_in(&agent.model().valid(), make, evaluation, &device) {
                    Ok(episodes) => {
                        for event in evaluation_events(&episodes) {
                            interrupter.fail_on_error(event_processor.process_valid(event));
                        }
                    }
                    Err(error) => failed(error),
                }
            }
            if let Some(checkpointer) = &mut checkpointer {
                checkpointer.checkpoint(&agent.policy().state(), agent, number, &event_store);
            }
            number += 1;
            unsaved = 0;
        }
        (agent.policy(), event_processor)
    }
}

fn events(
    learner: Option<&Learner>,
    update: TrainingUpdate,
    num_steps: usize,
) -> impl Iterator<Item = RLEvent<TrainingUpdate, ()>> {
    // The last update may go beyond the number of steps, which is rounded up to whole updates.
    let steps = update.metrics.global_step.min(num_steps);
    let progress = Progress::new(steps, num_steps, Some("steps".to_owned()));
    let episodes = learner.map_or(&[][..], Learner::finished_episodes).to_vec();
    let of_episodes = progress.clone();
    let of_update = progress.clone();
    episodes
        .into_iter()
        .map(move |episode| {
            RLEvent::EpisodeEnd(EvaluationItem::new(
                summary(&episode),
                of_episodes.clone(),
                None,
            ))
        })
        .chain([
            RLEvent::TrainStep(EvaluationItem::new(update, of_update, None)),
            RLEvent::EnvStep(EvaluationItem::new((), progress, None)),
        ])
}

fn evaluation_events(episodes: &[Episode]) -> impl Iterator<Item = AgentEvaluationEvent<()>> {
    let count = episodes.len();
    let ends = episodes.iter().enumerate().map(move |(index, episode)| {
        let progress = Progress::new(index + 1, count, Some("episodes".to_owned()));
        AgentEvaluationEvent::EpisodeEnd(EvaluationItem::new(summary(episode), progress, None))
    });
    std::iter::once(AgentEvaluationEvent::Start(count))
        .chain(ends)
        .chain(std::iter::once(AgentEvaluationEvent::End))
}

fn summary(episode: &Episode) -> EpisodeSummary {
    EpisodeSummary {
        episode_length: episode.length,
        cum_reward: episode.total_reward,
    }
}

/// An error of the learner among Burn's, of which this one has room for words.
fn failure(error: &LearnerError) -> TrainingError {
    TrainingError::Workers(vec![WorkerFailure {
        device_id: 0,
        message: error.to_string(),
    }])
}
