use super::env::{DiscreteEnvironment, Episode, EpisodeStatistics, Step, VectorEnvironment};
use super::policy::ActorCritic;
use super::ppo::rollout::{matrix, read, sample};
use super::ppo::{EnvironmentKind, LearnerError};
use super::random::{Purpose, stream};
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
const LANES: usize = 16;

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
    let lanes = LANES.min(evaluation.episodes);
    if lanes == 0 {
        return Ok(Vec::new());
    }
    let mut environments = VectorEnvironment::new(
        (0..lanes)
            .map(|i| {
                let mut lane = EpisodeStatistics::new(environment.make());
                lane.seed(evaluation.seed, FIRST_INDEX + i as u32);
                Box::new(lane) as Box<_>
            })
            .collect(),
    )?;
    let mut draws: Vec<_> = (0..lanes as u32)
        .map(|i| stream(evaluation.seed, Purpose::Evaluation, i))
        .collect();
    let mut observations = vec![0.0; lanes * environments.observation_size()];
    let mut step = Step::default();
    // Each lane plays its share: taking the first to end would favour short episodes.
    let (share, extra) = (evaluation.episodes / lanes, evaluation.episodes % lanes);
    let mut remaining: Vec<usize> = (0..lanes).map(|i| share + usize::from(i < extra)).collect();
    let mut episodes = Vec::new();
    while remaining.iter().any(|&r| r > 0) {
        environments.observe_into(&mut observations)?;
        let states = matrix(
            observations.clone(),
            environments.observation_size(),
            device,
        );
        let log_probs = read(model.policy().log_probabilities(model.logits(states)))?;
        let mut actions = Vec::with_capacity(lanes);
        for (log_probs, draws) in log_probs
            .chunks_exact(environments.actions())
            .zip(&mut draws)
        {
            let drawn = sample(log_probs, draws).ok_or(LearnerError::NotFinite("policy"))?;
            let most_probable = (0..log_probs.len()).reduce(|best, i| {
                if log_probs[i] > log_probs[best] {
                    i
                } else {
                    best
                }
            });
            actions.push(
                most_probable
                    .filter(|_| evaluation.deterministic)
                    .unwrap_or(drawn),
            );
        }
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
