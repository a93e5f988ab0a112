use super::chain::DISCOUNT;
use super::{Mdp, MdpError, Outcome, check_size, start_in};

/// Total cost of an episode in which every move goes right.
const MOVE_COST: f64 = 0.01;

/// Creates DeepSea with `size` by `size` cells.
///
/// Each step moves down one row, to the right with action 1 and to the left with action 0. The episode ends after the
/// last row. Moving right from the last column has reward 1, so only an episode of right moves earns it. Each move
/// right costs `0.01 / size`. The state is `row * size + column`. Action 1 is right in every state. Source: bsuite, the
/// deterministic variant, as in arXiv 2601.12604.
///
/// # Errors
///
/// Returns an error if `size` is 0 or too large.
pub fn deep_sea(size: usize) -> Result<Mdp, MdpError> {
    build(size, false)
}

/// Creates the stochastic variant of [`deep_sea`], as in bsuite. A move right stays in its column with probability
/// `1 / size`, and the rewards of the two corners of the last row have a standard deviation of 1.
///
/// # Errors
///
/// Returns an error if `size` is 0 or too large.
pub fn deep_sea_stochastic(size: usize) -> Result<Mdp, MdpError> {
    build(size, true)
}

fn build(size: usize, stochastic: bool) -> Result<Mdp, MdpError> {
    let kind = if stochastic {
        "deepsea-stochastic"
    } else {
        "deepsea"
    };
    if size == 0 {
        return Err(MdpError::Size {
            kind,
            needs: "at least 1 row",
            got: size.to_string(),
        });
    }
    check_size(size.saturating_mul(size), 2)?;
    let last = size - 1;
    Mdp::new(
        format!("{kind}:{size}"),
        DISCOUNT,
        start_in(0, size * size),
        2,
        |state, action| {
            let (row, column) = (state / size, state % size);
            let below = |column: usize| (row < last).then_some((row + 1) * size + column);
            let reward_std = if stochastic && row == last && (column == 0 || column == last) {
                1.0
            } else {
                0.0
            };
            if action == 0 {
                let outcome = Outcome::certain(below(column.saturating_sub(1)), 0.0);
                return vec![Outcome {
                    reward_std,
                    ..outcome
                }];
            }
            let treasure = if column == last { 1.0 } else { 0.0 };
            let reward = treasure - MOVE_COST / size as f64;
            let slip = if stochastic { 1.0 / size as f64 } else { 0.0 };
            let moved = [((column + 1).min(last), 1.0 - slip), (column, slip)];
            moved
                .into_iter()
                .filter(|&(_, probability)| probability > 0.0)
                .map(|(column, probability)| Outcome {
                    probability,
                    next: below(column),
                    reward,
                    reward_std,
                })
                .collect()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_column_earns_and_the_last_row_ends() {
        let mdp = deep_sea(5).expect("a size");
        assert_eq!((mdp.states(), mdp.actions()), (25, 2));
        assert_eq!(mdp.reward(24, 1), 1.0 - 0.01 / 5.0);
        assert_eq!(mdp.outcomes(24, 1)[0].next, None);
        assert_eq!(mdp.reward(6, 1), -0.01 / 5.0);
        assert_eq!(mdp.outcomes(6, 0)[0].next, Some(10));
        assert!(deep_sea(0).is_err());
    }

    #[test]
    fn the_stochastic_variant_slips_and_its_corners_are_noisy() {
        let mdp = deep_sea_stochastic(4).expect("a size");
        let outcomes = mdp.outcomes(5, 1);
        assert_eq!(outcomes.len(), 2);
        assert_eq!((outcomes[1].probability, outcomes[1].next), (0.25, Some(9)));
        assert_eq!(mdp.outcomes(12, 0)[0].reward_std, 1.0);
        assert_eq!(mdp.outcomes(13, 0)[0].reward_std, 0.0);
    }
}
