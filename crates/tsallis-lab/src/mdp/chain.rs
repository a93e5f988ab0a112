use super::{Mdp, MdpError, Outcome, check_size, start_in};

/// The discount of the builders, where none is given.
pub(super) const DISCOUNT: f64 = 0.99;

/// The chain of `length` states: action 1 steps right, 0 left, both stay at the ends. The right end earns
/// 1 for each step on the spot, the left one 0.01; nothing else earns. It begins in state 1 and is cut
/// after `length + 8` steps, which the agent does not see. Source: arXiv 2601.12604.
///
/// # Errors
///
/// Below two states.
pub fn nchain(length: usize) -> Result<Mdp, MdpError> {
    if length < 2 {
        return Err(MdpError::Size {
            kind: "nchain",
            needs: "at least 2 states",
            got: length.to_string(),
        });
    }
    check_size(length, 2)?;
    let last = length - 1;
    Mdp::new(
        format!("nchain:{length}"),
        DISCOUNT,
        start_in(1, length),
        2,
        |state, action| {
            vec![match (state, action) {
                (s, 1) if s == last => Outcome::certain(last, 1.0),
                (0, 0) => Outcome::certain(0, 0.01),
                (s, 1) => Outcome::certain(s + 1, 0.0),
                (s, _) => Outcome::certain(s - 1, 0.0),
            }]
        },
    )?
    .with_episode_steps(Some(length + 8))
}

/// A bandit: one state, an arm for each mean reward, and an episode of one pull. Its reward has this
/// standard deviation.
///
/// # Errors
///
/// Without an arm, or if a number is not finite.
pub fn bandit(means: &[f64], reward_std: f64) -> Result<Mdp, MdpError> {
    let words: Vec<String> = means.iter().map(f64::to_string).collect();
    Mdp::new(
        format!("bandit:{}", words.join(",")),
        DISCOUNT,
        vec![1.0],
        means.len(),
        |_, arm| {
            vec![Outcome {
                reward_std,
                ..Outcome::certain(None, means[arm])
            }]
        },
    )
}
