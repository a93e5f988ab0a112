//! The roots of the rows.

use super::ratio::Ratios;
use super::rows::Rows;
use super::state::State;
use super::values::{Values, off_support};
use crate::math::{Real, Solver};
use burn::backend::Backend;
use burn::tensor::DType;

/// Orders at which this many Newton steps have converged without a test.
const NEWTON_ALPHA: std::ops::RangeInclusive<f64> = 0.0..=2.0;
const NEWTON_STEPS: usize = 16;

/// Halvings of the reach after those of its logarithm, down to a sum of two numbers: the interval left is
/// some thousand roundings of the first.
const REACH_HALVINGS: usize = 44;
const REACH_ROUNDINGS: f64 = 256.0;

impl<B: Backend> Rows<B> {
    /// [`crate::math::solve_log_ratio`] with a fixed number of steps, then
    /// [`crate::math::solve_reach`] from there.
    pub(super) fn solve(&self, solver: Solver) -> State<B> {
        let newton = solver == Solver::Newton
            && self
                .order
                .number
                .is_some_and(|alpha| NEWTON_ALPHA.contains(&alpha));
        let mut l = self.hi.clone();
        if newton {
            for _ in 0..NEWTON_STEPS {
                let (s, w) = self.mass(&self.by_log_ratio(&l));
                let d = &s * self.order.expm1_over(&self.order.c, &self.order.log(&s)) / w;
                l = (l - self.order.log1p_over(&d))
                    .max_pair(&self.lo)
                    .min_pair(&self.hi);
            }
        } else {
            let halvings = match self.dtype {
                DType::F64 => f64::HALVINGS,
                _ => f32::HALVINGS,
            };
            let (mut lo, mut hi) = (self.lo.clone(), self.hi.clone());
            for _ in 0..halvings {
                l = (&lo + &hi) * 0.5;
                let above = self.mass(&self.by_log_ratio(&l)).0.at_or_above(1.0);
                hi = above.select(&l, &hi);
                lo = above.select(&lo, &l);
            }
        }
        let mut state = State {
            rest: &l * 0.0,
            root: l,
        };
        if let Some(by_reach) = &self.by_reach {
            let reach = self.solve_reach(&state.root);
            state.root = by_reach.select(&reach.root, &state.root);
            state.rest = by_reach.select(&reach.rest, &state.rest);
        }
        let none = self.reference.poisoned.clone() | self.reference.empty.clone();
        State {
            root: state.root.fill(&none, f64::NAN),
            rest: state.rest.fill(&none, f64::NAN),
        }
    }

    /// The reach near `u_max = e^l`, by halving what the resolution of `l` leaves.
    fn solve_reach(&self, l: &Values<B>) -> State<B> {
        let beta = -self.order.c.clone();
        let m = (&beta * l).exp() / &beta;
        let epsilon = match self.dtype {
            DType::F64 => f64::EPSILON,
            _ => f64::from(f32::EPSILON),
        };
        // The error of m: of l, of its product with beta, and of the exponential.
        let width = (l.abs() * &beta + 1.0) * &m * (epsilon * REACH_ROUNDINGS);
        let (mut lo, mut hi) = (-width.clone(), width);
        let mut rest = &lo * 0.0;
        for _ in 0..REACH_HALVINGS {
            rest = (&lo + &hi) * 0.5;
            let above = self.mass(&self.by_reach(&m, &rest)).0.at_or_above(1.0);
            hi = above.select(&rest, &hi);
            lo = above.select(&lo, &rest);
        }
        let root = &m + &rest;
        let rest = rest - (&root - m);
        State { root, rest }
    }

    /// `S` and `W` of [`crate::math::solve_log_ratio`].
    pub(super) fn mass(&self, ratio: &Ratios<B>) -> (Values<B>, Values<B>) {
        let off = off_support(&ratio.log_u);
        let p = (&self.reference.q * ratio.log_u.exp()).fill(&off, 0.0);
        let w = (&p * &ratio.relative).fill(&off, 0.0);
        (p.sum(), w.sum())
    }

    /// `ln u_max`.
    pub(super) fn log_u_max(&self, state: &State<B>) -> Values<B> {
        match &self.by_reach {
            None => state.root.clone(),
            Some(mask) => {
                let beta = -self.order.c.clone();
                let of_reach = (&state.root * &beta).ln() / beta;
                mask.select(&of_reach, &state.root)
            }
        }
    }

    /// What the root left of the mass: `math::Row::residual`.
    pub(super) fn residual(&self, ratio: &Ratios<B>) -> Values<B> {
        if self.by_reach.is_none() {
            return Values::number(0.0, &self.max);
        }
        let (s, w) = self.mass(ratio);
        let plain = self.order.c.at_or_above(1.0 - Solver::NEWTON_MAX_ALPHA);
        ((-(s - 1.0)) / w).fill(&plain, 0.0)
    }
}
