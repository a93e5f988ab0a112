//! Functions that several tests use.

use crate::{Divergence, SoftargmaxPolicy};
use std::fmt::Display;

/// Asserts that two numbers are within a distance of each other.
#[track_caller]
pub fn assert_close(got: f64, want: f64, within: f64, what: impl Display) {
    assert!((got - want).abs() < within, "{what}: {got} is not {want}");
}

/// Returns the divergences of these names.
pub fn divergences<const N: usize>(names: [&str; N]) -> [Divergence; N] {
    names.map(|name| name.parse().expect(name))
}

/// Returns the policy of one state with these logits and the uniform reference.
pub fn policy_of_row(divergence: Divergence, logits: &[f64]) -> SoftargmaxPolicy {
    let mut policy = SoftargmaxPolicy::uniform(divergence, 1, logits.len());
    policy.set_logits(logits);
    policy
}
