use crate::draw::draw;
use crate::{Mdp, Policy};
use burn_tsallis::experiment::Stream;
use rand_distr::{Distribution, StandardNormal};

/// How rewards are credited to earlier actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credit {
    /// `sum_{k >= t} gamma^k r_k`, as in the gradient of the discounted objective.
    Objective,
    /// `sum_{k >= t} gamma^(k - t) r_k`, the return to go, which gives late actions the same weight as early ones. The
    /// baselines of arXiv 2601.12604 use it.
    ToGo,
}

/// The statistics of each state in a batch of episodes, as means over the batch.
#[derive(Clone, Debug)]
pub struct Batch {
    actions: usize,
    visited: Vec<usize>,
    is_visited: Vec<bool>,
    credit: Vec<f64>,
    visits: Vec<f64>,
}

impl Batch {
    fn new(states: usize, actions: usize) -> Self {
        Self {
            actions,
            visited: Vec::with_capacity(states),
            is_visited: vec![false; states],
            credit: vec![0.0; states * actions],
            visits: vec![0.0; states],
        }
    }

    /// Returns the visited states, each once.
    pub fn visited(&self) -> &[usize] {
        &self.visited
    }

    /// Returns the credit of each action in a state, `sum_t 1[s_t = s, a_t = a] G_t`. `G_t` sums the regularized
    /// rewards from step `t` on, as [`Credit`] defines.
    pub fn credit(&self, state: usize) -> &[f64] {
        &self.credit[state * self.actions..(state + 1) * self.actions]
    }

    /// Returns the discounted visits of a state, `sum_t gamma^t 1[s_t = s]`.
    pub fn visits(&self, state: usize) -> f64 {
        self.visits[state]
    }

    fn clear(&mut self) {
        for &state in &self.visited {
            self.is_visited[state] = false;
            self.visits[state] = 0.0;
            self.credit[state * self.actions..(state + 1) * self.actions].fill(0.0);
        }
        self.visited.clear();
    }
}

/// A tabular policy that learns from batches of episodes.
pub trait TabularLearner: Policy {
    /// How rewards are credited.
    const CREDIT: Credit;

    /// Returns the temperature `lambda`: each step's reward is reduced by `lambda` times the divergence of its state.
    fn temperature(&self) -> f64;

    /// Takes one step of size `eta` with the statistics of `batch`.
    fn ascend(&mut self, batch: &Batch, eta: f64);
}

/// How episodes are sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// The number of episodes in a batch.
    pub batch: usize,
    /// The number of steps after which an episode is truncated.
    pub horizon: usize,
}

impl Sampling {
    /// Samples `batch` episodes of at most `horizon` steps.
    pub const fn new(batch: usize, horizon: usize) -> Self {
        Self { batch, horizon }
    }
}

/// The REINFORCE loop: it samples a batch of episodes with the current policy, then the learner takes a step.
///
/// For f-PG ([`FPg`](super::FPg)) the gradient estimator is
///
/// ```text
/// g = sum_{t < H} score_t sum_{k >= t} gamma^k (r_k - lambda D(s_k)) - lambda sum_{t < H} gamma^t dD(s_t)/dtheta
/// ```
///
/// It is an unbiased estimator of the gradient of the objective over the first `H` steps. The sums end with the
/// episode. Source: arXiv 2601.12604.
#[derive(Clone, Debug)]
pub struct Reinforce<L> {
    dynamics: Dynamics,
    learner: L,
    sampling: Sampling,
    batch: Batch,
    steps: Vec<Step>,
    random: Stream,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    state: u32,
    action: u32,
    reward: f64,
    /// `gamma^t`.
    weight: f64,
}

impl<L: TabularLearner> Reinforce<L> {
    /// Creates a loop that draws its episodes from `random`.
    pub fn new(mdp: &Mdp, learner: L, sampling: Sampling, random: Stream) -> Self {
        let horizon = sampling
            .horizon
            .min(mdp.episode_steps().unwrap_or(usize::MAX));
        Self {
            dynamics: Dynamics::new(mdp),
            learner,
            sampling: Sampling::new(sampling.batch, horizon),
            batch: Batch::new(mdp.states(), mdp.actions()),
            steps: Vec::with_capacity(horizon),
            random,
        }
    }

    /// Returns the learner.
    pub fn learner(&self) -> &L {
        &self.learner
    }

    /// Returns the learner, for changes between two batches.
    pub fn learner_mut(&mut self) -> &mut L {
        &mut self.learner
    }

    /// Returns the number of steps after which an episode is truncated: the smaller of [`Sampling::horizon`] and the
    /// episode limit of the process.
    pub fn horizon(&self) -> usize {
        self.sampling.horizon
    }

    /// Samples a batch, takes a step of size `eta`, and returns the mean discounted return of the batch without the
    /// cost of the regularizer.
    pub fn iterate(&mut self, eta: f64) -> f64 {
        let mean = self.sample();
        self.learner.ascend(&self.batch, eta);
        mean
    }

    /// Samples a batch and returns its mean discounted return without the cost of the regularizer.
    pub fn sample(&mut self) -> f64 {
        self.batch.clear();
        let share = 1.0 / self.sampling.batch as f64;
        let mut mean = 0.0;
        for _ in 0..self.sampling.batch {
            self.sample_episode();
            mean += share * self.accumulate(share);
        }
        mean
    }

    /// Returns the statistics of the last batch.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    fn sample_episode(&mut self) {
        self.steps.clear();
        let mut state = self.dynamics.sample_start(&mut self.random);
        let mut weight = 1.0;
        for _ in 0..self.sampling.horizon {
            let action = sample_action(self.learner.row(state), &mut self.random);
            let (next, reward) = self.dynamics.step(state, action, &mut self.random);
            self.steps.push(Step {
                state: state as u32,
                action: action as u32,
                reward,
                weight,
            });
            weight *= self.dynamics.discount;
            match next {
                Some(next) => state = next,
                None => break,
            }
        }
    }

    /// Adds the episode to the batch, from its last step to its first, and returns its discounted return.
    fn accumulate(&mut self, share: f64) -> f64 {
        let (gamma, lambda) = (self.dynamics.discount, self.learner.temperature());
        let (mut earned, mut to_go) = (0.0, 0.0);
        for step in self.steps.iter().rev() {
            let state = step.state as usize;
            earned = step.reward + gamma * earned;
            let paid = if lambda == 0.0 {
                0.0
            } else {
                lambda * self.learner.state_divergence(state)
            };
            to_go = match L::CREDIT {
                Credit::Objective => to_go + step.weight * (step.reward - paid),
                Credit::ToGo => step.reward - paid + gamma * to_go,
            };
            if !self.batch.is_visited[state] {
                self.batch.is_visited[state] = true;
                self.batch.visited.push(state);
            }
            self.batch.credit[state * self.batch.actions + step.action as usize] += share * to_go;
            self.batch.visits[state] += share * step.weight;
        }
        earned
    }
}

/// Draws an action with the probabilities in `row`.
fn sample_action(row: &[f64], random: &mut Stream) -> usize {
    // If the sum is below one by rounding, the last action with a positive probability is taken.
    draw(row.iter().copied(), random)
        .or_else(|| row.iter().rposition(|&p| p > 0.0))
        .unwrap_or(row.len() - 1)
}

/// Draws one of the entries with these probabilities. A single entry takes no random number.
fn choose<'a, T>(entries: &'a [T], probability: impl Fn(&T) -> f64, random: &mut Stream) -> &'a T {
    let last = entries.len() - 1;
    if last == 0 {
        return &entries[0];
    }
    &entries[draw(entries.iter().map(probability), random).unwrap_or(last)]
}

/// A process in the form that sampling uses.
#[derive(Clone, Debug)]
struct Dynamics {
    discount: f64,
    actions: usize,
    /// The possible start states and their probabilities.
    start: Vec<(usize, f64)>,
    offsets: Vec<u32>,
    outcomes: Vec<SampledOutcome>,
}

#[derive(Clone, Copy, Debug)]
struct SampledOutcome {
    probability: f64,
    reward: f64,
    reward_std: f64,
    next: u32,
}

const END: u32 = u32::MAX;

impl Dynamics {
    fn new(mdp: &Mdp) -> Self {
        let mut offsets = vec![0];
        let mut outcomes = Vec::new();
        for state in 0..mdp.states() {
            for action in 0..mdp.actions() {
                let possible = mdp
                    .outcomes(state, action)
                    .iter()
                    .filter(|o| o.probability > 0.0);
                outcomes.extend(possible.map(|outcome| SampledOutcome {
                    probability: outcome.probability,
                    reward: outcome.reward,
                    reward_std: outcome.reward_std,
                    next: outcome.next.map_or(END, |next| next as u32),
                }));
                offsets.push(outcomes.len() as u32);
            }
        }
        let start = mdp
            .start()
            .iter()
            .copied()
            .enumerate()
            .filter(|&(_, p)| p > 0.0);
        Self {
            discount: mdp.discount(),
            actions: mdp.actions(),
            start: start.collect(),
            offsets,
            outcomes,
        }
    }

    fn sample_start(&self, random: &mut Stream) -> usize {
        choose(&self.start, |&(_, p)| p, random).0
    }

    fn step(&self, state: usize, action: usize, random: &mut Stream) -> (Option<usize>, f64) {
        let row = state * self.actions + action;
        let possible = &self.outcomes[self.offsets[row] as usize..self.offsets[row + 1] as usize];
        let outcome = choose(possible, |outcome| outcome.probability, random);
        let mut reward = outcome.reward;
        if outcome.reward_std > 0.0 {
            let noise: f64 = StandardNormal.sample(random);
            reward += outcome.reward_std * noise;
        }
        (
            (outcome.next != END).then_some(outcome.next as usize),
            reward,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Direction, FPg};
    use super::*;
    use crate::exact::FiniteHorizon;
    use crate::mdp::{deep_sea_stochastic, garnet, nchain};
    use crate::testing::divergences;
    use crate::{Divergence, SoftargmaxPolicy};
    use burn_tsallis::experiment::{Purpose, stream};

    /// Asserts that the mean of the estimator over `batches` batches of one episode equals the exact gradient within
    /// 4.5 standard errors in every component.
    fn unbiased(mdp: &Mdp, divergence: Divergence, horizon: usize, batches: usize) {
        let mut policy = SoftargmaxPolicy::uniform(divergence, mdp.states(), mdp.actions());
        let logits: Vec<f64> = (0..policy.logits().len())
            .map(|i| f64::from((i as u32 * 7) % 5) * 0.4 - 0.8)
            .collect();
        policy.set_logits(&logits);
        let steps = horizon.min(mdp.episode_steps().unwrap_or(horizon));
        let exact = FiniteHorizon::new(mdp, steps).gradient(&policy, 0.3);
        let sampling = Sampling { batch: 1, horizon };
        let learner = FPg::new(policy, 0.3);
        let random = stream(5, Purpose::TabularEpisodes, 0);
        let mut run = Reinforce::new(mdp, learner, sampling, random);
        let n = exact.len();
        let (mut sum, mut squares) = (vec![0.0; n], vec![0.0; n]);
        for _ in 0..batches {
            run.sample();
            let mut estimate = vec![0.0; n];
            run.learner().estimate(run.batch(), |state, gradient| {
                let range = run.learner().policy().range(state);
                estimate[range].copy_from_slice(gradient);
            });
            for i in 0..n {
                sum[i] += estimate[i];
                squares[i] += estimate[i] * estimate[i];
            }
        }
        let count = batches as f64;
        for i in 0..n {
            let mean = sum[i] / count;
            let error = ((squares[i] / count - mean * mean).max(0.0) / count).sqrt();
            let off = (mean - exact[i]).abs();
            assert!(
                off <= 4.5 * error + 1e-12,
                "{} {divergence}: component {i} is {mean}, not {}: {:.1} standard errors",
                mdp.name(),
                exact[i],
                off / error
            );
        }
    }

    #[test]
    fn the_estimator_is_unbiased() {
        let chain = nchain(4).expect("a length");
        let sea = deep_sea_stochastic(3).expect("a size");
        let random = garnet(3, 3, 2, 0.8, 6).expect("sizes");
        for divergence in divergences(["0.1", "0.5", "1"]) {
            unbiased(&chain, divergence, 6, 100_000);
            unbiased(&sea, divergence, 25, 100_000);
        }
        for divergence in divergences(["0.5", "1.5", "jensen-shannon"]) {
            unbiased(&random, divergence, 4, 100_000);
        }
    }

    #[test]
    fn with_zero_discount_only_the_first_step_counts() {
        let mdp = garnet(3, 2, 2, 0.0, 6).expect("sizes");
        unbiased(&mdp, Divergence::Tsallis(0.5), 3, 20_000);

        // The states of the later steps are visited with weight zero.
        let policy = SoftargmaxPolicy::uniform(Divergence::Tsallis(0.5), 3, 2);
        let learner = FPg::new(policy, 0.3).with_direction(Direction::Natural);
        let sampling = Sampling::new(1, 9);
        let random = stream(5, Purpose::TabularEpisodes, 0);
        let mut run = Reinforce::new(&mdp, learner, sampling, random);
        (0..20).for_each(|_| {
            run.iterate(0.1);
        });
        let logits = run.learner().policy().logits();
        assert!(logits.iter().all(|x| x.is_finite()), "{logits:?}");
        assert!(logits.iter().any(|x| *x != 0.0), "{logits:?}");
    }

    #[test]
    fn steps_after_the_discount_underflows_change_nothing() {
        let mdp = garnet(3, 2, 2, 0.1, 6).expect("sizes");
        let learned = |horizon, direction| {
            let policy = SoftargmaxPolicy::uniform(Divergence::Tsallis(0.5), 3, 2);
            let learner = FPg::new(policy, 0.3).with_direction(direction);
            let sampling = Sampling { batch: 1, horizon };
            let random = stream(5, Purpose::TabularEpisodes, 0);
            let mut run = Reinforce::new(&mdp, learner, sampling, random);
            run.iterate(0.1);
            run.learner().policy().logits().to_vec()
        };
        let long = learned(400, Direction::Gradient);
        assert!(long.iter().any(|x| x.abs() > 1e-3), "{long:?}");
        // After 330 steps the weight is below the smallest positive `f64`.
        assert_eq!(long, learned(330, Direction::Gradient));
        let natural = learned(400, Direction::Natural);
        assert!(natural.iter().all(|x| x.is_finite()), "{natural:?}");
    }

    #[test]
    fn actions_are_taken_as_often_as_they_are_likely() {
        let row = [0.2, 0.0, 0.5, 0.3];
        let mut random = stream(1, Purpose::TabularEpisodes, 0);
        let mut counts = [0.0; 4];
        for _ in 0..100_000 {
            counts[sample_action(&row, &mut random)] += 1e-5;
        }
        assert_eq!(counts[1], 0.0);
        assert!(
            counts.iter().zip(row).all(|(c, p)| (c - p).abs() < 6e-3),
            "{counts:?}"
        );
        // A remainder left by rounding is assigned to an action with a positive probability.
        assert_eq!(sample_action(&[1e-300, 0.0], &mut random), 0);
    }
}
