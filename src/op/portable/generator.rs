//! The functions of the generator on every entry, and the deformed functions that they use.

use super::values::{Values, max_finite, off_support};
use crate::op::request::AlphaTensor;
use burn::backend::Backend;
use burn::tensor::DType;

/// `|z|` up to which `ln(1 + z)` is computed by its series in f32. A device may compute `log1p` as `log(1 + z)`, and
/// the rounding error of `1 + z` would then be divided by `c`.
const LOG_SERIES: f64 = 0.29;

/// Alpha of the rows and its generator, the counterpart of [`crate::math::Tsallis`] for many rows.
pub(super) struct Generator<B: Backend> {
    /// `alpha` and `c = 1 - alpha`, which broadcast to the row state.
    pub(super) alpha: Values<B>,
    pub(super) c: Values<B>,
    /// Alpha, if it is a number. The values of a tensor are not known here.
    pub(super) number: Option<f64>,
    dtype: DType,
}

impl<B: Backend> Generator<B> {
    /// Creates the generator of rows with the arithmetic dtype of `x`.
    pub(super) fn new(alpha: AlphaTensor<B>, number: f64, x: &Values<B>) -> Self {
        let dtype = x.dtype();
        match alpha {
            // c is computed before alpha is rounded, so that it is accurate for alpha close to 1.
            AlphaTensor::Number => Self {
                alpha: Values::number(number, x),
                c: Values::number(1.0 - number, x),
                number: Some(number),
                dtype,
            },
            AlphaTensor::Rows(alpha) => {
                let alpha = Values(alpha);
                Self {
                    c: -(&alpha - 1.0),
                    alpha,
                    number: None,
                    dtype,
                }
            }
        }
    }

    /// `f'(e^l)`, for finite results.
    pub(super) fn derivative_at_log(&self, log_u: &Values<B>) -> Values<B> {
        self.expm1_over(&-self.c.clone(), log_u)
    }

    /// `f'(e^l)`, also at `l = -inf`: `-1 / (alpha - 1)` above `alpha = 1`, and `-inf` elsewhere.
    pub(super) fn derivative_with_zero(&self, log_u: &Values<B>) -> Values<B> {
        let zero = off_support(log_u);
        let value = self.derivative_at_log(&log_u.mask_fill(&zero, 0.0));
        let unbounded = (-self.c.clone()).at_or_below(0.0);
        let at_zero = (self.c.filled(1.0) / &self.c).mask_fill(&unbounded, f64::NEG_INFINITY);
        zero.select(&at_zero, &value)
    }

    /// `f*(f'(e^l))`.
    pub(super) fn conjugate_at_log(&self, log_u: &Values<B>) -> Values<B> {
        self.expm1_over(&self.alpha, log_u)
    }

    /// `f(u) - u f'(u)`, the derivative of `q f(p / q)` in `q`, at `u = e^l`, also at `l = -inf`.
    pub(super) fn reference_derivative_with_zero(&self, log_u: &Values<B>) -> Values<B> {
        let zero = off_support(log_u);
        let value = -self.conjugate_at_log(&log_u.mask_fill(&zero, 0.0));
        zero.select(&self.value_at_zero(), &value)
    }

    /// `f(0)`.
    fn value_at_zero(&self) -> Values<B> {
        self.where_alpha_positive(self.alpha.filled(1.0) / &self.alpha, f64::INFINITY)
    }

    /// `f(e^l)`: [`crate::math::Tsallis::value_at_log`].
    pub(super) fn value_at_log(&self, log_u: &Values<B>) -> Values<B> {
        let zero = off_support(log_u);
        let safe = log_u.mask_fill(&zero, 0.0);
        let conjugate = self.conjugate_at_log(&safe);
        let u = safe.exp();
        let near = &u * self.derivative_at_log(&safe) - &conjugate;
        let power = (&safe * &self.alpha).exp();
        let far = (&u - &power) / &self.c - conjugate;
        let value = (&safe * &self.c).abs().below(1.0).select(&near, &far);
        let value = value.mask_fill(&power.above(max_finite(self.dtype)), f64::INFINITY);
        zero.select(&self.value_at_zero(), &value)
    }

    /// `df/dalpha` at `e^l`: [`crate::math::Tsallis::alpha_derivative_at_log`].
    pub(super) fn alpha_derivative_at_log(&self, log_u: &Values<B>) -> Values<B> {
        let zero = off_support(log_u);
        let safe = log_u.mask_fill(&zero, 0.0);
        let value = self.moment(&-self.c.clone(), &safe, &safe)
            - self.moment(&self.alpha, &safe, &(&safe * 0.0));
        let squared = &self.alpha * &self.alpha;
        let at_zero =
            self.where_alpha_positive(-(squared.filled(1.0) / &squared), f64::NEG_INFINITY);
        zero.select(&at_zero, &value)
    }

    /// `value` if `alpha > 0`, otherwise `other`.
    pub(super) fn where_alpha_positive(&self, value: Values<B>, other: f64) -> Values<B> {
        value.mask_fill(&self.alpha.at_or_below(0.0), other)
    }

    /// `math::deformed::moment`.
    pub(super) fn moment(&self, a: &Values<B>, l: &Values<B>, shift: &Values<B>) -> Values<B> {
        let z = l * a;
        let small = z.abs().below(1.0);
        let series: Vec<_> = (1..18)
            .scan(1.0, |factorial, n| {
                *factorial *= f64::from(n);
                Some(1.0 / (*factorial * f64::from(n + 2)))
            })
            .collect();
        let near = z.mask_fill(&!small.clone(), 0.0).polynomial(&series) + 0.5;
        let near = near * shift.exp() * l * l;
        let direct = (&z + shift).exp() * (&z - 1.0) + shift.exp();
        small.select(&near, &(direct / (a * a)))
    }

    /// [`crate::math::log1p_over`] at `c`. `-inf` beyond the edge of the support.
    pub(super) fn log1p_over(&self, x: &Values<B>) -> Values<B> {
        let z = x * &self.c;
        let negligible = z.abs().below(1e-30);
        negligible.select(x, &(self.log1p(&z) / &self.c))
    }

    /// [`crate::math::expm1_over`].
    pub(super) fn expm1_over(&self, c: &Values<B>, x: &Values<B>) -> Values<B> {
        let z = x * c;
        let negligible = z.abs().below(1e-30);
        let small = z.abs().below(0.5);
        // 1 / n!. Accurate to f64 for |z| below one half.
        let series: Vec<_> = (1..16)
            .scan(1.0, |factorial, n| {
                *factorial *= f64::from(n);
                Some(1.0 / *factorial)
            })
            .collect();
        let near = z.mask_fill(&!small.clone(), 0.0).polynomial(&series);
        let expm1 = small.select(&near, &(z.exp() - 1.0));
        negligible.select(x, &(expm1 / c))
    }

    /// `ln(1 + z)`, or `-inf` for `z <= -1`.
    pub(super) fn log1p(&self, z: &Values<B>) -> Values<B> {
        let outside = z.at_or_below(-1.0);
        let direct = z.mask_fill(&outside, 0.0).log1p();
        let log = if self.dtype == DType::F64 {
            direct
        } else {
            // 2 artanh(z / (2 + z)).
            let small = z.abs().below(LOG_SERIES);
            let safe = z.mask_fill(&!small.clone(), 0.0);
            let s = &safe / (&safe + 2.0);
            let tail = (&s * &s).polynomial(&[1.0 / 3.0, 1.0 / 5.0, 1.0 / 7.0, 1.0 / 9.0]);
            small.select(&(s * (tail + 1.0) * 2.0), &direct)
        };
        log.mask_fill(&outside, f64::NEG_INFINITY)
    }

    /// `ln s`, accurate near one.
    pub(super) fn log(&self, s: &Values<B>) -> Values<B> {
        self.log1p(&(s - 1.0))
    }
}
