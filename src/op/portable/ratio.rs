//! The ratio `u = p / q` of every entry.

use super::rows::Rows;
use super::state::State;
use super::values::{Values, largest_number, log_space};
use crate::math::MAX_ALPHA;
use burn::backend::Backend;

/// [`crate::math::Ratio`] of every entry.
pub(super) struct Ratios<B: Backend> {
    pub(super) log_u: Values<B>,
    pub(super) fall: Values<B>,
    pub(super) relative: Values<B>,
}

impl<B: Backend> Rows<B> {
    /// [`crate::math::RatioCurve`] at every gap; `ln u` is `-inf` off the support.
    pub(super) fn ratio(&self, state: &State<B>) -> Ratios<B> {
        match &self.by_reach {
            None => self.by_log_ratio(&state.root),
            Some(mask) => {
                let plain = self.by_log_ratio(&state.root);
                let reach = self.by_reach(&state.root, &state.rest);
                Ratios {
                    log_u: mask.select(&reach.log_u, &plain.log_u),
                    fall: mask.select(&reach.fall, &plain.fall),
                    relative: mask.select(&reach.relative, &plain.relative),
                }
            }
        }
    }

    pub(super) fn by_log_ratio(&self, l: &Values<B>) -> Ratios<B> {
        let largest = largest_number(self.dtype) * 1e-2;
        let log_power = &self.order.c * l;
        // ln |c g e^(c l)|, for products that overflow; ln(1 + e^t) is t + e^-t to rounding beyond t = 20,
        // and the sign of z is that of c.
        let limit = log_space(self.dtype);
        let t = self.gap.ln() + self.order.c.abs().ln() + &log_power;
        let far = t.above(limit) & self.order.c.above(0.0);
        // An entry that far away has a logarithm all the same.
        let product = (&self.gap * log_power.at_most(limit).exp()).at_most(largest / MAX_ALPHA);
        let through_log = t.at_most(limit).exp() / self.order.c.abs();
        let x = log_power.above(limit).select(&through_log, &product);
        let z = &x * &self.order.c;
        let outside = z.at_or_below(-1.0);
        let fall = self.order.log1p_over(&x);
        // Inside its range, for what is selected away is still a number.
        let relative = z.fill(&outside, 0.0) + 1.0;
        let relative = relative.filled(1.0) / relative;
        let held = t.at_least(1.0);
        let far_fall = (&held + (-held.clone()).exp()) / &self.order.c;
        let far_relative = (-held).exp();
        let fall = far.select(&far_fall, &fall);
        Ratios {
            log_u: (l - &fall).fill(
                &(outside | self.reference.ignored.clone()),
                f64::NEG_INFINITY,
            ),
            fall,
            relative: far.select(&far_relative, &relative),
        }
    }

    pub(super) fn by_reach(&self, root: &Values<B>, rest: &Values<B>) -> Ratios<B> {
        let beta = -self.order.c.clone();
        let left = (root - &self.gap) + (rest - &self.gap_rest);
        let off = left.at_or_below(0.0) | self.reference.ignored.clone();
        let left = left.fill(&off, 1.0);
        let relative = root / &left;
        Ratios {
            fall: self.order.log1p(&(&self.gap / &left)) / &beta,
            log_u: ((&left * &beta).ln() / beta).fill(&off, f64::NEG_INFINITY),
            relative,
        }
    }
}
