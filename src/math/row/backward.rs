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

use super::{Kind, RatioCurve, Row, RowState};
use crate::math::deformed::exp_curvature;
use crate::math::{Real, expm1_over};

/// `dp/dx = diag(k) - k k^T / W`, and what else the gradients share.
///
/// Cotangents are centred on the entry of the largest `k` before `c - <w, c>` is formed: near a
/// one-hot row `<w, c>` equals that entry's cotangent to rounding, and the gradient is what is left.
struct Jacobian<'r, 'a, F> {
    row: &'r Row<'a, F>,
    curve: RatioCurve<F>,
    total: f64,
    largest: usize,
}

impl<F: Real> Jacobian<'_, '_, F> {
    fn log_u(&self, i: usize) -> F {
        self.curve.at(self.row.gap(i)).log_u
    }

    /// `k` at a ratio. Tested, not left to the power: `u^(2 - alpha)` is one at `u = 0` for `alpha = 2`.
    fn k(&self, i: usize, log_u: F) -> F {
        if log_u == F::neg_infinity() {
            return F::zero();
        }
        // In halves: with a small q the power overflows where the product does not.
        let half = F::of(0.5) * (F::one() + self.row.generator.c());
        let root = (half * log_u).exp();
        self.row.q(i) * root * root
    }

    /// `u^(1 - alpha)`, the factor between `dp/p` and the centred cotangent.
    fn score(&self, log_u: F) -> F {
        (self.row.generator.c() * log_u).exp()
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
        let top = self.curve.at(self.row.gap(self.largest));
        let d = self.curve.at(self.row.gap(i)).fall - top.fall;
        top.log_u * expm1_over(-c, d) - d * d * exp_curvature(-c * d)
    }

    /// `<w, v>` over the support.
    fn mean(&self, v: impl Fn(usize, F) -> F) -> F {
        F::of(
            self.over_support(|i, log_u| (self.k(i, log_u).wide()) * v(i, log_u).wide())
                / self.total,
        )
    }

    fn over_support(&self, term: impl Fn(usize, F) -> f64) -> f64 {
        (0..self.row.logits.len())
            .map(|i| (i, self.log_u(i)))
            .filter(|&(_, log_u)| log_u > F::neg_infinity())
            .map(|(i, log_u)| term(i, log_u))
            .sum()
    }

    /// `c - <w, c>` for the cotangent `c`.
    fn centred<C: Fn(usize, F) -> F>(&self, c: C) -> impl Fn(usize, F) -> F {
        let centre = c(self.largest, self.log_u(self.largest));
        let mean = self.mean(|i, log_u| c(i, log_u) - centre);
        move |i, log_u| (c(i, log_u) - centre) - mean
    }

    /// `<c, dp/dalpha> = sum_i (c_i - <w, c>) h_i`.
    fn order_gradient(&self, cotangent: impl Fn(usize, F) -> F) -> f64 {
        let centred = self.centred(cotangent);
        self.over_support(|i, log_u| {
            (centred(i, log_u) * self.p(i, log_u) * self.order_slope(i)).wide()
        })
    }

    fn p(&self, i: usize, log_u: F) -> F {
        self.row.q(i) * log_u.exp()
    }

    /// `f'(u_i)` up to what is the same for every entry: it is `x_i - mu`, and the gaps are exact.
    fn y(&self, i: usize) -> F {
        -self.row.gap(i).value
    }
}

impl<F: Real> Row<'_, F> {
    fn jacobian(&self, state: &RowState<F>) -> Option<Jacobian<'_, '_, F>> {
        let mut jacobian = Jacobian {
            row: self,
            curve: self.curve(state)?,
            total: 0.0,
            largest: 0,
        };
        let mut best = F::neg_infinity();
        for i in 0..self.logits.len() {
            let k = jacobian.k(i, jacobian.log_u(i));
            jacobian.total += k.wide();
            if k > best {
                best = k;
                jacobian.largest = i;
            }
        }
        Some(jacobian)
    }

    /// The gradient of `<cotangent, p>` in the logits.
    pub fn softargmax_backward(&self, state: &RowState<F>, cotangent: &[F], grad: &mut [F]) {
        let Some(jacobian) = self.jacobian(state) else {
            return grad.fill(self.without_answer());
        };
        let centred = jacobian.centred(|i, _| cotangent[i]);
        on_support(&jacobian, grad, |i, log_u| {
            jacobian.k(i, log_u) * centred(i, log_u)
        });
    }

    /// The gradient of `<cotangent, p>` in the order.
    pub fn softargmax_backward_alpha(&self, state: &RowState<F>, cotangent: &[F]) -> F {
        match self.jacobian(state) {
            Some(jacobian) => F::of(jacobian.order_gradient(|i, _| cotangent[i])),
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
        let centred = jacobian.centred(|i, _| cotangent[i]);
        on_support(&jacobian, grad, |i, log_u| log_u.exp() * centred(i, log_u));
    }

    /// The gradient of `<cotangent, ln p>` in the logits: `s_i - w_i sum_j s_j` with
    /// `s_i = c_i u_i^(1 - alpha)` on the support.
    pub fn log_softargmax_backward(&self, state: &RowState<F>, cotangent: &[F], grad: &mut [F]) {
        let Some(jacobian) = self.jacobian(state) else {
            return grad.fill(self.without_answer());
        };
        let score = |i: usize, log_u: F| (cotangent[i] * jacobian.score(log_u)).wide();
        let total = jacobian.over_support(score);
        let mut others = 0.0;
        for (i, grad) in grad.iter_mut().enumerate() {
            let log_u = jacobian.log_u(i);
            if log_u == F::neg_infinity() {
                *grad = F::zero();
            } else if i != jacobian.largest {
                let w = jacobian.k(i, log_u).wide() / jacobian.total;
                let value = score(i, log_u) - w * total;
                others += value;
                *grad = F::of(value);
            }
        }
        // The row of gradients sums to zero. At the largest weight the difference s - w sum(s) loses
        // every digit of a row near one-hot; the sum of the others keeps them.
        grad[jacobian.largest] = F::of(-others);
    }

    /// The gradient of `<cotangent, ln p>` in the order: the sum over the support of
    /// `c_i (h_i / p_i - u_i^(1 - alpha) sum h / W)`.
    pub fn log_softargmax_backward_alpha(&self, state: &RowState<F>, cotangent: &[F]) -> F {
        let Some(jacobian) = self.jacobian(state) else {
            return self.without_answer();
        };
        let slope = |i: usize| jacobian.order_slope(i).wide();
        let mean = jacobian.over_support(|i, log_u| jacobian.p(i, log_u).wide() * slope(i))
            / jacobian.total;
        F::of(jacobian.over_support(|i, log_u| {
            cotangent[i].wide() * (slope(i) - jacobian.score(log_u).wide() * mean)
        }))
    }

    /// The gradient of `<cotangent, ln p>` in the reference: that in the logits times `u_i / k_i`.
    pub fn log_softargmax_backward_reference(
        &self,
        state: &RowState<F>,
        cotangent: &[F],
        grad: &mut [F],
    ) {
        self.log_softargmax_backward(state, cotangent, grad);
        if let Some(curve) = self.curve(state) {
            for (i, grad) in grad.iter_mut().enumerate() {
                let log_u = curve.at(self.gap(i)).log_u;
                if log_u > F::neg_infinity() {
                    *grad = *grad * (-self.generator.c() * log_u).exp() / self.q(i);
                }
            }
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
        match self.curve(state) {
            Some(curve) => F::of(-self.order_derivatives(&curve)) * cotangent,
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
        let centred = jacobian.centred(|i, _| jacobian.y(i));
        on_support(&jacobian, grad, |i, log_u| {
            cotangent * (jacobian.k(i, log_u) * centred(i, log_u))
        });
    }

    /// The gradient of `cotangent D` in the order.
    pub fn divergence_backward_alpha(&self, state: &RowState<F>, cotangent: F) -> F {
        match self.jacobian(state) {
            Some(jacobian) => {
                let direct = self.order_derivatives(&jacobian.curve);
                let through_p = jacobian.order_gradient(|i, _| jacobian.y(i));
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
        let centred = jacobian.centred(|i, _| jacobian.y(i));
        for (i, grad) in grad.iter_mut().enumerate() {
            let log_u = jacobian.log_u(i);
            *grad = if !self.allowed(i) {
                F::zero()
            } else if log_u == F::neg_infinity() {
                cotangent * self.generator.value_at_log(log_u)
            } else {
                let conjugate = self.generator.conjugate_at_log(log_u);
                cotangent * (log_u.exp() * centred(i, log_u) - conjugate)
            };
        }
    }

    /// `sum_i q_i df(u_i)/dalpha`, over the allowed entries.
    fn order_derivatives(&self, curve: &RatioCurve<F>) -> f64 {
        (0..self.logits.len())
            .filter(|&i| self.allowed(i))
            .map(|i| {
                let log_u = curve.at(self.gap(i)).log_u;
                (self.q(i) * self.generator.order_derivative_at_log(log_u)).wide()
            })
            .sum()
    }
}

/// Fills a gradient entry by entry over the support, with zero off it.
fn on_support<F: Real>(
    jacobian: &Jacobian<'_, '_, F>,
    grad: &mut [F],
    value: impl Fn(usize, F) -> F,
) {
    for (i, grad) in grad.iter_mut().enumerate() {
        let log_u = jacobian.log_u(i);
        *grad = if log_u == F::neg_infinity() {
            F::zero()
        } else {
            value(i, log_u)
        };
    }
}
