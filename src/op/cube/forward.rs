//! The root of a row and an output: `math::Row::{solve, softargmax, log_softargmax, value, divergence}`,
//! `kernels/forward.wgsl`.

use super::elementary::{exp, expm1_over, ln, log1p, log1p_over};
use super::kernel::CurveKind;
use super::ratio::{Curve, Gap, LOG_SPACE, MAX_PRODUCT};
use super::reduce::{Sum, reduce_sums};
use super::row::Row;
use super::summary::{NEWTON_MAX_ALPHA, SOLVABLE, Summary, is_allowed, moments, residual};
use crate::math::{Output, Real, Solver};
use crate::op::step::{FOURTH_ORDER_STEP, SMALL_TERM, THIRD_ORDER_STEP};
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

/// `math::Solver::TOLERANCE_ULPS` and `EDGE_ERROR_ULPS`, in `f32`.
const TOLERANCE: f32 = Solver::TOLERANCE_ULPS as f32 * f32::EPSILON;
const EDGE_ERROR: f32 = Solver::EDGE_ERROR_ULPS as f32 * f32::EPSILON;
const QUADRATIC_TOLERANCE_SHARE: f32 = Solver::QUADRATIC_TOLERANCE_SHARE as f32;
const SIXTH: f32 = 1.0 / 6.0;
const BISECTION_STEPS: u32 = <f32 as Real>::BISECTION_STEPS as u32;
const SUPPORT_RADIUS_STEPS: u32 = Solver::SUPPORT_RADIUS_STEPS as u32;

/// The start of the Newton steps, by Jensen's inequality: the mean of `B^(-1/c)` is at least that of the mean `B`. The
/// steps are monotone from here, too.
#[cube]
fn start(summary: &Summary) -> f32 {
    let c = summary.c;
    let mut l = summary.hi;
    // A product that overflows is not a start: a compiler may assume that no number is infinite.
    if summary.mean_gap < MAX_PRODUCT && c * summary.lo < LOG_SPACE {
        let mean = summary.mean_gap * exp(c * summary.lo);
        if mean < MAX_PRODUCT && c * mean < 1.0f32 {
            let start = summary.lo - log1p_over(c, -mean);
            if start > summary.lo && start < summary.hi {
                l = start;
            }
        }
    }
    l
}

/// The longest step after which the next root is accurate, for `c < 0`: near the edge of the support.
#[cube]
fn longest_at_edge(c: f32) -> f32 {
    let deformation = c.abs();
    exp(-16.0f32 * deformation) / (20.0f32 * deformation)
}

/// The step of `op::cpu::solve` from the moments at a root: `b = u_max^-c` becomes `b (1 + c d)`. The second number is the
/// longest step after which the next root is accurate.
#[cube]
fn step(c: f32, moments: (f32, f32, f32, f32)) -> (f32, f32) {
    let (s, w, x, y) = moments;
    let log = expm1_over(c, ln(s));
    let newton = s * log / w;
    let order = 1.0f32 + c;
    let mut d = newton;
    let mut longest = THIRD_ORDER_STEP / max(c.abs(), 1.0f32);
    if c < 0.0f32 {
        longest = min(longest, longest_at_edge(c));
    }
    if c >= -0.5f32 {
        let x = (x / w) * (s / w);
        let p = 0.5f32 * order * log * (1.0f32 - x);
        d = newton / max(1.0f32 + p, 0.5f32);
        if c > 0.0f32 {
            let y = (y / w) * (s / w) * (s / w);
            let inner = (1.0f32 + 2.0f32 * c) * y - 3.0f32 * order * x + order + 1.0f32;
            let q = order * SIXTH * log * log * inner;
            if p.abs() <= SMALL_TERM && q.abs() <= SMALL_TERM {
                d = newton * (1.0f32 + p) / (1.0f32 + 2.0f32 * p + q);
                longest = FOURTH_ORDER_STEP / order;
            }
        }
    }
    (d, longest)
}

/// `math::solve_log_ratio`. All units of a row leave the loops together, since they all compare the same numbers.
#[cube]
fn solve_log_ratio<E: Float, R: Float, N: Size>(row: &mut Row<E, R, N>, summary: &Summary) -> f32 {
    let kind = comptime!(row.kernel.curve);
    let c = summary.c;
    let mut lo = summary.lo;
    let mut hi = summary.hi;
    let mut l = start(summary);
    let mut has_converged = false;
    if comptime!(kind != CurveKind::Steep) {
        let mut newton_steps = row.parameters.newton_steps;
        if comptime!(kind == CurveKind::Any) {
            if summary.alpha > NEWTON_MAX_ALPHA {
                newton_steps = 0u32;
            }
        }
        let mut previous_step = 0.0f32;
        let mut i = 0u32;
        while i < newton_steps && !has_converged {
            let curve = Curve::new(c, l, 0.0f32.runtime(), false.runtime(), kind);
            let sums = moments::<E, R, N>(row, summary, &curve);
            if sums.0 >= 1.0f32 {
                hi = l;
            } else {
                lo = l;
            }
            let (d, longest) = step(c, sums);
            let mut next = lo + 0.5f32 * (hi - lo);
            if c * d > -1.0f32 {
                // The root may be an end of the bracket, as it is for equal logits.
                next = min(max(l - log1p_over(c, d), lo), hi);
            }
            let taken = (next - l).abs();
            l = next;
            // The next step is about step^3 / previous_step^2.
            let tolerance = TOLERANCE * max(l.abs(), 1.0f32);
            let limit = QUADRATIC_TOLERANCE_SHARE * tolerance * previous_step * previous_step;
            let next_is_short = taken * taken * taken <= limit;
            // One step finds the root of the softmax.
            has_converged = c == 0.0f32
                || taken <= max(tolerance, longest)
                || (taken < QUADRATIC_TOLERANCE_SHARE && next_is_short);
            previous_step = taken;
            i += 1u32;
        }
    }
    let mut i = 0u32;
    while i < BISECTION_STEPS && !has_converged {
        l = lo + 0.5f32 * (hi - lo);
        if l <= lo || l >= hi {
            has_converged = true;
        } else {
            let curve = Curve::new(c, l, 0.0f32.runtime(), false.runtime(), kind);
            let (sum, _, _, _) = moments::<E, R, N>(row, summary, &curve);
            if sum >= 1.0f32 {
                hi = l;
            } else {
                lo = l;
            }
        }
        i += 1u32;
    }
    l
}

/// `a + low + d` as a sum of two numbers. The second is the rounding error of the first.
#[cube]
fn two_sum(a: f32, low: f32, d: f32) -> (f32, f32) {
    let total = a + d;
    let seen = total - a;
    let lost = (a - (total - seen)) + (d - seen) + low;
    let root = total + lost;
    (root, lost - (root - total))
}

#[cube]
fn is_less(a: f32, a_low: f32, b: f32, b_low: f32) -> bool {
    (a - b) + (a_low - b_low) < 0.0f32
}

/// `math::solve_support_radius`
#[cube]
fn solve_support_radius<E: Float, R: Float, N: Size>(
    row: &mut Row<E, R, N>,
    summary: &Summary,
) -> (f32, f32) {
    let kind = comptime!(row.kernel.curve);
    let beta = -summary.c;
    let mut lo = exp(beta * summary.lo) / beta;
    let mut lo_low = 0.0f32;
    let mut hi = max(min(exp(beta * summary.hi) / beta, summary.max_gap + lo), lo);
    let mut hi_low = 0.0f32;
    let mut m = hi;
    let mut m_low = 0.0f32;
    let mut previous_error = f32::MAX.runtime();
    let mut error_at_lo = 0.0f32;
    let mut is_done = false;
    let mut i = 0u32;
    while i < SUPPORT_RADIUS_STEPS && !is_done {
        let curve = Curve::new(summary.c, m, m_low, true.runtime(), kind);
        let (sum, weighted, _, _) = moments::<E, R, N>(row, summary, &curve);
        let error = 1.0f32 - sum;
        if error == 0.0f32 {
            is_done = true;
        } else {
            if error < 0.0f32 {
                hi = m;
                hi_low = m_low;
            } else {
                lo = m;
                lo_low = m_low;
                error_at_lo = error;
            }
            let (newton, newton_low) = two_sum(m, m_low, error * beta * m / weighted);
            let halved = error.abs() <= previous_error * 0.5f32;
            previous_error = error.abs();
            let mut next = newton;
            let mut next_low = newton_low;
            if row.parameters.newton_steps == 0u32
                || !halved
                || !is_less(lo, lo_low, newton, newton_low)
                || !is_less(newton, newton_low, hi, hi_low)
            {
                previous_error = f32::MAX;
                if hi > 4.0f32 * lo {
                    next = lo.sqrt() * hi.sqrt();
                    next_low = 0.0f32;
                } else {
                    let half = 0.5f32 * ((hi - lo) + (hi_low - lo_low));
                    let (middle, middle_low) = two_sum(lo, lo_low, half);
                    next = middle;
                    next_low = middle_low;
                }
            }
            if is_less(lo, lo_low, next, next_low) && is_less(next, next_low, hi, hi_low) {
                m = next;
                m_low = next_low;
            } else {
                is_done = true;
                // The entry at the edge of the support has the mass that is missing.
                if error_at_lo > EDGE_ERROR {
                    m = hi;
                    m_low = hi_low;
                }
            }
        }
        i += 1u32;
    }
    (m, m_low)
}

/// Sets `p` or `ln p` of every entry.
#[cube]
fn store_entries<E: Float, R: Float, N: Size>(
    row: &mut Row<E, R, N>,
    summary: &Summary,
    curve: &Curve,
) {
    let share = residual::<E, R, N>(row, summary, curve);
    for slot in 0..row.slots() {
        let column = row.column_of(slot);
        if column < row.parameters.columns {
            let x = row.logit(slot);
            let q = row.q_at(column, summary.q);
            let mut y = 0.0f32;
            if comptime!(row.kernel.output == Output::LogProbabilities) {
                y = row.parameters.negative_infinity;
                if is_allowed(x, q) {
                    let ratio = curve.ratio_at(Gap::between(summary.max, x));
                    let change = share * ratio.relative_slope;
                    if ratio.on_support && change > -1.0f32 {
                        y = ln(q) + ratio.log_u + log1p(change);
                    }
                }
            } else if is_allowed(x, q) {
                let (u, weight) = curve.mass_at(Gap::between(summary.max, x));
                y = max(q * u + share * (q * weight), 0.0f32);
            }
            row.store(slot, y);
        }
    }
}

/// `V` or `D` of the row.
#[cube]
fn row_output<E: Float, R: Float, N: Size>(
    row: &mut Row<E, R, N>,
    summary: &Summary,
    curve: &Curve,
) -> f32 {
    let is_divergence = comptime!(row.kernel.output == Output::Divergence);
    // The value is stationary in the root, but the divergence is not. It needs the same correction for the error of the
    // mass as the probabilities.
    let mut share = 0.0f32;
    if comptime!(is_divergence) {
        share = residual::<E, R, N>(row, summary, curve);
    }
    let mut sum = Sum::new(comptime!(row.kernel.plan));
    for slot in 0..row.slots() {
        let column = row.column_of(slot);
        if column < row.parameters.columns {
            let x = row.logit(slot);
            let q = row.q_at(column, summary.q);
            if is_allowed(x, q) {
                let ratio = curve.ratio_at(Gap::between(summary.max, x));
                if comptime!(is_divergence) {
                    sum.add(q * summary.value_at(ratio, row.parameters.infinity));
                    if ratio.on_support {
                        let change = share * q * exp(ratio.log_u) * ratio.relative_slope;
                        sum.add(change * summary.derivative_at_log(ratio.log_u));
                    }
                } else {
                    sum.add(q * summary.conjugate_at(ratio));
                }
            }
        }
    }
    let (sum, _) = reduce_sums(
        &mut row.shared,
        sum.total(),
        0.0f32.runtime(),
        comptime!(row.kernel.plan),
    );
    if comptime!(is_divergence) {
        // Rounding may make the sum negative, but a divergence is never negative.
        select(sum < 0.0f32, 0.0f32, sum)
    } else {
        sum + (summary.max - summary.derivative_at_log(curve.l))
    }
}

/// The root of the row, as a sum of two numbers.
#[cube]
fn solve<E: Float, R: Float, N: Size>(row: &mut Row<E, R, N>, summary: &Summary) -> (f32, f32) {
    if comptime!(row.kernel.curve.may_be_steep()) {
        if summary.by_support_radius {
            solve_support_radius::<E, R, N>(row, summary)
        } else {
            (solve_log_ratio::<E, R, N>(row, summary), 0.0f32.runtime())
        }
    } else {
        (solve_log_ratio::<E, R, N>(row, summary), 0.0f32.runtime())
    }
}

#[cube]
pub(super) fn process_row<E: Float, R: Float, N: Size>(row: &mut Row<E, R, N>) {
    let kind = comptime!(row.kernel.curve);
    let summary = Summary::new::<E, R, N>(row);
    if summary.kind == SOLVABLE {
        let (root, low) = solve::<E, R, N>(row, &summary);
        let curve = summary.curve(root, low, kind);
        if comptime!(row.kernel.output.is_per_entry()) {
            store_entries::<E, R, N>(row, &summary, &curve);
        } else {
            let value = row_output::<E, R, N>(row, &summary, &curve);
            row.write_number(value);
        }
        row.write_root(root, low);
    } else {
        row.write_root(row.parameters.nan, row.parameters.nan);
        let mut value = summary.fallback_value::<E, R, N>(&*row);
        if comptime!(row.kernel.output == Output::LogProbabilities) {
            if value == 0.0f32 {
                value = row.parameters.negative_infinity;
            }
        }
        row.fill(value);
    }
}
