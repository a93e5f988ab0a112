//! The roots of the rows.

use super::ratio::Ratios;
use super::rows::Rows;
use super::state::State;
use super::values::{Values, off_support};
use crate::math::{Real, Solver};
use burn::backend::Backend;
use burn::tensor::DType;

/// The alphas for which this fixed number of Newton steps converges.
const NEWTON_ALPHA: std::ops::RangeInclusive<f64> = 0.0..=2.0;
const NEWTON_STEPS: usize = 16;

/// Number of bisection steps of the support radius after those of its logarithm, which leave an interval of about a
/// thousand roundings. The result is a sum of two numbers.
const SUPPORT_RADIUS_BISECTIONS: usize = 44;
const SUPPORT_RADIUS_ULPS: f64 = 256.0;

impl<B: Backend> Rows<B> {
    /// Finds the roots by [`crate::math::solve_log_ratio`] with a fixed number of steps, then by
    /// [`crate::math::solve_support_radius`] from its result.
    pub(super) fn solve(&self, solver: Solver) -> State<B> {
        let generator = &self.generator;
        let is_newton_alpha = |alpha| NEWTON_ALPHA.contains(&alpha);
        let newton = solver == Solver::Newton && generator.number.is_some_and(is_newton_alpha);
        let mut l = self.hi.clone();
        if newton {
            for _ in 0..NEWTON_STEPS {
                let (s, w) = self.mass(&self.by_log_ratio(&l));
                let d = &s * generator.expm1_over(&generator.c, &generator.log(&s)) / w;
                let next = l - generator.log1p_over(&d);
                l = next.max_pair(&self.lo).min_pair(&self.hi);
            }
        } else {
            let bisection_steps = match self.dtype {
                DType::F64 => f64::BISECTION_STEPS,
                _ => f32::BISECTION_STEPS,
            };
            let (mut lo, mut hi) = (self.lo.clone(), self.hi.clone());
            for _ in 0..bisection_steps {
                l = (&lo + &hi) * 0.5;
                let (s, _) = self.mass(&self.by_log_ratio(&l));
                let above = s.at_or_above(1.0);
                hi = above.select(&l, &hi);
                lo = above.select(&lo, &l);
            }
        }
        let mut state = State {
            remainder: &l * 0.0,
            root: l,
        };
        if let Some(by_support_radius) = &self.by_support_radius {
            let support_radius = self.solve_support_radius(&state.root);
            state.root = by_support_radius.select(&support_radius.root, &state.root);
            state.remainder = by_support_radius.select(&support_radius.remainder, &state.remainder);
        }
        let none = self.reference.invalid.clone() | self.reference.empty.clone();
        State {
            root: state.root.mask_fill(&none, f64::NAN),
            remainder: state.remainder.mask_fill(&none, f64::NAN),
        }
    }

    /// Finds the support radius near `u_max = e^l`, by bisection of the interval that the resolution of `l` leaves.
    fn solve_support_radius(&self, l: &Values<B>) -> State<B> {
        let beta = -self.generator.c.clone();
        let m = (&beta * l).exp() / &beta;
        let epsilon = match self.dtype {
            DType::F64 => f64::EPSILON,
            _ => f64::from(f32::EPSILON),
        };
        // The error of m has three sources: l, its product with beta, and the exponential.
        let width = (l.abs() * &beta + 1.0) * &m * (epsilon * SUPPORT_RADIUS_ULPS);
        let (mut lo, mut hi) = (-width.clone(), width);
        let mut remainder = &lo * 0.0;
        let mut mass_at_lo = &lo * 0.0 + 1.0;
        for _ in 0..SUPPORT_RADIUS_BISECTIONS {
            remainder = (&lo + &hi) * 0.5;
            let (s, _) = self.mass(&self.by_support_radius(&m, &remainder));
            let above = s.at_or_above(1.0);
            hi = above.select(&remainder, &hi);
            lo = above.select(&lo, &remainder);
            mass_at_lo = above.select(&mass_at_lo, &s);
        }
        // The entry at the edge of the support has the mass that is missing, as in `math::solve_support_radius`.
        let is_complete = mass_at_lo.at_or_above(1.0 - Solver::EDGE_ERROR_ULPS * epsilon);
        remainder = is_complete.select(&remainder, &hi);
        let root = &m + &remainder;
        let remainder = remainder - (&root - m);
        State { root, remainder }
    }

    /// Computes `S` and `W` of [`crate::math::solve_log_ratio`].
    pub(super) fn mass(&self, ratio: &Ratios<B>) -> (Values<B>, Values<B>) {
        let off = off_support(&ratio.log_u);
        let p = (&self.reference.q * ratio.log_u.exp()).mask_fill(&off, 0.0);
        let w = (&p * &ratio.relative_slope).mask_fill(&off, 0.0);
        (p.sum(), w.sum())
    }

    /// `ln u_max`.
    pub(super) fn log_u_max(&self, state: &State<B>) -> Values<B> {
        match &self.by_support_radius {
            None => state.root.clone(),
            Some(mask) => {
                let beta = -self.generator.c.clone();
                let log_u_max_from_radius = (&state.root * &beta).ln() / beta;
                mask.select(&log_u_max_from_radius, &state.root)
            }
        }
    }

    /// The error of the mass at the root: `math::Row::residual`.
    pub(super) fn residual(&self, ratio: &Ratios<B>) -> Values<B> {
        if self.by_support_radius.is_none() {
            return Values::number(0.0, &self.max);
        }
        let (s, w) = self.mass(ratio);
        let plain = self.generator.c.at_or_above(1.0 - Solver::NEWTON_MAX_ALPHA);
        ((-(s - 1.0)) / w).mask_fill(&plain, 0.0)
    }
}
