//! The roots of a group of rows: [`crate::math::solve_log_ratio`], with one row in each lane. A lane that has converged
//! keeps its root.

use super::summary::{Group, Summary};
use crate::math::Solver;
use crate::op::cpu::elementary::{exp, expm1, ln, log1p};
use crate::op::cpu::ratio::{FindRoot, General, PowerCurve, RatioCurve, Root, Softmax};
use crate::op::cpu::vector::{M, V, copy_mask, splat};
use macerator::Simd;

/// Bound on the relative rounding error of an end of the bracket of `b`.
const BRACKET_ROUNDING: f32 = 4e-6;

const TOLERANCE: f32 = Solver::TOLERANCE_ULPS as f32 * f32::EPSILON;

/// The root finder for a group of rows. It returns the curve at the roots, the roots, and the mask of the rows that
/// have one.
pub(super) struct GroupRoots<'g, 'a, S: Simd> {
    pub group: &'g Group<'a, S>,
    pub alpha: f32,
    pub c: V<S>,
}

impl<S: Simd> FindRoot<S> for GroupRoots<'_, '_, S> {
    type Found<C: RatioCurve<S>> = (C, Root<S>, M<S>);

    /// `S(l) = e^l S(0)`.
    #[inline(always)]
    fn on_softmax(self) -> (Softmax<S>, Root<S>, M<S>) {
        let Self { group, c, .. } = self;
        let zero = splat::<S>(0.0);
        let (s, _) = group.mass(&Softmax::new(&Root::from_lanes(c, zero, zero)));
        let root = Root::from_lanes(c, zero - ln::<S>(s), zero);
        (Softmax::new(&root), root, copy_mask(&group.summary.usable))
    }

    #[inline(always)]
    fn on_powers<C: PowerCurve<S>>(self) -> (C, Root<S>, M<S>) {
        self.group.solve_power(self.alpha, self.c)
    }

    #[inline(always)]
    fn on_general(self) -> (General<S>, Root<S>, M<S>) {
        self.group.solve_general(self.c)
    }
}

impl<S: Simd> Group<'_, S> {
    /// Finds the roots in `l = ln u_max`.
    #[inline(always)]
    fn solve_general(&self, c: V<S>) -> (General<S>, Root<S>, M<S>) {
        let (zero, one) = (splat::<S>(0.0), splat::<S>(1.0));
        let inverse_c = one / c;
        let &Summary {
            mut lo,
            mut hi,
            mean_gap,
            ..
        } = self.summary;
        // Jensen's inequality: the mean of B^(-1/c) is at least that of the mean B.
        let mean = exp::<S>(zero - c * lo) - c * mean_gap;
        let start = (zero - ln::<S>(mean)) * inverse_c;
        // The logarithm of a mean close to one is mostly rounding error, divided by c.
        let rounding = splat::<S>(1e-6) * (one + start.abs() + inverse_c.abs());
        let start = start + rounding;
        let better = mean.gt(splat::<S>(f32::MIN_POSITIVE)) & start.gt(lo) & start.lt(hi);
        // The start does not become the upper end of the bracket, because the mean is rounded.
        let mut root = Root::from_lanes(c, better.select(start, hi), zero);
        let mut previous_step = zero;
        let unusable = !copy_mask(&self.summary.usable);
        let mut done = copy_mask(&unusable);
        for _ in 0..Solver::NEWTON_STEPS {
            let (s, w) = self.mass(&General::new(&root));
            let l = root.offset + root.remainder;
            hi = s.ge(one).select(l, hi);
            lo = s.ge(one).select(lo, l);
            // c d, for the step d.
            let change = s * expm1::<S>(c * ln::<S>(s)) / w;
            let newton = root.remainder - log1p::<S>(change).0 * inverse_c;
            let (next, inside) = clamp_to_bracket::<S>(root.offset + newton, lo, hi);
            let remainder = copy_mask(&inside).select(newton, next - root.offset);
            let step = (remainder - root.remainder).abs();
            let unit = next.abs().max(one);
            let stop = converged::<S>(step, previous_step, unit);
            let remainder = copy_mask(&done).select(root.remainder, remainder);
            root = Root::from_lanes(c, root.offset, remainder);
            done = done | stop;
            if done.all() {
                break;
            }
            previous_step = inside.select(step, zero);
        }
        (General::new(&root), root, done & !unusable)
    }

    /// Finds the roots in `b = u_max^-c`, for curves with `c = 1/N` or `c = -1/N`:
    /// `b <- b + b S (S^c - 1) / W`.
    #[inline(always)]
    fn solve_power<C: PowerCurve<S>>(&self, alpha: f32, c: V<S>) -> (C, Root<S>, M<S>) {
        let (zero, one) = (splat::<S>(0.0), splat::<S>(1.0));
        let &Summary {
            lo, hi, mean_gap, ..
        } = self.summary;
        let unusable = !copy_mask(&self.summary.usable);
        let (b_at_lo, b_at_hi) = (exp::<S>(zero - c * lo), exp::<S>(zero - c * hi));
        // The ends are rounded, and the solution may be at one of them.
        let mut least = b_at_lo.min(b_at_hi) * splat::<S>(1.0 - BRACKET_ROUNDING);
        let mut most = b_at_lo.max(b_at_hi) * splat::<S>(1.0 + BRACKET_ROUNDING);
        // Jensen's inequality, as for the general curve.
        let mean = b_at_lo - c * mean_gap;
        let mut b = (mean.gt(least) & mean.lt(most)).select(mean, b_at_hi);
        let mut previous_step = zero;
        let mut done = copy_mask(&unusable);
        for _ in 0..Solver::NEWTON_STEPS {
            let (s, w) = self.mass(&C::with_b(c, b));
            // S decreases in b for c > 0 and increases for c < 0.
            let below = if alpha < 1.0 { s.ge(one) } else { s.lt(one) };
            least = copy_mask(&below).select(b, least);
            most = below.select(most, b);
            let newton = b + b * s * (C::power(s) - one) / w;
            let (next, inside) = clamp_to_bracket::<S>(newton, least, most);
            let step = (next - b).abs();
            // The tolerance applies to steps of l, so the step is scaled to l.
            let stop = converged::<S>(step, previous_step, (c * b).abs());
            b = copy_mask(&done).select(b, next);
            done = done | stop;
            if done.all() {
                break;
            }
            previous_step = inside.select(step, zero);
        }
        let root = Root::from_lanes(c, zero - ln::<S>(b) / c, zero);
        (C::with_b(c, b), root, done & !unusable)
    }
}

/// Clamps a Newton step of [`crate::math::solve_log_ratio`] to the bracket. The mask holds the lanes that were inside.
#[inline(always)]
fn clamp_to_bracket<S: Simd>(newton: V<S>, lo: V<S>, hi: V<S>) -> (V<S>, M<S>) {
    // NaN becomes the lower end.
    let next = newton.gt(lo).select(newton, lo);
    let next = next.lt(hi).select(next, hi);
    (next, next.eq(newton))
}

/// Whether this step or the next one is within the tolerance: [`Solver::QUADRATIC_TOLERANCE_SHARE`].
#[inline(always)]
fn converged<S: Simd>(step: V<S>, previous_step: V<S>, unit: V<S>) -> M<S> {
    let tolerance = unit * splat::<S>(TOLERANCE);
    let small = splat::<S>(Solver::QUADRATIC_TOLERANCE_SHARE as f32);
    let cubed = step * step * step;
    step.le(tolerance)
        | (step.lt(small) & cubed.le(small * tolerance * previous_step * previous_step))
}
