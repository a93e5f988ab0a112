use super::{Real, expm1_over, log1p_over};
use serde::{Deserialize, Serialize};

/// How the root of a row is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Solver {
    /// Newton inside the bracket, monotone for `alpha <= 2`; bisection beyond, where the function is
    /// not convex, and wherever Newton has not stopped.
    #[default]
    Newton,
    /// Bisection of the bracket down to the resolution of the arithmetic.
    Bisection,
}

impl Solver {
    /// Largest `alpha` at which the Newton step is monotone. Above it the derivative of the mass has
    /// poles at the edge of the support, where a step of length zero would pass for convergence.
    pub const NEWTON_MAX_ALPHA: f64 = 2.0;

    /// Newton steps before bisection takes over: twice the largest number observed, about 20 at
    /// `alpha = -2`.
    pub const NEWTON_STEPS: usize = 40;

    /// A Newton step shorter than this many roundings of `max(1, |l|)` has converged.
    pub const STOP_ROUNDINGS: f64 = 4.0;
}

/// Finds `l = ln u_max`, the logarithm of the largest ratio `p / q` of a row, in `[lo, hi]`.
///
/// `mass(l)` returns `S = sum_i q_i u_i` and `W = sum_i q_i u_i (u_i / u_max)^c` at `l`, with
/// `c = 1 - alpha`; the second is the derivative of the first in `mu`, up to the factor `u_max^c`
/// that would overflow. `S` increases with `l`, `S(lo) <= 1 <= S(hi)`, and the root is `S = 1`. The
/// step is Newton's on `f'(S) = 0`, monotone from `hi` for `alpha <= 2`, and exact for equal logits
/// and at `alpha = 1`:
///
/// ```text
/// d = S (S^c - 1) / (c W),    l <- l - ln(1 + c d) / c
/// ```
///
/// The bracket only ever tightens, and an iterate that leaves it is replaced by its midpoint, so
/// that rounding at either end, where a one-hot row has its root, cannot lead outside.
pub fn solve_log_ratio<F: Real>(
    alpha: f64,
    (mut lo, mut hi): (F, F),
    solver: Solver,
    mut mass: impl FnMut(F) -> (F, F),
) -> F {
    let c = F::of(1.0 - alpha);
    let tolerance = F::of(Solver::STOP_ROUNDINGS) * F::epsilon();
    let mut l = hi;
    if solver == Solver::Newton && alpha <= Solver::NEWTON_MAX_ALPHA {
        for _ in 0..Solver::NEWTON_STEPS {
            let (s, w) = mass(l);
            if s >= F::one() {
                hi = l;
            } else {
                lo = l;
            }
            let d = s * expm1_over(c, s.ln()) / w;
            let mut next = l - log1p_over(c, d);
            if !(next >= lo && next <= hi) {
                next = midpoint(lo, hi);
            }
            let step = (next - l).abs();
            l = next;
            if step <= tolerance * l.abs().max(F::one()) {
                return l;
            }
        }
    }
    for _ in 0..F::HALVINGS {
        l = midpoint(lo, hi);
        if l <= lo || l >= hi {
            break;
        }
        if mass(l).0 >= F::one() {
            hi = l;
        } else {
            lo = l;
        }
    }
    l
}

fn midpoint<F: Real>(lo: F, hi: F) -> F {
    lo + (hi - lo) * F::of(0.5)
}
