//! An output of a group of rows.

use super::solve::GroupRoots;
use super::summary::Group;
use super::{Answered, Parts, ShortRows};
use crate::math::Output;
use crate::op::cpu::curve::{Curve, Root, conjugate_at_log};
use crate::op::cpu::elementary::ln;
use crate::op::cpu::order::{Kernel, Order};
use crate::op::cpu::vector::{M, V, copied, lanes, load, splat, store};
use crate::op::cpu::{BY_PROBABILITIES, LARGEST_DERIVATIVE, References};
use macerator::Simd;

/// Finds the roots of the rows that have been gathered, and computes their output.
pub(super) struct Forward<'a> {
    pub rows: &'a mut ShortRows,
    pub reference: References<'a, f32>,
    pub alpha: f64,
    pub output: Output,
    pub roots: &'a mut Parts,
}

impl Kernel for Forward<'_> {
    type Output = Answered;

    #[inline(always)]
    fn run<S: Simd, O: Order>(self) -> Answered {
        let c = (1.0 - self.alpha) as f32;
        let alpha = self.alpha as f32;
        let summary = self.rows.summarise::<S>(self.reference, c);
        let group = Group {
            gaps: &self.rows.gaps,
            reference: &self.rows.reference,
            summary: &summary,
        };
        let c = splat::<S>(c);
        let (curve, root, mut answered) = O::Curve::<S>::find_root(GroupRoots {
            group: &group,
            alpha,
            c,
        });
        let values = &mut self.rows.values;
        match self.output {
            Output::Probabilities => group.write(&curve, values),
            Output::LogProbabilities => group.write_log(&curve, values),
            Output::Value | Output::Divergence => {
                let (value, divergence, kept) = group.numbers(&curve, &root, alpha);
                let number = if self.output == Output::Value {
                    value
                } else {
                    divergence
                };
                store::<S>(values, 0, number);
                answered = answered & kept;
            }
        }
        let (root, rest) = root.state();
        store::<S>(&mut self.roots.root, 0, root);
        store::<S>(&mut self.roots.rest, 0, rest);
        Answered::of(answered)
    }
}

impl<S: Simd> Group<'_, S> {
    /// `p`.
    #[inline(always)]
    fn write(&self, curve: &impl Curve<S>, values: &mut [f32]) {
        for i in (0..self.gaps.len()).step_by(lanes::<S>()) {
            let (u, _) = curve.at(load::<S>(self.gaps, i));
            store::<S>(values, i, self.q(i) * u);
        }
    }

    /// `ln p`.
    #[inline(always)]
    fn write_log(&self, curve: &impl Curve<S>, values: &mut [f32]) {
        let constant = ln::<S>(self.summary.constant.unwrap_or(splat::<S>(1.0)));
        let (nothing, infinite) = (splat::<S>(f32::NEG_INFINITY), splat::<S>(f32::INFINITY));
        for i in (0..self.gaps.len()).step_by(lanes::<S>()) {
            let gap = load::<S>(self.gaps, i);
            let log_q = match self.summary.constant {
                Some(_) => constant,
                None => ln::<S>(load::<S>(self.reference, i)),
            };
            let log_p = gap.lt(infinite).select(log_q + curve.log_u(gap), nothing);
            store::<S>(values, i, log_p);
        }
    }

    /// The value and the divergence by [`BY_PROBABILITIES`], and which rows keep their digits.
    #[inline(always)]
    fn numbers(&self, curve: &impl Curve<S>, root: &Root<S>, alpha: f32) -> (V<S>, V<S>, M<S>) {
        let (zero, one) = (splat::<S>(0.0), splat::<S>(1.0));
        let infinite = splat::<S>(f32::INFINITY);
        let by_entry = alpha.abs() < BY_PROBABILITIES;
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
        let kept = match self.summary.constant {
            Some(_) => copied(&self.summary.usable),
            None => top.abs().le(splat::<S>(LARGEST_DERIVATIVE)),
        };
        let value = (self.summary.max - top) + conjugate;
        let divergence = (mean - (mass - one) * top) - conjugate;
        // By rounding: a divergence is not negative.
        let divergence = divergence.lt(zero).select(zero, divergence);
        (value, divergence, kept)
    }
}
