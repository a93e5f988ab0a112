use super::{SavedWrapper, delegate};
use crate::rl::env::{DiscreteEnvironment, Episode, RestoreError, Transition, state};
use serde_json::Value;

/// Records the episodes of an environment: the last transition of each carries its [`Episode`]. Inside
/// [`RewardNoise`](crate::rl::env::RewardNoise), it records returns without the noise. Outside
/// [`TimeLimit`](crate::rl::env::TimeLimit), it also records the episodes that the limit ends.
#[derive(Clone, Debug)]
pub struct EpisodeStatistics<E> {
    environment: E,
    current: Episode,
}

impl<E: DiscreteEnvironment> EpisodeStatistics<E> {
    /// Wraps `environment`, which must be at the beginning of an episode.
    pub fn new(environment: E) -> Self {
        Self {
            environment,
            current: Episode::default(),
        }
    }
}

impl<E: DiscreteEnvironment> DiscreteEnvironment for EpisodeStatistics<E> {
    delegate!(environment);

    fn seed(&mut self, seed: u64, index: u32) {
        self.current = Episode::default();
        self.environment.seed(seed, index);
    }

    fn reset(&mut self) {
        self.current = Episode::default();
        self.environment.reset();
    }

    fn step(&mut self, action: usize) -> Transition {
        let transition = self.environment.step(action);
        self.current.add(&transition);
        Transition {
            episode: transition.done().then(|| Episode {
                bad: self.environment.bad_episode(),
                ..self.current
            }),
            ..transition
        }
    }

    fn save(&self) -> Option<Value> {
        state::save(&SavedWrapper {
            wrapper: self.current,
            environment: self.environment.save()?,
        })
    }

    fn restore(&mut self, saved: &Value) -> Result<(), RestoreError> {
        let saved: SavedWrapper<Episode> = state::restore("the episode statistics", saved)?;
        self.environment.restore(&saved.environment)?;
        self.current = saved.wrapper;
        Ok(())
    }
}
