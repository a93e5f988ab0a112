//! The gradients of a row in the logits, alpha and the reference. The entries of the reference are independent
//! variables.
//!
//! With `k_i = q_i u_i^(2 - alpha)`, `W = sum k`, `w = k / W`, `y_i = f'(u_i)`, and `h_i` the derivative of
//! `p_i` in `alpha` at a fixed `mu`:
//!
//! ```text
//! d p_i / dx_j = k_i (delta_ij - w_j)     d p_i / dalpha = h_i - w_i sum h     d p_i / dq_j = delta_ij u_i - w_i u_j
//! d V / dx_j = p_j                        d V / dalpha = -sum q df/dalpha      d V / dq_j = f*(y_j)
//! d D / dx_j = k_j (y_j - <w, y>)         d D / dalpha = -dV/dalpha + <y, dp/dalpha>
//!                                         d D / dq_j = f(u_j) - u_j <w, y>
//! ```
//!
//! The gradients of `ln p` are those of `p` divided by `p`, in a form that stays finite if `p` underflows.

use super::{Output, Ratio, Row, RowState};
use crate::math::deformed::exp_curvature;
use crate::math::{Real, expm1_over};

/// The Jacobian `dp/dx = diag(k) - k k^T / W` and the other terms that the gradients share.
///
/// A cotangent `c` is centered on its entry at the largest `k` before `c - <w, c>` is computed. Near a one-hot
/// row, `<w, c>` equals this entry to rounding, and the plain difference would lose the digits of the gradient.
struct Jacobian<'r, 'a, F> {
    row: &'r Row<'a, F>,
    ratios: Vec<Ratio<F>>,
    /// `k`, zero off the support.
    weights: Vec<F>,
    /// `W = sum k`.
    total: f64,
    /// The index of the largest `k`.
    largest: usize,
}

impl<'r, 'a, F: Real> Jacobian<'r, 'a, F> {
    fn new(row: &'r Row<'a, F>, ratios: Vec<Ratio<F>>) -> Self {
        // Half of the power at a time: for a small q, the power may overflow when its product with q does not.
        let half = F::from_f64(0.5) * (F::one() + row.generator.c());
        let mut weights = vec![F::zero(); ratios.len()];
        let (mut total, mut largest) = (0.0, 0);
        for (i, ratio) in ratios.iter().enumerate() {
            // An explicit test, since `u^(2 - alpha)` is one at `u = 0` for `alpha = 2`.
            if ratio.is_on_support() {
                let root = (half * ratio.log_u).exp();
                weights[i] = row.q(i) * root * root;
                total += weights[i].into_f64();
            }
            if weights[i] > weights[largest] {
                largest = i;
            }
        }
        Self {
            row,
            ratios,
            weights,
            total,
            largest,
        }
    }

    fn p(&self, i: usize) -> F {
        self.row.q(i) * self.ratios[i].log_u.exp()
    }

    /// Returns `u^(1 - alpha)`, the factor between `dp/p` and the centered cotangent.
    fn log_slope(&self, i: usize) -> F {
        (self.row.generator.c() * self.ratios[i].log_u).exp()
    }

    /// Returns `h_i / p_i - (h_j / p_j) (u_i / u_j)^c`, with `j` the entry of the largest weight.
    ///
    /// The subtracted term is a multiple of `k_i / p_i`. It adds nothing to a gradient in alpha, but is most of
    /// `h`. With `d = ln u_j - ln u_i`, `E = (1 - e^(-c d)) / c` and `phi` the function `exp_curvature`, the result
    /// is
    ///
    /// ```text
    /// ln u_j E - d^2 phi(-c d)
    /// ```
    ///
    /// which needs no difference of close logarithms and no division by `c`.
    fn alpha_slope(&self, i: usize) -> F {
        let c = self.row.generator.c();
        let top = self.ratios[self.largest];
        let d = self.ratios[i].log_drop - top.log_drop;
        top.log_u * expm1_over(-c, d) - d * d * exp_curvature(-c * d)
    }

    fn over_support(&self, term: impl Fn(usize) -> f64) -> f64 {
        self.support().map(term).sum()
    }

    fn support(&self) -> impl Iterator<Item = usize> {
        (0..self.ratios.len()).filter(|&i| self.ratios[i].is_on_support())
    }

    /// Returns `c - <w, c>` for the cotangent `c`.
    fn centered<C: Fn(usize) -> F>(&self, c: C) -> impl Fn(usize) -> F {
        let center = c(self.largest);
        let sum = self.over_support(|i| self.weights[i].into_f64() * (c(i) - center).into_f64());
        let mean = F::from_f64(sum / self.total);
        move |i| (c(i) - center) - mean
    }

    /// Returns `<c, dp/dalpha> = sum_i (c_i - <w, c>) h_i` from the centered cotangent.
    fn alpha_gradient(&self, centered: impl Fn(usize) -> F) -> f64 {
        self.over_support(|i| (centered(i) * self.p(i) * self.alpha_slope(i)).into_f64())
    }

    /// Returns `f'(u_i) = x_i - mu` up to a constant of the row. The gap is used since it is exact.
    fn y(&self, i: usize) -> F {
        -self.row.gap(i).value
    }

    /// Computes the gradient of `<cotangent, ln p>` in the logits.
    fn log_backward(&self, cotangent: &[F], grad: &mut [F]) {
        let scaled: Vec<f64> = (0..self.ratios.len())
            .map(|i| (cotangent[i] * self.log_slope(i)).into_f64())
            .collect();
        let total = self.over_support(|i| scaled[i]);
        let mut others = 0.0;
        grad.fill(F::zero());
        for i in self.support() {
            let w = self.weights[i].into_f64() / self.total;
            let value = scaled[i] - w * total;
            if i != self.largest {
                others += value;
            }
            grad[i] = F::from_f64(value);
        }
        // The gradients of a row sum to zero. Near a one-hot row, the difference s - w sum(s) loses every digit
        // at the largest weight; minus the sum of the others keeps them.
        if self.weights[self.largest].into_f64() > 0.5 * self.total {
            grad[self.largest] = F::from_f64(-others);
        }
    }

    /// Fills a gradient entry by entry over the support, with zero off it.
    fn fill(&self, grad: &mut [F], value: impl Fn(usize) -> F) {
        for (i, grad) in grad.iter_mut().enumerate() {
            *grad = if self.ratios[i].is_on_support() {
                value(i)
            } else {
                F::zero()
            };
        }
    }

    /// Computes the gradients of `<cotangent, p>`.
    fn softargmax_backward(&self, cotangent: &[F], gradients: RowGradients<'_, F>) {
        let centered = self.centered(|i| cotangent[i]);
        if let Some(logits) = gradients.logits {
            self.fill(logits, |i| self.weights[i] * centered(i));
        }
        if let Some(alpha) = gradients.alpha {
            *alpha = F::from_f64(self.alpha_gradient(&centered));
        }
        if let Some(reference) = gradients.reference {
            self.fill(reference, |i| self.ratios[i].log_u.exp() * centered(i));
        }
    }

    /// Computes the gradients of `<cotangent, ln p>`.
    ///
    /// With `c` the cotangent and `s_i = c_i u_i^(1 - alpha)` on the support, they are `s_i - w_i sum_j s_j` in the
    /// logits, this times `u_i / k_i` in the reference, and the sum over the support of
    /// `c_i (h_i / p_i - u_i^(1 - alpha) sum h / W)` in alpha.
    fn log_softargmax_backward(&self, cotangent: &[F], gradients: RowGradients<'_, F>) {
        if let Some(alpha) = gradients.alpha {
            let slopes: Vec<F> = (0..self.ratios.len())
                .map(|i| self.alpha_slope(i))
                .collect();
            let mean =
                self.over_support(|i| self.p(i).into_f64() * slopes[i].into_f64()) / self.total;
            *alpha = F::from_f64(self.over_support(|i| {
                cotangent[i].into_f64()
                    * (slopes[i].into_f64() - self.log_slope(i).into_f64() * mean)
            }));
        }
        if let Some(logits) = gradients.logits {
            self.log_backward(cotangent, logits);
        }
        if let Some(reference) = gradients.reference {
            self.log_backward(cotangent, reference);
            for i in self.support() {
                let power = (-self.row.generator.c() * self.ratios[i].log_u).exp();
                reference[i] = reference[i] * power / self.row.q(i);
            }
        }
    }

    /// Computes the gradients of `cotangent * D`.
    fn divergence_backward(&self, cotangent: F, gradients: RowGradients<'_, F>) {
        let row = self.row;
        let centered = self.centered(|i| self.y(i));
        if let Some(logits) = gradients.logits {
            self.fill(logits, |i| cotangent * (self.weights[i] * centered(i)));
        }
        if let Some(alpha) = gradients.alpha {
            let through_p = self.alpha_gradient(&centered);
            *alpha = F::from_f64(row.alpha_derivative_sum(&self.ratios) + through_p) * cotangent;
        }
        if let Some(reference) = gradients.reference {
            // f(u) - u y = -f*(y), so f(u) - u <w, y> is u times the centered y, minus f*(y).
            for (i, grad) in reference.iter_mut().enumerate() {
                let log_u = self.ratios[i].log_u;
                *grad = if !row.allowed(i) {
                    F::zero()
                } else if log_u == F::neg_infinity() {
                    cotangent * row.generator.value_at_log(log_u)
                } else {
                    let conjugate = row.generator.conjugate_at_log(log_u);
                    cotangent * (log_u.exp() * centered(i) - conjugate)
                };
            }
        }
    }
}

/// The gradients of a row that a backward pass computes. A gradient that is `None` is not computed.
///
/// ```
/// use burn_tsallis::math::{Output, Row, RowGradients, RowReference, Solver};
///
/// let row = Row::<f64>::new(&[0.0, 0.0], RowReference::Ones, 1.0);
/// let mut logits = [0.0; 2];
/// let wanted = RowGradients { logits: Some(&mut logits), ..Default::default() };
/// // The gradient of the value is p.
/// row.backward(Output::Value, &row.solve(Solver::Newton), &[1.0], wanted);
/// assert!((logits[0] - 0.5).abs() < 1e-12);
/// ```
#[derive(Debug)]
pub struct RowGradients<'g, F> {
    /// The gradient in each logit.
    pub logits: Option<&'g mut [F]>,
    /// The gradient in alpha.
    pub alpha: Option<&'g mut F>,
    /// The gradient in each entry of the reference.
    pub reference: Option<&'g mut [F]>,
}

impl<F> Default for RowGradients<'_, F> {
    fn default() -> Self {
        Self {
            logits: None,
            alpha: None,
            reference: None,
        }
    }
}

impl<F: Real> RowGradients<'_, F> {
    fn fill(self, value: F) {
        if let Some(logits) = self.logits {
            logits.fill(value);
        }
        if let Some(alpha) = self.alpha {
            *alpha = value;
        }
        if let Some(reference) = self.reference {
            reference.fill(value);
        }
    }
}

impl<F: Real> Row<'_, F> {
    /// Computes the gradients of `<cotangent, output>`.
    ///
    /// The cotangent has the length of the output: one number for each entry or a single number (see
    /// [`Output::is_per_entry`]).
    ///
    /// ```
    /// use burn_tsallis::math::{RowReference, Output, Row, RowGradients, Solver};
    ///
    /// let row = Row::<f64>::new(&[0.3, -1.2, 2.0, 0.7], RowReference::Uniform, 0.5);
    /// let state = row.solve(Solver::Newton);
    /// let mut logits = [0.0; 4];
    /// let wanted = RowGradients { logits: Some(&mut logits), ..Default::default() };
    /// row.backward(Output::Probabilities, &state, &[0.0, 0.0, 1.0, 0.0], wanted);
    /// // A larger logit has a larger probability, and the sum of the probabilities is constant.
    /// assert!(logits[2] > 0.0 && logits.iter().sum::<f64>().abs() < 1e-12);
    /// ```
    pub fn backward(
        &self,
        output: Output,
        state: &RowState<F>,
        cotangent: &[F],
        gradients: RowGradients<'_, F>,
    ) {
        let Some(curve) = self.curve(state) else {
            return gradients.fill(self.fallback_value());
        };
        let ratios: Vec<_> = (0..self.logits.len())
            .map(|i| curve.at(self.gap(i)))
            .collect();
        match output {
            Output::Probabilities => {
                Jacobian::new(self, ratios).softargmax_backward(cotangent, gradients);
            }
            Output::LogProbabilities => {
                Jacobian::new(self, ratios).log_softargmax_backward(cotangent, gradients);
            }
            Output::Value => self.value_backward(state, &ratios, cotangent[0], gradients),
            Output::Divergence => {
                Jacobian::new(self, ratios).divergence_backward(cotangent[0], gradients);
            }
        }
    }

    /// Computes the gradients of `cotangent * V`. In the logits, they are `p` times the cotangent.
    fn value_backward(
        &self,
        state: &RowState<F>,
        ratios: &[Ratio<F>],
        cotangent: F,
        gradients: RowGradients<'_, F>,
    ) {
        if let Some(logits) = gradients.logits {
            self.softargmax(state, logits);
            logits.iter_mut().for_each(|grad| *grad = *grad * cotangent);
        }
        if let Some(alpha) = gradients.alpha {
            *alpha = F::from_f64(-self.alpha_derivative_sum(ratios)) * cotangent;
        }
        if let Some(reference) = gradients.reference {
            for (i, grad) in reference.iter_mut().enumerate() {
                *grad = if self.allowed(i) {
                    cotangent * self.generator.conjugate_at_log(ratios[i].log_u)
                } else {
                    F::zero()
                };
            }
        }
    }

    /// Returns `sum_i q_i df(u_i)/dalpha`, over the allowed entries.
    fn alpha_derivative_sum(&self, ratios: &[Ratio<F>]) -> f64 {
        (0..self.logits.len())
            .filter(|&i| self.allowed(i))
            .map(|i| {
                (self.q(i) * self.generator.alpha_derivative_at_log(ratios[i].log_u)).into_f64()
            })
            .sum()
    }
}
