use super::{Real, expm1_over, log1p_over};
use serde::{Deserialize, Serialize};

/// The method that finds the root of a row.
///
/// ```
/// use burn_tsallis::math::{Row, RowReference, Solver};
///
/// let row = Row::<f64>::new(&[0.0, 1.0], RowReference::Ones, 1.5);
/// for solver in [Solver::Newton, Solver::Bisection] {
///     let mut p = [0.0; 2];
///     row.softargmax(&row.solve(solver), &mut p);
///     assert!((p[1] - 0.8307).abs() < 1e-4);
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Solver {
    /// Newton's method inside a bracket.
    ///
    /// Up to `alpha = 2` the steps are monotone. Above it, the unknown is the support radius (see
    /// [`solve_support_radius`]), and bisection replaces the steps that do not halve the error. Bisection takes
    /// over if Newton's method has not converged. The portable path, in Burn's own operations, takes a fixed
    /// number of steps; it always bisects for an `alpha` outside `0..=2` and for a tensor of alphas.
    #[default]
    Newton,
    /// Bisection of the bracket down to the resolution of the arithmetic.
    Bisection,
}

impl Solver {
    /// The largest `alpha` at which the Newton steps are monotone.
    ///
    /// Above it, the derivative of the mass has poles at the edge of the support, and a step of length zero
    /// there would look like convergence. The unknown is then the support radius, see [`solve_support_radius`].
    pub const NEWTON_MAX_ALPHA: f64 = 2.0;

    /// The number of Newton steps before bisection takes over: twice the largest number observed, about 20 at
    /// `alpha = -2`.
    pub const NEWTON_STEPS: usize = 40;

    /// The largest number of mass evaluations that find a support radius. At `alpha = 50`, a ratio is the 49th root of
    /// the distance from the edge of the support, so `1e-3` is at a distance of `1e-147`, or 490 bits.
    pub const SUPPORT_RADIUS_STEPS: usize = 500;

    /// The mass that is missing below the support radius, in roundings, if an entry at the edge of the support has it.
    pub(crate) const EDGE_ERROR_ULPS: f64 = 64.0;

    /// Newton's method has converged after a step shorter than this many roundings of `max(1, |l|)`.
    pub const TOLERANCE_ULPS: f64 = 4.0;

    /// The share of the tolerance below which the estimate of the next Newton step counts as converged.
    ///
    /// Short steps converge quadratically: the next step is about `step^3 / before^2`, with `before` the step before
    /// `step`. The share leaves room for the constant of the convergence.
    #[cfg(any(feature = "cube", feature = "flex", feature = "ndarray"))]
    pub(crate) const QUADRATIC_TOLERANCE_SHARE: f64 = 1e-3;
}

/// Finds `l = ln u_max`, the logarithm of the largest ratio `p / q` of a row, in the bracket `[lo, hi]`.
///
/// `mass(l)` returns `S = sum_i q_i u_i` and `W = sum_i q_i u_i (u_i / u_max)^c` at `l`, with
/// `c = 1 - alpha`. `W` is minus the derivative of `S` in `mu`, without the factor `u_max^c`, which could
/// overflow. `S` increases with `l`, `S(lo) <= 1 <= S(hi)`, and the root is at `S = 1`. The Newton step is that
/// of `f'(S) = 0`. It is monotone from `hi` for `alpha <= 2`, and exact for equal logits and at `alpha = 1`:
///
/// ```text
/// d = S (S^c - 1) / (c W),    l <- l - ln(1 + c d) / c
/// ```
///
/// The bracket only ever tightens. An iterate outside the bracket is moved to its nearest end: rows of equal
/// logits and one-hot rows have their root at an end, where rounding could lead outside.
///
/// ```
/// use burn_tsallis::math::{Solver, solve_log_ratio};
///
/// // Two entries at alpha = 1: u_i = e^(l - g_i), with q = 1/2 and the gaps 0 and 1.
/// let mass = |l: f64| {
///     let s = 0.5 * (l.exp() + (l - 1.0).exp());
///     (s, s)
/// };
/// let l = solve_log_ratio(1.0, (0.0, 2_f64.ln()), Solver::Newton, mass);
/// assert!((l - (2.0 / (1.0 + (-1_f64).exp())).ln()).abs() < 1e-12);
/// ```
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
            // The root may be an end of the bracket, as it is for equal logits.
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

/// Finds the support radius `m = u_max^(alpha - 1) / (alpha - 1)` of a row with `alpha > 2`, as a sum of two
/// numbers, from the bracket of `ln u_max` and the widest gap of the row.
///
/// `mass(m)` returns `S = sum_i q_i u_i` and `W = sum_i q_i u_i (u_i / u_max)^(1 - alpha)` at `m`. The root is at
/// `S = 1`, and
///
/// ```text
/// dS/dm = W / ((alpha - 1) m)
/// ```
///
/// has a pole wherever `m` passes a gap. The Newton step is therefore taken only inside the bracket,
/// which always tightens, and only while it at least halves `|S - 1|`.
///
/// ```
/// use burn_tsallis::math::{Solver, solve_support_radius};
///
/// // Two entries at alpha = 3: u_i = sqrt(2 (m - g_i)), with q = 1/2 and the gaps 0 and 1/4.
/// let mass = |(m, remainder): (f64, f64)| {
///     let u = |gap: f64| (2.0 * ((m - gap) + remainder)).max(0.0).sqrt();
///     let (a, b) = (u(0.0), u(0.25));
///     (0.5 * (a + b), 0.5 * (a + a * a / b))
/// };
/// let (m, remainder) = solve_support_radius(3.0, (0.0, 2_f64.ln()), 0.25, Solver::Newton, mass);
/// assert!((m + remainder - 1.125 * 1.125 / 2.0).abs() < 1e-12);
/// ```
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
    // At max_gap + lo, every ratio is at least the u_max of the lower end, so the mass is at least one.
    let mut hi = (support_radius(hi).min(max_gap + lo.0), F::zero());
    // Rounding may exchange the ends if they are one point.
    hi.0 = hi.0.max(lo.0);
    let mut m = hi;
    let (mut previous_error, mut error_at_lo) = (F::infinity(), F::zero());
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
            error_at_lo = error;
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
            // Between two neighbors, an entry may enter the support with a large share of the mass. It is that entry
            // whose probability is to be corrected, so it must be on the support.
            if error_at_lo > F::from_f64(Solver::EDGE_ERROR_ULPS) * F::epsilon() {
                m = hi;
            }
            break;
        }
        m = next;
    }
    m
}

/// Returns `a + d` as a sum of two numbers. The second is the rounding error of the first.
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

/// Returns the geometric mean if the ends are far apart, else the arithmetic mean. The support radius is of the
/// size of the gaps on the support, which may be far below the widest gap.
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
