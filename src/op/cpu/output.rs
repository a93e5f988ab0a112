//! The outputs of a group of rows.

use super::curve::{RatioCurve, Root};
use super::dispatch::{CurveKind, Kernel};
use super::elementary::{expm1_over, ln};
use super::group::{GroupInputs, Handled, LaneRoots};
use super::layout::{Layout, Sums, set_strip};
use super::prefetch::prefetch;
use super::summary::Strip;
use super::vector::{V, splat, store, write};
use super::{MASS_FORM_MIN_ALPHA, MAX_DERIVATIVE};
use crate::math::Output;
use macerator::Simd;
use std::mem::MaybeUninit;

/// The kernel that finds the roots of the rows and computes their output.
pub(super) struct Forward<'a, L> {
    pub inputs: GroupInputs<'a, L>,
    pub output: Output,
    /// Each as long as the rows.
    pub scratch: [&'a mut [f32]; 2],
    /// One vector for each entry of the output, and at least one for each entry of the row.
    pub values: &'a mut [MaybeUninit<f32>],
    pub roots: &'a mut LaneRoots,
}

impl<L: Layout> Kernel for Forward<'_, L> {
    type Output = Handled;

    #[inline(always)]
    fn run<S: Simd, O: CurveKind>(self) -> Handled {
        let Some(group) = self.inputs.group::<S>() else {
            return Handled::NONE;
        };
        let values = self.values;
        let probabilities = (self.output == Output::Probabilities).then_some(&mut *values);
        let found = O::RatioCurve::<S>::solve(&group, self.scratch, probabilities);
        let root = found.root;
        let mut handled = found.found;
        match self.output {
            Output::Probabilities => {}
            Output::LogProbabilities => {
                for n in group.strips() {
                    let curve = O::RatioCurve::new(&root.of_strip::<L>(n));
                    group.strip(n).write_log(&curve, values);
                }
            }
            Output::Value | Output::Divergence => {
                let mut number = splat::<S>(0.0);
                for n in group.strips() {
                    let root = root.of_strip::<L>(n);
                    let curve = O::RatioCurve::new(&root);
                    let (value, divergence) = group.strip(n).value_and_divergence(&curve, &root);
                    let strip_number = if self.output == Output::Value {
                        value
                    } else {
                        divergence
                    };
                    set_strip::<S, L>(&mut number, n, strip_number);
                }
                write::<S>(values, 0, number);
                let largest = number.abs().max(splat::<S>(1.0)) * splat::<S>(MAX_DERIVATIVE);
                handled = handled & root.derivative_at_max().abs().le(largest);
            }
        }
        let (root, remainder) = root.state();
        store::<S>(&mut self.roots.root, 0, root);
        store::<S>(&mut self.roots.remainder, 0, remainder);
        Handled::from_mask(handled)
    }
}

impl<S: Simd, L: Layout> Strip<'_, S, L> {
    /// Writes `ln p`.
    #[inline(always)]
    fn write_log(&self, curve: &impl RatioCurve<S>, values: &mut [MaybeUninit<f32>]) {
        let constant = ln::<S>(self.constant.unwrap_or(splat::<S>(1.0)));
        let (negative_infinity, infinite) =
            (splat::<S>(f32::NEG_INFINITY), splat::<S>(f32::INFINITY));
        let soon = self.soon(1, 2);
        for i in self.vectors() {
            let gap = self.gap(i);
            let log_q = match self.constant {
                Some(_) => constant,
                None => ln::<S>(self.q(i)),
            };
            let log_p = gap
                .lt(infinite)
                .select(log_q + curve.log_u(gap), negative_infinity);
            prefetch::<L, _>(soon, i);
            write::<S>(values, i, log_p);
        }
    }

    /// Computes the value and the divergence by the formulas at [`MASS_FORM_MIN_ALPHA`].
    #[inline(always)]
    fn value_and_divergence<C: RatioCurve<S>>(&self, curve: &C, root: &Root<S>) -> (V<S>, V<S>) {
        let (zero, one) = (splat::<S>(0.0), splat::<S>(1.0));
        let infinite = splat::<S>(f32::INFINITY);
        let alpha = one - root.c;
        let by_mass = alpha.abs().ge(splat::<S>(MASS_FORM_MIN_ALPHA));
        let by_entry = C::HAS_SMALL_ALPHA && !by_mass.all();
        let top = root.derivative_at_max();
        let mut sums = Sums::zero();
        for i in self.vectors() {
            let gap = self.gap(i);
            let (u, v) = curve.at(gap);
            let allowed = gap.lt(infinite);
            let y = allowed.select(top - gap, zero);
            // f*(f'(u)).
            let conjugate = if by_entry {
                allowed.select(expm1_over::<S>(alpha, curve.log_u(gap)), zero)
            } else {
                zero
            };
            sums.add(self.weighted(i, [u, u * y, conjugate, v, v * y]));
        }
        let [mass, mean, mut conjugate, slope, divergence_slope] = self.expectations(sums);
        let excess = (mass.high - self.total.high) + (mass.low - self.total.low);
        let from_mass = (excess - root.c * mean.high) / alpha;
        conjugate.high = by_mass.select(from_mass, conjugate.high);
        let value = (self.max - top) + conjugate.high;
        let excess = mass.excess();
        let per_mass = divergence_slope.high / slope.high;
        let divergence = (mean.high - excess * per_mass) - conjugate.high;
        // Rounding may make the divergence negative.
        let divergence = divergence.lt(zero).select(zero, divergence);
        (value, divergence)
    }
}
