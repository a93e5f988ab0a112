//! The roots of a group of rows: [`crate::math::solve_log_ratio`], with a third-order step. A lane that has converged
//! keeps its root.

use super::curve::{General, PowerCurve, RatioCurve, Root};
use super::elementary::{coarse_exp, coarse_ln, exp, ln, log1p_over};
use super::layout::{Layout, Sum, Sums};
use super::summary::{Group, Summary};
use super::vector::{M, V, copy_mask, lanes, load, splat, store};
use crate::math::Solver;
use macerator::Simd;

/// Bound on the relative rounding error of an end of the bracket of `b`.
const BRACKET_ROUNDING: f32 = 4e-6;

const TOLERANCE: f32 = Solver::TOLERANCE_ULPS as f32 * f32::EPSILON;

/// Number of entries of a long row that are sampled for the first steps.
const SAMPLE: usize = 128;

/// Least `sum_i q_i u_i (u_i / u_max)^c` at the root `l`, divided by `l`, with a given reference. If the largest logit has
/// a small reference, its mass may be so small that the rounding of the others, a share of `l`, moves the root.
const MIN_SLOPE: f32 = 1.0 / 16.0;

/// Steps of this length are the last ones on the sample, or in the coarse curve.
const COARSE_STEP: f32 = 0.1;

/// Largest number of steps on the sample, or in the coarse curve.
const MAX_COARSE_STEPS: usize = 12;

/// The roots of a group, and the mask of the rows that have one.
pub(super) struct Found<S: Simd> {
    pub root: Root<S>,
    pub found: M<S>,
}

/// The step `d` of Halley's method for `S^-c = 1` in `b = u_max^-c`: `b` becomes `b (1 + c d)`. It takes
/// `L = (S^c - 1) / c` as a numerator and a denominator, and the sums of `u`, `u r` and `u r^2`, `r = (u / u_max)^c`,
/// up to a common factor:
///
/// ```text
/// d = L S W / (W^2 + (1 + c) / 2 L (W^2 - S X))
/// ```
///
/// Newton's step, `L S / W`, remains for `c < -1/2`, where `X` is infinite at the edge of the support. A step keeps at
/// least a tenth of `b`.
#[inline(always)]
fn halley<S: Simd>(c: V<S>, [log, divisor]: [V<S>; 2], [s, w, x]: [V<S>; 3]) -> V<S> {
    let (zero, half) = (splat::<S>(0.0), splat::<S>(0.5));
    let square = w * w;
    let curvature = (half + half * c) * log * (square - s * x);
    let curvature = c.ge(zero - half).select(curvature, zero);
    let square = divisor * square;
    let d = log * s * w / (square + curvature).max(half * square);
    let longest = splat::<S>(0.9) / c.abs();
    c.lt(zero).select(d.min(longest), d.max(zero - longest))
}

/// `ln(1 + c d) / c` for a small `c d`. It has the sign of `d` for every number.
#[inline(always)]
fn step_of_log<S: Simd>(c: V<S>, d: V<S>) -> V<S> {
    let z = c * d;
    let series = z.mul_add(splat::<S>(1.0 / 3.0), splat::<S>(-0.5));
    d * z.mul_add(series, splat::<S>(1.0))
}

impl<S: Simd> Summary<S> {
    /// The start of the iteration, `ln u_max` by Jensen's inequality: the mean of `B^(-1/c)` is at least that of the
    /// mean `B`.
    #[inline(always)]
    fn start(&self) -> V<S> {
        let zero = splat::<S>(0.0);
        let mean = zero - self.mean_gap * coarse_exp::<S>(self.c * self.lo);
        let start = self.lo - log1p_over::<S>(self.c, mean);
        (start.gt(self.lo) & start.lt(self.hi)).select(start, self.hi)
    }

    /// The longest step after which the error of the next root is below the rounding, and which the series of
    /// [`Group::solve_general`] takes. Near the edge of the support, the step is to change a ratio of at most `1e-7`
    /// by more than a twentieth.
    #[inline(always)]
    fn last_step(&self, longest: f32) -> V<S> {
        let (c, deformation) = (self.c, self.c.abs());
        let smooth = splat::<S>(longest) / deformation.max(splat::<S>(1.0));
        let at_edge = exp::<S>(splat::<S>(-16.0) * deformation) / (deformation * splat::<S>(20.0));
        let step = c.lt(splat::<S>(0.0)).select(smooth.min(at_edge), smooth);
        step.max(splat::<S>(TOLERANCE))
    }
}

impl<S: Simd, L: Layout> Group<'_, S, L> {
    /// `S - 1`.
    #[inline(always)]
    pub fn excess(sum: Sum<S>) -> V<S> {
        (sum.high - splat::<S>(1.0)) + sum.low
    }

    /// The distance between the sampled vectors of a long row.
    #[inline(always)]
    fn sample_stride(&self) -> usize {
        let strides = self.gaps.len() / SAMPLE;
        if L::ALONG_ROW && self.summary.constant.is_some() && strides >= 4 {
            strides
        } else {
            1
        }
    }

    /// The moments of the row from those of a sample, to which it adds those of the largest entry, of which the sample
    /// may know nothing.
    #[inline(always)]
    fn of_sample(&self, stride: usize, sums: Sums<S, L, 3>, at_max: [V<S>; 3]) -> [V<S>; 3] {
        let sums = self.expectations(sums);
        let mut moments = [sums[0].high, sums[1].high, sums[2].high];
        if stride > 1 {
            let vectors = self.gaps.len() / lanes::<S>();
            let weight = splat::<S>(vectors as f32 / vectors.div_ceil(stride) as f32);
            for n in 0..3 {
                moments[n] = moments[n].mul_add(weight, at_max[n] * self.q(0));
            }
        }
        moments
    }

    /// The roots of the rows that have converged and are accurate, from the mass and its derivative in the root.
    #[inline(always)]
    fn found(&self, root: Root<S>, converged: M<S>, slope: V<S>) -> Found<S> {
        let mut found = converged;
        if self.summary.constant.is_none() {
            let is_steep = slope.ge(splat::<S>(MIN_SLOPE) * root.offset.abs());
            found = found & is_steep & self.summary.resolves(root.offset);
        }
        Found { root, found }
    }

    /// `S(l) = e^l S(0)`.
    #[inline(always)]
    pub fn solve_softmax(&self, wanted: bool, p: &mut [f32]) -> Found<S> {
        let zero = splat::<S>(0.0);
        let c = self.summary.c;
        let mut sums = Sums::zero();
        for i in self.vectors() {
            let ratio = exp::<S>(zero - self.gap(i));
            store::<S>(p, i, ratio);
            sums.add(self.weighted(i, [ratio]));
        }
        let [sum] = self.expectations(sums);
        let total = sum.high + sum.low;
        if wanted {
            let scale = splat::<S>(1.0) / total;
            for i in self.vectors() {
                store::<S>(p, i, load::<S>(p, i) * (self.q(i) * scale));
            }
        }
        let root = Root::new(c, zero - ln::<S>(total), zero);
        self.found(root, copy_mask(&self.summary.usable), splat::<S>(1.0))
    }

    /// Finds the roots in `l = ln u_max`: a few steps in the coarse curve, on a sample of a long row first, then steps
    /// in the exact one. The last step is so short that the series of the ratio applies it to the probabilities.
    #[inline(always)]
    pub fn solve_general(&self, wanted: bool, p: &mut [f32]) -> Found<S> {
        let (zero, half, one) = (splat::<S>(0.0), splat::<S>(0.5), splat::<S>(1.0));
        let Summary { c, lo, hi, .. } = self.summary;
        let unusable = !copy_mask(&self.summary.usable);
        let mut l = self.summary.start();
        let mut stride = self.sample_stride();
        let coarse_step = c
            .ge(splat::<S>(-0.5))
            .select(splat::<S>(COARSE_STEP), splat::<S>(0.2 * COARSE_STEP));
        for _ in 0..MAX_COARSE_STEPS {
            let curve = General::new(&Root::coarse(c, l));
            let mut sums = Sums::zero();
            for i in self.sample(stride) {
                sums.add(self.weighted(i, curve.coarse_moments(self.gap(i))));
            }
            let moments = self.of_sample(stride, sums, [one; 3]);
            let log = curve.coarse_deformed(c, l + coarse_ln::<S>(moments[0]));
            let d = halley::<S>(c, [log, one], moments);
            let (next, _) = clamp_to_bracket::<S>(l - curve.coarse_step(c, d), lo, hi, hi);
            let short = (next - l).abs().le(coarse_step) | copy_mask(&unusable);
            l = next;
            if short.all() {
                if stride == 1 {
                    break;
                }
                stride = 1;
            }
        }

        let (mut lo, mut hi) = (lo, hi);
        let last_step = self.summary.last_step(4e-3);
        let mut root = Root::new(c, l, zero);
        let (mut step, mut slope) = (zero, zero);
        let mut done = copy_mask(&unusable);
        for _ in 0..Solver::NEWTON_STEPS {
            let curve = General::new(&root);
            let mut sums = Sums::zero();
            for i in self.vectors() {
                let (u, r) = curve.ratio_and_slope(self.gap(i));
                store::<S>(p, i, u);
                let v = u * r;
                sums.add(self.weighted(i, [u, v, v * r]));
            }
            let sums = self.expectations(sums);
            let e = Self::excess(sums[0]);
            let l = root.offset + root.remainder;
            hi = e.ge(zero).select(hi.min(l), hi);
            lo = e.ge(zero).select(lo, lo.max(l));
            // A fraction with the first two terms of the series of (S^c - 1) / c.
            let divisor = (half - half * c).mul_add(e, one).max(half);
            let moments = [sums[0].high, sums[1].high, sums[2].high];
            let d = halley::<S>(c, [e, divisor], moments);
            let newton = root.remainder - step_of_log::<S>(c, d);
            let (next, inside) = clamp_to_bracket::<S>(root.offset + newton, lo, hi, hi);
            let remainder = inside.select(newton, next - root.offset);
            let taken = remainder - root.remainder;
            step = done.select(step, taken);
            slope = done.select(slope, sums[1].high);
            let last = last_step.max(splat::<S>(TOLERANCE) * next.abs());
            done = done | taken.abs().le(last);
            if done.all() {
                break;
            }
            let remainder = done.select(root.remainder, remainder);
            root = Root::new(c, root.offset, remainder);
        }
        if wanted {
            // u (1 + (e^(-c d) - 1) r)^(-1/c) for the step d of l, to the third order.
            let curve = General::new(&root);
            let z = c * step;
            let a = step * z.mul_add(z.mul_add(splat::<S>(1.0 / 6.0), zero - half), one);
            let second = (one + c) * half;
            let third = (one + c) * (one + c + c) * splat::<S>(1.0 / 6.0);
            for i in self.vectors() {
                let y = a * curve.relative_slope(self.gap(i));
                let factor = y.mul_add(y.mul_add(y.mul_add(third, second), one), one);
                let updated = load::<S>(p, i) * factor.max(zero);
                store::<S>(p, i, updated * self.q(i));
            }
        }
        self.found(
            Root::new(c, root.offset, root.remainder + step),
            done & !unusable,
            slope,
        )
    }

    /// Finds the roots in `b = u_max^-c`, for curves with `c = 1/N` or `c = -1/N`.
    #[inline(always)]
    pub fn solve_power<C: PowerCurve<S>>(&self, wanted: bool, p: &mut [f32]) -> Found<S> {
        let (zero, one) = (splat::<S>(0.0), splat::<S>(1.0));
        let Summary { c, lo, hi, .. } = self.summary;
        let unusable = !copy_mask(&self.summary.usable);
        let (b_at_lo, b_at_hi) = (exp::<S>(zero - c * lo), exp::<S>(zero - c * hi));
        // The ends are rounded, and the solution may be at one of them.
        let mut least = b_at_lo.min(b_at_hi) * splat::<S>(1.0 - BRACKET_ROUNDING);
        let mut most = b_at_lo.max(b_at_hi) * splat::<S>(1.0 + BRACKET_ROUNDING);
        // Jensen's inequality, as in `start`.
        let mean = b_at_lo - c * self.summary.mean_gap;
        let mut b = (mean.gt(least) & mean.lt(most)).select(mean, b_at_hi);
        let mut stride = self.sample_stride();
        let last_step = self.summary.last_step(1e-3);
        let (mut previous_step, mut slope) = (zero, zero);
        let mut done = copy_mask(&unusable);
        for n in 0..Solver::NEWTON_STEPS {
            let curve = C::with_b(c, b);
            let mut sums = Sums::zero();
            for i in self.sample(stride) {
                sums.add(self.weighted(i, curve.moments(self.gap(i))));
            }
            if stride > 1 {
                let moments = self.of_sample(stride, sums, curve.moments(zero));
                let log = C::deformed_log1p(moments[0] - one);
                let d = halley::<S>(c, log, moments);
                let (next, _) = clamp_to_bracket::<S>(b + b * c * d, least, most, b_at_hi);
                let short = (next - b).abs().le((c * b).abs() * splat::<S>(COARSE_STEP));
                b = next;
                if short.all() || n == MAX_COARSE_STEPS {
                    stride = 1;
                }
                continue;
            }
            let sums = self.expectations(sums);
            let e = Self::excess(sums[0]);
            // S decreases in b for c > 0 and increases for c < 0.
            let below = (e * c).ge(zero);
            least = below.select(b, least);
            most = below.select(most, b);
            let moments = [sums[0].high, sums[1].high, sums[2].high];
            let d = halley::<S>(c, C::deformed_log1p(e), moments);
            let (next, inside) = clamp_to_bracket::<S>((b * c).mul_add(d, b), least, most, b_at_hi);
            let step = (next - b).abs();
            // The tolerances apply to steps of l.
            let unit = (c * b).abs();
            let stop = step.le(last_step * unit) | converged::<S>(step, previous_step, unit);
            b = done.select(b, next);
            slope = done.select(slope, moments[1]);
            done = done | stop;
            if done.all() {
                break;
            }
            previous_step = inside.select(step, zero);
        }
        if wanted {
            let curve = C::with_b(c, b);
            for i in self.vectors() {
                store::<S>(p, i, self.q(i) * curve.at(self.gap(i)).0);
            }
        }
        self.found(
            Root::new(c, zero - ln::<S>(b) / c, zero),
            done & !unusable,
            slope,
        )
    }
}

/// Clamps a step of [`crate::math::solve_log_ratio`] to a bracket. NaN becomes the end from which Newton's method is
/// monotone. The mask holds the lanes that were inside.
#[inline(always)]
fn clamp_to_bracket<S: Simd>(newton: V<S>, lo: V<S>, hi: V<S>, safe: V<S>) -> (V<S>, M<S>) {
    let next = newton.gt(lo).select(newton, lo);
    let next = next.lt(hi).select(next, hi);
    let next = newton.eq(newton).select(next, safe);
    (next, next.eq(newton))
}

/// Whether this step or the next one is within the tolerance: [`Solver::QUADRATIC_TOLERANCE_SHARE`].
#[inline(always)]
fn converged<S: Simd>(step: V<S>, previous_step: V<S>, unit: V<S>) -> M<S> {
    let tolerance = unit * splat::<S>(TOLERANCE);
    let small = splat::<S>(Solver::QUADRATIC_TOLERANCE_SHARE as f32);
    let cubed = step * step * step;
    step.le(tolerance)
        | (step.lt(small * unit) & cubed.le(small * tolerance * previous_step * previous_step))
}
