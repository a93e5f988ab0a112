//! The value of a Fenchel-Young loss, without the cancellation of `V(x) + D_f(t || q) - <x, t>`.
//!
//! With `v = t / q` and `u = p / q` it is a sum of non-negative terms over the entries,
//!
//! ```text
//! q_i [B(v_i; u_i) + v_i (g_i - m)_+],    B(v; u) = f(v) - f(u) - f'(u)(v - u)
//! ```
//!
//! with [`bregman_at_logs`](crate::math::Tsallis::bregman_at_logs) for `B`. The second summand is nonzero off the
//! support only: `g_i` is the gap to the largest logit, and `m = u_max^(alpha - 1) / (alpha - 1)` is the gap at which
//! the support ends.

use crate::nn::ReferenceConfig;
use crate::nn::one_hot::one_hot;
use crate::op::deformed::exp_difference;
use crate::op::expanded;
use crate::{TsallisOptions, tsallis_log_softargmax};
use burn::Tensor;
use burn::tensor::{Bool, Int, TensorData};

/// Rows of logits and their root, constants to autodiff.
pub(super) struct SolvedRows<const D: usize> {
    alpha: f64,
    /// `ln u`, `-inf` off the support.
    log_u: Tensor<D>,
    /// `ln q`, in a shape that broadcasts. `None` if it is zero.
    log_q: Option<Tensor<D>>,
    /// `(g - m)_+` off the support, zero on it, infinite for a forbidden entry.
    excess: Tensor<D>,
}

impl<const D: usize> SolvedRows<D> {
    pub fn new(
        logits: Tensor<D>,
        options: TsallisOptions<D>,
        alpha: f64,
        reference: &ReferenceConfig,
    ) -> Self {
        let x = logits.detach();
        let last = D - 1;
        // Computed first, because this panics if the reference has the wrong length.
        let log_p = tsallis_log_softargmax(x.clone(), options, -1);
        let mut forbidden = x.clone().equal_scalar(f32::NEG_INFINITY);
        let log_q = match reference {
            ReferenceConfig::Ones => None,
            ReferenceConfig::Uniform => {
                let count = x
                    .ones_like()
                    .mask_fill(forbidden.clone(), 0.0)
                    .sum_dim(last);
                Some(count.log().neg())
            }
            ReferenceConfig::Values(values) => {
                let mut shape = [1; D];
                shape[last] = values.len();
                let data = TensorData::new(values.clone(), shape);
                let q = Tensor::<D>::from_data(data, (&x.device(), x.dtype()));
                let never = expanded(q.clone().equal_scalar(0.0), x.dims());
                forbidden = forbidden.bool_or(never);
                Some(q.log())
            }
        };
        let off = log_p.clone().equal_scalar(f32::NEG_INFINITY);
        let log_u = match &log_q {
            Some(log_q) => log_p - log_q.clone(),
            None => log_p,
        };
        let log_u = log_u.mask_fill(off.clone(), f64::NEG_INFINITY);
        let excess = if alpha > 1.0 {
            let x = x.mask_fill(forbidden.clone(), f64::NEG_INFINITY);
            let gaps = x.clone().max_dim(last) - x;
            let largest = log_u.clone().max_dim(last);
            let support_radius = (largest * (alpha - 1.0)).exp() / (alpha - 1.0);
            (gaps - support_radius)
                .clamp_min(0.0)
                .mask_fill(off.bool_not(), 0.0)
        } else {
            // Only forbidden entries are off the support.
            log_u.zeros_like()
        };
        Self {
            alpha,
            log_u,
            log_q,
            excess: excess.mask_fill(forbidden, f64::INFINITY),
        }
    }

    /// Returns which entries are forbidden by their logit or by the reference.
    pub fn forbidden(&self) -> Tensor<D, Bool> {
        self.excess.clone().equal_scalar(f32::INFINITY)
    }

    /// Computes the loss of each row against its distribution `t`, with size 1 along the last dimension.
    pub fn losses(&self, targets: Tensor<D>) -> Tensor<D> {
        let zero = targets.clone().equal_scalar(0.0);
        let terms = self.terms(
            targets.log(),
            self.log_u.clone(),
            self.log_q.clone(),
            self.excess.clone(),
            zero,
        );
        terms.sum_dim(D - 1)
    }

    /// Computes the terms of the given entries. `zero` marks the entries whose target is zero.
    fn terms(
        &self,
        log_t: Tensor<D>,
        log_u: Tensor<D>,
        log_q: Option<Tensor<D>>,
        excess: Tensor<D>,
        zero: Tensor<D, Bool>,
    ) -> Tensor<D> {
        let forbidden = excess.clone().equal_scalar(f32::INFINITY);
        let log_v = match &log_q {
            Some(log_q) => log_t - log_q.clone(),
            None => log_t,
        };
        let log_v = log_v.mask_fill(zero.clone(), f64::NEG_INFINITY);
        let v = log_v.clone().exp();
        // `0 * inf` for a target of zero.
        let slope = exp_difference(self.alpha - 1.0, log_v.clone(), log_u.clone()) + excess;
        let slope = slope.mask_fill(zero.clone(), 0.0);
        let terms = v * slope - exp_difference(self.alpha, log_v, log_u);
        let terms = match log_q {
            Some(log_q) => terms * log_q.exp(),
            None => terms,
        };
        terms
            .mask_fill(forbidden.clone().bool_and(zero.clone()), 0.0)
            .mask_fill(forbidden.bool_and(zero.bool_not()), f64::INFINITY)
    }
}

impl SolvedRows<2> {
    /// Computes the loss of each row against a class, `[batch, 1]`: [`losses`](Self::losses) for one-hot targets, with
    /// only one power for every other entry.
    pub fn class_losses(&self, targets: Tensor<2, Int>) -> Tensor<2> {
        let shape = self.log_u.dims();
        if self.alpha <= 0.0 {
            return self.losses(one_hot(targets, &self.log_u));
        }
        let chosen = |of: &Tensor<2>| expanded(of.clone(), shape).gather(1, targets.clone());
        let log_q = self.log_q.as_ref().map(chosen);
        let log_u = chosen(&self.log_u);
        let excess = chosen(&self.excess);
        let log_t = log_u.zeros_like();
        let zero = log_t.clone().bool();
        let of_class = self.terms(log_t, log_u, log_q, excess, zero);

        // B(0; u) = u^alpha / alpha.
        let other_terms = (self.log_u.clone() * self.alpha).exp() / self.alpha;
        let other_terms = match &self.log_q {
            Some(log_q) => other_terms * log_q.clone().exp(),
            None => other_terms,
        };
        let class = one_hot(targets, &self.log_u).bool();
        of_class + other_terms.mask_fill(class, 0.0).sum_dim(1)
    }
}
