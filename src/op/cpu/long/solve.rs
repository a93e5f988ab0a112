//! The root of a row, with scalars in `f64`: [`crate::math::solve_log_ratio`].

use super::{BLOCK, LongRow, Summary};
use crate::math::Solver;
use crate::op::cpu::ratio::{FindRoot, General, PowerCurve, RatioCurve, Root, Softmax};
use crate::op::cpu::vector::{lanes, load, splat};
use macerator::Simd;

/// The root finder for a row. It returns `ln u_max`, or `None` if the steps do not converge.
pub(super) struct RowRoot<'a> {
    pub row: &'a mut LongRow,
    pub summary: &'a Summary,
}

impl<S: Simd> FindRoot<S> for RowRoot<'_> {
    type Found<C: RatioCurve<S>> = Option<f64>;

    /// `S(l) = e^l S(0)`.
    #[inline(always)]
    fn on_softmax(self) -> Option<f64> {
        let curve = Softmax::new(&Root::broadcast(self.summary.c, 0.0));
        let (s, _) = self.row.mass::<S>(self.summary, &curve);
        Some(-s.ln())
    }

    #[inline(always)]
    fn on_powers<C: PowerCurve<S>>(self) -> Option<f64> {
        self.row.solve_power::<S, C>(self.summary)
    }

    #[inline(always)]
    fn on_general(self) -> Option<f64> {
        self.row.solve_general::<S>(self.summary)
    }
}

impl LongRow {
    /// Finds the root in `l = ln u_max`.
    #[inline(always)]
    fn solve_general<S: Simd>(&self, summary: &Summary) -> Option<f64> {
        let Summary { c, lo, hi, .. } = *summary;
        // Jensen's inequality: the mean of B^(-1/c) is at least that of the mean B.
        let mean = (-c * lo).exp() - c * summary.mean_gap;
        let start = -mean.ln() / c * (1.0 + 1e-6) + 1e-6;
        // The start does not become the upper end of the bracket, because the mean is rounded.
        let mut l = if start > lo && start < hi { start } else { hi };
        let (mut lo, mut hi) = (lo, hi);
        let tolerance = Solver::TOLERANCE_ULPS * f64::from(f32::EPSILON);
        let mut power = (c * l).exp();
        let mut previous_step = 0.0;
        for _ in 0..Solver::NEWTON_STEPS {
            let root = Root::broadcast_with_power(c, l, power);
            let (s, w) = self.mass::<S>(summary, &General::new(&root));
            if s >= 1.0 {
                hi = l;
            } else {
                lo = l;
            }
            // c d, for the step d.
            let change = s * powm1(s, c) / w;
            let newton = l - fast_ln_1p(change) / c;
            // The root may be at an end of the bracket, as with equal logits.
            let next = newton.clamp(lo, hi);
            let step = (next - l).abs();
            power = if next == newton {
                power / (1.0 + change)
            } else {
                previous_step = 0.0;
                (c * next).exp()
            };
            l = next;
            if converged(step, previous_step, tolerance * l.abs().max(1.0)) {
                return Some(l);
            }
            previous_step = if next == newton { step } else { 0.0 };
        }
        None
    }

    /// Finds the root in `b = u_max^-c`, for curves with `c = 1/N` or `c = -1/N`:
    /// `b <- b + b S (S^c - 1) / W`. Returns `ln u_max`.
    #[inline(always)]
    fn solve_power<S: Simd, C: PowerCurve<S>>(&mut self, summary: &Summary) -> Option<f64> {
        let Summary { c, lo, hi, .. } = *summary;
        let (b_at_lo, b_at_hi) = (self.cached_exp(0, -c * lo), self.cached_exp(1, -c * hi));
        let (mut least, mut most) = (b_at_lo.min(b_at_hi), b_at_lo.max(b_at_hi));
        let mut b = b_at_hi;
        // Jensen's inequality, as for the general curve.
        let mean = b_at_lo - c * summary.mean_gap;
        if mean > least && mean < most {
            b = mean;
        }
        let tolerance = Solver::TOLERANCE_ULPS * f64::from(f32::EPSILON);
        let mut previous_step = 0.0;
        for _ in 0..Solver::NEWTON_STEPS {
            let curve = C::with_b(splat::<S>(c as f32), splat::<S>(b as f32));
            let (s, w) = self.mass::<S>(summary, &curve);
            // S decreases in b for c > 0 and increases for c < 0.
            if (s >= 1.0) == (c > 0.0) {
                least = b;
            } else {
                most = b;
            }
            let newton = b + b * s * (C::scalar_power(s) - 1.0) / w;
            let next = newton.clamp(least, most);
            if next != newton {
                previous_step = 0.0;
            }
            // The tolerance applies to steps of l, so the step is scaled to l.
            let unit = (c * b).abs();
            let step = (next - b).abs();
            b = next;
            if converged(step, previous_step, tolerance * unit) {
                return Some(-b.ln() / c);
            }
            previous_step = if next == newton { step } else { 0.0 };
        }
        None
    }

    /// Computes `S` and `W` of [`crate::math::solve_log_ratio`].
    #[inline(always)]
    fn mass<S: Simd>(&self, summary: &Summary, curve: &impl RatioCurve<S>) -> (f64, f64) {
        let (mut s, mut w) = (0.0, 0.0);
        let width = lanes::<S>();
        let mut begin = 0;
        while begin < self.gaps.len() {
            let end = (begin + BLOCK * width).min(self.gaps.len());
            let (mut block_s, mut block_w) = (splat::<S>(0.0), splat::<S>(0.0));
            match summary.constant {
                Some(_) => {
                    for i in (begin..end).step_by(width) {
                        let (u, v) = curve.at(load::<S>(&self.gaps, i));
                        block_s += u;
                        block_w += v;
                    }
                }
                None => {
                    for i in (begin..end).step_by(width) {
                        let (u, v) = curve.at(load::<S>(&self.gaps, i));
                        let q = load::<S>(&self.reference, i);
                        block_s += q * u;
                        block_w += q * v;
                    }
                }
            }
            s += f64::from(block_s.reduce_add());
            w += f64::from(block_w.reduce_add());
            begin = end;
        }
        let q = summary.constant.map_or(1.0, f64::from);
        (s * q, w * q)
    }
}

/// `s^c - 1`. For `s` close to one it uses a series, which is faster and accurate enough for a step.
#[inline(always)]
fn powm1(s: f64, c: f64) -> f64 {
    let d = s - 1.0;
    if d.abs() < 0.05 {
        let tail =
            1.0 + (c - 2.0) / 3.0 * d * (1.0 + (c - 3.0) / 4.0 * d * (1.0 + (c - 4.0) / 5.0 * d));
        c * d * (1.0 + (c - 1.0) / 2.0 * d * tail)
    } else {
        (c * s.ln()).exp_m1()
    }
}

/// `ln(1 + x)`. For small `x` it uses a series, which is faster and accurate enough for a step.
#[inline(always)]
fn fast_ln_1p(x: f64) -> f64 {
    if x.abs() < 0.05 {
        let s = x / (2.0 + x);
        let t = s * s;
        2.0 * s * (1.0 + t * (1.0 / 3.0 + t * (1.0 / 5.0 + t * (1.0 / 7.0))))
    } else {
        x.ln_1p()
    }
}

/// Whether this step of `l` or the next one is within the tolerance: [`Solver::QUADRATIC_TOLERANCE_SHARE`].
#[inline(always)]
fn converged(step: f64, previous_step: f64, tolerance: f64) -> bool {
    let small = Solver::QUADRATIC_TOLERANCE_SHARE;
    step <= tolerance
        || (step < small && step * step * step <= small * tolerance * previous_step * previous_step)
}
