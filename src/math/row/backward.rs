//! The gradients of a row, in the logits, the order and the reference, its entries as free coordinates.
//!
//! With `k_i = q_i u_i^(2 - alpha)`, `W = sum k`, `w = k / W`, `y_i = f'(u_i)`, `h_i` the derivative of
//! `p_i` in `alpha` at a fixed `mu`:
//!
//! ```text
//! d p_i / dx_j = k_i (delta_ij - w_j)     d p_i / dalpha = h_i - w_i sum h     d p_i / dq_j = delta_ij u_i - w_i u_j
//! d V / dx_j = p_j                        d V / dalpha = -sum q df/dalpha      d V / dq_j = f*(y_j)
//! d D / dx_j = k_j (y_j - <w, y>)         d D / dalpha = -dV/dalpha + <y, dp/dalpha>
//!                                         d D / dq_j = f(u_j) - u_j <w, y>
//! ```
//!
//! and those of `ln p` are those of `p` divided by it, which stays a number where `p` underflows.

use super::{Kind, Ratio, Row, RowState};
use crate::math::deformed::exp_curvature;
use crate::math::{Real, expm1_over};

/// `dp/dx = diag(k) - k k^T / W`, and what else the gradients share.
///
/// Cotangents are centred on the entry of the largest `k` before `c - <w, c>` is formed: near a
/// one-hot row `<w, c>` equals that entry's cotangent to rounding, and the gradient is what is left.
struct Jacobian<'r, 'a, F> {
    row: &'r Row<'a, F>,
    ratios: Vec<Ratio<F>>,
    /// `k`, zero off the support, and its sum.
    weights: Vec<F>,
    total: f64,
    largest: usize,
}

impl<'r, 'a, F: Real> Jacobian<'r, 'a, F> {
    fn new(row: &'r Row<'a, F>, ratios: Vec<Ratio<F>>) -> Self {
        // In halves: with a small q the power overflows where the product does not.
        let half = F::of(0.5) * (F::one() + row.generator.c());
        let mut weights = vec![F::zero(); ratios.len()];
        let (mut total, mut largest) = (0.0, 0);
        for (i, ratio) in ratios.iter().enumerate() {
            // Tested, not left to the power: `u^(2 - alpha)` is one at `u = 0` for `alpha = 2`.
            if ratio.is_on_support() {
                let root = (half * ratio.log_u).exp();
                weights[i] = row.q(i) * root * root;
                total += weights[i].wide();
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

    /// `u^(1 - alpha)`, the factor between `dp/p` and the centred cotangent.
    fn score(&self, i: usize) -> F {
        (self.row.generator.c() * self.ratios[i].log_u).exp()
    }

    /// `h_i / p_i - (h_j / p_j) (u_i / u_j)^c`, with `j` the largest weight: a multiple of `k_i / p_i` taken
    /// out, which adds nothing to a gradient in the order but is most of `h`. With `d = ln u_j - ln u_i`,
    /// `E = (1 - e^(-c d)) / c` and `phi` of `exp_curvature`:
    ///
    /// ```text
    /// ln u_j E - d^2 phi(-c d)
    /// ```
    ///
    /// which takes no difference of logarithms that are close, and divides by no `c`.
    fn order_slope(&self, i: usize) -> F {
        let c = self.row.generator.c();
        let top = self.ratios[self.largest];
        let d = self.ratios[i].fall - top.fall;
        top.log_u * expm1_over(-c, d) - d * d * exp_curvature(-c * d)
    }

    fn over_support(&self, term: impl Fn(usize) -> f64) -> f64 {
        self.support().map(term).sum()
    }

    fn support(&self) -> impl Iterator<Item = usize> {
        (0..self.ratios.len()).filter(|&i| self.ratios[i].is_on_support())
    }

    /// `c - <w, c>` for the cotangent `c`.
    fn centred<C: Fn(usize) -> F>(&self, c: C) -> impl Fn(usize) -> F {
        let centre = c(self.largest);
        let sum = self.over_support(|i| self.weights[i].wide() * (c(i) - centre).wide());
        let mean = F::of(sum / self.total);
        move |i| (c(i) - centre) - mean
    }

    /// `<c, dp/dalpha> = sum_i (c_i - <w, c>) h_i`.
    fn order_gradient(&self, cotangent: impl Fn(usize) -> F) -> f64 {
        let centred = self.centred(cotangent);
        self.over_support(|i| (centred(i) * self.p(i) * self.order_slope(i)).wide())
    }

    /// `f'(u_i)` up to what is the same for every entry: it is `x_i - mu`, and the gaps are exact.
    fn y(&self, i: usize) -> F {
        -self.row.gap(i).value
    }

    /// The gradient of `<cotangent, ln p>` in the logits.
    fn log_backward(&self, cotangent: &[F], grad: &mut [F]) {
        let scores: Vec<f64> = (0..self.ratios.len())
            .map(|i| (cotangent[i] * self.score(i)).wide())
            .collect();
        let total = self.over_support(|i| scores[i]);
        let mut others = 0.0;
        grad.fill(F::zero());
        for i in self.support().filter(|&i| i != self.largest) {
            let w = self.weights[i].wide() / self.total;
            let value = scores[i] - w * total;
            others += value;
            grad[i] = F::of(value);
        }
        // The row of gradients sums to zero. At the largest weight the difference s - w sum(s) loses
        // every digit of a row near one-hot; the sum of the others keeps them.
        grad[self.largest] = F::of(-others);
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
}

impl<F: Real> Row<'_, F> {
    fn ratios(&self, state: &RowState<F>) -> Option<Vec<Ratio<F>>> {
        let curve = self.curve(state)?;
        Some(
            (0..self.logits.len())
                .map(|i| curve.at(self.gap(i)))
                .collect(),
        )
    }

    fn jacobian(&self, state: &RowState<F>) -> Option<Jacobian<'_, '_, F>> {
        Some(Jacobian::new(self, self.ratios(state)?))
    }

    /// The gradient of `<cotangent, p>` in the logits.
    pub fn softargmax_backward(&self, state: &RowState<F>, cotangent: &[F], grad: &mut [F]) {
        let Some(jacobian) = self.jacobian(state) else {
            return grad.fill(self.without_answer());
        };
        let centred = jacobian.centred(|i| cotangent[i]);
        jacobian.fill(grad, |i| jacobian.weights[i] * centred(i));
    }

    /// The gradient of `<cotangent, p>` in the order.
    pub fn softargmax_backward_alpha(&self, state: &RowState<F>, cotangent: &[F]) -> F {
        match self.jacobian(state) {
            Some(jacobian) => F::of(jacobian.order_gradient(|i| cotangent[i])),
            None => self.without_answer(),
        }
    }

    /// The gradient of `<cotangent, p>` in the reference.
    pub fn softargmax_backward_reference(
        &self,
        state: &RowState<F>,
        cotangent: &[F],
        grad: &mut [F],
    ) {
        let Some(jacobian) = self.jacobian(state) else {
            return grad.fill(self.without_answer());
        };
        let centred = jacobian.centred(|i| cotangent[i]);
        jacobian.fill(grad, |i| jacobian.ratios[i].log_u.exp() * centred(i));
    }

    /// The gradient of `<cotangent, ln p>` in the logits: `s_i - w_i sum_j s_j` with
    /// `s_i = c_i u_i^(1 - alpha)` on the support.
    pub fn log_softargmax_backward(&self, state: &RowState<F>, cotangent: &[F], grad: &mut [F]) {
        match self.jacobian(state) {
            Some(jacobian) => jacobian.log_backward(cotangent, grad),
            None => grad.fill(self.without_answer()),
        }
    }

    /// The gradient of `<cotangent, ln p>` in the order: the sum over the support of
    /// `c_i (h_i / p_i - u_i^(1 - alpha) sum h / W)`.
    pub fn log_softargmax_backward_alpha(&self, state: &RowState<F>, cotangent: &[F]) -> F {
        let Some(jacobian) = self.jacobian(state) else {
            return self.without_answer();
        };
        let slopes: Vec<F> = (0..self.logits.len())
            .map(|i| jacobian.order_slope(i))
            .collect();
        let mean =
            jacobian.over_support(|i| jacobian.p(i).wide() * slopes[i].wide()) / jacobian.total;
        F::of(jacobian.over_support(|i| {
            cotangent[i].wide() * (slopes[i].wide() - jacobian.score(i).wide() * mean)
        }))
    }

    /// The gradient of `<cotangent, ln p>` in the reference: that in the logits times `u_i / k_i`.
    pub fn log_softargmax_backward_reference(
        &self,
        state: &RowState<F>,
        cotangent: &[F],
        grad: &mut [F],
    ) {
        let Some(jacobian) = self.jacobian(state) else {
            return grad.fill(self.without_answer());
        };
        jacobian.log_backward(cotangent, grad);
        for i in jacobian.support() {
            let power = (-self.generator.c() * jacobian.ratios[i].log_u).exp();
            grad[i] = grad[i] * power / self.q(i);
        }
    }

    /// The gradient of `cotangent V` in the logits: `p`, times the cotangent.
    pub fn value_backward(&self, state: &RowState<F>, cotangent: F, grad: &mut [F]) {
        self.softargmax(state, grad);
        if self.kind == Kind::Solvable {
            grad.iter_mut().for_each(|grad| *grad = *grad * cotangent);
        }
    }

    /// The gradient of `cotangent V` in the order.
    pub fn value_backward_alpha(&self, state: &RowState<F>, cotangent: F) -> F {
        match self.ratios(state) {
            Some(ratios) => F::of(-self.order_derivatives(&ratios)) * cotangent,
            None => self.without_answer(),
        }
    }

    /// The gradient of `cotangent V` in the reference.
    pub fn value_backward_reference(&self, state: &RowState<F>, cotangent: F, grad: &mut [F]) {
        let Some(curve) = self.curve(state) else {
            return grad.fill(self.without_answer());
        };
        for (i, grad) in grad.iter_mut().enumerate() {
            *grad = if self.allowed(i) {
                cotangent * self.generator.conjugate_at_log(curve.at(self.gap(i)).log_u)
            } else {
                F::zero()
            };
        }
    }

    /// The gradient of `cotangent D` in the logits.
    pub fn divergence_backward(&self, state: &RowState<F>, cotangent: F, grad: &mut [F]) {
        let Some(jacobian) = self.jacobian(state) else {
            return grad.fill(self.without_answer());
        };
        let centred = jacobian.centred(|i| jacobian.y(i));
        jacobian.fill(grad, |i| cotangent * (jacobian.weights[i] * centred(i)));
    }

    /// The gradient of `cotangent D` in the order.
    pub fn divergence_backward_alpha(&self, state: &RowState<F>, cotangent: F) -> F {
        match self.jacobian(state) {
            Some(jacobian) => {
                let direct = self.order_derivatives(&jacobian.ratios);
                let through_p = jacobian.order_gradient(|i| jacobian.y(i));
                F::of(direct + through_p) * cotangent
            }
            None => self.without_answer(),
        }
    }

    /// The gradient of `cotangent D` in the reference.
    pub fn divergence_backward_reference(&self, state: &RowState<F>, cotangent: F, grad: &mut [F]) {
        let Some(jacobian) = self.jacobian(state) else {
            return grad.fill(self.without_answer());
        };
        // f(u) - u y = -f*(y), so what is left of u <w, y> is the centred u y.
        let centred = jacobian.centred(|i| jacobian.y(i));
        for (i, grad) in grad.iter_mut().enumerate() {
            let log_u = jacobian.ratios[i].log_u;
            *grad = if !self.allowed(i) {
                F::zero()
            } else if log_u == F::neg_infinity() {
                cotangent * self.generator.value_at_log(log_u)
            } else {
                let conjugate = self.generator.conjugate_at_log(log_u);
                cotangent * (log_u.exp() * centred(i) - conjugate)
            };
        }
    }

    /// `sum_i q_i df(u_i)/dalpha`, over the allowed entries.
    fn order_derivatives(&self, ratios: &[Ratio<F>]) -> f64 {
        (0..self.logits.len())
            .filter(|&i| self.allowed(i))
            .map(|i| (self.q(i) * self.generator.order_derivative_at_log(ratios[i].log_u)).wide())
            .sum()
    }
}
