//! The gradients of `<cotangent, output>` in the logits, alpha and the reference from the root that the forward kernel
//! found: `math::row::backward`, `kernels/backward.wgsl`.

use super::elementary::{exp, exp_curvature, expm1_over};
use super::ratio::{Curve, Gap};
use super::reduce::{Sum, largest_of_row, reduce_sums};
use super::row::Row;
use super::summary::{SOLVABLE, Summary, is_allowed, residual};
use crate::math::Output;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

/// `k = q u^(2 - alpha)` and `u`, both zero off the support. The support is tested, since the power of `u = 0` is one at
/// `alpha = 2`.
#[cube]
fn weight_at(summary: &Summary, curve: &Curve, gap: Gap, q: f32) -> (f32, f32) {
    let mut weight = 0.0f32;
    let mut u = 0.0f32;
    if curve.is_without_power() {
        let ratio = curve.ratio_at(gap);
        if ratio.on_support {
            // Half of the power at a time: for a small q, the power may overflow when its product with q does not.
            let root = exp(0.5f32 * (1.0f32 + summary.c) * ratio.log_u);
            weight = q * root * root;
            u = exp(ratio.log_u);
        }
    } else {
        let (ratio, slope) = curve.mass_at(gap);
        weight = (q * slope) * curve.power;
        u = ratio;
    }
    (weight, u)
}

/// `math::row::backward::alpha_slope`. `top_log_drop` is the log drop of the entry with the largest weight.
#[cube]
fn alpha_slope(c: f32, l: f32, log_drop: f32, top_log_drop: f32) -> f32 {
    let d = log_drop - top_log_drop;
    (l - top_log_drop) * expm1_over(-c, d) - d * d * exp_curvature(-c * d)
}

/// The cotangent of `p` or `ln p`. For the divergence it is `f'(u)`, up to a constant of the row.
#[cube]
fn cotangent_at<E: Float, R: Float, N: Size>(row: &Row<E, R, N>, column: u32, gap: Gap) -> f32 {
    if comptime!(row.kernel.output == Output::Divergence) {
        -gap.value
    } else {
        row.cotangent_at(column)
    }
}

/// The gradients of `V`: `p` in the logits, minus the sum of `q df/dalpha` in alpha, `f*` in the reference.
#[cube]
fn value_gradients<E: Float, R: Float, N: Size>(
    row: &mut Row<E, R, N>,
    summary: &Summary,
    curve: &Curve,
    row_cotangent: f32,
) {
    let wanted = comptime!(row.kernel.wanted);
    let mut share = 0.0f32;
    if comptime!(wanted.logits) {
        share = residual::<E, R, N>(row, summary, curve);
    }
    let mut in_alpha = Sum::new(comptime!(row.kernel.plan));
    for slot in 0..row.slots() {
        let column = row.column_of(slot);
        if column < row.parameters.columns {
            let x = row.logit(slot);
            let q = row.q_at(column, summary.q);
            let mut in_logit = 0.0f32;
            let mut in_reference = 0.0f32;
            if is_allowed(x, q) {
                let gap = Gap::between(summary.max, x);
                if comptime!(wanted.logits) {
                    let (u, weight) = curve.mass_at(gap);
                    in_logit = max(q * u + share * (q * weight), 0.0f32) * row_cotangent;
                }
                if comptime!(wanted.alpha || wanted.reference) {
                    let ratio = curve.ratio_at(gap);
                    if comptime!(wanted.alpha) {
                        in_alpha.add(q * summary.alpha_derivative_at(ratio));
                    }
                    if comptime!(wanted.reference) {
                        in_reference = summary.conjugate_at(ratio) * row_cotangent;
                    }
                }
            }
            row.store(slot, in_logit);
            row.store_reference(slot, in_reference);
        }
    }
    if comptime!(wanted.alpha) {
        let plan = comptime!(row.kernel.plan);
        let in_alpha = in_alpha.total();
        let (in_alpha, _) = reduce_sums(&mut row.shared, in_alpha, 0.0f32.runtime(), plan);
        row.write_number(-in_alpha * row_cotangent);
    }
}

/// The gradients of the other outputs.
#[cube]
fn entry_gradients<E: Float, R: Float, N: Size>(
    row: &mut Row<E, R, N>,
    summary: &Summary,
    curve: &Curve,
    row_cotangent: f32,
) {
    let plan = comptime!(row.kernel.plan);
    let wanted = comptime!(row.kernel.wanted);
    let is_log = comptime!(row.kernel.output == Output::LogProbabilities);
    let is_divergence = comptime!(row.kernel.output == Output::Divergence);

    // The sum of the weights, and the column of the largest weight.
    let mut total = Sum::new(plan);
    let mut own_weight = (-1.0f32).runtime();
    let mut own_column = 0u32;
    for slot in 0..row.slots() {
        let column = row.column_of(slot);
        if column < row.parameters.columns {
            let x = row.logit(slot);
            let q = row.q_at(column, summary.q);
            if is_allowed(x, q) {
                let (weight, _) = weight_at(summary, curve, Gap::between(summary.max, x), q);
                total.add(weight);
                if weight > own_weight {
                    own_weight = weight;
                    own_column = column;
                }
            }
        }
    }
    let (total, _) = reduce_sums(&mut row.shared, total.total(), 0.0f32.runtime(), plan);
    let largest = largest_of_row(&mut row.shared, own_weight, own_column, plan);
    let top_gap = Gap::between(summary.max, row.logit_at(largest));
    let top_q = row.q_at(largest, summary.q);
    let top_log_drop = curve.ratio_at(top_gap).log_drop;
    let (top_weight, _) = weight_at(summary, curve, top_gap, top_q);
    let dominates = top_weight > 0.5f32 * total;

    // Near a one-hot row, the weighted mean equals the cotangent at the largest weight to rounding. Cotangents are
    // centered on it, so that the small difference, which is the gradient, keeps its digits.
    let center = cotangent_at::<E, R, N>(&*row, largest, top_gap);
    let mut sum = Sum::new(plan);
    let mut sum_of_slopes = Sum::new(plan);
    for slot in 0..row.slots() {
        let column = row.column_of(slot);
        if column < row.parameters.columns {
            let x = row.logit(slot);
            let q = row.q_at(column, summary.q);
            if is_allowed(x, q) {
                let gap = Gap::between(summary.max, x);
                let cotangent = cotangent_at::<E, R, N>(&*row, column, gap);
                if comptime!(is_log) {
                    let ratio = curve.ratio_at(gap);
                    if ratio.on_support {
                        sum.add(cotangent * exp(summary.c * ratio.log_u));
                        if comptime!(wanted.alpha) {
                            let slope =
                                alpha_slope(summary.c, curve.l, ratio.log_drop, top_log_drop);
                            sum_of_slopes.add(q * exp(ratio.log_u) * slope);
                        }
                    }
                } else {
                    // An entry off the support has no weight, even if its cotangent is not finite.
                    let (weight, _) = weight_at(summary, curve, gap, q);
                    if weight > 0.0f32 {
                        sum.add(weight * (cotangent - center));
                    }
                }
            }
        }
    }
    let (sum, sum_of_slopes) =
        reduce_sums(&mut row.shared, sum.total(), sum_of_slopes.total(), plan);
    let mean = sum / total;
    let mean_slope = sum_of_slopes / total;

    // Sets the gradients. Sums the gradients of ln p, except at the largest weight, and the terms of the gradient in
    // alpha.
    let mut others = Sum::new(plan);
    let mut in_alpha = Sum::new(plan);
    for slot in 0..row.slots() {
        let column = row.column_of(slot);
        if column < row.parameters.columns {
            let x = row.logit(slot);
            let q = row.q_at(column, summary.q);
            let mut in_logit = 0.0f32;
            let mut in_reference = 0.0f32;
            if is_allowed(x, q) {
                let gap = Gap::between(summary.max, x);
                let ratio = curve.ratio_at(gap);
                let cotangent = cotangent_at::<E, R, N>(&*row, column, gap);
                if comptime!(wanted.alpha) {
                    if comptime!(is_divergence) {
                        in_alpha.add(q * summary.alpha_derivative_at(ratio));
                    }
                    if ratio.on_support {
                        let slope = alpha_slope(summary.c, curve.l, ratio.log_drop, top_log_drop);
                        if comptime!(is_log) {
                            let of_mean = exp(summary.c * ratio.log_u) * mean_slope;
                            in_alpha.add(cotangent * (slope - of_mean));
                        } else {
                            let p = q * exp(ratio.log_u);
                            in_alpha.add(((cotangent - center) - mean) * p * slope);
                        }
                    }
                }
                let (weight, u) = weight_at(summary, curve, gap, q);
                if comptime!(is_log) {
                    if ratio.on_support {
                        in_logit = cotangent * exp(summary.c * ratio.log_u) - weight * mean;
                        if column != largest || !dominates {
                            others.add(in_logit);
                        }
                        in_reference = in_logit * exp(-summary.c * ratio.log_u) / q;
                    }
                } else {
                    let centered = (cotangent - center) - mean;
                    if weight > 0.0f32 {
                        in_logit = weight * centered;
                    }
                    if u > 0.0f32 {
                        in_reference = u * centered;
                    }
                    if comptime!(is_divergence) {
                        in_logit *= row_cotangent;
                        in_reference = (in_reference - summary.conjugate_at(ratio)) * row_cotangent;
                    }
                }
            }
            row.store(slot, in_logit);
            row.store_reference(slot, in_reference);
        }
    }
    if comptime!(wanted.alpha || is_log) {
        let (others, in_alpha) =
            reduce_sums(&mut row.shared, others.total(), in_alpha.total(), plan);
        if comptime!(wanted.alpha) {
            if comptime!(is_divergence) {
                row.write_number(in_alpha * row_cotangent);
            } else {
                row.write_number(in_alpha);
            }
        }
        if comptime!(is_log) {
            if dominates {
                // The gradients of a row sum to zero. At an entry with most of the weight, minus the sum of the others
                // keeps its digits.
                row.overwrite(largest, -others);
                if comptime!(wanted.reference) {
                    let ratio = curve.ratio_at(top_gap);
                    let in_reference = -others * exp(-summary.c * ratio.log_u) / top_q;
                    row.overwrite_reference(largest, in_reference);
                }
            }
        }
    }
}

#[cube]
pub(super) fn process_row<E: Float, R: Float, N: Size>(row: &mut Row<E, R, N>) {
    let kernel = comptime!(row.kernel);
    let summary = Summary::new::<E, R, N>(row);
    if summary.kind == SOLVABLE {
        let (root, low) = row.root();
        let curve = summary.curve(root, low, kernel.curve);
        let mut row_cotangent = 0.0f32;
        if comptime!(!kernel.output.is_per_entry()) {
            row_cotangent = row.row_cotangent();
        }
        if comptime!(kernel.output == Output::Value) {
            value_gradients::<E, R, N>(row, &summary, &curve, row_cotangent);
        } else {
            entry_gradients::<E, R, N>(row, &summary, &curve, row_cotangent);
        }
    } else {
        let value = summary.fallback_value::<E, R, N>(&*row);
        row.fill(value);
    }
}
