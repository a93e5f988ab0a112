//! Finite Markov decision processes.

mod chain;
mod deep_sea;
mod file;
mod grid;
mod name;
mod random;
mod unrolled;

pub use chain::{bandit, nchain};
pub use deep_sea::{deep_sea, deep_sea_stochastic};
pub use file::{MdpFile, ReadError, Transition, read};
pub use grid::{cliff_walking, gridworld};
pub use name::{NameError, PROCESS_NAMES};
pub use random::garnet;

use serde::{Deserialize, Serialize};

/// Largest number of states times actions, which keeps the tables of a process below a gigabyte.
const MAX_STATE_ACTIONS: usize = 10_000_000;

/// Largest deviation from one of a sum of probabilities.
pub(crate) const SUM_TOLERANCE: f64 = 1e-9;

/// Largest size of a reward and of its standard deviation. The squares of discounted sums of such rewards are finite.
pub const MAX_REWARD: f64 = 1e100;

/// A possible outcome of an action.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// The probability of the outcome.
    pub probability: f64,
    /// The next state, or `None` if the episode ends.
    pub next: Option<usize>,
    /// The mean of the reward.
    pub reward: f64,
    /// The standard deviation of Gaussian noise on the reward.
    pub reward_std: f64,
}

impl Outcome {
    /// Creates an outcome with probability 1 and a reward without noise.
    pub fn certain(next: impl Into<Option<usize>>, reward: f64) -> Self {
        Self {
            probability: 1.0,
            next: next.into(),
            reward,
            reward_std: 0.0,
        }
    }

    /// Returns the outcome with another probability.
    pub fn with_probability(self, probability: f64) -> Self {
        Self {
            probability,
            ..self
        }
    }
}

/// A finite Markov decision process with the same actions in every state.
///
/// The end of an episode is an absorbing state that no table includes. It has no reward and no regularization, so its
/// value is zero.
///
/// ```
/// use tsallis_lab::mdp::{Mdp, Outcome};
///
/// // One state, two arms, an episode of one pull.
/// let mdp = Mdp::new("coins", 0.9, vec![1.0], 2, |_, arm| {
///     vec![Outcome::certain(None, arm as f64)]
/// })?;
/// assert_eq!(mdp.reward(0, 1), 1.0);
/// # Ok::<(), tsallis_lab::MdpError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "MdpFile", into = "MdpFile")]
pub struct Mdp {
    name: String,
    discount: f64,
    start: Vec<f64>,
    actions: usize,
    /// The outcomes of `(state, action)` start at `offsets[state * actions + action]`.
    offsets: Vec<usize>,
    outcomes: Vec<Outcome>,
    rewards: Vec<f64>,
    episode_steps: Option<usize>,
}

/// An error for an invalid process.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MdpError {
    /// There is no state or no action.
    #[error("a process needs at least one state and one action, not {states} and {actions}")]
    Empty {
        /// The number of states.
        states: usize,
        /// The number of actions.
        actions: usize,
    },
    /// The discount is not in `[0, 1)`.
    #[error("the discount must be at least 0 and below 1, not {0}")]
    Discount(f64),
    /// The start probabilities are not a distribution.
    #[error("the start probabilities must be from 0 to 1 and sum to 1: {what}")]
    Start {
        /// The reason.
        what: String,
    },
    /// The outcomes of an action are invalid.
    #[error("action {action} in state {state}: {what}")]
    Action {
        /// The state.
        state: usize,
        /// The action.
        action: usize,
        /// The reason.
        what: String,
    },
    /// A state or an action does not exist.
    #[error("{what} {index} does not exist: there are {count}, numbered from 0")]
    Missing {
        /// `"state"` or `"action"`.
        what: &'static str,
        /// The number of the state or the action.
        index: usize,
        /// How many states or actions there are.
        count: usize,
    },
    /// The name has a control character, which would break the lines of tables.
    #[error("the name of a process cannot contain the control character {0:?}")]
    Name(char),
    /// There are too many outcomes.
    #[error(
        "{states} states times {actions} actions times {branches} branches are too many: the product must be at most \
         {MAX_STATE_ACTIONS}"
    )]
    TooManyOutcomes {
        /// The number of states.
        states: usize,
        /// The number of actions.
        actions: usize,
        /// The number of outcomes of each action.
        branches: usize,
    },
    /// There are too many states and actions.
    #[error(
        "{states} states times {actions} actions are too many: the product must be at most {MAX_STATE_ACTIONS}"
    )]
    TooLarge {
        /// The number of states.
        states: usize,
        /// The number of actions.
        actions: usize,
    },
    /// The limit on the steps of an episode is 0.
    #[error("an episode needs at least one step")]
    EpisodeSteps,
    /// A parameter is out of range for this kind of process.
    #[error("{kind} needs {needs}, not {got}")]
    Size {
        /// The kind of process.
        kind: &'static str,
        /// The valid range.
        needs: &'static str,
        /// The invalid value.
        got: String,
    },
}

impl Mdp {
    /// Creates a process with one state for each probability in `start`. `outcomes(state, action)` returns the possible
    /// outcomes of an action.
    ///
    /// # Errors
    ///
    /// Returns an error if the name has a control character, there is no state or no action, there are too many of
    /// them, the discount is not in `[0, 1)`, an action has no outcome, a probability is not in `[0, 1]`, the
    /// probabilities do not sum to 1 (both up to 1e-9), a reward or its standard deviation exceeds [`MAX_REWARD`] in
    /// size, the standard deviation is negative, or an outcome leads to a state that does not exist.
    pub fn new(
        name: impl Into<String>,
        discount: f64,
        mut start: Vec<f64>,
        actions: usize,
        mut outcomes: impl FnMut(usize, usize) -> Vec<Outcome>,
    ) -> Result<Self, MdpError> {
        let name = name.into();
        check_name(&name)?;
        let states = start.len();
        if states == 0 || actions == 0 {
            return Err(MdpError::Empty { states, actions });
        }
        check_size(states, actions)?;
        if !(0.0..1.0).contains(&discount) {
            return Err(MdpError::Discount(discount));
        }
        if let Some(what) = distribution_error(&start, "state") {
            return Err(MdpError::Start { what });
        }
        start.iter_mut().for_each(round);
        let mut mdp = Self {
            name,
            discount,
            start,
            actions,
            offsets: vec![0],
            outcomes: Vec::new(),
            rewards: Vec::with_capacity(states * actions),
            episode_steps: None,
        };
        for state in 0..states {
            for action in 0..actions {
                let mut outcomes = outcomes(state, action);
                if let Some(what) = outcome_error(&outcomes, states) {
                    return Err(MdpError::Action {
                        state,
                        action,
                        what,
                    });
                }
                outcomes.iter_mut().for_each(|o| round(&mut o.probability));
                let mean = outcomes.iter().map(|o| o.probability * o.reward).sum();
                mdp.rewards.push(mean);
                mdp.outcomes.extend(outcomes);
                mdp.offsets.push(mdp.outcomes.len());
            }
        }
        Ok(mdp)
    }

    /// Returns the process with a limit on the steps of a sampled episode, or without one. Values over an infinite
    /// horizon ignore the limit.
    ///
    /// # Errors
    ///
    /// Returns an error if the limit is 0.
    pub fn with_episode_steps(mut self, steps: Option<usize>) -> Result<Self, MdpError> {
        if steps == Some(0) {
            return Err(MdpError::EpisodeSteps);
        }
        self.episode_steps = steps;
        Ok(self)
    }

    /// Returns the process with another discount.
    ///
    /// # Errors
    ///
    /// Returns an error if the discount is not in `[0, 1)`.
    pub fn with_discount(mut self, discount: f64) -> Result<Self, MdpError> {
        if !(0.0..1.0).contains(&discount) {
            return Err(MdpError::Discount(discount));
        }
        self.discount = discount;
        Ok(self)
    }

    /// Returns a checksum of everything but the name, by which a sweep recognizes a process.
    pub(crate) fn checksum(&self) -> u32 {
        let mut sum = 0;
        let mut add = |bytes: [u8; 8]| sum = crc32c::crc32c_append(sum, &bytes);
        for number in [self.discount].iter().chain(&self.start) {
            add(number.to_le_bytes());
        }
        for size in [self.actions, self.episode_steps.unwrap_or(0)]
            .iter()
            .chain(&self.offsets)
        {
            add((*size as u64).to_le_bytes());
        }
        for outcome in &self.outcomes {
            let next = outcome.next.map_or(u64::MAX, |next| next as u64);
            add(next.to_le_bytes());
            for number in [outcome.probability, outcome.reward, outcome.reward_std] {
                add(number.to_le_bytes());
            }
        }
        sum
    }

    /// Returns the name of the process.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the discount `gamma`.
    pub fn discount(&self) -> f64 {
        self.discount
    }

    /// Returns `rho`, the probability that an episode starts in each state.
    pub fn start(&self) -> &[f64] {
        &self.start
    }

    /// Returns the number of states, not counting the end of an episode.
    pub fn states(&self) -> usize {
        self.start.len()
    }

    /// Returns the number of actions in each state.
    pub fn actions(&self) -> usize {
        self.actions
    }

    /// Returns the number of steps after which a sampled episode is truncated, or `None` if there is no limit.
    pub fn episode_steps(&self) -> Option<usize> {
        self.episode_steps
    }

    /// Returns the possible outcomes of an action.
    pub fn outcomes(&self, state: usize, action: usize) -> &[Outcome] {
        let row = state * self.actions + action;
        &self.outcomes[self.offsets[row]..self.offsets[row + 1]]
    }

    /// Returns the mean reward of an action.
    pub fn reward(&self, state: usize, action: usize) -> f64 {
        self.rewards[state * self.actions + action]
    }

    /// Returns the difference between the largest and the smallest mean reward. If an episode can end, the reward of 0
    /// after its end counts too.
    pub fn reward_span(&self) -> f64 {
        let ends = self
            .outcomes
            .iter()
            .any(|o| o.next.is_none() && o.probability > 0.0);
        let rewards = self.rewards.iter().copied().chain(ends.then_some(0.0));
        let (least, most) = rewards.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), r| {
            (lo.min(r), hi.max(r))
        });
        most - least
    }

    /// Writes `r(s, a) + gamma E v(s')` for every action of a state to `q`.
    pub(super) fn back_up(&self, state: usize, v: &[f64], q: &mut [f64]) {
        for (action, q) in q.iter_mut().enumerate() {
            let ahead: f64 = self
                .outcomes(state, action)
                .iter()
                .filter_map(|o| o.next.map(|next| o.probability * v[next]))
                .sum();
            *q = self.reward(state, action) + self.discount * ahead;
        }
    }
}

/// Checks that a process of this size is not too large.
fn check_size(states: usize, actions: usize) -> Result<(), MdpError> {
    if states.saturating_mul(actions) > MAX_STATE_ACTIONS {
        return Err(MdpError::TooLarge { states, actions });
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), MdpError> {
    match name.chars().find(|c| c.is_control()) {
        Some(control) => Err(MdpError::Name(control)),
        None => Ok(()),
    }
}

/// Removes the rounding error of a probability that is slightly below 0 or above 1.
fn round(probability: &mut f64) {
    *probability = probability.clamp(0.0, 1.0);
}

/// Returns why the probabilities are not a distribution, or `None` if they are. `of` is the name of an entry.
fn distribution_error(probabilities: &[f64], of: &str) -> Option<String> {
    if let Some((i, p)) = probabilities
        .iter()
        .enumerate()
        .find(|(_, p)| !(-SUM_TOLERANCE..=1.0 + SUM_TOLERANCE).contains(*p))
    {
        return Some(format!("{of} {i} has {p}"));
    }
    let sum: f64 = probabilities.iter().sum();
    ((sum - 1.0).abs() > SUM_TOLERANCE).then(|| format!("the sum is {sum}"))
}

fn outcome_error(outcomes: &[Outcome], states: usize) -> Option<String> {
    if outcomes.is_empty() {
        return Some("it has no outcome".to_owned());
    }
    for outcome in outcomes {
        if !(-MAX_REWARD..=MAX_REWARD).contains(&outcome.reward) {
            return Some(format!(
                "its reward is {:e}, not from -{MAX_REWARD:e} to {MAX_REWARD:e}",
                outcome.reward
            ));
        }
        if !(0.0..=MAX_REWARD).contains(&outcome.reward_std) {
            return Some(format!(
                "the standard deviation of its reward is {:e}, not from 0 to {MAX_REWARD:e}",
                outcome.reward_std
            ));
        }
        if let Some(next) = outcome.next.filter(|&next| next >= states) {
            return Some(format!(
                "it leads to state {next}, but the last state is {}",
                states - 1
            ));
        }
    }
    let probabilities: Vec<f64> = outcomes.iter().map(|o| o.probability).collect();
    distribution_error(&probabilities, "outcome").map(|what| {
        format!("the probabilities of its outcomes must be from 0 to 1 and sum to 1: {what}")
    })
}

/// Returns the start distribution with probability 1 for `state`.
fn start_in(state: usize, states: usize) -> Vec<f64> {
    let mut start = vec![0.0; states];
    start[state] = 1.0;
    start
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exact::{Evaluator, best_value};

    fn with(outcomes: Vec<Outcome>) -> Result<Mdp, MdpError> {
        Mdp::new("test", 0.9, vec![0.5, 0.5], 2, |state, action| {
            if (state, action) == (1, 0) {
                outcomes.clone()
            } else {
                vec![Outcome::certain(0, 1.0)]
            }
        })
    }

    #[test]
    fn errors_name_state_and_action() {
        let cases = [
            (vec![], "it has no outcome"),
            (
                vec![Outcome::certain(0, 1.0).with_probability(0.7)],
                "the probabilities of its outcomes must be from 0 to 1 and sum to 1: the sum is 0.7",
            ),
            (
                vec![Outcome::certain(0, 1.0).with_probability(-0.5)],
                "the probabilities of its outcomes must be from 0 to 1 and sum to 1: outcome 0 has -0.5",
            ),
            (
                vec![Outcome::certain(0, f64::NAN)],
                "its reward is NaN, not from -1e100 to 1e100",
            ),
            (
                vec![Outcome::certain(7, 0.0)],
                "it leads to state 7, but the last state is 1",
            ),
        ];
        for (outcomes, what) in cases {
            let error = with(outcomes).expect_err(what);
            assert_eq!(error.to_string(), format!("action 0 in state 1: {what}"));
        }
    }

    #[test]
    fn a_rounding_error_of_a_probability_is_removed() {
        let above = Outcome::certain(0, 1.0).with_probability(1.000_000_000_000_000_2);
        let below = Outcome::certain(1, 1.0).with_probability(-1e-17);
        let mdp = with(vec![above, below]).expect("a distribution up to rounding");
        let probabilities: Vec<f64> = mdp.outcomes(1, 0).iter().map(|o| o.probability).collect();
        assert_eq!(probabilities, [1.0, 0.0]);
        let start = vec![1.000_000_000_000_000_2, -1e-17];
        let mdp = Mdp::new("", 0.5, start, 1, |_, _| vec![Outcome::certain(None, 0.0)]);
        assert_eq!(
            mdp.expect("a distribution up to rounding").start(),
            [1.0, 0.0]
        );
        assert!(with(vec![Outcome::certain(0, 1.0).with_probability(1.0 + 1e-8)]).is_err());
    }

    #[test]
    fn large_rewards_do_not_overflow() {
        let with_reward = |reward: f64| {
            Mdp::new("", 0.99, vec![1.0], 2, |_, action| {
                let sign = if action == 0 { 1.0 } else { -1.0 };
                vec![Outcome::certain(0, sign * reward)]
            })
        };
        let mdp = with_reward(MAX_REWARD).expect("the largest reward");
        assert!(mdp.reward_span().powi(2).is_finite());
        assert!(best_value(&Evaluator::new(&mdp)).powi(2).is_finite());
        let error = with_reward(1e308).expect_err("too large").to_string();
        assert_eq!(
            error,
            "action 0 in state 0: its reward is 1e308, not from -1e100 to 1e100"
        );
    }

    #[test]
    fn a_name_has_no_control_character() {
        for name in ["a\nb", "a\u{1b}[31m", "\0"] {
            let made = Mdp::new(name, 0.5, vec![1.0], 1, |_, _| {
                vec![Outcome::certain(0, 0.0)]
            });
            assert!(matches!(made, Err(MdpError::Name(_))), "{name:?}");
        }
    }

    #[test]
    fn the_end_of_an_episode_earns_nothing() {
        let steps = |end| {
            Mdp::new("", 0.5, vec![1.0], 2, |_, action| {
                let next = if end && action == 1 { None } else { Some(0) };
                vec![Outcome::certain(next, 3.0 + action as f64)]
            })
        };
        assert_eq!(steps(false).expect("valid").reward_span(), 1.0);
        assert_eq!(steps(true).expect("valid").reward_span(), 4.0);
    }

    #[test]
    fn discount_start_and_sizes_are_checked() {
        let certain = |_, _| vec![Outcome::certain(None, 0.0)];
        for discount in [1.0, -0.1, f64::NAN] {
            assert!(Mdp::new("", discount, vec![1.0], 1, certain).is_err());
        }
        for start in [vec![], vec![0.5], vec![2.0, -1.0], vec![f64::NAN]] {
            assert!(Mdp::new("", 0.5, start, 1, certain).is_err());
        }
        assert!(Mdp::new("", 0.5, vec![1.0], 0, certain).is_err());
        let mdp = Mdp::new("", 0.5, vec![1.0], 1, certain).expect("valid");
        assert_eq!(
            mdp.clone().with_episode_steps(Some(0)),
            Err(MdpError::EpisodeSteps)
        );
        assert!(mdp.with_discount(1.5).is_err());
    }
}
