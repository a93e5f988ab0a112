use super::deformed::exp_curvature;
use super::{Real, Solver, Tsallis, solve_log_ratio};

/// The reference measure `q` of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure<'a, F> {
    /// One over the number of allowed entries.
    Uniform,
    /// One for every entry: the convention of entmax.
    Ones,
    /// One number for each entry: positive, or zero where the entry is not allowed. The numbers need
    /// not sum to one.
    Given(&'a [F]),
}

/// One row of the operator: logits, reference and order.
///
/// Entries whose logit is `-inf` or whose reference is zero are not allowed: they get probability
/// zero and leave every sum. A row that holds `NaN`, a logit of `+inf` or a reference that is
/// negative or not finite answers `NaN` everywhere, and so does a row without an allowed entry.
///
/// Methods that take or fill a slice of the row's entries panic if it is shorter than the row.
///
/// ```
/// use burn_tsallis::math::{Measure, Row, Solver};
///
/// let row = Row::<f64>::new(&[0.3, -1.2, 2.0, 0.7], Measure::Given(&[0.1, 0.4, 0.2, 0.3]), 0.5);
/// let state = row.solve(Solver::Newton);
/// assert!((row.mu(&state) - 1.104878933).abs() < 1e-9);
/// let mut p = [0.0; 4];
/// row.softargmax(&state, &mut p);
/// assert!((p[2] - 0.6553308321).abs() < 1e-9);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Row<'a, F> {
    logits: &'a [F],
    reference: Measure<'a, F>,
    generator: Tsallis<F>,
    order: f64,
    /// The value of a reference that is the same for every allowed entry.
    constant: F,
    /// The largest allowed logit; `NaN` where the row cannot be solved.
    max: F,
    /// Of `ln u_max`: minus the logarithms of the allowed reference's sum, and of its largest value
    /// among the largest logits.
    bracket: (F, F),
}

/// The root of a row: all that a backward pass needs beside the inputs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowState<F> {
    /// `l = ln u_max`, the logarithm of the ratio `p / q` at the largest logit.
    pub log_ratio: F,
}

impl<'a, F: Real> Row<'a, F> {
    /// Reads the row once: largest logit, allowed entries and the bracket of the root.
    ///
    /// # Panics
    ///
    /// If a given reference has not one value for each logit.
    pub fn new(logits: &'a [F], reference: Measure<'a, F>, alpha: f64) -> Self {
        if let Measure::Given(q) = reference {
            assert_eq!(
                q.len(),
                logits.len(),
                "the reference needs one value for each of the {} logits",
                logits.len()
            );
        }
        let mut row = Self {
            logits,
            reference,
            generator: Tsallis::new(alpha),
            order: alpha,
            constant: F::one(),
            max: F::neg_infinity(),
            bracket: (F::nan(), F::nan()),
        };
        let mut poisoned = false;
        let mut allowed = 0_usize;
        let mut total = 0.0;
        let mut at_max = F::zero();
        for (i, &x) in logits.iter().enumerate() {
            let q = row.q(i);
            poisoned |= x.is_nan() || x == F::infinity() || !(q >= F::zero() && q < F::infinity());
            if x > F::neg_infinity() && q > F::zero() {
                allowed += 1;
                total += q.wide();
                if x > row.max {
                    row.max = x;
                    at_max = q;
                } else if x == row.max {
                    at_max = at_max.max(q);
                }
            }
        }
        if poisoned || allowed == 0 {
            row.max = F::nan();
            return row;
        }
        if reference == Measure::Uniform {
            row.constant = F::of(1.0 / allowed as f64);
            total = 1.0;
            at_max = row.constant;
        }
        row.bracket = (-F::of(total.ln()), -at_max.ln());
        row
    }

    /// Finds the root.
    pub fn solve(&self, solver: Solver) -> RowState<F> {
        if self.max.is_nan() {
            return RowState {
                log_ratio: F::nan(),
            };
        }
        let c = self.generator.c();
        let log_ratio = solve_log_ratio(self.order, self.bracket, solver, |l| {
            let ratio = LogRatio::new(&self.generator, l);
            // Accumulated in f64: a hundred thousand roundings of a sum near one would cost more
            // digits than the contract leaves.
            let (mut s, mut w) = (0.0, 0.0);
            for i in 0..self.logits.len() {
                let log_u = ratio.at(self.gap(i));
                if log_u > F::neg_infinity() {
                    let q = self.q(i).wide();
                    s += q * log_u.exp().wide();
                    w += q * (log_u + c * (log_u - l)).exp().wide();
                }
            }
            (F::of(s), F::of(w))
        });
        RowState { log_ratio }
    }

    /// `p_i = q_i u_i`.
    pub fn softargmax(&self, state: &RowState<F>, p: &mut [F]) {
        let log_u = self.log_ratios(state);
        for (i, p) in p.iter_mut().enumerate() {
            *p = self.q(i) * log_u(i).exp();
        }
    }

    /// `ln p_i = ln q_i + ln u_i`, `-inf` off the support.
    pub fn log_softargmax(&self, state: &RowState<F>, log_p: &mut [F]) {
        let log_u = self.log_ratios(state);
        for (i, log_p) in log_p.iter_mut().enumerate() {
            let log_u = log_u(i);
            *log_p = if log_u == F::neg_infinity() {
                log_u
            } else {
                self.q(i).ln() + log_u
            };
        }
    }

    /// The normaliser `mu = x_max - f'(u_max)`.
    pub fn mu(&self, state: &RowState<F>) -> F {
        self.max - self.generator.derivative_at_log(state.log_ratio)
    }

    /// `V = max_p <p, x> - D_f(p || q) = mu + sum_i q_i f*(x_i - mu)`.
    pub fn value(&self, state: &RowState<F>) -> F {
        let log_u = self.log_ratios(state);
        let conjugates: f64 = (0..self.logits.len())
            .filter(|&i| self.allowed(i))
            .map(|i| (self.q(i) * self.generator.conjugate_at_log(log_u(i))).wide())
            .sum();
        F::of(self.mu(state).wide() + conjugates)
    }

    /// `D_f(p || q) = sum_i q_i f(u_i)`, over the allowed entries.
    pub fn divergence(&self, state: &RowState<F>) -> F {
        let log_u = self.log_ratios(state);
        F::of(
            (0..self.logits.len())
                .filter(|&i| self.allowed(i))
                .map(|i| (self.q(i) * self.generator.value_at_log(log_u(i))).wide())
                .sum(),
        )
    }

    /// The gradient of `<cotangent, p>` in the logits: `k_i (c_i - <w, c>)`, with
    /// `k_i = q_i u_i^(2 - alpha)`, `W = sum k`, `w = k / W`.
    pub fn softargmax_backward(&self, state: &RowState<F>, cotangent: &[F], grad: &mut [F]) {
        let Some(jacobian) = self.jacobian(state) else {
            grad.fill(F::nan());
            return;
        };
        let centre = cotangent[jacobian.largest];
        let mean = self.weighted_mean(&jacobian, |i| cotangent[i] - centre);
        for (i, grad) in grad.iter_mut().enumerate() {
            let k = (jacobian.k)(i);
            *grad = if k > F::zero() {
                k * ((cotangent[i] - centre) - mean)
            } else {
                F::zero()
            };
        }
    }

    /// The gradient of `<cotangent, ln p>` in the logits: `s_i - w_i sum_j s_j` with
    /// `s_i = c_i u_i^(1 - alpha)` on the support.
    pub fn log_softargmax_backward(&self, state: &RowState<F>, cotangent: &[F], grad: &mut [F]) {
        let Some(jacobian) = self.jacobian(state) else {
            grad.fill(F::nan());
            return;
        };
        let log_u = self.log_ratios(state);
        // On the support by test: where p underflows its logarithm still has a gradient.
        let score = |i: usize| {
            let log_u = log_u(i);
            if log_u > F::neg_infinity() {
                cotangent[i] * (self.generator.c() * log_u).exp()
            } else {
                F::zero()
            }
        };
        let total: f64 = (0..grad.len()).map(|i| score(i).wide()).sum();
        let mut others = 0.0;
        for (i, grad) in grad.iter_mut().enumerate() {
            if i == jacobian.largest {
                continue;
            }
            let w = (jacobian.k)(i).wide() / jacobian.total;
            let value = score(i).wide() - w * total;
            others += value;
            *grad = F::of(value);
        }
        // The row of gradients sums to zero. At the largest weight the difference s - w sum(s) loses
        // every digit of a row near one-hot; the sum of the others keeps them.
        grad[jacobian.largest] = F::of(-others);
    }

    /// The gradient of `<cotangent, p>` in `alpha`.
    pub fn softargmax_backward_alpha(&self, state: &RowState<F>, cotangent: &[F]) -> F {
        let Some(jacobian) = self.jacobian(state) else {
            return F::nan();
        };
        let log_u = self.log_ratios(state);
        // The partial derivative of p_i at a fixed mu, written without a division by c.
        let h = |i: usize| {
            let log_u = log_u(i);
            if log_u == F::neg_infinity() {
                return F::zero();
            }
            let p = self.q(i) * log_u.exp();
            -p * log_u * log_u * exp_curvature(self.generator.c() * log_u)
        };
        let j = jacobian.largest;
        let centre = cotangent[j];
        let mean = self.weighted_mean(&jacobian, |i| cotangent[i] - centre);
        let slope = h(j) / (jacobian.k)(j);
        F::of(
            (0..cotangent.len())
                .filter(|&i| (jacobian.k)(i) > F::zero())
                .map(|i| {
                    let centred = (cotangent[i] - centre) - mean;
                    (centred * (h(i) - slope * (jacobian.k)(i))).wide()
                })
                .sum(),
        )
    }

    /// The gradient of `<cotangent, p>` in the reference, its entries as free coordinates:
    /// `u_i (c_i - <w, c>)`.
    pub fn softargmax_backward_reference(
        &self,
        state: &RowState<F>,
        cotangent: &[F],
        grad: &mut [F],
    ) {
        let Some(jacobian) = self.jacobian(state) else {
            grad.fill(F::nan());
            return;
        };
        let log_u = self.log_ratios(state);
        let centre = cotangent[jacobian.largest];
        let mean = self.weighted_mean(&jacobian, |i| cotangent[i] - centre);
        for (i, grad) in grad.iter_mut().enumerate() {
            let log_u = log_u(i);
            *grad = if log_u == F::neg_infinity() {
                F::zero()
            } else {
                log_u.exp() * ((cotangent[i] - centre) - mean)
            };
        }
    }

    /// The gradient of `<cotangent, ln p>` in the reference, its entries as free coordinates: that in
    /// the logits times `u_i / k_i`, which is `c_i / q_i - (u_i / W) sum_j s_j`.
    pub fn log_softargmax_backward_reference(
        &self,
        state: &RowState<F>,
        cotangent: &[F],
        grad: &mut [F],
    ) {
        self.log_softargmax_backward(state, cotangent, grad);
        let log_u = self.log_ratios(state);
        for (i, grad) in grad.iter_mut().enumerate() {
            let log_u = log_u(i);
            if log_u > F::neg_infinity() {
                *grad = *grad * (-self.generator.c() * log_u).exp() / self.q(i);
            }
        }
    }

    fn q(&self, i: usize) -> F {
        match self.reference {
            Measure::Given(q) => q[i],
            Measure::Uniform | Measure::Ones => self.constant,
        }
    }

    fn allowed(&self, i: usize) -> bool {
        self.logits[i] > F::neg_infinity() && self.q(i) > F::zero()
    }

    /// `x_max - x_i`, infinite where the entry is not allowed.
    fn gap(&self, i: usize) -> F {
        if self.allowed(i) {
            // Finite logits may lie further apart than the largest number.
            (self.max - self.logits[i]).min(F::max_value())
        } else {
            F::infinity()
        }
    }

    fn log_ratios(&self, state: &RowState<F>) -> impl Fn(usize) -> F + use<'_, 'a, F> {
        let ratio = LogRatio::new(&self.generator, state.log_ratio);
        move |i| {
            if self.max.is_nan() {
                F::nan()
            } else {
                ratio.at(self.gap(i))
            }
        }
    }

    fn jacobian(
        &self,
        state: &RowState<F>,
    ) -> Option<Jacobian<impl Fn(usize) -> F + use<'_, 'a, F>>> {
        if self.max.is_nan() {
            return None;
        }
        let log_u = self.log_ratios(state);
        let half_exponent = F::of(0.5) * (F::one() + self.generator.c());
        let k = move |i: usize| {
            let log_u = log_u(i);
            // Tested, not left to the power: u^(2 - alpha) is one at u = 0 for alpha = 2.
            if log_u == F::neg_infinity() {
                F::zero()
            } else {
                // In halves: with a small q the power overflows where the product does not.
                let root = (half_exponent * log_u).exp();
                self.q(i) * root * root
            }
        };
        let mut largest = 0;
        let mut best = F::neg_infinity();
        let mut total = 0.0;
        for i in 0..self.logits.len() {
            let k = k(i);
            total += k.wide();
            if k > best {
                best = k;
                largest = i;
            }
        }
        Some(Jacobian { k, total, largest })
    }

    /// `<w, v>`.
    fn weighted_mean<K: Fn(usize) -> F>(
        &self,
        jacobian: &Jacobian<K>,
        v: impl Fn(usize) -> F,
    ) -> F {
        let sum: f64 = (0..self.logits.len())
            .map(|i| (i, (jacobian.k)(i)))
            .filter(|&(_, k)| k > F::zero())
            .map(|(i, k)| k.wide() * v(i).wide())
            .sum();
        F::of(sum / jacobian.total)
    }
}

/// `dp/dx = diag(k) - k k^T / W`.
///
/// Cotangents are centred on the entry of the largest `k` before `c - <w, c>` is formed: near a
/// one-hot row `<w, c>` equals that entry's cotangent to rounding, and the gradient is what is left.
struct Jacobian<K> {
    k: K,
    total: f64,
    largest: usize,
}

/// `ln u` as a function of the gap `g = x_max - x`, given `l = ln u_max`:
///
/// ```text
/// ln u = l - ln(1 + c g e^(c l)) / c
/// ```
///
/// This form keeps its digits at every order; the textbook `1 + (alpha - 1)(x - mu)` cancels.
#[derive(Clone, Copy, Debug)]
pub struct LogRatio<F> {
    c: F,
    l: F,
    /// `e^(c l)`.
    power: F,
}

impl<F: Real> LogRatio<F> {
    /// The function for one row.
    pub fn new(generator: &Tsallis<F>, l: F) -> Self {
        let c = generator.c();
        Self {
            c,
            l,
            power: (c * l).exp(),
        }
    }

    /// `ln u` at the gap `g >= 0`; `-inf` off the support and at an infinite gap.
    pub fn at(&self, gap: F) -> F {
        if gap == F::infinity() {
            return F::neg_infinity();
        }
        let x = gap * self.power;
        let z = self.c * x;
        if self.c * self.l > F::LOG_SPACE || z == F::infinity() {
            return self.at_in_log_space(gap);
        }
        if z <= -F::one() {
            return F::neg_infinity();
        }
        if z.abs() < F::epsilon() {
            self.l - x
        } else {
            self.l - z.ln_1p() / self.c
        }
    }

    /// The same where `e^(c l)` overflows.
    fn at_in_log_space(&self, gap: F) -> F {
        if gap <= F::zero() {
            return self.l;
        }
        // ln |z|
        let t = self.c.abs().ln() + gap.ln() + self.c * self.l;
        if self.c > F::zero() {
            self.l - (t.max(F::zero()) + (-t.abs()).exp().ln_1p()) / self.c
        } else if t >= F::zero() {
            F::neg_infinity()
        } else {
            self.l - (-t.exp()).ln_1p() / self.c
        }
    }
}
