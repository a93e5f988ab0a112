//! The ratio `u = p / q` of every entry.

use super::rows::Rows;
use super::state::State;
use super::values::{Values, log_space, max_finite};
use crate::math::MAX_ALPHA;
use burn::backend::Backend;

/// [`crate::math::Ratio`] of every entry.
pub(super) struct Ratios<B: Backend> {
    pub(super) log_u: Values<B>,
    pub(super) log_drop: Values<B>,
    pub(super) relative_slope: Values<B>,
}

impl<B: Backend> Rows<B> {
    /// [`crate::math::RatioCurve`] at every gap. `ln u` is `-inf` off the support.
    pub(super) fn ratio(&self, state: &State<B>) -> Ratios<B> {
        match &self.by_support_radius {
            None => self.by_log_ratio(&state.root),
            Some(mask) => {
                let plain = self.by_log_ratio(&state.root);
                let radius = self.by_support_radius(&state.root, &state.remainder);
                Ratios {
                    log_u: mask.select(&radius.log_u, &plain.log_u),
                    log_drop: mask.select(&radius.log_drop, &plain.log_drop),
                    relative_slope: mask.select(&radius.relative_slope, &plain.relative_slope),
                }
            }
        }
    }

    pub(super) fn by_log_ratio(&self, l: &Values<B>) -> Ratios<B> {
        let largest = max_finite(self.dtype) * 1e-2;
        let log_power = &self.generator.c * l;
        // t = ln |c g e^(c l)|, for products that overflow. Above t = 20, ln(1 + e^t) equals t + e^-t up to rounding.
        // The sign of z is that of c.
        let limit = log_space(self.dtype);
        let t = self.gap.ln() + self.generator.c.abs().ln() + &log_power;
        let far = t.above(limit) & self.generator.c.above(0.0);
        // The logarithm of such a far entry is still finite.
        let product = (&self.gap * log_power.clamp_max(limit).exp()).clamp_max(largest / MAX_ALPHA);
        let through_log = t.clamp_max(limit).exp() / self.generator.c.abs();
        let x = log_power.above(limit).select(&through_log, &product);
        let z = &x * &self.generator.c;
        let outside = z.at_or_below(-1.0);
        let log_drop = self.generator.log1p_over(&x);
        // Masked to the valid range, since the values that are not selected must be finite too.
        let relative_slope = z.mask_fill(&outside, 0.0) + 1.0;
        let relative_slope = relative_slope.filled(1.0) / relative_slope;
        let safe = t.clamp_min(1.0);
        let far_log_drop = (&safe + (-safe.clone()).exp()) / &self.generator.c;
        let far_relative_slope = (-safe).exp();
        let log_drop = far.select(&far_log_drop, &log_drop);
        Ratios {
            log_u: (l - &log_drop).mask_fill(
                &(outside | self.reference.ignored.clone()),
                f64::NEG_INFINITY,
            ),
            log_drop,
            relative_slope: far.select(&far_relative_slope, &relative_slope),
        }
    }

    pub(super) fn by_support_radius(&self, root: &Values<B>, remainder: &Values<B>) -> Ratios<B> {
        let beta = -self.generator.c.clone();
        let left = (root - &self.gap) + (remainder - &self.gap_remainder);
        let off = left.at_or_below(0.0) | self.reference.ignored.clone();
        let left = left.mask_fill(&off, 1.0);
        let relative_slope = root / &left;
        Ratios {
            log_drop: self.generator.log1p(&(&self.gap / &left)) / &beta,
            log_u: ((&left * &beta).ln() / beta).mask_fill(&off, f64::NEG_INFINITY),
            relative_slope,
        }
    }
}
