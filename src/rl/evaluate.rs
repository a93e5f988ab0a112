use super::env::{DiscreteEnvironment, Episode, EpisodeStatistics, VectorEnvironment, VectorStep};
use super::policy::{ActorCritic, TsallisPolicyHead, exponential_noise};
use super::ppo::rollout::observe;
use super::ppo::{EnvironmentKind, LearnerError};
use super::transfer::{read, read_actions};
use crate::experiment::{Purpose, stream};
use burn::tensor::Device;

/// How a policy is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// Episodes to play.
    pub episodes: usize,
    /// Whether the most probable action is taken instead of a drawn one.
    pub deterministic: bool,
    /// Seed of the initial states and of the draws.
    pub seed: u64,
}

/// Environments stepped together in an evaluation.
const MAX_ENVIRONMENTS: usize = 16;

/// The index of the first one: no training run has as many, so that an evaluation with the seed of a run
/// meets other initial states.
const FIRST_INDEX: u32 = 1 << 31;

/// Plays episodes without noise on the rewards.
///
/// # Errors
///
/// If the device fails, or if the policy of a state is not a distribution.
pub fn evaluate(
    model: &ActorCritic,
    environment: EnvironmentKind,
    evaluation: Evaluation,
    device: &Device,
) -> Result<Vec<Episode>, LearnerError> {
    evaluate_in(model, || environment.make(), evaluation, device)
}

/// Plays episodes in environments of the caller's own, which are made alike and seeded here.
///
/// # Errors
///
/// As [`evaluate`], and if an environment gives what is not a number.
pub fn evaluate_in<E: DiscreteEnvironment + 'static>(
    model: &ActorCritic,
    make: impl Fn() -> E,
    evaluation: Evaluation,
    device: &Device,
) -> Result<Vec<Episode>, LearnerError> {
    let count = MAX_ENVIRONMENTS.min(evaluation.episodes);
    if count == 0 {
        return Ok(Vec::new());
    }
    let mut environments = VectorEnvironment::new(
        (0..count)
            .map(|i| {
                let mut environment = EpisodeStatistics::new(make());
                environment.seed(evaluation.seed, FIRST_INDEX + i as u32);
                Box::new(environment) as Box<_>
            })
            .collect(),
    )?;
    let mut draws: Vec<_> = (0..count as u32)
        .map(|i| stream(evaluation.seed, Purpose::Evaluation, i))
        .collect();
    let mut step = VectorStep::default();
    // Each environment plays its share: taking the first to end would favor short episodes.
    let (share, extra) = (evaluation.episodes / count, evaluation.episodes % count);
    let mut remaining: Vec<usize> = (0..count).map(|i| share + usize::from(i < extra)).collect();
    let mut episodes = Vec::new();
    while remaining.iter().any(|&r| r > 0) {
        let (observations, allowed) = observe(&environments, device)?;
        let probabilities = model
            .policy()
            .probabilities(model.logits(observations), allowed);
        let [sums] = read([probabilities.clone().sum_dim(1)])?;
        if !sums.iter().all(|sum| sum.is_finite()) {
            return Err(LearnerError::NotFinite("policy"));
        }
        let actions = if evaluation.deterministic {
            TsallisPolicyHead::mode(probabilities)
        } else {
            let exponential_noise = exponential_noise(&mut draws, environments.actions(), device);
            TsallisPolicyHead::sample(probabilities, exponential_noise)
        };
        let actions = read_actions(actions, environments.actions())?;
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
