//! The outputs of a group of rows.

use super::solve::GroupRoots;
use super::summary::Group;
use super::{Handled, LaneRoots, ShortRows};
use crate::math::{Output, RowReference};
use crate::op::cpu::dispatch::{CurveKind, Kernel};
use crate::op::cpu::elementary::ln;
use crate::op::cpu::ratio::{RatioCurve, Root, conjugate_at_log};
use crate::op::cpu::vector::{M, V, copy_mask, lanes, load, splat, store};
use crate::op::cpu::{MASS_FORM_MIN_ALPHA, MAX_DERIVATIVE};
use macerator::Simd;

/// The kernel that finds the roots of the gathered rows and computes their output.
pub(super) struct Forward<'a> {
    pub rows: &'a mut ShortRows,
    pub reference: RowReference<&'a [f32]>,
    pub alpha: f64,
    pub output: Output,
    pub roots: &'a mut LaneRoots,
}

impl Kernel for Forward<'_> {
    type Output = Handled;

    #[inline(always)]
    fn run<S: Simd, O: CurveKind>(self) -> Handled {
        let c = (1.0 - self.alpha) as f32;
        let alpha = self.alpha as f32;
        let summary = self.rows.summarize::<S>(self.reference, c);
        let group = Group {
            gaps: &self.rows.gaps,
            reference: &self.rows.reference,
            summary: &summary,
        };
        let c = splat::<S>(c);
        let (curve, root, mut handled) = O::RatioCurve::<S>::find_root(GroupRoots {
            group: &group,
            alpha,
            c,
        });
        let values = &mut self.rows.values;
        match self.output {
            Output::Probabilities => group.write(&curve, values),
            Output::LogProbabilities => group.write_log(&curve, values),
            Output::Value | Output::Divergence => {
                let (value, divergence, is_accurate) =
                    group.value_and_divergence(&curve, &root, alpha);
                let number = if self.output == Output::Value {
                    value
                } else {
                    divergence
                };
                store::<S>(values, 0, number);
                handled = handled & is_accurate;
            }
        }
        let (root, remainder) = root.state();
        store::<S>(&mut self.roots.root, 0, root);
        store::<S>(&mut self.roots.remainder, 0, remainder);
        Handled::from_mask(handled)
    }
}

impl<S: Simd> Group<'_, S> {
    /// Writes `p`.
    #[inline(always)]
    fn write(&self, curve: &impl RatioCurve<S>, values: &mut [f32]) {
        for i in (0..self.gaps.len()).step_by(lanes::<S>()) {
            let (u, _) = curve.at(load::<S>(self.gaps, i));
            store::<S>(values, i, self.q(i) * u);
        }
    }

    /// Writes `ln p`.
    #[inline(always)]
    fn write_log(&self, curve: &impl RatioCurve<S>, values: &mut [f32]) {
        let constant = ln::<S>(self.summary.constant.unwrap_or(splat::<S>(1.0)));
        let (negative_infinity, infinite) =
            (splat::<S>(f32::NEG_INFINITY), splat::<S>(f32::INFINITY));
        for i in (0..self.gaps.len()).step_by(lanes::<S>()) {
            let gap = load::<S>(self.gaps, i);
            let log_q = match self.summary.constant {
                Some(_) => constant,
                None => ln::<S>(load::<S>(self.reference, i)),
            };
            let log_p = gap
                .lt(infinite)
                .select(log_q + curve.log_u(gap), negative_infinity);
            store::<S>(values, i, log_p);
        }
    }

    /// Computes the value and the divergence by the formulas at [`MASS_FORM_MIN_ALPHA`], and the mask of the rows for
    /// which they are accurate.
    #[inline(always)]
    fn value_and_divergence(
        &self,
        curve: &impl RatioCurve<S>,
        root: &Root<S>,
        alpha: f32,
    ) -> (V<S>, V<S>, M<S>) {
        let (zero, one) = (splat::<S>(0.0), splat::<S>(1.0));
        let infinite = splat::<S>(f32::INFINITY);
        let by_entry = alpha.abs() < MASS_FORM_MIN_ALPHA;
        let top = root.derivative_at_max();
        let (mut mass, mut mean, mut conjugate) = (zero, zero, zero);
        for i in (0..self.gaps.len()).step_by(lanes::<S>()) {
            let (gap, q) = (load::<S>(self.gaps, i), self.q(i));
            let (u, _) = curve.at(gap);
            let p = q * u;
            mass += p;
            mean += gap.lt(infinite).select(p * (top - gap), zero);
            if by_entry {
                let term = conjugate_at_log::<S>(alpha, curve.log_u(gap));
                conjugate += gap.lt(infinite).select(q * term, zero);
            }
        }
        if !by_entry {
            let excess = mass - self.summary.total;
            conjugate = (excess - root.c * mean) / splat::<S>(alpha);
        }
        let is_accurate = match self.summary.constant {
            Some(_) => copy_mask(&self.summary.usable),
            None => top.abs().le(splat::<S>(MAX_DERIVATIVE)),
        };
        let value = (self.summary.max - top) + conjugate;
        let divergence = (mean - (mass - one) * top) - conjugate;
        // Rounding may make the divergence negative.
        let divergence = divergence.lt(zero).select(zero, divergence);
        (value, divergence, is_accurate)
    }
}
