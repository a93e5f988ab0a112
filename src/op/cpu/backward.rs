//! The gradients of a group of rows in the logits, alpha and the reference.

use super::curve::{RatioCurve, Root};
use super::dispatch::{CurveKind, Kernel, outlined};
use super::elementary::log1p;
use super::group::{GroupInputs, Handled, LaneRoots};
use super::layout::{self, Layout, Sums, of_strip, set_strip, store_strip};
use super::prefetch::prefetch;
use super::summary::Strip;
use super::vector::{M, V, copy_mask, lanes, load, splat, store, write};
use crate::math::{Output, Real};
use macerator::{Simd, WithSimd};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Largest `(u / u_max)^c` above alpha = 1 at which the vectorized gradients of `ln p` are accurate. Closer to the edge of
/// the support, its rounding dominates the gradient of the logarithm.
const MAX_EDGE_SLOPE: f32 = 32.0;

/// Largest `|l|` at which the vectorized gradients of a row with a given reference are accurate: the terms of the gradient
/// in alpha grow with its square.
const MAX_ROOT: f32 = 8.0;

/// A few roundings of a gap, divided by the accuracy of a gradient. The gaps to the entry of the largest weight are not
/// exact if it is not that of the largest logit.
const GAP_ROUNDING: f32 = 1e-2;

/// The buffers of the gradients. A buffer that is `None` is not filled.
pub(super) struct Gradients<'a> {
    pub logits: &'a mut [MaybeUninit<f32>],
    pub alpha: Option<&'a mut [f32]>,
    pub reference: Option<&'a mut [f32]>,
}

/// The kernel for the gradients of an output. It fills the gradient in the logits, and those in alpha and the reference
/// for an output of one number for each entry.
pub(super) struct Backward<'a, L> {
    pub inputs: GroupInputs<'a, L>,
    pub output: Output,
    pub roots: &'a LaneRoots,
    pub cotangent: &'a [f32],
    pub scratch: EntryScratch<'a>,
    pub gradients: Gradients<'a>,
}

/// Buffers of a number for each entry.
pub(super) struct EntryScratch<'a> {
    /// `u`.
    pub ratios: &'a mut [f32],
    /// `q u^(2 - alpha)`.
    pub weights: &'a mut [f32],
    /// `u^c`, the derivatives of `ln u` in the logit.
    pub log_slopes: &'a mut [f32],
    /// The derivatives in alpha, see [`AlphaSlopes`].
    pub slopes: &'a mut [f32],
}

impl<L: Layout> Kernel for Backward<'_, L> {
    type Output = Handled;

    #[inline(always)]
    fn run<S: Simd, O: CurveKind>(mut self) -> Handled {
        let zero = splat::<S>(0.0);
        let Some(group) = self.inputs.group::<S>() else {
            return Handled::NONE;
        };
        let c = group.summary.c;
        let l = load::<S>(&self.roots.root, 0);
        // The root of an invalid or empty row is NaN.
        let in_range = (c * l).abs().le(splat::<S>(f32::LOG_SPACE));
        let l = in_range.select(l, zero);
        let remainder = in_range.select(load::<S>(&self.roots.remainder, 0), zero);
        let root = Root::new(c, l, remainder);
        let mut is_accurate = group.summary.resolves(l);
        if group.summary.constant.is_none() {
            is_accurate = is_accurate & l.abs().le(splat::<S>(MAX_ROOT));
        }
        let mut accuracy = zero;
        for n in group.strips() {
            let (strip, root) = (group.strip(n), root.of_strip::<L>(n));
            let gradient = Gradient {
                n,
                strip: &strip,
                curve: &O::RatioCurve::<S>::new(&root),
                root: &root,
            };
            let gradients = Gradients {
                logits: &mut *self.gradients.logits,
                alpha: self.gradients.alpha.as_deref_mut(),
                reference: self.gradients.reference.as_deref_mut(),
            };
            let scratch = &mut self.scratch;
            let mut is_accurate = zero.eq(zero);
            match self.output {
                Output::Probabilities => {
                    gradient.probabilities(self.cotangent, scratch, gradients);
                }
                Output::LogProbabilities => {
                    is_accurate = gradient.log_probabilities(self.cotangent, scratch, gradients);
                }
                Output::Value => {
                    let c = of_strip::<S, L>(load::<S>(self.cotangent, 0), n);
                    gradient.value(c, gradients.logits);
                }
                Output::Divergence => {
                    let c = of_strip::<S, L>(load::<S>(self.cotangent, 0), n);
                    gradient.fill_weights(scratch, false);
                    outlined::<S, _>(DivergenceGradient {
                        strip,
                        weights: scratch.weights,
                        cotangent: c,
                        logits: gradients.logits,
                        is_accurate: &mut is_accurate,
                    });
                }
            }
            set_strip::<S, L>(&mut accuracy, n, is_accurate.select(splat::<S>(1.0), zero));
        }
        let is_accurate = is_accurate & accuracy.gt(zero);
        Handled::from_mask(copy_mask(&group.summary.usable) & in_range & is_accurate)
    }
}

/// The gradients of the rows of a strip.
struct Gradient<'a, 'g, S: Simd, L, C> {
    /// The index of the strip.
    n: usize,
    strip: &'a Strip<'g, S, L>,
    curve: &'a C,
    root: &'a Root<S>,
}

/// The entry of the largest weight of each row.
struct Largest<S: Simd> {
    weight: V<S>,
    cotangent: V<S>,
    gap: V<S>,
}

impl<S: Simd, L: Layout, C: RatioCurve<S>> Gradient<'_, '_, S, L, C> {
    /// Fills the ratios `u`.
    #[inline(always)]
    fn fill_ratios(&self, ratios: &mut [f32]) {
        let (third, fourth) = (self.strip.soon_half(2), self.strip.soon_half(3));
        for block in self.strip.blocks() {
            for i in block.clone().step_by(lanes::<S>()) {
                prefetch::<L, _>(third, i);
                store::<S>(ratios, i, self.curve.exponent(self.strip.gap(i)));
            }
            if !C::IS_SPLIT {
                continue;
            }
            for i in block.step_by(lanes::<S>()) {
                prefetch::<L, _>(fourth, i);
                store::<S>(ratios, i, self.curve.ratio(load::<S>(ratios, i)));
            }
        }
    }

    /// The weights `k = q u^(2 - alpha)`, from the ratios if the curve splits them.
    #[inline(always)]
    fn weight(&self, ratios: &[f32], at: usize) -> V<S> {
        let gap = self.strip.gap(at);
        let weight = if C::IS_SPLIT {
            load::<S>(ratios, at) * self.curve.log_slope(gap)
        } else {
            self.curve.weight(gap)
        };
        self.strip.q(at) * weight
    }

    /// Returns the entry of the largest logit of rows with a constant reference. Up to alpha = 2, it has the largest
    /// weight.
    #[inline(always)]
    fn at_largest_logit(&self, cotangent: &[f32]) -> Largest<S> {
        let zero = splat::<S>(0.0);
        let mut center = zero;
        let soon = self.strip.soon_half(1);
        for i in self.strip.vectors() {
            let is_other = self.strip.gap(i).gt(zero);
            if L::ALONG_ROW && is_other.all() {
                continue;
            }
            center = is_other.select(center, load::<S>(cotangent, i));
            prefetch::<L, _>(soon, i);
            if L::ALONG_ROW {
                break;
            }
        }
        Largest {
            weight: self.strip.constant.unwrap_or(zero) * self.curve.weight(zero),
            cotangent: layout::pick::<S, L>(zero.eq(zero), center),
            gap: zero,
        }
    }

    /// Fills the weights, and the ratios if they are wanted or the curve splits them.
    #[inline(always)]
    fn fill_weights(&self, scratch: &mut EntryScratch<'_>, wants_ratios: bool) {
        if C::IS_SPLIT || wants_ratios {
            self.fill_ratios(scratch.ratios);
        }
        for i in self.strip.vectors() {
            store::<S>(scratch.weights, i, self.weight(scratch.ratios, i));
        }
    }

    /// [`crate::math::Row::softargmax_backward`].
    #[inline(always)]
    fn probabilities(
        &self,
        cotangent: &[f32],
        scratch: &mut EntryScratch<'_>,
        gradients: Gradients<'_>,
    ) {
        let (zero, strip) = (splat::<S>(0.0), self.strip);
        let is_weighed = strip.constant.is_none();
        let wants_ratios = gradients.alpha.is_some() || gradients.reference.is_some();
        let largest = if is_weighed {
            self.fill_weights(scratch, wants_ratios);
            strip.largest(cotangent, scratch.weights).0
        } else {
            if C::IS_SPLIT || wants_ratios {
                self.fill_ratios(scratch.ratios);
            }
            self.at_largest_logit(cotangent)
        };
        let EntryScratch {
            ratios,
            weights,
            slopes,
            ..
        } = scratch;
        let center = largest.cotangent;
        // An entry off the support has no weight, even if its cotangent is infinite or NaN.
        let mut sums = Sums::<S, L, 2>::zero();
        // The passes of a split curve have asked for two halves.
        let soon = strip.soon(1, if C::IS_SPLIT { 4 } else { 2 });
        for i in strip.vectors() {
            let k = if is_weighed {
                load::<S>(weights, i)
            } else {
                let k = self.weight(ratios, i);
                store::<S>(weights, i, k);
                k
            };
            let c = load::<S>(cotangent, i) - center;
            prefetch::<L, _>(soon, i);
            sums.add([k, k.gt(zero).select(k * c, zero)]);
        }
        let weights = &*weights;
        let [total, sum] = sums.totals();
        let mean = sum.high / total.high;
        if wants_ratios {
            outlined::<S, _>(ParameterGradients {
                strip: *strip,
                root: *self.root,
                n: self.n,
                cotangent,
                center,
                largest_gap: largest.gap,
                mean,
                ratios,
                slopes,
                alpha: gradients.alpha,
                reference: gradients.reference,
            });
        }
        let soon = strip.soon(2, 4);
        for i in strip.vectors() {
            let k = load::<S>(weights, i);
            let value = k * ((load::<S>(cotangent, i) - center) - mean);
            prefetch::<L, _>(soon, i);
            write::<S>(gradients.logits, i, k.gt(zero).select(value, zero));
        }
    }

    /// [`crate::math::Row::log_softargmax_backward`]. Returns the rows whose gradient is accurate.
    #[inline(always)]
    fn log_probabilities(
        &self,
        cotangent: &[f32],
        scratch: &mut EntryScratch<'_>,
        gradients: Gradients<'_>,
    ) -> M<S> {
        self.fill_weights(scratch, gradients.alpha.is_some());
        let mut largest = splat::<S>(0.0);
        for i in self.strip.vectors() {
            let log_slope = self.curve.log_slope(self.strip.gap(i));
            store::<S>(scratch.log_slopes, i, log_slope);
            largest = largest.max(log_slope);
        }
        outlined::<S, _>(LogGradients {
            strip: *self.strip,
            root: *self.root,
            n: self.n,
            cotangent,
            scratch,
            gradients,
        });
        let limit = splat::<S>(MAX_EDGE_SLOPE) * self.root.power;
        self.root.c.ge(splat::<S>(0.0)) | layout::max::<S, L>(largest).le(limit)
    }

    /// [`crate::math::Row::value_backward`].
    #[inline(always)]
    fn value(&self, c: V<S>, logits: &mut [MaybeUninit<f32>]) {
        let soon = self.strip.soon(1, 2);
        for i in self.strip.vectors() {
            let (u, _) = self.curve.at(self.strip.gap(i));
            prefetch::<L, _>(soon, i);
            write::<S>(logits, i, self.strip.q(i) * u * c);
        }
    }
}

impl<S: Simd, L: Layout> Strip<'_, S, L> {
    /// Returns the entry of the largest weight, and its index.
    #[inline(always)]
    fn largest(&self, cotangent: &[f32], weights: &[f32]) -> (Largest<S>, V<S>) {
        let zero = splat::<S>(0.0);
        let (mut best, mut center, mut best_gap) = (zero, zero, zero);
        let mut best_index = zero;
        for i in self.vectors() {
            let k = load::<S>(weights, i);
            let better = k.gt(best);
            center = better.select(load::<S>(cotangent, i), center);
            best_gap = better.select(self.gap(i), best_gap);
            best_index = better.select(layout::index::<S, L>(i), best_index);
            best = best.max(k);
        }
        let weight = layout::max::<S, L>(best);
        let is_best = best.eq(weight);
        let index = layout::pick::<S, L>(copy_mask(&is_best), best_index);
        let largest = Largest {
            weight,
            cotangent: layout::pick::<S, L>(copy_mask(&is_best), center),
            gap: layout::pick::<S, L>(is_best, best_gap),
        };
        (largest, index)
    }
}

/// The gradient of the divergence in the logits, from the weights. It is equal to that of the probabilities with minus the
/// gaps as the cotangent. The gaps are exact, unlike `f'(u) = x - mu`, and their differences may be small.
struct DivergenceGradient<'a, 'g, S: Simd, L> {
    strip: Strip<'g, S, L>,
    weights: &'a [f32],
    cotangent: V<S>,
    logits: &'a mut [MaybeUninit<f32>],
    is_accurate: &'a mut M<S>,
}

impl<S: Simd, L: Layout> WithSimd for DivergenceGradient<'_, '_, S, L> {
    type Output = ();

    #[inline(always)]
    fn with_simd<T: Simd>(self) {
        let (zero, strip, weights) = (splat::<S>(0.0), &self.strip, self.weights);
        // With a constant reference, no weight is larger than that of the largest logit, whose gap is zero.
        let (mut center, mut rounding) = (zero, zero);
        if strip.constant.is_none() {
            // Its cotangent is minus its gap, so the one that is passed here is not read.
            let largest = strip.largest(weights, weights).0;
            center = largest.gap;
            rounding = splat::<S>(GAP_ROUNDING) * largest.gap * largest.weight;
        }
        let mut sums = Sums::<S, L, 2>::zero();
        for i in strip.vectors() {
            let k = load::<S>(weights, i);
            let c = center - strip.gap(i);
            sums.add([k, k.gt(zero).select(k * c, zero)]);
        }
        let [total, sum] = sums.totals();
        let mean = sum.high / total.high;
        let mut largest_value = zero;
        let soon = strip.soon(1, 2);
        for i in strip.vectors() {
            let k = load::<S>(weights, i);
            let value = k * ((center - strip.gap(i)) - mean);
            let value = k.gt(zero).select(value, zero);
            largest_value = largest_value.max(value.abs());
            prefetch::<L, _>(soon, i);
            write::<S>(self.logits, i, value * self.cotangent);
        }
        *self.is_accurate = rounding.le(layout::max::<S, L>(largest_value));
    }
}

/// The gradients of the probabilities in alpha and the reference, from the ratios. They do not depend on the ratio curve.
struct ParameterGradients<'a, 'g, S: Simd, L> {
    strip: Strip<'g, S, L>,
    root: Root<S>,
    n: usize,
    cotangent: &'a [f32],
    /// The cotangent and the gap of the largest weight.
    center: V<S>,
    largest_gap: V<S>,
    /// The mean of the cotangent, less [`Self::center`].
    mean: V<S>,
    ratios: &'a [f32],
    slopes: &'a mut [f32],
    alpha: Option<&'a mut [f32]>,
    reference: Option<&'a mut [f32]>,
}

impl<S: Simd, L: Layout> WithSimd for ParameterGradients<'_, '_, S, L> {
    type Output = ();

    #[inline(always)]
    fn with_simd<T: Simd>(self) {
        let (zero, strip, mean) = (splat::<S>(0.0), &self.strip, self.mean);
        let center = self.center;
        if let Some(alpha) = self.alpha {
            let slopes = AlphaSlopes::new(strip, &self.root, self.largest_gap);
            let mut sums = Sums::zero();
            for block in strip.blocks() {
                slopes.fill_logs(block.clone(), self.slopes);
                for i in block.step_by(lanes::<S>()) {
                    let u = load::<S>(self.ratios, i);
                    let slope = slopes.at(strip.gap(i), load::<S>(self.slopes, i));
                    let c = (load::<S>(self.cotangent, i) - center) - mean;
                    sums.add(strip.weighted(i, [u.gt(zero).select(u * slope * c, zero)]));
                }
            }
            let [sum] = strip.expectations(sums);
            store_strip::<S, L>(alpha, self.n, sum.high + sum.low);
        }
        if let Some(reference) = self.reference {
            for i in strip.vectors() {
                let u = load::<S>(self.ratios, i);
                let c = (load::<S>(self.cotangent, i) - center) - mean;
                store::<S>(reference, i, u.gt(zero).select(u * c, zero));
            }
        }
    }
}

/// The gradients of `ln p`, from the ratios, the weights and the slopes `u^c` of the logarithm.
struct LogGradients<'a, 's, 'g, S: Simd, L> {
    strip: Strip<'g, S, L>,
    root: Root<S>,
    n: usize,
    cotangent: &'a [f32],
    scratch: &'a mut EntryScratch<'s>,
    gradients: Gradients<'a>,
}

impl<S: Simd, L: Layout> WithSimd for LogGradients<'_, '_, '_, S, L> {
    type Output = ();

    #[inline(always)]
    fn with_simd<T: Simd>(self) {
        let Self {
            ref strip,
            ref root,
            cotangent,
            scratch,
            mut gradients,
            ..
        } = self;
        let EntryScratch {
            ratios,
            weights,
            log_slopes,
            slopes,
        } = scratch;
        let zero = splat::<S>(0.0);
        let (largest, index) = strip.largest(cotangent, weights);
        if let Some(alpha) = gradients.alpha {
            AlphaSlopes::new(strip, root, largest.gap).fill(slopes);
            let mut sums = Sums::zero();
            let mut totals = Sums::<S, L, 1>::zero();
            for i in strip.vectors() {
                let (u, slope) = (load::<S>(ratios, i), load::<S>(slopes, i));
                sums.add(strip.weighted(i, [u.gt(zero).select(u * slope, zero)]));
                totals.add([load::<S>(weights, i)]);
            }
            let ([mass], [total]) = (strip.expectations(sums), totals.totals());
            let mean = mass.high / total.high;
            let mut sums = Sums::<S, L, 1>::zero();
            for i in strip.vectors() {
                let log_slope = load::<S>(log_slopes, i);
                let slope = load::<S>(slopes, i) - log_slope * mean;
                let term = load::<S>(cotangent, i) * slope;
                sums.add([log_slope.gt(zero).select(term, zero)]);
            }
            let [sum] = sums.totals();
            store_strip::<S, L>(alpha, self.n, sum.high + sum.low);
        }
        let soon = strip.soon(1, 2);
        let mut sums = Sums::<S, L, 2>::zero();
        for i in strip.vectors() {
            let log_slope = load::<S>(log_slopes, i);
            let scaled = load::<S>(cotangent, i) * log_slope;
            let scaled = log_slope.gt(zero).select(scaled, zero);
            store::<S>(slopes, i, scaled);
            prefetch::<L, _>(soon, i);
            sums.add([load::<S>(weights, i), scaled]);
        }
        let [total, scaled_sum] = sums.totals();
        let mean = scaled_sum.high / total.high;
        let logits = gradients.logits;
        // The row sums to zero. At an entry with most of the weight, minus the sum of the others is more accurate.
        let half = splat::<S>(0.5) * total.high;
        let dominant = largest
            .weight
            .gt(half)
            .select(index, zero - splat::<S>(1.0));
        let mut sums = Sums::<S, L, 1>::zero();
        for i in strip.vectors() {
            // Both are zero off the support.
            let value = load::<S>(slopes, i) - load::<S>(weights, i) * mean;
            store::<S>(slopes, i, value);
            let is_dominant = layout::index::<S, L>(i).eq(dominant);
            sums.add([is_dominant.select(zero, value)]);
        }
        let [others] = sums.totals();
        let others = zero - (others.high + others.low);
        let soon = strip.soon(2, 4);
        for i in strip.vectors() {
            let is_dominant = layout::index::<S, L>(i).eq(dominant);
            let value = is_dominant.select(others, load::<S>(slopes, i));
            prefetch::<L, _>(soon, i);
            write::<S>(logits, i, value);
            if let Some(reference) = &mut gradients.reference {
                let log_slope = load::<S>(log_slopes, i);
                let value = value / (log_slope * strip.q(i));
                store::<S>(reference, i, log_slope.gt(zero).select(value, zero));
            }
        }
    }
}

/// The slopes of a strip for the gradient in alpha.
struct AlphaSlopes<'a, 'g, S: Simd, L> {
    strip: &'a Strip<'g, S, L>,
    root: &'a Root<S>,
    /// `1 / c^2`.
    inverse_square: V<S>,
    /// The multiple of `r_i` without which the slope of the largest weight is zero. It adds nothing to the gradient, but
    /// may be most of a slope.
    multiple: V<S>,
}

impl<'a, 'g, S: Simd, L: Layout> AlphaSlopes<'a, 'g, S, L> {
    #[inline(always)]
    fn new(strip: &'a Strip<'g, S, L>, root: &'a Root<S>, largest_gap: V<S>) -> Self {
        let (zero, one) = (splat::<S>(0.0), splat::<S>(1.0));
        let mut slopes = Self {
            strip,
            root,
            inverse_square: one / (root.c * root.c),
            multiple: zero,
        };
        let z = slopes.z(largest_gap);
        slopes.multiple = slopes.at(largest_gap, log1p::<S>(z).0) * (one + z);
        slopes
    }

    /// `z = c g e^(c l)`.
    #[inline(always)]
    fn z(&self, gap: V<S>) -> V<S> {
        self.root.c * (gap * self.root.power)
    }

    /// `h_i / p_i`, with `h` the derivative of `p` in alpha at a fixed `mu`, up to a multiple of `r_i = 1 / (1 + z)`, from
    /// `ln(1 + z)`:
    ///
    /// ```text
    /// h_i / p_i = l y r - y^2 (ln(1 + z) - z r) / z^2,    y = g e^(c l),    z = c y
    /// ```
    #[inline(always)]
    fn at(&self, gap: V<S>, log: V<S>) -> V<S> {
        let splat = splat::<S>;
        let l = self.root.offset + self.root.remainder;
        let y = gap * self.root.power;
        let z = self.root.c * y;
        let r = (splat(1.0) + z).recip();
        let direct = (log - z * r) * self.inverse_square;
        let series = z.mul_add(splat(7.0 / 8.0), splat(-6.0 / 7.0));
        let series = z.mul_add(series, splat(5.0 / 6.0));
        let series = z.mul_add(series, splat(-4.0 / 5.0));
        let series = z.mul_add(series, splat(3.0 / 4.0));
        let series = z.mul_add(series, splat(-2.0 / 3.0));
        let series = z.mul_add(series, splat(1.0 / 2.0));
        let curvature = z.abs().lt(splat(0.1)).select(y * y * series, direct);
        l * y * r - curvature - self.multiple * r
    }

    /// Fills `ln(1 + z)` for some entries.
    #[inline(always)]
    fn fill_logs(&self, entries: Range<usize>, logs: &mut [f32]) {
        for i in entries.step_by(lanes::<S>()) {
            store::<S>(logs, i, log1p::<S>(self.z(self.strip.gap(i))).0);
        }
    }

    #[inline(always)]
    fn fill(&self, slopes: &mut [f32]) {
        for block in self.strip.blocks() {
            self.fill_logs(block.clone(), slopes);
            for i in block.step_by(lanes::<S>()) {
                let slope = self.at(self.strip.gap(i), load::<S>(slopes, i));
                store::<S>(slopes, i, slope);
            }
        }
    }
}
