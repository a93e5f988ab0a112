use super::{DiscreteEnvironment, Episode, Transition};

/// Records the episodes of an environment: the last step of each carries its [`Episode`]. Wrapped
/// below [`RewardNoise`](super::RewardNoise), it records what was earned without the noise.
#[derive(Clone, Debug)]
pub struct EpisodeStatistics<E> {
    environment: E,
    current: Episode,
}

const NOTHING: Episode = Episode {
    total_reward: 0.0,
    length: 0,
};

impl<E: DiscreteEnvironment> EpisodeStatistics<E> {
    /// `environment`, from the beginning of an episode.
    pub fn new(environment: E) -> Self {
        Self {
            environment,
            current: NOTHING,
        }
    }
}

impl<E: DiscreteEnvironment> DiscreteEnvironment for EpisodeStatistics<E> {
    fn observation_size(&self) -> usize {
        self.environment.observation_size()
    }

    fn actions(&self) -> usize {
        self.environment.actions()
    }

    fn reset(&mut self) {
        self.current = NOTHING;
        self.environment.reset();
    }

    fn step(&mut self, action: usize) -> Transition {
        let transition = self.environment.step(action);
        self.current.total_reward += transition.reward;
        self.current.length += 1;
        Transition {
            episode: transition.done().then_some(self.current),
            ..transition
        }
    }

    fn observe(&self, observation: &mut [f32]) {
        self.environment.observe(observation);
    }
}
