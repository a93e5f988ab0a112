//! The roots of a group of rows: [`crate::math::solve_log_ratio`], with steps of a higher order. A lane that has converged
//! keeps its root.

use super::curve::{General, PowerCurve, RatioCurve, Root};
use super::dispatch::outlined;
use super::elementary::{coarse_exp, coarse_ln, exp, ln, log1p_over};
use super::layout::{Layout, Sum, Sums, of_strip, set_strip, set_sums};
use super::prefetch::prefetch;
use super::quadrature::{Node, Quadrature};
use super::summary::{Group, Summary};
use super::vector::{M, V, copy_mask, lanes, load, splat, store, write};
use crate::math::Solver;
use crate::op::step::{FOURTH_ORDER_STEP, SMALL_TERM, THIRD_ORDER_STEP};
use macerator::{Simd, WithSimd};
use std::mem::MaybeUninit;

/// Bound on the relative rounding error of an end of the bracket of `b`.
const BRACKET_ROUNDING: f32 = 4e-6;

const TOLERANCE: f32 = Solver::TOLERANCE_ULPS as f32 * f32::EPSILON;

/// Number of entries of a long row that are sampled for the steps before the exact ones, for `c > 0`.
const SAMPLE: usize = 128;

/// Least length of short rows from which the first step is taken on the quadrature.
const MIN_COLUMNS_FOR_QUADRATURE: usize = 12;

/// Least `sum_i q_i u_i (u_i / u_max)^c` at the root `l`, divided by `max(1, |l|)`, with a given reference. If the largest
/// logit has a small reference, its mass may be so small that the rounding of the others, and of `l`, moves the root.
const MIN_SLOPE: f32 = 1.0 / 16.0;

/// Steps of this length, divided by `c + 0.2`, are the last ones on the sample, or in the coarse curve, for `c > 0`: after
/// them, a step of the fourth order in the exact curve is the last one.
const COARSE_STEP: f32 = 0.75;

/// The same for `-1/2 <= c < 0`, not divided.
const COARSE_STEP_AT_EDGE: f32 = 0.3;

/// The same for `c < -1/2`, where the steps are Newton's.
const COARSE_STEP_OF_NEWTON: f32 = 0.02;

/// Largest number of steps on the sample, or in the coarse curve.
const MAX_COARSE_STEPS: usize = 12;

/// The roots of a group, and the mask of the rows that have one.
pub(super) struct Found<S: Simd> {
    pub root: Root<S>,
    pub found: M<S>,
}

/// A step of the root finder: `b = u_max^-c` becomes `b (1 + c d)`.
struct Step<S: Simd> {
    d: V<S>,
    /// The rows whose step is of the fourth order, with small terms.
    is_fourth_order: M<S>,
}

/// The step for `S^-c = 1`, which is almost linear in `b`. It takes `L = (S^c - 1) / c` as a numerator and a denominator,
/// and two to four of the sums of `u`, `u r`, `u r^2` and `u r^3`, `r = (u / u_max)^c`, up to a common factor. From
///
/// ```text
/// L = w d + (1 + c)/2 (w^2 - x) d^2 + (1 + c)/6 ((1 + 2 c) y - 3 (1 + c) x w + (2 + c) w^3) d^3 + ...
/// ```
///
/// with `w = W/S`, `x = X/S` and `y = Y/S`, the first term gives Newton's step `e = L / w`, two give Halley's,
/// `e / (1 + P)`, and three Householder's of the fourth order,
///
/// ```text
/// d = e (1 + P) / (1 + 2 P + Q),    P = (1 + c)/2 (1 - x/w^2) L,
/// Q = (1 + c)/6 ((1 + 2 c) y/w^3 - 3 (1 + c) x/w^2 + 2 + c) L^2
/// ```
///
/// Newton's step remains for `c < -1/2`, where `X` is infinite at the edge of the support, and Halley's for `c < 0`, where
/// `Y` may be, and for large terms. A step keeps at least a tenth of `b`.
#[inline(always)]
fn step<S: Simd, const N: usize>(
    c: V<S>,
    [log, divisor]: [V<S>; 2],
    moments: [V<S>; N],
) -> Step<S> {
    let (zero, one, half) = (splat::<S>(0.0), splat::<S>(1.0), splat::<S>(0.5));
    let (s, w) = (moments[0], moments[1]);
    let inverse = one / (divisor * w * w);
    let inverse_square = divisor * inverse;
    let newton = log * s * w * inverse;
    let log = log * w * w * inverse;
    let mut d = newton;
    let mut is_fourth_order = c.lt(c);
    if N > 2 {
        let order = one + c;
        let x = s * moments[2] * inverse_square;
        let p = half * order * log * (one - x);
        let p = c.ge(zero - half).select(p, zero);
        let mut numerator = newton;
        let mut divisor = (one + p).max(half);
        if N > 3 {
            let y = s * s * w * moments[3] * inverse_square * inverse_square;
            let inner = (one + c + c).mul_add(y, (order + one) - splat::<S>(3.0) * order * x);
            let q = splat::<S>(1.0 / 6.0) * order * log * log * inner;
            let small = splat::<S>(SMALL_TERM);
            is_fourth_order = c.gt(zero) & p.abs().le(small) & q.abs().le(small);
            numerator = is_fourth_order.select(newton + newton * p, newton);
            divisor = is_fourth_order.select(one + p + p + q, divisor);
        }
        d = numerator / divisor;
    }
    let longest = splat::<S>(0.9) / c.abs();
    let d = c.lt(zero).select(d.min(longest), d.max(zero - longest));
    Step { d, is_fourth_order }
}

/// `((1 + e)^c - 1) / c` for a small `e`, as a numerator and a denominator with the first three terms of its series. It has
/// the sign of `e` for every number.
#[inline(always)]
fn deformed_log1p<S: Simd>(c: V<S>, e: V<S>) -> [V<S>; 2] {
    let one = splat::<S>(1.0);
    let least = splat::<S>(0.25);
    let numerator = (one + c) * splat::<S>(1.0 / 6.0);
    let divisor = (splat::<S>(2.0) - c) * splat::<S>(1.0 / 3.0);
    let divisor = divisor.mul_add(e, one).max(least);
    [e * numerator.mul_add(e, one).max(least), divisor]
}

/// `ln(1 + c d) / c` for a small `c d`. It has the sign of `d` for every number.
#[inline(always)]
fn step_of_log<S: Simd>(c: V<S>, d: V<S>) -> V<S> {
    let z = c * d;
    let series = z.mul_add(splat::<S>(1.0 / 5.0), splat::<S>(-1.0 / 4.0));
    let series = z.mul_add(series, splat::<S>(1.0 / 3.0));
    let series = z.mul_add(series, splat::<S>(-1.0 / 2.0));
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

    /// The step from `l` in the coarse curve, from the sums of `u`, `u r` and `u r^2`, divided by `u_max`.
    #[inline(always)]
    fn next_coarse(&self, l: V<S>, curve: &General<S>, moments: [V<S>; 3]) -> V<S> {
        let log = curve.coarse_deformed(l + coarse_ln::<S>(moments[0]));
        let d = step::<S, 3>(self.c, [log, splat::<S>(1.0)], moments).d;
        clamp_to_bracket::<S>(l - curve.coarse_step(d), self.lo, self.hi, self.hi).0
    }

    /// The longest step that is the last one on the sample, or in the coarse curve.
    #[inline(always)]
    fn last_coarse_step(&self) -> V<S> {
        let at_edge = (self.c + splat::<S>(0.5)).ge(splat::<S>(0.0)).select(
            splat::<S>(COARSE_STEP_AT_EDGE),
            splat::<S>(COARSE_STEP_OF_NEWTON),
        );
        let smooth = splat::<S>(COARSE_STEP) / (self.c + splat::<S>(0.2));
        self.c.gt(splat::<S>(0.0)).select(smooth, at_edge)
    }

    /// The longest step after which the error of the next root is below the rounding, and which the series of
    /// [`Group::solve_general`] takes. Near the edge of the support, the step is to change a ratio of at most `1e-7`
    /// by more than a twentieth.
    #[inline(always)]
    fn last_step(&self, is_fourth_order: &M<S>) -> V<S> {
        let (c, deformation) = (self.c, self.c.abs());
        let one = splat::<S>(1.0);
        let smooth = is_fourth_order.select(
            splat::<S>(FOURTH_ORDER_STEP) / (one + deformation),
            splat::<S>(THIRD_ORDER_STEP) / deformation.max(one),
        );
        let at_edge = exp::<S>(splat::<S>(-16.0) * deformation) / (deformation * splat::<S>(20.0));
        let step = c.lt(splat::<S>(0.0)).select(smooth.min(at_edge), smooth);
        step.max(splat::<S>(TOLERANCE))
    }
}

impl<S: Simd, L: Layout> Group<'_, S, L> {
    /// The distance between the sampled vectors of a long row. Only rows with `c > 0` are sampled: at the edge of the
    /// support, a sample gives a start that is no better than the quadrature's.
    #[inline(always)]
    fn sample_stride(&self) -> usize {
        let strides = self.strip_len() / SAMPLE;
        if L::ALONG_ROW && self.summary.constant.is_some() && strides >= 4 {
            strides
        } else {
            1
        }
    }

    /// Whether a step on the quadrature is faster than one on the rows.
    #[inline(always)]
    fn has_quadrature(&self) -> bool {
        L::ALONG_ROW || self.strip_len() >= MIN_COLUMNS_FOR_QUADRATURE * lanes::<S>()
    }

    /// The roots of the rows that have converged and are accurate, from the mass and its derivative in the root.
    #[inline(always)]
    fn found(&self, root: Root<S>, converged: M<S>, slope: V<S>) -> Found<S> {
        let mut found = converged;
        if self.summary.constant.is_none() {
            let size = root.offset.abs().max(splat::<S>(1.0));
            let is_steep = slope.ge(splat::<S>(MIN_SLOPE) * size);
            found = found & is_steep & self.summary.resolves(root.offset);
        }
        Found { root, found }
    }

    /// `S(l) = e^l S(0)`.
    #[inline(always)]
    pub fn solve_softmax(
        &self,
        [ratios, _]: [&mut [f32]; 2],
        output: Option<&mut [MaybeUninit<f32>]>,
    ) -> Found<S> {
        let zero = splat::<S>(0.0);
        let c = self.summary.c;
        let mut totals = [Sum::zero()];
        for n in self.strips() {
            let strip = self.strip(n);
            let mut sums = Sums::zero();
            let soon = strip.soon_half(1);
            for i in strip.vectors() {
                prefetch::<L, _>(soon, i);
                let ratio = exp::<S>(zero - strip.gap(i));
                store::<S>(ratios, i, ratio);
                sums.add(strip.weighted(i, [ratio]));
            }
            set_sums::<S, L, 1>(&mut totals, n, strip.expectations(sums));
        }
        let [sum] = totals;
        let total = sum.high + sum.low;
        if let Some(p) = output {
            let scale = splat::<S>(1.0) / total;
            for n in self.strips() {
                let strip = self.strip(n);
                let scale = of_strip::<S, L>(scale, n);
                let soon = strip.soon(1, 2);
                for i in strip.vectors() {
                    prefetch::<L, _>(soon, i);
                    write::<S>(p, i, load::<S>(ratios, i) * (strip.q(i) * scale));
                }
            }
        }
        let root = Root::new(c, zero - ln::<S>(total), zero);
        self.found(root, copy_mask(&self.summary.usable), splat::<S>(1.0))
    }

    /// Finds the roots in `l = ln u_max`: a step on the quadrature, a few steps in the coarse curve, on the sample or on the
    /// whole row, then steps in the exact curve. The last step is so short that the series of the ratio applies it to the
    /// probabilities.
    #[inline(always)]
    pub fn solve_general(
        &self,
        [ratios, slopes]: [&mut [f32]; 2],
        output: Option<&mut [MaybeUninit<f32>]>,
    ) -> Found<S> {
        let (zero, half, one) = (splat::<S>(0.0), splat::<S>(0.5), splat::<S>(1.0));
        let Summary { c, lo, hi, .. } = self.summary;
        let unusable = !copy_mask(&self.summary.usable);
        let mut l = self.summary.start();
        let longest = self.summary.last_coarse_step();
        if self.has_quadrature() {
            outlined::<S, _>(QuadratureStep {
                summary: &self.summary,
                l: &mut l,
            });
        }
        let mut stride = self.sample_stride();
        let mut rows = if stride > 1 {
            c.gt(zero)
        } else {
            zero.eq(zero)
        };
        loop {
            let mut done = !rows | copy_mask(&unusable);
            for _ in 0..MAX_COARSE_STEPS {
                if done.all() {
                    break;
                }
                let root = Root::coarse(c, l);
                let mut moments = [zero; 3];
                for n in self.strips_left(&done) {
                    let strip = self.strip(n);
                    let curve = General::new(&root.of_strip::<L>(n));
                    let strip_moments = if stride > 1 {
                        let mut sums = [zero; 3];
                        let mut has_largest = zero.lt(zero);
                        for i in strip.sample(stride) {
                            let gap = strip.gap(i);
                            has_largest = has_largest | gap.eq(strip.lane_gap);
                            let (log_u, r) = curve.coarse_exponent_and_slope(gap);
                            add_moments(&mut sums, coarse_exp::<S>(log_u), r);
                        }
                        let (log_u, r) = curve.coarse_exponent_and_slope(strip.lane_gap);
                        let mut at_largest = [zero; 3];
                        add_moments(&mut at_largest, coarse_exp::<S>(log_u), r);
                        strip.of_sample(stride, sums, at_largest, &has_largest)
                    } else {
                        let mut sums = Sums::zero();
                        // In one loop, the latency of the two functions would bound the speed.
                        for block in strip.blocks() {
                            for i in block.clone().step_by(lanes::<S>()) {
                                let (log_u, r) = curve.coarse_exponent_and_slope(strip.gap(i));
                                store::<S>(ratios, i, log_u);
                                store::<S>(slopes, i, r);
                            }
                            let mut moments = [zero; 3];
                            for i in block.step_by(lanes::<S>()) {
                                let u = coarse_exp::<S>(load::<S>(ratios, i));
                                let [u] = strip.weighted(i, [u]);
                                add_moments(&mut moments, u, load::<S>(slopes, i));
                            }
                            sums.add_block(moments);
                        }
                        strip.expectations(sums).map(|sum| sum.high)
                    };
                    for (moment, strip_moment) in moments.iter_mut().zip(strip_moments) {
                        set_strip::<S, L>(moment, n, strip_moment);
                    }
                }
                let next = self.summary.next_coarse(l, &General::new(&root), moments);
                let taken = next - l;
                // The other lanes may hold other rows.
                l = done.select(l, next);
                done = done | taken.abs().le(longest);
            }
            if stride == 1 {
                break;
            }
            // The rows without a sample.
            (stride, rows) = (1, !c.gt(zero));
        }

        let (mut lo, mut hi) = (lo, hi);
        let mut root = Root::new(c, l, zero);
        let (mut last_step, mut slope) = (zero, zero);
        let mut done = copy_mask(&unusable);
        for _ in 0..Solver::NEWTON_STEPS {
            let mut sums = [Sum::zero(); 4];
            for n in self.strips_left(&done) {
                let strip = self.strip(n);
                let curve = General::new(&root.of_strip::<L>(n));
                let mut strip_sums = Sums::zero();
                let (first, second) = (strip.soon_half(1), strip.soon_half(2));
                for block in strip.blocks() {
                    for i in block.clone().step_by(lanes::<S>()) {
                        prefetch::<L, _>(first, i);
                        let (exponent, r) = curve.exponent_and_slope(strip.gap(i));
                        store::<S>(ratios, i, exponent);
                        store::<S>(slopes, i, r);
                    }
                    for i in block.clone().step_by(lanes::<S>()) {
                        prefetch::<L, _>(second, i);
                        store::<S>(ratios, i, curve.ratio(load::<S>(ratios, i)));
                    }
                    let mut moments = [zero; 4];
                    for i in block.step_by(lanes::<S>()) {
                        let [u] = strip.weighted(i, [load::<S>(ratios, i)]);
                        add_moments(&mut moments, u, load::<S>(slopes, i));
                    }
                    strip_sums.add_block(moments);
                }
                set_sums::<S, L, 4>(&mut sums, n, strip.expectations(strip_sums));
            }
            let e = sums[0].excess();
            let l = root.offset + root.remainder;
            hi = e.ge(zero).select(hi.min(l), hi);
            lo = e.ge(zero).select(lo, lo.max(l));
            let log = deformed_log1p::<S>(c, e);
            let step = step::<S, 4>(c, log, sums.map(|sum| sum.high));
            let newton = root.remainder - step_of_log::<S>(c, step.d);
            let (next, inside) = clamp_to_bracket::<S>(root.offset + newton, lo, hi, hi);
            let remainder = inside.select(newton, next - root.offset);
            let taken = remainder - root.remainder;
            last_step = done.select(last_step, taken);
            slope = done.select(slope, sums[1].high);
            let longest = self.summary.last_step(&step.is_fourth_order);
            let longest = longest.max(splat::<S>(TOLERANCE) * next.abs());
            done = done | taken.abs().le(longest);
            if done.all() {
                break;
            }
            let remainder = done.select(root.remainder, remainder);
            root = Root::new(c, root.offset, remainder);
        }
        if let Some(p) = output {
            // u (1 + (e^(-c d) - 1) r)^(-1/c) for the step d of l, to the fifth order.
            let z = c * last_step;
            let tail = z.mul_add(splat::<S>(-1.0 / 24.0), splat::<S>(1.0 / 6.0));
            let a = last_step * z.mul_add(z.mul_add(tail, zero - half), one);
            let second = (one + c) * half;
            let third = second * (one + c + c) * splat::<S>(1.0 / 3.0);
            let fourth = third * (one + c + c + c) * splat::<S>(0.25);
            let fifth = fourth * (one + splat::<S>(4.0) * c) * splat::<S>(0.2);
            for n in self.strips() {
                let strip = self.strip(n);
                let [a, second, third, fourth, fifth] =
                    [a, second, third, fourth, fifth].map(|x| of_strip::<S, L>(x, n));
                let soon = strip.soon(1, 3);
                for i in strip.vectors() {
                    let y = a * load::<S>(slopes, i);
                    let factor = y.mul_add(y.mul_add(y.mul_add(fifth, fourth), third), second);
                    let factor = y.mul_add(y.mul_add(factor, one), one);
                    let updated = load::<S>(ratios, i) * factor.max(zero);
                    prefetch::<L, _>(soon, i);
                    write::<S>(p, i, updated * strip.q(i));
                }
            }
        }
        self.found(
            Root::new(c, root.offset, root.remainder + last_step),
            done & !unusable,
            slope,
        )
    }

    /// Finds the roots in `b = u_max^-c`, for curves with `c = 1/N` or `c = -1/N`.
    ///
    /// A moment may overflow for a given reference with tiny entries. The step is then useless, and [`MIN_SLOPE`] rejects
    /// the root.
    #[inline(always)]
    pub fn solve_power<C: PowerCurve<S>>(
        &self,
        output: Option<&mut [MaybeUninit<f32>]>,
    ) -> Found<S> {
        let zero = splat::<S>(0.0);
        let Summary { c, lo, hi, .. } = self.summary;
        let unusable = !copy_mask(&self.summary.usable);
        let (b_at_lo, b_at_hi) = (exp::<S>(zero - c * lo), exp::<S>(zero - c * hi));
        // The ends are rounded, and the solution may be at one of them.
        let mut least = b_at_lo.min(b_at_hi) * splat::<S>(1.0 - BRACKET_ROUNDING);
        let mut most = b_at_lo.max(b_at_hi) * splat::<S>(1.0 + BRACKET_ROUNDING);
        // Jensen's inequality, as in `start`.
        let mean = b_at_lo - c * self.summary.mean_gap;
        let mut b = (mean.gt(least) & mean.lt(most)).select(mean, b_at_hi);
        // For c < 0, it costs as much as a step on a short row.
        if self.has_quadrature() && (L::ALONG_ROW || C::MOMENTS == 4) {
            let quadrature = Quadrature::new(&self.summary);
            let curve = C::with_b(c, b);
            let mut moments = [zero; 3];
            for Node { gap, weight } in quadrature.nodes {
                for (moment, term) in moments.iter_mut().zip(curve.moments(gap)) {
                    *moment = weight.mul_add(term, *moment);
                }
            }
            let next = next_on_sample::<S, C>(c, b, moments, [least, most, b_at_hi]);
            b = quadrature.is_reliable.select(next, b);
        }
        let stride = self.sample_stride();
        let longest = self.summary.last_coarse_step();
        let mut done = copy_mask(&unusable);
        let has_sample = stride > 1 && C::MOMENTS == 4;
        let steps = if has_sample { MAX_COARSE_STEPS } else { 0 };
        for _ in 0..steps {
            let mut moments = [zero; 3];
            for n in self.strips_left(&done) {
                let strip = self.strip(n);
                let curve = C::with_b(of_strip::<S, L>(c, n), of_strip::<S, L>(b, n));
                let mut sums = [zero; 3];
                let mut has_largest = zero.lt(zero);
                for i in strip.sample(stride) {
                    let gap = strip.gap(i);
                    has_largest = has_largest | gap.eq(strip.lane_gap);
                    let terms = curve.moments(gap);
                    for (sum, term) in sums.iter_mut().zip(terms) {
                        *sum += term;
                    }
                }
                let [u, v, x, _] = curve.moments(strip.lane_gap);
                let strip_moments = strip.of_sample(stride, sums, [u, v, x], &has_largest);
                for (moment, strip_moment) in moments.iter_mut().zip(strip_moments) {
                    set_strip::<S, L>(moment, n, strip_moment);
                }
            }
            let next = next_on_sample::<S, C>(c, b, moments, [least, most, b_at_hi]);
            let is_short = (next - b).abs().le((c * b).abs() * longest);
            b = done.select(b, next);
            done = done | is_short;
            if done.all() {
                break;
            }
        }
        let (mut previous_step, mut slope) = (zero, zero);
        done = copy_mask(&unusable);
        let mut half = 1;
        for _ in 0..Solver::NEWTON_STEPS {
            let mut sums = [Sum::zero(); 4];
            for n in self.strips_left(&done) {
                let strip = self.strip(n);
                let curve = C::with_b(of_strip::<S, L>(c, n), of_strip::<S, L>(b, n));
                let mut strip_sums = Sums::zero();
                let soon = strip.soon_half(half);
                for block in strip.blocks() {
                    let mut moments = [zero; 4];
                    for i in block.step_by(lanes::<S>()) {
                        prefetch::<L, _>(soon, i);
                        let terms = strip.weighted(i, curve.moments(strip.gap(i)));
                        for (sum, term) in moments.iter_mut().zip(terms).take(C::MOMENTS) {
                            *sum += term;
                        }
                    }
                    strip_sums.add_block(moments);
                }
                set_sums::<S, L, 4>(&mut sums, n, strip.expectations(strip_sums));
            }
            half += 1;
            let e = sums[0].excess();
            // S decreases in b for c > 0 and increases for c < 0.
            let below = (e * c).ge(zero);
            least = below.select(b, least);
            most = below.select(most, b);
            let [s, w, x, y] = sums.map(|sum| sum.high);
            let (w, x, y) = (w * b, x * (b * b), y * (b * b * b));
            let log = C::deformed_log1p(e);
            let Step { d, is_fourth_order } = match C::MOMENTS {
                2 => step::<S, 2>(c, log, [s, w]),
                3 => step::<S, 3>(c, log, [s, w, x]),
                _ => step::<S, 4>(c, log, [s, w, x, y]),
            };
            let (next, inside) = clamp_to_bracket::<S>((b * c).mul_add(d, b), least, most, b_at_hi);
            let step = (next - b).abs();
            // The tolerances apply to steps of l.
            let unit = (c * b).abs();
            let last_step = self.summary.last_step(&is_fourth_order);
            let stop = step.le(last_step * unit) | converged::<S>(step, previous_step, unit);
            b = done.select(b, next);
            slope = done.select(slope, w);
            done = done | stop;
            if done.all() {
                break;
            }
            previous_step = inside.select(step, zero);
        }
        if let Some(p) = output {
            for n in self.strips() {
                let strip = self.strip(n);
                let curve = C::with_b(of_strip::<S, L>(c, n), of_strip::<S, L>(b, n));
                let soon = strip.soon(1, half);
                for i in strip.vectors() {
                    prefetch::<L, _>(soon, i);
                    write::<S>(p, i, strip.q(i) * curve.at(strip.gap(i)).0);
                }
            }
        }
        self.found(
            Root::new(c, zero - ln::<S>(b) / c, zero),
            done & !unusable,
            slope,
        )
    }
}

/// The step from `l` on the quadrature, in the coarse curve.
struct QuadratureStep<'a, S: Simd> {
    summary: &'a Summary<S>,
    l: &'a mut V<S>,
}

impl<S: Simd> WithSimd for QuadratureStep<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<T: Simd>(self) {
        let quadrature = Quadrature::new(self.summary);
        let curve = General::new(&Root::coarse(self.summary.c, *self.l));
        let mut moments = [splat::<S>(0.0); 3];
        for Node { gap, weight } in quadrature.nodes {
            let (log_u, r) = curve.coarse_exponent_and_slope(gap);
            add_moments(&mut moments, weight * coarse_exp::<S>(log_u), r);
        }
        let next = self.summary.next_coarse(*self.l, &curve, moments);
        *self.l = quadrature.is_reliable.select(next, *self.l);
    }
}

/// The step of the third order from `b`, from the first three [`PowerCurve::moments`], within a bracket as in
/// [`clamp_to_bracket`].
#[inline(always)]
fn next_on_sample<S: Simd, C: PowerCurve<S>>(
    c: V<S>,
    b: V<S>,
    [s, w, x]: [V<S>; 3],
    [least, most, safe]: [V<S>; 3],
) -> V<S> {
    let log = C::deformed_log1p(s - splat::<S>(1.0));
    let d = step::<S, 3>(c, log, [s, w * b, x * (b * b)]).d;
    clamp_to_bracket::<S>(b + b * c * d, least, most, safe).0
}

/// Adds `u`, `u r`, `u r^2` and so on.
#[inline(always)]
fn add_moments<S: Simd, const N: usize>(sums: &mut [V<S>; N], u: V<S>, r: V<S>) {
    let mut term = u;
    for sum in sums {
        *sum += term;
        term *= r;
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
