//! The outputs of a row.

use super::solve::RowRoot;
use super::{BLOCK, LongRow, Summary};
use crate::math::Output;
use crate::math::{expm1_over, non_negative};
use crate::op::cpu::dispatch::{CurveKind, Kernel};
use crate::op::cpu::elementary::ln;
use crate::op::cpu::ratio::{RatioCurve, Root, conjugate_at_log};
use crate::op::cpu::vector::{lanes, load, splat, store_row};
use crate::op::cpu::{MASS_FORM_MIN_ALPHA, MAX_DERIVATIVE};
use crate::op::request::STATE_LEN;
use macerator::Simd;

/// The kernel that finds the root and writes the output. It returns `None` if these kernels do not support the row.
pub(super) struct Forward<'a> {
    pub row: &'a mut LongRow,
    pub summary: Summary,
    pub alpha: f64,
    pub output: Output,
    pub y: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = Option<[f32; STATE_LEN]>;

    #[inline(always)]
    fn run<S: Simd, O: CurveKind>(self) -> Self::Output {
        let Self {
            row, summary, y, ..
        } = self;
        let l = O::RatioCurve::<S>::find_root(RowRoot {
            row: &mut *row,
            summary: &summary,
        })?;
        let curve = O::RatioCurve::<S>::new(&Root::broadcast(summary.c, l));
        match self.output {
            Output::Probabilities => row.write::<S>(&summary, &curve, 1.0, y),
            Output::LogProbabilities => row.write_log::<S>(&summary, &curve, y),
            Output::Value | Output::Divergence => {
                let (value, divergence) =
                    row.value_and_divergence::<S>(&summary, &curve, self.alpha, l)?;
                y[0] = if self.output == Output::Value {
                    value
                } else {
                    divergence
                };
            }
        }
        let root = l as f32;
        Some([root, (l - f64::from(root)) as f32])
    }
}

impl LongRow {
    /// Writes `p`, times a factor.
    #[inline(always)]
    pub(super) fn write<S: Simd>(
        &self,
        summary: &Summary,
        curve: &impl RatioCurve<S>,
        factor: f32,
        y: &mut [f32],
    ) {
        let factor = splat::<S>(factor);
        for i in (0..self.gaps.len()).step_by(lanes::<S>()) {
            let (u, _) = curve.at(load::<S>(&self.gaps, i));
            store_row::<S>(y, i, self.reference_at::<S>(summary, i) * u * factor);
        }
    }

    /// Writes `ln p`.
    #[inline(always)]
    fn write_log<S: Simd>(&self, summary: &Summary, curve: &impl RatioCurve<S>, y: &mut [f32]) {
        let constant = splat::<S>(summary.constant.unwrap_or(1.0).ln());
        let (negative_infinity, infinite) =
            (splat::<S>(f32::NEG_INFINITY), splat::<S>(f32::INFINITY));
        for i in (0..self.gaps.len()).step_by(lanes::<S>()) {
            let gap = load::<S>(&self.gaps, i);
            let log_q = match summary.constant {
                Some(_) => constant,
                None => ln::<S>(load::<S>(&self.reference, i)),
            };
            let log_p = gap
                .lt(infinite)
                .select(log_q + curve.log_u(gap), negative_infinity);
            store_row::<S>(y, i, log_p);
        }
    }

    /// Computes the value and the divergence by the formulas at [`MASS_FORM_MIN_ALPHA`]. Returns `None` if they would
    /// not be accurate.
    #[inline(always)]
    fn value_and_divergence<S: Simd>(
        &self,
        summary: &Summary,
        curve: &impl RatioCurve<S>,
        alpha: f64,
        l: f64,
    ) -> Option<(f32, f32)> {
        let Summary {
            c,
            constant,
            max,
            total,
            ..
        } = *summary;
        let top = expm1_over(-c, l);
        if constant.is_none() && top.abs() > f64::from(MAX_DERIVATIVE) {
            return None;
        }
        let by_entry = alpha.abs() < f64::from(MASS_FORM_MIN_ALPHA);
        let (zero, infinite) = (splat::<S>(0.0), splat::<S>(f32::INFINITY));
        let largest = splat::<S>(top as f32);
        let (mut mass, mut mean, mut conjugate) = (0.0, 0.0, 0.0);
        let width = lanes::<S>();
        let mut begin = 0;
        while begin < self.gaps.len() {
            let end = (begin + BLOCK * width).min(self.gaps.len());
            let (mut block_mass, mut block_mean, mut block_conjugate) = (zero, zero, zero);
            for i in (begin..end).step_by(width) {
                let gap = load::<S>(&self.gaps, i);
                let q = self.reference_at::<S>(summary, i);
                let (u, _) = curve.at(gap);
                let p = q * u;
                block_mass += p;
                block_mean += gap.lt(infinite).select(p * (largest - gap), zero);
                if by_entry {
                    let term = conjugate_at_log::<S>(alpha as f32, curve.log_u(gap));
                    block_conjugate += gap.lt(infinite).select(q * term, zero);
                }
            }
            mass += f64::from(block_mass.reduce_add());
            mean += f64::from(block_mean.reduce_add());
            conjugate += f64::from(block_conjugate.reduce_add());
            begin = end;
        }
        if !by_entry {
            conjugate = ((mass - total) - c * mean) / alpha;
        }
        let value = (f64::from(max) - top) + conjugate;
        let divergence = non_negative((mean - (mass - 1.0) * top) - conjugate);
        Some((value as f32, divergence as f32))
    }
}
