use super::env::{
    DiscreteEnvironment, EnvironmentOptions, Episode, EpisodeStatistics, RunningStatistics,
    VectorEnvironment, VectorStep,
};
use super::policy::{ActorCritic, exponential_noise};
use super::ppo::rollout::observe;
use super::ppo::{LearnerError, PpoConfig};
use super::transfer::{read, read_actions};
use crate::experiment::{Purpose, stream};
use burn::tensor::Device;

/// The settings of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// The number of episodes.
    pub episodes: usize,
    /// Whether to take the most probable action instead of a sampled one.
    pub deterministic: bool,
    /// The seed of the initial states and of the sampled actions.
    pub seed: u64,
}

/// The largest number of environments that are stepped together in an evaluation.
const MAX_ENVIRONMENTS: usize = 16;

/// The index of the first environment. No training run has that many environments, so an evaluation with
/// the same seed as a run uses different initial states.
pub(super) const FIRST_INDEX: u32 = 1 << 31;

/// Plays episodes in the environment of a configuration, without noise on the rewards, and returns them. `statistics` normalizes the observations of a policy that
/// was trained with normalized ones ([`Learner::observation_statistics`](super::ppo::Learner::observation_statistics));
/// it does not change.
///
/// # Errors
///
/// If the device fails, if the policy of a state is not a distribution, if the environments fail, or if the networks
/// are not for them.
pub fn evaluate(
    model: &ActorCritic,
    config: &PpoConfig,
    statistics: Option<&RunningStatistics>,
    evaluation: Evaluation,
    device: &Device,
) -> Result<Vec<Episode>, LearnerError> {
    let count = MAX_ENVIRONMENTS.min(evaluation.episodes);
    if count == 0 {
        return Ok(Vec::new());
    }
    let options = EnvironmentOptions {
        noise_std: 0.0,
        ..config.environment_options()
    };
    let environments = config.environment.make(count, &options)?;
    play(model, environments, statistics, evaluation, device)
}

/// Plays episodes like [`evaluate`], in environments from `make`, which are seeded here.
///
/// # Errors
///
/// If the device fails, if the policy of a state is not a distribution, if an environment returns an
/// invalid value, or if the networks are not for these environments.
pub fn evaluate_in<E: DiscreteEnvironment + 'static>(
    model: &ActorCritic,
    make: impl Fn() -> E,
    statistics: Option<&RunningStatistics>,
    evaluation: Evaluation,
    device: &Device,
) -> Result<Vec<Episode>, LearnerError> {
    let count = MAX_ENVIRONMENTS.min(evaluation.episodes);
    if count == 0 {
        return Ok(Vec::new());
    }
    let environments = (0..count).map(|_| Box::new(EpisodeStatistics::new(make())) as Box<_>);
    let environments = VectorEnvironment::new(environments.collect())?;
    play(model, environments, statistics, evaluation, device)
}

/// Plays the episodes in environments that record them.
fn play(
    model: &ActorCritic,
    mut environments: VectorEnvironment,
    statistics: Option<&RunningStatistics>,
    evaluation: Evaluation,
    device: &Device,
) -> Result<Vec<Episode>, LearnerError> {
    if model.spaces() != *environments.spaces() {
        return Err(LearnerError::Checkpoint(format!(
            "its networks are for {}, and the environment has {}",
            model.spaces(),
            environments.spaces()
        )));
    }
    let count = environments.len();
    environments.seed_from(evaluation.seed, FIRST_INDEX)?;
    if let Some(statistics) = statistics {
        environments.normalize_with(statistics.clone());
    }
    let mut draws: Vec<_> = (0..count as u32)
        .map(|i| stream(evaluation.seed, Purpose::Evaluation, i))
        .collect();
    let policy = model.policy();
    let mut step = VectorStep::default();
    // Each environment plays its share, because taking the first episodes to end would favor short ones.
    let (share, extra) = (evaluation.episodes / count, evaluation.episodes % count);
    let mut remaining: Vec<usize> = (0..count).map(|i| share + usize::from(i < extra)).collect();
    let mut episodes = Vec::new();
    while remaining.iter().any(|&r| r > 0) {
        let (observations, allowed) = observe(&environments, device)?;
        let probabilities = policy.probabilities(model.logits(observations), allowed);
        let [sums] = read([probabilities.clone().sum_dim(1)])?;
        if !sums.iter().all(|sum| sum.is_finite()) {
            return Err(LearnerError::NotFinite("policy"));
        }
        let actions = if evaluation.deterministic {
            policy.mode(probabilities)
        } else {
            let exponential_noise = exponential_noise(&mut draws, environments.actions(), device);
            policy.sample(probabilities, exponential_noise)
        };
        let actions = read_actions(actions, &environments.spaces().actions)?;
        environments.step(&actions, &mut step)?;
        for (transition, remaining) in step.transitions.iter().zip(&mut remaining) {
            if let Some(episode) = transition.episode.filter(|_| *remaining > 0) {
                episodes.push(episode);
                *remaining -= 1;
            }
        }
    }
    Ok(episodes)
}
