//! The gradients of a group of rows in the logits, alpha and the reference.

use super::curve::{RatioCurve, Root};
use super::dispatch::{CurveKind, Kernel};
use super::elementary::log1p;
use super::group::{GroupInputs, Handled, LaneRoots};
use super::layout::{self, Layout, Sums};
use super::summary::Group;
use super::vector::{M, V, as_unwritten, copy_mask, lanes, load, splat, store, write};
use crate::math::{Output, Real};
use macerator::Simd;
use std::mem::MaybeUninit;

/// Largest `(u / u_max)^c` above alpha = 1 at which the vectorized gradients of `ln p` are accurate.
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
    /// Scratch, a number for each entry, as are the next three.
    pub scratch: &'a mut [f32],
    pub weights: &'a mut [f32],
    pub slopes: &'a mut [f32],
    pub unscaled: &'a mut [f32],
    pub gradients: Gradients<'a>,
}

impl<L: Layout> Kernel for Backward<'_, L> {
    type Output = Handled;

    #[inline(always)]
    fn run<S: Simd, O: CurveKind>(self) -> Handled {
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
        let curve = O::RatioCurve::<S>::new(&root);
        let gradient = Gradient {
            group: &group,
            curve: &curve,
            root: &root,
        };
        let mut is_accurate = group.summary.resolves(l);
        if group.summary.constant.is_none() {
            is_accurate = is_accurate & l.abs().le(splat::<S>(MAX_ROOT));
        }
        match self.output {
            Output::Probabilities => {
                let scratch = [self.weights, self.slopes, self.scratch];
                gradient.probabilities(self.cotangent, scratch, self.gradients);
            }
            Output::LogProbabilities => {
                is_accurate = is_accurate & gradient.is_off_edge();
                let scratch = [self.weights, self.slopes, self.scratch];
                gradient.log_probabilities(self.cotangent, scratch, self.gradients);
            }
            Output::Value => gradient.value(self.cotangent, self.gradients.logits),
            Output::Divergence => {
                // Equal to the gradient of the probabilities with minus the gaps as the cotangent. The gaps are exact,
                // unlike f'(u) = x - mu, and their differences may be small.
                let minus_gaps = &mut *self.slopes;
                for i in group.vectors() {
                    store::<S>(minus_gaps, i, zero - group.gap(i));
                }
                let unscaled = self.unscaled;
                let gradients = Gradients {
                    logits: as_unwritten(unscaled),
                    alpha: None,
                    reference: None,
                };
                let scratch = [self.weights, &mut [], self.scratch];
                let largest = gradient.probabilities(minus_gaps, scratch, gradients);
                let c = load::<S>(self.cotangent, 0);
                let mut largest_value = zero;
                for i in group.vectors() {
                    let value = load::<S>(unscaled, i);
                    largest_value = largest_value.max(value.abs());
                    write::<S>(self.gradients.logits, i, value * c);
                }
                let largest_value = layout::max::<S, L>(largest_value);
                let rounding = splat::<S>(GAP_ROUNDING) * largest.gap * largest.weight;
                is_accurate = is_accurate & rounding.le(largest_value);
            }
        }
        Handled::from_mask(copy_mask(&group.summary.usable) & in_range & is_accurate)
    }
}

struct Gradient<'a, 'g, S: Simd, L, C> {
    group: &'a Group<'g, S, L>,
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
    /// Whether no entry of the support is so close to its edge that the rounding of `(u / u_max)^c` dominates the
    /// gradient of its logarithm.
    #[inline(always)]
    fn is_off_edge(&self) -> M<S> {
        let mut largest = splat::<S>(0.0);
        for i in self.group.vectors() {
            largest = largest.max(self.curve.log_slope(self.group.gap(i)));
        }
        let largest = layout::max::<S, L>(largest);
        let limit = splat::<S>(MAX_EDGE_SLOPE) * self.root.power;
        self.root.c.ge(splat::<S>(0.0)) | largest.le(limit)
    }

    /// Fills the ratios if the curve splits them.
    #[inline(always)]
    fn fill_ratios(&self, ratios: &mut [f32]) {
        if !C::IS_SPLIT {
            return;
        }
        for block in self.group.blocks() {
            for i in block.clone().step_by(lanes::<S>()) {
                store::<S>(ratios, i, self.curve.exponent(self.group.gap(i)));
            }
            for i in block.step_by(lanes::<S>()) {
                store::<S>(ratios, i, self.curve.ratio(load::<S>(ratios, i)));
            }
        }
    }

    /// `u`, from the filled ratios if the curve splits them.
    #[inline(always)]
    fn ratio(&self, ratios: &[f32], at: usize) -> V<S> {
        if C::IS_SPLIT {
            load::<S>(ratios, at)
        } else {
            self.curve.at(self.group.gap(at)).0
        }
    }

    /// The weights `k = q u^(2 - alpha)`.
    #[inline(always)]
    fn weight(&self, ratios: &[f32], at: usize) -> V<S> {
        let gap = self.group.gap(at);
        let weight = if C::IS_SPLIT {
            load::<S>(ratios, at) * self.curve.log_slope(gap)
        } else {
            self.curve.weight(gap)
        };
        self.group.q(at) * weight
    }

    /// Returns the entry of the largest logit of rows with a constant reference. Up to alpha = 2, it has the largest
    /// weight.
    #[inline(always)]
    fn at_largest_logit(&self, cotangent: &[f32]) -> Largest<S> {
        let zero = splat::<S>(0.0);
        let mut center = zero;
        for i in self.group.vectors() {
            let is_other = self.group.gap(i).gt(zero);
            if L::ALONG_ROW && is_other.all() {
                continue;
            }
            center = is_other.select(center, load::<S>(cotangent, i));
            if L::ALONG_ROW {
                break;
            }
        }
        Largest {
            weight: self.group.q(0) * self.curve.weight(zero),
            cotangent: layout::pick::<S, L>(zero.eq(zero), center),
            gap: zero,
        }
    }

    /// Fills the weights, and returns the entry of the largest one with its index.
    #[inline(always)]
    fn weigh(&self, cotangent: &[f32], ratios: &[f32], weights: &mut [f32]) -> (Largest<S>, V<S>) {
        let zero = splat::<S>(0.0);
        let (mut best, mut center, mut best_gap) = (zero, zero, zero);
        let mut best_index = zero;
        for i in self.group.vectors() {
            let gap = self.group.gap(i);
            let k = self.weight(ratios, i);
            store::<S>(weights, i, k);
            let better = k.gt(best);
            center = better.select(load::<S>(cotangent, i), center);
            best_gap = better.select(gap, best_gap);
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
    fn alpha_slope(&self, gap: V<S>, log: V<S>) -> V<S> {
        let splat = splat::<S>;
        let Root { c, .. } = *self.root;
        let l = self.root.offset + self.root.remainder;
        let y = gap * self.root.power;
        let z = c * y;
        let r = (splat(1.0) + z).recip();
        let direct = (log - z * r) / (c * c);
        let series = z.mul_add(splat(7.0 / 8.0), splat(-6.0 / 7.0));
        let series = z.mul_add(series, splat(5.0 / 6.0));
        let series = z.mul_add(series, splat(-4.0 / 5.0));
        let series = z.mul_add(series, splat(3.0 / 4.0));
        let series = z.mul_add(series, splat(-2.0 / 3.0));
        let series = z.mul_add(series, splat(1.0 / 2.0));
        let curvature = z.abs().lt(splat(0.1)).select(y * y * series, direct);
        l * y * r - curvature
    }

    /// Fills [`Self::alpha_slope`] minus the multiple of `r` that makes it zero at the largest weight. The multiple adds
    /// nothing to a gradient in alpha, but may be most of the slope.
    #[inline(always)]
    fn fill_alpha_slopes(&self, largest: &Largest<S>, slopes: &mut [f32]) {
        let group = self.group;
        let one = splat::<S>(1.0);
        let z = self.z(largest.gap);
        let multiple = self.alpha_slope(largest.gap, log1p::<S>(z).0) * (one + z);
        for block in group.blocks() {
            for i in block.clone().step_by(lanes::<S>()) {
                store::<S>(slopes, i, log1p::<S>(self.z(group.gap(i))).0);
            }
            for i in block.step_by(lanes::<S>()) {
                let gap = group.gap(i);
                let slope = self.alpha_slope(gap, load::<S>(slopes, i));
                let r = (one + self.z(gap)).recip();
                store::<S>(slopes, i, slope - multiple * r);
            }
        }
    }

    /// [`crate::math::Row::softargmax_backward`].
    #[inline(always)]
    fn probabilities(
        &self,
        cotangent: &[f32],
        [weights, slopes, ratios]: [&mut [f32]; 3],
        gradients: Gradients<'_>,
    ) -> Largest<S> {
        let (zero, group) = (splat::<S>(0.0), self.group);
        let is_weighed = group.summary.constant.is_none();
        self.fill_ratios(ratios);
        let largest = if is_weighed {
            self.weigh(cotangent, ratios, weights).0
        } else {
            self.at_largest_logit(cotangent)
        };
        let center = largest.cotangent;
        // An entry off the support has no weight, even if its cotangent is infinite or NaN.
        let mut sums = Sums::<S, L, 2>::zero();
        for i in group.vectors() {
            let k = if is_weighed {
                load::<S>(weights, i)
            } else {
                let k = self.weight(ratios, i);
                store::<S>(weights, i, k);
                k
            };
            let c = load::<S>(cotangent, i) - center;
            sums.add([k, k.gt(zero).select(k * c, zero)]);
        }
        let weights = &*weights;
        let [total, sum] = sums.totals();
        let mean = sum.high / total.high;
        if let Some(alpha) = gradients.alpha {
            self.fill_alpha_slopes(&largest, slopes);
            let mut sums = Sums::zero();
            for i in group.vectors() {
                let (u, slope) = (self.ratio(ratios, i), load::<S>(slopes, i));
                let c = (load::<S>(cotangent, i) - center) - mean;
                sums.add(group.weighted(i, [u.gt(zero).select(u * slope * c, zero)]));
            }
            let [sum] = group.expectations(sums);
            store::<S>(alpha, 0, sum.high + sum.low);
        }
        if let Some(reference) = gradients.reference {
            for i in group.vectors() {
                let u = self.ratio(ratios, i);
                let c = (load::<S>(cotangent, i) - center) - mean;
                store::<S>(reference, i, u.gt(zero).select(u * c, zero));
            }
        }
        for i in group.vectors() {
            let k = load::<S>(weights, i);
            let value = k * ((load::<S>(cotangent, i) - center) - mean);
            group.prefetch_next(i);
            write::<S>(gradients.logits, i, k.gt(zero).select(value, zero));
        }
        largest
    }

    /// [`crate::math::Row::log_softargmax_backward`].
    #[inline(always)]
    fn log_probabilities(
        &self,
        cotangent: &[f32],
        [weights, slopes, ratios]: [&mut [f32]; 3],
        mut gradients: Gradients<'_>,
    ) {
        let (zero, group) = (splat::<S>(0.0), self.group);
        self.fill_ratios(ratios);
        let (largest, index) = self.weigh(cotangent, ratios, weights);
        let weights = &*weights;
        if let Some(alpha) = gradients.alpha {
            self.fill_alpha_slopes(&largest, slopes);
            let mut sums = Sums::zero();
            let mut totals = Sums::<S, L, 1>::zero();
            for i in group.vectors() {
                let (u, slope) = (self.ratio(ratios, i), load::<S>(slopes, i));
                sums.add(group.weighted(i, [u.gt(zero).select(u * slope, zero)]));
                totals.add([load::<S>(weights, i)]);
            }
            let ([mass], [total]) = (group.expectations(sums), totals.totals());
            let mean = mass.high / total.high;
            let mut sums = Sums::<S, L, 1>::zero();
            for i in group.vectors() {
                let log_slope = self.curve.log_slope(group.gap(i));
                let slope = load::<S>(slopes, i) - log_slope * mean;
                let term = load::<S>(cotangent, i) * slope;
                sums.add([log_slope.gt(zero).select(term, zero)]);
            }
            let [sum] = sums.totals();
            store::<S>(alpha, 0, sum.high + sum.low);
        }
        let mut sums = Sums::<S, L, 2>::zero();
        for i in group.vectors() {
            let log_slope = self.curve.log_slope(group.gap(i));
            let scaled = load::<S>(cotangent, i) * log_slope;
            let scaled = log_slope.gt(zero).select(scaled, zero);
            store::<S>(slopes, i, scaled);
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
        for i in group.vectors() {
            // Both are zero off the support.
            let value = load::<S>(slopes, i) - load::<S>(weights, i) * mean;
            store::<S>(slopes, i, value);
            let is_dominant = layout::index::<S, L>(i).eq(dominant);
            sums.add([is_dominant.select(zero, value)]);
        }
        let [others] = sums.totals();
        let others = zero - (others.high + others.low);
        for i in group.vectors() {
            let is_dominant = layout::index::<S, L>(i).eq(dominant);
            let value = is_dominant.select(others, load::<S>(slopes, i));
            group.prefetch_next(i);
            write::<S>(logits, i, value);
            if let Some(reference) = &mut gradients.reference {
                let log_slope = self.curve.log_slope(group.gap(i));
                let value = value / (log_slope * group.q(i));
                store::<S>(reference, i, log_slope.gt(zero).select(value, zero));
            }
        }
    }

    /// [`crate::math::Row::value_backward`].
    #[inline(always)]
    fn value(&self, cotangent: &[f32], logits: &mut [MaybeUninit<f32>]) {
        let c = load::<S>(cotangent, 0);
        for i in self.group.vectors() {
            let (u, _) = self.curve.at(self.group.gap(i));
            self.group.prefetch_next(i);
            write::<S>(logits, i, self.group.q(i) * u * c);
        }
    }
}
