use super::{Mdp, MdpError, Outcome, check_size};

impl Mdp {
    /// Returns the process over its first `steps` steps, with the time as a part of the state.
    ///
    /// State `t * states + s` of the new process is state `s` after `t` steps, and the last step ends the episode. A
    /// policy of the new process can depend on the time, as the best policy over a finite horizon does.
    ///
    /// ```
    /// use tsallis_lab::exact::{Evaluator, best_value, best_finite_horizon_value};
    /// use tsallis_lab::mdp::nchain;
    ///
    /// let chain = nchain(5)?;
    /// let unrolled = chain.unrolled(12)?;
    /// assert_eq!(unrolled.states(), 60);
    /// let best = best_value(&Evaluator::new(&unrolled));
    /// assert!((best - best_finite_horizon_value(&chain, 12)).abs() < 1e-12);
    /// # Ok::<(), tsallis_lab::MdpError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if `steps` is 0 or the new process is too large.
    pub fn unrolled(&self, steps: usize) -> Result<Self, MdpError> {
        if steps == 0 {
            return Err(MdpError::EpisodeSteps);
        }
        let states = self.states();
        check_size(states.saturating_mul(steps), self.actions)?;
        let mut start = vec![0.0; states * steps];
        start[..states].copy_from_slice(&self.start);
        Self::new(
            format!("{}, {steps} steps", self.name),
            self.discount,
            start,
            self.actions,
            |state, action| {
                let (time, here) = (state / states, state % states);
                let later = |next: usize| (time + 1 < steps).then(|| (time + 1) * states + next);
                self.outcomes(here, action)
                    .iter()
                    .map(|outcome| Outcome {
                        next: outcome.next.and_then(later),
                        ..*outcome
                    })
                    .collect()
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::{deep_sea, garnet, nchain};
    use super::*;
    use crate::exact::{Evaluator, FiniteHorizon};
    use crate::testing::assert_close;
    use crate::{Divergence, SoftargmaxPolicy};

    #[test]
    fn a_policy_that_does_not_see_the_time_is_worth_the_same() {
        for mdp in [
            garnet(4, 3, 2, 0.8, 2).expect("sizes"),
            deep_sea(3).expect("a size"),
        ] {
            let policy_of = |logits: &[f64]| {
                let (states, actions) = (logits.len() / mdp.actions(), mdp.actions());
                let mut policy =
                    SoftargmaxPolicy::uniform(Divergence::Tsallis(0.5), states, actions);
                policy.set_logits(logits);
                policy
            };
            let count = mdp.states() * mdp.actions();
            let logits: Vec<f64> = (0..count).map(|i| (i as f64).sin()).collect();
            let (policy, steps) = (policy_of(&logits), 7);
            let unrolled = mdp.unrolled(steps).expect("steps");
            let repeated = policy_of(&logits.repeat(steps));
            let value = Evaluator::new(&unrolled).objective(&repeated, 0.3);
            let want = FiniteHorizon::new(&mdp, steps).objective(&policy, 0.3);
            assert_close(value, want, 1e-12, mdp.name());
        }
    }

    #[test]
    fn sizes_are_checked() {
        let chain = nchain(5).expect("a length");
        assert_eq!(chain.unrolled(0), Err(MdpError::EpisodeSteps));
        assert!(matches!(
            chain.unrolled(usize::MAX),
            Err(MdpError::TooLarge { .. })
        ));
    }
}
