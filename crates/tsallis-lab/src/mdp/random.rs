use super::{Mdp, MdpError, Outcome, check_size};
use burn_tsallis::experiment::{Purpose, stream};
use rand::RngExt;

/// Creates a random MDP (a Garnet).
///
/// Each action leads to `branches` different states. Their probabilities are the gaps between sorted uniform numbers.
/// Each mean reward is uniform in `[0, 1)`. An episode starts in any state with the same probability.
///
/// # Errors
///
/// Returns an error if there is no state or no action, there are too many of them, `branches` is not from 1 to
/// `states`, or the discount is not in `[0, 1)`.
pub fn garnet(
    states: usize,
    actions: usize,
    branches: usize,
    discount: f64,
    seed: u64,
) -> Result<Mdp, MdpError> {
    if states > 0 && !(1..=states).contains(&branches) {
        return Err(MdpError::Size {
            kind: "garnet",
            needs: "at least 1 branch and at most one for each state",
            got: branches.to_string(),
        });
    }
    check_size(states, actions)?;
    if check_size(states.saturating_mul(branches), actions).is_err() {
        return Err(MdpError::TooManyOutcomes {
            states,
            actions,
            branches,
        });
    }
    let mut random = stream(seed, Purpose::Processes, 0);
    let mut all: Vec<usize> = (0..states).collect();
    let mut swapped = Vec::with_capacity(branches);
    Mdp::new(
        format!("garnet:{states},{actions},{branches},{seed}"),
        discount,
        vec![1.0 / states as f64; states],
        actions,
        |_, _| {
            for i in 0..branches {
                let with = random.random_range(i..states);
                all.swap(i, with);
                swapped.push(with);
            }
            let mut cuts: Vec<f64> = (1..branches).map(|_| random.random()).collect();
            cuts.extend([0.0, 1.0]);
            cuts.sort_by(f64::total_cmp);
            let reward = random.random();
            let outcomes = (0..branches)
                .map(|i| Outcome::certain(all[i], reward).with_probability(cuts[i + 1] - cuts[i]))
                .collect();
            // Restores the order for the next action.
            while let Some(with) = swapped.pop() {
                all.swap(swapped.len(), with);
            }
            outcomes
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_draws_from_all_states_in_their_order() {
        let (states, branches) = (6, 3);
        let mdp = garnet(states, 2, branches, 0.9, 7).expect("sizes");
        let mut random = stream(7, Purpose::Processes, 0);
        for (state, action) in (0..states).flat_map(|state| [(state, 0), (state, 1)]) {
            let mut all: Vec<usize> = (0..states).collect();
            for i in 0..branches {
                all.swap(i, random.random_range(i..states));
            }
            // The cuts between the branches, and the reward.
            for _ in 0..branches {
                random.random::<f64>();
            }
            let next = mdp.outcomes(state, action).iter().map(|o| o.next);
            assert!(next.eq(all[..branches].iter().copied().map(Some)));
        }
    }

    #[test]
    fn a_seed_is_one_process() {
        let make = |seed| garnet(5, 3, 2, 0.9, seed).expect("sizes");
        assert_eq!(make(3), make(3));
        assert_ne!(make(3), make(4));
        assert_eq!(make(3).outcomes(4, 2).len(), 2);
        assert!(garnet(3, 2, 4, 0.9, 0).is_err() && garnet(3, 2, 0, 0.9, 0).is_err());
        assert!(garnet(0, 2, 1, 0.9, 0).is_err());
    }
}
