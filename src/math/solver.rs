use super::{Real, expm1_over, log1p_over};
use serde::{Deserialize, Serialize};

/// How the root of a row is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Solver {
    /// Newton inside the bracket: monotone up to `alpha = 2`, and beyond in the support radius, see [`solve_support_radius`], with
    /// bisection for the steps that do not halve the error; bisection wherever Newton has not stopped. Where the
    /// operator is computed in Burn's own operations, whose steps are fixed in number, orders outside `0..=2` and
    /// orders in a tensor are bisected all the same.
    #[default]
    Newton,
    /// Bisection of the bracket down to the resolution of the arithmetic.
    Bisection,
}

impl Solver {
    /// Largest `alpha` at which the Newton step is monotone. Above it the derivative of the mass has
    /// poles at the edge of the support, where a step of length zero would pass for convergence; the
    /// unknown is then the support radius, see [`solve_support_radius`].
    pub const NEWTON_MAX_ALPHA: f64 = 2.0;

    /// Newton steps before bisection takes over: twice the largest number observed, about 20 at
    /// `alpha = -2`.
    pub const NEWTON_STEPS: usize = 40;

    /// Evaluations of the mass to find a support radius: enough to bisect a sum of two `f64`, 106 bits, after the
    /// halvings of the exponent.
    pub const SUPPORT_RADIUS_STEPS: usize = 120;

    /// A Newton step shorter than this many roundings of `max(1, |l|)` has converged.
    pub const TOLERANCE_ULPS: f64 = 4.0;

    /// Newton steps this short converge quadratically: the next is about `step^3 / before^2`, for `before` the one
    /// before. It is taken to have converged where that is this share of the tolerance, which leaves the constant of
    /// the convergence that much room.
    #[cfg(any(feature = "flex", feature = "ndarray"))]
    pub(crate) const QUADRATIC_TOLERANCE_SHARE: f64 = 1e-3;
}

/// Finds `l = ln u_max`, the logarithm of the largest ratio `p / q` of a row, in `[lo, hi]`.
///
/// `mass(l)` returns `S = sum_i q_i u_i` and `W = sum_i q_i u_i (u_i / u_max)^c` at `l`, with
/// `c = 1 - alpha`; the second is minus the derivative of the first in `mu`, up to the factor `u_max^c`
/// that would overflow. `S` increases with `l`, `S(lo) <= 1 <= S(hi)`, and the root is `S = 1`. The
/// step is Newton's on `f'(S) = 0`, monotone from `hi` for `alpha <= 2`, and exact for equal logits
/// and at `alpha = 1`:
///
/// ```text
/// d = S (S^c - 1) / (c W),    l <- l - ln(1 + c d) / c
/// ```
///
/// The bracket only ever tightens, and an iterate that leaves it is put back on its end, so that rounding
/// there, where rows of equal logits and one-hot rows have their root, cannot lead outside.
pub fn solve_log_ratio<F: Real>(
    alpha: f64,
    (mut lo, mut hi): (F, F),
    solver: Solver,
    mut mass: impl FnMut(F) -> (F, F),
) -> F {
    let c = F::from_f64(1.0 - alpha);
    let tolerance = F::from_f64(Solver::TOLERANCE_ULPS) * F::epsilon();
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
            // An end of the bracket is as good as the root: equal logits have theirs at one.
            next = if next.is_nan() {
                midpoint(lo, hi)
            } else {
                next.max(lo).min(hi)
            };
            let step = (next - l).abs();
            l = next;
            if step <= tolerance * l.abs().max(F::one()) {
                return l;
            }
        }
    }
    for _ in 0..F::BISECTION_STEPS {
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

/// Finds the support radius `m = u_max^(alpha - 1) / (alpha - 1)` of a row of order `alpha > 2`, as a sum of two
/// numbers, given the bracket of `ln u_max` and the widest gap of the row.
///
/// `mass(m)` returns the `S` and `W` of [`solve_log_ratio`] at `m`. The root is `S = 1`, and
///
/// ```text
/// dS/dm = W / ((alpha - 1) m)
/// ```
///
/// has a pole wherever `m` passes a gap. The Newton step is therefore taken only inside the bracket,
/// which always tightens, and only while it at least halves `|S - 1|`.
pub fn solve_support_radius<F: Real>(
    alpha: f64,
    (lo, hi): (F, F),
    max_gap: F,
    solver: Solver,
    mut mass: impl FnMut((F, F)) -> (F, F),
) -> (F, F) {
    let beta = F::from_f64(alpha - 1.0);
    let support_radius = |l: F| (beta * l).exp() / beta;
    let mut lo = (support_radius(lo), F::zero());
    // With the widest gap inside by as much, every ratio is at least that of the lower end.
    let mut hi = (support_radius(hi).min(max_gap + lo.0), F::zero());
    // Rounding may have crossed them where they are one point.
    hi.0 = hi.0.max(lo.0);
    let mut m = hi;
    let mut previous_error = F::infinity();
    for _ in 0..Solver::SUPPORT_RADIUS_STEPS {
        let (s, w) = mass(m);
        let error = F::one() - s;
        if error == F::zero() {
            break;
        }
        if error < F::zero() {
            hi = m;
        } else {
            lo = m;
        }
        let newton = two_sum(m, error * beta * m.0 / w);
        let halved = error.abs() <= previous_error * F::from_f64(0.5);
        previous_error = error.abs();
        let inside = is_less(lo, newton) && is_less(newton, hi);
        let next = if solver == Solver::Newton && halved && inside {
            newton
        } else {
            previous_error = F::infinity();
            midpoint_of_pairs(lo, hi)
        };
        if !(is_less(lo, next) && is_less(next, hi)) {
            break;
        }
        m = next;
    }
    m
}

/// `a + d`, the part that does not fit the first number in the second.
fn two_sum<F: Real>(a: (F, F), d: F) -> (F, F) {
    let total = a.0 + d;
    let seen = total - a.0;
    let lost = (a.0 - (total - seen)) + (d - seen) + a.1;
    let root = total + lost;
    (root, lost - (root - total))
}

fn is_less<F: Real>(a: (F, F), b: (F, F)) -> bool {
    (a.0 - b.0) + (a.1 - b.1) < F::zero()
}

/// The geometric mean of ends that are far apart: the support radius is relative to the gaps that count, and those
/// may be far below the widest.
fn midpoint_of_pairs<F: Real>(lo: (F, F), hi: (F, F)) -> (F, F) {
    if hi.0 > F::from_f64(4.0) * lo.0 {
        (lo.0.sqrt() * hi.0.sqrt(), F::zero())
    } else {
        two_sum(lo, F::from_f64(0.5) * ((hi.0 - lo.0) + (hi.1 - lo.1)))
    }
}

fn midpoint<F: Real>(lo: F, hi: F) -> F {
    lo + (hi - lo) * F::from_f64(0.5)
}
