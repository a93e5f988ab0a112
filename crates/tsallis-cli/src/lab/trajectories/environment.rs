use burn_tsallis::experiment::{Purpose, Stream, stream};
use burn_tsallis::rl::env::{DiscreteEnvironment, ObservationSizeError, Transition};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use std::sync::Arc;
use tsallis_lab::Mdp;

/// A finite process as an environment of the learner. The observation is the state, one-hot. Episodes are truncated
/// after a number of steps.
pub(super) struct MdpEnvironment {
    mdp: Arc<Mdp>,
    horizon: usize,
    state: usize,
    steps: usize,
    random: Stream,
}

impl MdpEnvironment {
    pub(super) fn new(mdp: Arc<Mdp>, horizon: usize) -> Self {
        let mut environment = Self {
            mdp,
            horizon,
            state: 0,
            steps: 0,
            random: stream(0, Purpose::Dynamics, 0),
        };
        environment.reset();
        environment
    }
}

/// Draws an index with these probabilities. The last index with a positive one takes what rounding leaves.
fn draw(probabilities: impl Iterator<Item = f64>, random: &mut Stream) -> usize {
    let mut left: f64 = random.random();
    let mut drawn = 0;
    for (index, p) in probabilities.enumerate().filter(|&(_, p)| p > 0.0) {
        drawn = index;
        left -= p;
        if left < 0.0 {
            break;
        }
    }
    drawn
}

impl DiscreteEnvironment for MdpEnvironment {
    fn observation_size(&self) -> usize {
        self.mdp.states()
    }

    fn actions(&self) -> usize {
        self.mdp.actions()
    }

    fn seed(&mut self, seed: u64, index: u32) {
        self.random = stream(seed, Purpose::Dynamics, index);
        self.reset();
    }

    fn reset(&mut self) {
        self.state = draw(self.mdp.start().iter().copied(), &mut self.random);
        self.steps = 0;
    }

    fn step(&mut self, action: usize) -> Transition {
        let outcomes = self.mdp.outcomes(self.state, action);
        let outcome = outcomes[draw(outcomes.iter().map(|o| o.probability), &mut self.random)];
        let noise: f64 = match outcome.reward_std {
            0.0 => 0.0,
            _ => StandardNormal.sample(&mut self.random),
        };
        self.state = outcome.next.unwrap_or(self.state);
        self.steps += 1;
        Transition {
            terminated: outcome.next.is_none(),
            truncated: self.steps >= self.horizon,
            ..Transition::ongoing(outcome.reward + outcome.reward_std * noise)
        }
    }

    fn observe(&self, observation: &mut [f32]) -> Result<(), ObservationSizeError> {
        observation.fill(0.0);
        observation[self.state] = 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_follows_the_process() {
        let mdp = Arc::new(Mdp::from_name("nchain:4").expect("a name"));
        let mut chain = MdpEnvironment::new(mdp, 5);
        let mut observation = [0.0; 4];
        chain.observe(&mut observation).expect("four states");
        assert_eq!(observation, [0.0, 1.0, 0.0, 0.0]);
        let rewards: Vec<f64> = (0..5).map(|_| chain.step(1).reward).collect();
        assert_eq!(rewards, [0.0, 0.0, 1.0, 1.0, 1.0]);
        let last = chain.step(1);
        assert!(last.truncated && !last.terminated);

        let mdp = Arc::new(Mdp::from_name("garnet:3,2,2,5").expect("a name"));
        let mut garnet = MdpEnvironment::new(Arc::clone(&mdp), 1000);
        garnet.seed(7, 1);
        let mut mean = [0.0; 3];
        for _ in 0..10_000 {
            garnet.reset();
            garnet.state = 0;
            garnet.step(1);
            mean[garnet.state] += 1e-4;
        }
        for outcome in mdp.outcomes(0, 1) {
            let next = outcome.next.expect("a Garnet does not end");
            assert!((mean[next] - outcome.probability).abs() < 0.03);
        }
    }
}
