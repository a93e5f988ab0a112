//! The gradients of the rows.

use super::ratio::Ratios;
use super::rows::Rows;
use super::values::{Mask, Values, off_support};
use burn::backend::{Backend, TensorMetadata, get_device_settings};
use burn::tensor::IndexingUpdateOp;

/// The intermediate values that the gradients of the rows share: `math::row::backward`.
pub(super) struct Support<'r, B: Backend> {
    pub(super) rows: &'r Rows<B>,
    pub(super) off: Mask<B>,
    /// `ln u`, zero off the support.
    pub(super) log_u: Values<B>,
    /// `ln u_max - ln u`, zero off the support.
    pub(super) log_drop: Values<B>,
    /// `u` and the weights `k = q u^(2 - alpha)`, zero off the support, and the sum of `k`.
    pub(super) u: Values<B>,
    pub(super) k: Values<B>,
    pub(super) total: Values<B>,
    /// The column of the largest weight.
    pub(super) largest: burn::backend::tensor::IntTensor<B>,
}

impl<'r, B: Backend> Support<'r, B> {
    pub(super) fn new(rows: &'r Rows<B>, ratio: &Ratios<B>) -> Self {
        let off = off_support(&ratio.log_u);
        let log_u = ratio.log_u.mask_fill(&off, 0.0);
        // As two factors: with a small q the power may overflow although the product does not.
        let root = (&log_u * &((&rows.generator.c + 1.0) * 0.5)).exp();
        let k = (&rows.reference.q * &root * root).mask_fill(&off, 0.0);
        let settings = get_device_settings::<B>(&k.0.device());
        Self {
            rows,
            log_drop: ratio.log_drop.mask_fill(&off, 0.0),
            u: log_u.exp().mask_fill(&off, 0.0),
            total: k.sum(),
            largest: B::float_argmax(k.0.clone(), rows.last, settings.int_dtype),
            k,
            off,
            log_u,
        }
    }

    /// `c - <w, c>`, zero off the support. The sum is relative to `c` at the largest weight.
    pub(super) fn centered(&self, cotangent: &Values<B>) -> Values<B> {
        // An entry off the support has no weight, even if its cotangent is infinite or NaN.
        let cotangent = cotangent.mask_fill(&self.off, 0.0);
        let centered = &cotangent - self.at_largest(&cotangent);
        let mean = (&self.k * &centered).sum() / &self.total;
        (centered - mean).mask_fill(&self.off, 0.0)
    }

    pub(super) fn at_largest(&self, values: &Values<B>) -> Values<B> {
        let (last, index) = (self.rows.last, self.largest.clone());
        Values(B::float_gather(last, values.0.clone(), index))
    }

    /// `f'(u)` on the support, up to a constant of the row.
    pub(super) fn y(&self) -> Values<B> {
        -self.rows.gap.clone()
    }

    /// `alpha_slope` of `math::row::backward`, for every entry.
    pub(super) fn alpha_slope(&self) -> Values<B> {
        let d = &self.log_drop - self.at_largest(&self.log_drop);
        let d = d.mask_fill(&self.off, 0.0);
        let minus_c = -self.rows.generator.c.clone();
        let z = &d * &minus_c;
        let small = z.abs().below(1.0);
        // 1 / (n + 2)!
        let series: Vec<_> = (1..18)
            .scan(0.5, |term, n| {
                *term /= f64::from(n + 2);
                Some(*term)
            })
            .collect();
        let near = z.mask_fill(&!small.clone(), 0.0).polynomial(&series) + 0.5;
        let far = (z.exp() - 1.0 - &z) / (&z * &z);
        let curvature = &d * &d * small.select(&near, &far);
        self.rows.generator.expm1_over(&minus_c, &d) * self.at_largest(&self.log_u) - curvature
    }

    /// `u^(1 - alpha)` of every entry.
    pub(super) fn log_slope(&self) -> Values<B> {
        (&self.log_u * &self.rows.generator.c).exp()
    }

    /// `<c, dp/dalpha>`.
    pub(super) fn alpha_gradient(&self, cotangent: &Values<B>) -> Values<B> {
        let terms =
            self.centered(cotangent) * &self.rows.reference.q * &self.u * self.alpha_slope();
        terms.mask_fill(&self.off, 0.0).sum()
    }

    /// `<c, dln p/dx>`.
    pub(super) fn log_gradient(&self, cotangent: &Values<B>) -> Values<B> {
        let scaled =
            (cotangent.mask_fill(&self.off, 0.0) * self.log_slope()).mask_fill(&self.off, 0.0);
        let gradient = &scaled - &self.k / &self.total * scaled.sum();
        // The row must sum to zero. The largest weight takes the rounding error of the difference above.
        let excess = -gradient.sum();
        Values(B::float_scatter(
            self.rows.last,
            gradient.0,
            self.largest.clone(),
            excess.0,
            IndexingUpdateOp::Add,
        ))
    }

    /// `<c, dln p/dalpha>`.
    pub(super) fn log_alpha_gradient(&self, cotangent: &Values<B>) -> Values<B> {
        let slope = self.alpha_slope();
        let mean = (&self.rows.reference.q * &self.u * &slope).sum() / &self.total;
        let terms = cotangent.mask_fill(&self.off, 0.0) * (slope - self.log_slope() * mean);
        terms.mask_fill(&self.off, 0.0).sum()
    }
}
