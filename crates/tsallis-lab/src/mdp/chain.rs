use super::{Mdp, MdpError, Outcome, check_size, start_in};

/// The discount of the processes whose constructors take none.
pub(super) const DISCOUNT: f64 = 0.99;

/// Creates a chain of `length` states. Action 1 moves right and action 0 moves left. A move off an end stays in place.
///
/// A move off the right end has reward 1, a move off the left end 0.01, and every other move 0. An episode starts in
/// state 1 and is truncated after `length + 8` steps. The agent does not observe the time. Source: arXiv 2601.12604.
///
/// # Errors
///
/// Returns an error if `length` is below 2 or too large.
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

/// Creates a bandit: one state, one arm for each mean reward, and episodes of one pull. The rewards are Gaussian with
/// standard deviation `reward_std`.
///
/// # Errors
///
/// Returns an error if there is no arm, a number is not finite, or `reward_std` is negative.
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
