//! The first pass over a row, the mass at a root and the functions of a ratio: `math::Row::new`, `kernels/row.wgsl`.

use super::elementary::{exp, expm1_over, is_negative_infinity, is_not_finite, ln, moment};
use super::kernel::{CurveKind, ReferenceKind};
use super::ratio::{Curve, Gap, LOG_SPACE, Ratio};
use super::reduce::{Sum, reduce};
use super::row::Row;
use crate::math::{MAX_ALPHA, Solver};
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

const LARGEST_ALPHA: f32 = MAX_ALPHA as f32;
pub(super) const NEWTON_MAX_ALPHA: f32 = Solver::NEWTON_MAX_ALPHA as f32;
/// Above this exponent, `e^x` overflows.
const OVERFLOW: f32 = 88.0;

/// The kinds of a row.
pub(super) const SOLVABLE: u32 = 0;
const INVALID: u32 = 1;
const EMPTY: u32 = 2;

/// What every pass needs to know about a row. A row that is not solvable has a kind and no other number.
#[derive(CubeType, Clone, Copy)]
#[expand(derive(Clone, Copy))]
pub(super) struct Summary {
    pub kind: u32,
    pub alpha: f32,
    pub c: f32,
    pub max: f32,
    /// The largest gap.
    pub max_gap: f32,
    /// The bracket of `ln u_max`.
    pub lo: f32,
    pub hi: f32,
    /// The mean of the gaps under the reference.
    pub mean_gap: f32,
    /// Whether the root is the support radius.
    pub by_support_radius: bool,
    /// The reference of every entry, if it is not given.
    pub q: f32,
}

/// Whether the entry is allowed: its logit is not `-inf`, and its reference is not zero.
#[cube]
pub(super) fn is_allowed(x: f32, q: f32) -> bool {
    !is_negative_infinity(x) && q != 0.0f32
}

/// Whether the entry makes its row invalid.
#[cube]
fn is_invalid_entry(x: f32, q: f32, #[comptime] given: bool) -> bool {
    let invalid_x = is_not_finite(x) && !is_negative_infinity(x);
    if comptime!(given) {
        invalid_x || is_not_finite(q) || q < 0.0f32
    } else {
        invalid_x
    }
}

#[cube]
impl Summary {
    pub fn new<E: Float, R: Float, N: Size>(row: &mut Row<E, R, N>) -> Self {
        let kernel = comptime!(row.kernel);
        let given = comptime!(kernel.reference == ReferenceKind::Given);
        // Over the allowed entries: the largest logit, the largest negated logit, the number of entries and the sum of
        // their references.
        let mut max_logit = (-f32::MAX).runtime();
        let mut max_negated = (-f32::MAX).runtime();
        let mut count = 0.0f32;
        let mut sum_q = Sum::new(comptime!(kernel.plan));
        let mut invalid = 0.0f32;
        for slot in 0..row.slots() {
            let column = row.column_of(slot);
            if column < row.parameters.columns {
                let x = row.logit(slot);
                let q = row.q_at(column, 1.0f32.runtime());
                if is_invalid_entry(x, q, given) {
                    invalid = 1.0f32;
                } else if is_allowed(x, q) {
                    max_logit = max(max_logit, x);
                    max_negated = max(max_negated, -x);
                    count += 1.0f32;
                    sum_q.add(q);
                }
            }
        }
        let (max_logit, max_negated, count, sum_q) = reduce(
            &mut row.shared,
            (max_logit, max_negated, count, sum_q.total()),
            false,
            comptime!(kernel.plan),
        );
        // The largest reference at the largest logit, whether any entry is invalid, and the sum of the gaps times their
        // references.
        let mut max_q = 0.0f32;
        let mut sum_gaps = Sum::new(comptime!(kernel.plan));
        for slot in 0..row.slots() {
            let column = row.column_of(slot);
            if column < row.parameters.columns {
                let x = row.logit(slot);
                let q = row.q_at(column, 1.0f32.runtime());
                if comptime!(given) {
                    if x == max_logit {
                        max_q = max(max_q, q);
                    }
                }
                if is_allowed(x, q) {
                    sum_gaps.add(q * Gap::between(max_logit, x).value);
                }
            }
        }
        let (max_q, invalid, sum_gaps, _) = reduce(
            &mut row.shared,
            (max_q, invalid, sum_gaps.total(), 0.0f32.runtime()),
            false,
            comptime!(kernel.plan),
        );

        let alpha = row.alpha();
        let mut c = row.parameters.c;
        if comptime!(kernel.curve == CurveKind::Any) {
            c = 1.0f32 - alpha;
        }
        let mut kind = SOLVABLE.runtime();
        if invalid > 0.0f32 || is_not_finite(alpha) || alpha.abs() > LARGEST_ALPHA {
            kind = INVALID.runtime();
        } else if count == 0.0f32 {
            kind = EMPTY.runtime();
        }
        let mut max_gap = max_logit + max_negated;
        if is_not_finite(max_gap) {
            max_gap = f32::MAX;
        }
        let mut q = 1.0f32;
        let mut lo = 0.0f32;
        let mut hi = 0.0f32;
        match comptime!(kernel.reference) {
            ReferenceKind::Given => {
                lo = -ln(sum_q);
                hi = -ln(max_q);
            }
            ReferenceKind::Uniform => {
                q = 1.0f32 / count;
                hi = ln(count);
            }
            ReferenceKind::Ones => {
                lo = -ln(count);
            }
        }
        let mut by_support_radius = false;
        if comptime!(kernel.curve.may_be_steep()) {
            by_support_radius =
                alpha > NEWTON_MAX_ALPHA && -c * max(lo.abs(), hi.abs()) <= LOG_SPACE;
        }
        Summary {
            kind,
            alpha,
            c,
            max: max_logit,
            max_gap,
            lo,
            hi,
            mean_gap: sum_gaps / sum_q,
            by_support_radius,
            q,
        }
    }

    /// The output of a row that is not solvable: `math::Row::fallback_value`.
    pub fn fallback_value<E: Float, R: Float, N: Size>(&self, row: &Row<E, R, N>) -> f32 {
        select(
            self.kind == EMPTY,
            row.parameters.empty_row,
            row.parameters.nan,
        )
    }

    /// The curve of a root: `math::Row::curve`.
    pub fn curve(&self, root: f32, low: f32, #[comptime] kind: CurveKind) -> Curve {
        Curve::new(self.c, root, low, self.by_support_radius, kind)
    }

    /// `f'(e^l)`: `math::Tsallis::derivative_at_log`
    pub fn derivative_at_log(&self, log_u: f32) -> f32 {
        expm1_over(-self.c, log_u)
    }

    /// `math::Tsallis::conjugate_at_log`, with the ratio zero off the support
    pub fn conjugate_at(&self, ratio: Ratio) -> f32 {
        if ratio.on_support {
            expm1_over(self.alpha, ratio.log_u)
        } else {
            -1.0f32 / self.alpha
        }
    }

    /// `math::Tsallis::value_at_log`
    pub fn value_at(&self, ratio: Ratio, infinity: f32) -> f32 {
        let mut value = 1.0f32 / self.alpha;
        if ratio.on_support {
            let log_u = ratio.log_u;
            let conjugate = expm1_over(self.alpha, log_u);
            if (self.c * log_u).abs() < 1.0f32 {
                value = exp(log_u) * self.derivative_at_log(log_u) - conjugate;
            } else if self.alpha * log_u > OVERFLOW {
                value = infinity;
            } else if self.alpha > 1.0f32 {
                // The two powers of the form below would cancel.
                let power = exp(self.alpha * log_u);
                value = ((power - self.alpha * exp(log_u)) - self.c) / (self.alpha * -self.c);
            } else {
                value = (exp(log_u) - exp(self.alpha * log_u)) / self.c - conjugate;
            }
        }
        value
    }

    /// `math::Tsallis::alpha_derivative_at_log`
    pub fn alpha_derivative_at(&self, ratio: Ratio) -> f32 {
        if ratio.on_support {
            moment(-self.c, ratio.log_u, ratio.log_u)
                - moment(self.alpha, ratio.log_u, 0.0f32.runtime())
        } else {
            -1.0f32 / (self.alpha * self.alpha)
        }
    }
}

/// The sums of [`Curve::moments_at`] under the reference. The first two are `math::Row::mass`.
#[cube]
pub(super) fn moments<E: Float, R: Float, N: Size>(
    row: &mut Row<E, R, N>,
    summary: &Summary,
    curve: &Curve,
) -> (f32, f32, f32, f32) {
    let plan = comptime!(row.kernel.plan);
    let mut sum = Sum::new(plan);
    let mut weighted = Sum::new(plan);
    let mut second = Sum::new(plan);
    let mut third = Sum::new(plan);
    for slot in 0..row.slots() {
        let column = row.column_of(slot);
        if column < row.parameters.columns {
            let x = row.logit(slot);
            let q = row.q_at(column, summary.q);
            if is_allowed(x, q) {
                let (u, v, w, y) = curve.moments_at(Gap::between(summary.max, x));
                sum.add(q * u);
                weighted.add(q * v);
                second.add(q * w);
                third.add(q * y);
            }
        }
    }
    let sums = (sum.total(), weighted.total(), second.total(), third.total());
    reduce(&mut row.shared, sums, true, plan)
}

/// `math::Row::residual`
#[cube]
pub(super) fn residual<E: Float, R: Float, N: Size>(
    row: &mut Row<E, R, N>,
    summary: &Summary,
    curve: &Curve,
) -> f32 {
    let mut share = 0.0f32;
    if comptime!(row.kernel.curve.may_be_steep()) {
        if summary.alpha > NEWTON_MAX_ALPHA {
            let (sum, weighted, _, _) = moments::<E, R, N>(row, summary, curve);
            share = (1.0f32 - sum) / weighted;
        }
    }
    share
}
