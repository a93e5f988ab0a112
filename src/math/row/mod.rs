//! One row of the operator: its inputs, its root and its outputs. The gradients are in `backward`, and the
//! ratio as a function of the gap is in `ratio`.

mod backward;
mod ratio;

pub use backward::RowGradients;
pub use ratio::{Gap, Ratio, RatioCurve};

use super::solver::{solve_log_ratio, solve_support_radius};
use super::{Real, Solver, Tsallis, expm1_over, is_valid_alpha, log1p_over, non_negative};
use serde::{Deserialize, Serialize};

/// The reference measure `q` of a row.
///
/// ```
/// use burn_tsallis::math::{Row, RowReference, Solver};
///
/// // With equal logits the probabilities are proportional to the reference.
/// let row = Row::<f64>::new(&[0.0, 0.0], RowReference::Values(&[1.0, 3.0]), 0.5);
/// let mut p = [0.0; 2];
/// row.softargmax(&row.solve(Solver::Newton), &mut p);
/// assert!((p[0] - 0.25).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RowReference<Q> {
    /// One over the number of allowed entries.
    Uniform,
    /// One for every entry, the convention of entmax.
    Ones,
    /// A number for each entry: positive, or zero if the entry is not allowed. The numbers need not sum to
    /// one.
    Values(Q),
}

impl<Q> RowReference<Q> {
    /// Borrows the numbers of the reference.
    ///
    /// ```
    /// use burn_tsallis::math::RowReference;
    ///
    /// let owned = RowReference::Values(vec![0.2, 0.8]);
    /// assert_eq!(owned.as_deref::<f64>(), RowReference::Values(&[0.2, 0.8][..]));
    /// ```
    pub fn as_deref<F>(&self) -> RowReference<&[F]>
    where
        Q: AsRef<[F]>,
    {
        match self {
            Self::Uniform => RowReference::Uniform,
            Self::Ones => RowReference::Ones,
            Self::Values(q) => RowReference::Values(q.as_ref()),
        }
    }
}

/// The outputs of a row without an allowed entry.
///
/// ```
/// use burn_tsallis::math::{EmptyRow, Row, RowReference, Solver};
///
/// let empty = Row::<f64>::new(&[f64::NEG_INFINITY], RowReference::Ones, 0.5);
/// assert!(empty.divergence(&empty.solve(Solver::Newton)).is_nan());
/// let empty = empty.with_empty_row(EmptyRow::Zero);
/// assert_eq!(empty.divergence(&empty.solve(Solver::Newton)), 0.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EmptyRow {
    /// `NaN` in every output and gradient.
    #[default]
    NaN,
    /// Zero for the probabilities, value, divergence and gradients, and `-inf` for the logarithms. Attention uses
    /// these for a query whose keys are all masked.
    Zero,
}

/// An output of the operator.
///
/// ```
/// use burn_tsallis::math::{Output, Row, RowReference, Solver};
///
/// // The value of two equal logits with the reference 1 at alpha = 1: ln 2 + 1 - 2.
/// let row = Row::<f64>::new(&[0.0, 0.0], RowReference::Ones, 1.0);
/// let mut value = [0.0];
/// row.output(Output::Value, &row.solve(Solver::Newton), &mut value);
/// assert!((value[0] - (2_f64.ln() - 1.0)).abs() < 1e-12);
/// ```
// The constants of the outputs in kernels/row.wgsl have this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// The probabilities `p`, of the logits' shape.
    Probabilities,
    /// Their logarithms `ln p`, of the logits' shape.
    LogProbabilities,
    /// The value `V = max_p <p, x> - D_f(p || q)`, one number for each row.
    Value,
    /// The divergence `D_f(p || q)`, one number for each row.
    Divergence,
}

impl Output {
    /// Every output.
    ///
    /// ```
    /// use burn_tsallis::math::Output;
    ///
    /// assert_eq!(Output::ALL.iter().filter(|output| output.is_per_entry()).count(), 2);
    /// ```
    pub const ALL: [Self; 4] = [
        Self::Probabilities,
        Self::LogProbabilities,
        Self::Value,
        Self::Divergence,
    ];

    /// Returns whether the output has a number for each entry, and not one for each row.
    ///
    /// ```
    /// use burn_tsallis::math::Output;
    ///
    /// assert!(Output::LogProbabilities.is_per_entry());
    /// assert!(!Output::Value.is_per_entry());
    /// ```
    pub fn is_per_entry(self) -> bool {
        matches!(self, Self::Probabilities | Self::LogProbabilities)
    }
}

/// One row of the operator: logits, reference and alpha.
///
/// Entries whose logit is `-inf` or whose reference is zero are not allowed: they get probability
/// zero and are left out of every sum. If the row holds a `NaN`, a logit of `+inf`, or a reference that is
/// negative or not finite, all its outputs and gradients are `NaN`. [`EmptyRow`] sets the outputs of a row without
/// an allowed entry.
///
/// Methods that take or fill a slice of the row's entries panic if the slice is shorter than the row.
///
/// ```
/// use burn_tsallis::math::{RowReference, Row, Solver};
///
/// let row = Row::<f64>::new(&[0.3, -1.2, 2.0, 0.7], RowReference::Values(&[0.1, 0.4, 0.2, 0.3]), 0.5);
/// let state = row.solve(Solver::Newton);
/// assert!((row.mu(&state) - 1.104878933).abs() < 1e-9);
/// let mut p = [0.0; 4];
/// row.softargmax(&state, &mut p);
/// assert!((p[2] - 0.6553308321).abs() < 1e-9);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Row<'a, F> {
    logits: &'a [F],
    reference: RowReference<&'a [F]>,
    generator: Tsallis<F>,
    alpha: f64,
    empty_row: EmptyRow,
    kind: Kind,
    /// The reference of every allowed entry, if it is the same for all.
    constant: F,
    /// The largest allowed logit.
    max: F,
    /// The largest gap between allowed logits.
    max_gap: F,
    /// The bracket of `ln u_max`: minus the logarithm of the sum of the allowed references, and minus the
    /// logarithm of the largest reference among the entries with the largest logit.
    bracket: (F, F),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Solvable,
    Invalid,
    Empty,
}

/// The root of a row. A backward pass needs it and the inputs, and nothing else.
///
/// Up to `alpha = 2` it is `l = ln u_max`, the logarithm of the ratio `p / q` at the largest logit. Above it, a
/// probability near the edge of the support is the `(alpha - 1)`-th root of a difference. The root of the row is
/// then the support radius `m = u_max^(alpha - 1) / (alpha - 1)`, the gap at which the support ends, as a sum of
/// two numbers. See [`RatioCurve`].
///
/// ```
/// use burn_tsallis::math::{Row, RowReference, Solver};
///
/// // Two equal logits with the reference 1: u = p = 1/2.
/// let state = Row::<f64>::new(&[0.0, 0.0], RowReference::Ones, 0.5).solve(Solver::Newton);
/// assert!((state.root - 0.5_f64.ln()).abs() < 1e-12);
/// assert_eq!(state.remainder, 0.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowState<F> {
    /// The root, rounded.
    pub root: F,
    /// The remainder of the rounding: the root is `root + remainder`.
    pub remainder: F,
}

impl<F: Real> RowState<F> {
    fn nan() -> Self {
        Self {
            root: F::nan(),
            remainder: F::nan(),
        }
    }
}

impl<'a, F: Real> Row<'a, F> {
    /// Creates a row. Reads its entries once for the largest logit, the number of allowed entries and the bracket
    /// of the root. If `alpha` is outside `-50..=50`, or `NaN`, all outputs of the row are `NaN`.
    ///
    /// # Panics
    ///
    /// If a given reference does not have one number for each logit.
    ///
    /// ```
    /// use burn_tsallis::math::{Row, RowReference, Solver};
    ///
    /// // Sparsemax: alpha = 2 with a reference of ones.
    /// let row = Row::new(&[1.0, 0.5, -2.0_f64], RowReference::Ones, 2.0);
    /// let mut p = [0.0; 3];
    /// row.softargmax(&row.solve(Solver::Newton), &mut p);
    /// assert!((p[0] - 0.75).abs() < 1e-12 && p[2] == 0.0);
    /// ```
    pub fn new(logits: &'a [F], reference: RowReference<&'a [F]>, alpha: f64) -> Self {
        if let RowReference::Values(q) = reference {
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
            alpha,
            empty_row: EmptyRow::NaN,
            kind: Kind::Invalid,
            constant: F::one(),
            max: F::neg_infinity(),
            max_gap: F::zero(),
            bracket: (F::nan(), F::nan()),
        };
        let mut invalid = !is_valid_alpha(alpha);
        let mut allowed = 0_usize;
        let mut total = 0.0;
        let mut at_max = F::zero();
        let mut min = F::infinity();
        for (i, &x) in logits.iter().enumerate() {
            let q = row.q(i);
            invalid |= x.is_nan() || x == F::infinity() || !(q >= F::zero() && q < F::infinity());
            if x > F::neg_infinity() && q > F::zero() {
                allowed += 1;
                total += q.into_f64();
                min = min.min(x);
                if x > row.max {
                    row.max = x;
                    at_max = q;
                } else if x == row.max {
                    at_max = at_max.max(q);
                }
            }
        }
        if invalid {
            return row;
        }
        if allowed == 0 {
            row.kind = Kind::Empty;
            return row;
        }
        row.kind = Kind::Solvable;
        if reference == RowReference::Uniform {
            row.constant = F::from_f64(1.0 / allowed as f64);
            total = 1.0;
            at_max = row.constant;
        }
        row.max_gap = (row.max - min).min(F::max_value());
        row.bracket = (-F::from_f64(total.ln()), -at_max.ln());
        row
    }

    /// Sets the outputs of the row for the case that it has no allowed entry.
    ///
    /// ```
    /// use burn_tsallis::math::{EmptyRow, Row, RowReference, Solver};
    ///
    /// let row = Row::<f64>::new(&[f64::NEG_INFINITY], RowReference::Ones, 0.5).with_empty_row(EmptyRow::Zero);
    /// assert_eq!(row.value(&row.solve(Solver::Newton)), 0.0);
    /// ```
    pub fn with_empty_row(mut self, empty_row: EmptyRow) -> Self {
        self.empty_row = empty_row;
        self
    }

    /// Finds the root of the row. It is `NaN` if the row is invalid or has no allowed entry.
    ///
    /// ```
    /// use burn_tsallis::math::{Row, RowReference, Solver};
    ///
    /// let row = Row::<f64>::new(&[0.0, 1.0], RowReference::Uniform, 0.5);
    /// let (newton, bisection) = (row.solve(Solver::Newton), row.solve(Solver::Bisection));
    /// assert!((newton.root - bisection.root).abs() < 1e-12);
    /// ```
    pub fn solve(&self, solver: Solver) -> RowState<F> {
        if self.kind != Kind::Solvable {
            return RowState::nan();
        }
        if self.uses_support_radius() {
            let curve =
                |root, remainder| RatioCurve::with_support_radius(&self.generator, root, remainder);
            let (root, remainder) = solve_support_radius(
                self.alpha,
                self.bracket,
                self.max_gap,
                solver,
                |(root, remainder)| self.mass(&curve(root, remainder)),
            );
            return RowState { root, remainder };
        }
        let root = solve_log_ratio(self.alpha, self.bracket, solver, |l| {
            self.mass(&RatioCurve::new(&self.generator, l))
        });
        RowState {
            root,
            remainder: F::zero(),
        }
    }

    /// Improves a root that was rounded to another type, by one step of Newton's method.
    ///
    /// ```
    /// use burn_tsallis::math::{Row, RowReference, RowState, Solver};
    ///
    /// let row = Row::<f64>::new(&[0.0, 1.0], RowReference::Uniform, 0.5);
    /// let exact = row.solve(Solver::Newton);
    /// let root = f64::from(exact.root as f32);
    /// let state = row.refine(RowState { root, remainder: 0.0 });
    /// assert!((state.root - exact.root).abs() < 1e-13);
    /// ```
    pub fn refine(&self, state: RowState<F>) -> RowState<F> {
        let l = state.root + state.remainder;
        if self.kind != Kind::Solvable || self.uses_support_radius() || !l.is_finite() {
            return state;
        }
        let c = self.generator.c();
        let (s, w) = self.mass(&RatioCurve::new(&self.generator, l));
        let root = l - log1p_over(c, s * expm1_over(c, s.ln()) / w);
        let remainder = F::zero();
        if root.is_finite() {
            RowState { root, remainder }
        } else {
            state
        }
    }

    /// Returns `S = sum_i q_i u_i` and `W = sum_i q_i u_i (u_i / u_max)^c`.
    fn mass(&self, curve: &RatioCurve<F>) -> (F, F) {
        // Accumulated in f64: a hundred thousand roundings of a sum near one in f32 would exceed the accuracy
        // bounds.
        let (mut s, mut w) = (0.0, 0.0);
        for i in 0..self.logits.len() {
            let ratio = curve.at(self.gap(i));
            if ratio.log_u > F::neg_infinity() {
                let p = self.q(i).into_f64() * ratio.log_u.exp().into_f64();
                s += p;
                w += p * ratio.relative_slope.into_f64();
            }
        }
        (F::from_f64(s), F::from_f64(w))
    }

    /// Computes an output into `y`, which has one number for each entry or a single number (see
    /// [`Output::is_per_entry`]).
    ///
    /// ```
    /// use burn_tsallis::math::{Output, Row, RowReference, Solver};
    ///
    /// let row = Row::<f64>::new(&[0.0, 1.0], RowReference::Uniform, 1.0);
    /// let state = row.solve(Solver::Newton);
    /// let mut value = [0.0];
    /// row.output(Output::Value, &state, &mut value);
    /// assert_eq!(value[0], row.value(&state));
    /// ```
    pub fn output(&self, output: Output, state: &RowState<F>, y: &mut [F]) {
        match output {
            Output::Probabilities => self.softargmax(state, y),
            Output::LogProbabilities => self.log_softargmax(state, y),
            Output::Value => y[0] = self.value(state),
            Output::Divergence => y[0] = self.divergence(state),
        }
    }

    /// Computes the probabilities `p_i = q_i u_i` into `p`.
    ///
    /// ```
    /// use burn_tsallis::math::{Row, RowReference, Solver};
    ///
    /// // alpha = 1 is the softmax.
    /// let row = Row::<f64>::new(&[0.0, 1.0], RowReference::Uniform, 1.0);
    /// let mut p = [0.0; 2];
    /// row.softargmax(&row.solve(Solver::Newton), &mut p);
    /// assert!((p[1] - 1.0 / (1.0 + (-1_f64).exp())).abs() < 1e-12);
    /// ```
    pub fn softargmax(&self, state: &RowState<F>, p: &mut [F]) {
        let Some(curve) = self.curve(state) else {
            return p.fill(self.fallback_value());
        };
        let residual = self.residual(&curve);
        for (i, p) in p.iter_mut().enumerate() {
            let ratio = curve.at(self.gap(i));
            *p = if ratio.log_u == F::neg_infinity() {
                F::zero()
            } else {
                let share = (F::one() + residual * ratio.relative_slope).max(F::zero());
                self.q(i) * ratio.log_u.exp() * share
            };
        }
    }

    /// Computes the logarithms `ln p_i = ln q_i + ln u_i` into `log_p`. They are `-inf` off the support.
    ///
    /// ```
    /// use burn_tsallis::math::{Row, RowReference, Solver};
    ///
    /// let row = Row::<f64>::new(&[0.0, 1.0], RowReference::Uniform, 1.0);
    /// let mut log_p = [0.0; 2];
    /// row.log_softargmax(&row.solve(Solver::Newton), &mut log_p);
    /// assert!((log_p[1] - log_p[0] - 1.0).abs() < 1e-12);
    /// ```
    pub fn log_softargmax(&self, state: &RowState<F>, log_p: &mut [F]) {
        let Some(curve) = self.curve(state) else {
            return log_p.fill(match self.fallback_value() {
                zero if zero == F::zero() => F::neg_infinity(),
                nan => nan,
            });
        };
        let residual = self.residual(&curve);
        for (i, log_p) in log_p.iter_mut().enumerate() {
            let ratio = curve.at(self.gap(i));
            *log_p = if ratio.log_u == F::neg_infinity() {
                ratio.log_u
            } else {
                let share = (residual * ratio.relative_slope).max(-F::one());
                self.q(i).ln() + ratio.log_u + share.ln_1p()
            };
        }
    }

    /// Returns the normalizer `mu = x_max - f'(u_max)`.
    ///
    /// ```
    /// use burn_tsallis::math::{Row, RowReference, Solver};
    ///
    /// // Equal logits under a uniform reference: u = 1 and f'(1) = 0.
    /// let row = Row::<f64>::new(&[2.0, 2.0], RowReference::Uniform, 0.5);
    /// assert!((row.mu(&row.solve(Solver::Newton)) - 2.0).abs() < 1e-12);
    /// ```
    pub fn mu(&self, state: &RowState<F>) -> F {
        match self.curve(state) {
            Some(curve) => self.max - self.generator.derivative_at_log(curve.log_u_max()),
            None => F::nan(),
        }
    }

    /// Returns the value `V = max_p <p, x> - D_f(p || q) = mu + sum_i q_i f*(x_i - mu)`.
    ///
    /// ```
    /// use burn_tsallis::math::{Row, RowReference, Solver};
    ///
    /// // alpha = 1 with a reference of ones: V = ln sum_i e^(x_i) - n + 1 for n entries.
    /// let row = Row::<f64>::new(&[0.0, 1.0], RowReference::Ones, 1.0);
    /// let value = row.value(&row.solve(Solver::Newton));
    /// assert!((value - ((1.0 + 1_f64.exp()).ln() - 1.0)).abs() < 1e-12);
    /// ```
    pub fn value(&self, state: &RowState<F>) -> F {
        let Some(curve) = self.curve(state) else {
            return self.fallback_value();
        };
        let conjugates = self.sum(&curve, |log_u| self.generator.conjugate_at_log(log_u));
        F::from_f64(self.mu(state).into_f64() + conjugates)
    }

    /// Returns the divergence `D_f(p || q) = sum_i q_i f(u_i)`, over the allowed entries.
    ///
    /// ```
    /// use burn_tsallis::math::{Row, RowReference, Solver};
    ///
    /// let row = Row::<f64>::new(&[0.0, 1.0], RowReference::Uniform, 0.5);
    /// let state = row.solve(Solver::Newton);
    /// let mut p = [0.0; 2];
    /// row.softargmax(&state, &mut p);
    /// assert!((row.divergence(&state) - (p[1] - row.value(&state))).abs() < 1e-12);
    /// ```
    pub fn divergence(&self, state: &RowState<F>) -> F {
        let Some(curve) = self.curve(state) else {
            return self.fallback_value();
        };
        let divergence = self.sum(&curve, |log_u| self.generator.value_at_log(log_u));
        F::from_f64(non_negative(divergence))
    }

    /// Returns `sum_i q_i f(ln u_i)` over the allowed entries.
    fn sum(&self, curve: &RatioCurve<F>, f: impl Fn(F) -> F) -> f64 {
        (0..self.logits.len())
            .filter(|&i| self.allowed(i))
            .map(|i| (self.q(i) * f(curve.at(self.gap(i)).log_u)).into_f64())
            .sum()
    }

    fn q(&self, i: usize) -> F {
        match self.reference {
            RowReference::Values(q) => q[i],
            RowReference::Uniform | RowReference::Ones => self.constant,
        }
    }

    fn allowed(&self, i: usize) -> bool {
        self.logits[i] > F::neg_infinity() && self.q(i) > F::zero()
    }

    /// Returns `x_max - x_i`, or infinity if the entry is not allowed.
    fn gap(&self, i: usize) -> Gap<F> {
        if self.allowed(i) {
            Gap::between(self.max, self.logits[i])
        } else {
            Gap::infinite()
        }
    }

    /// Returns whether the root is the support radius: if it is needed and does not overflow in this type.
    fn uses_support_radius(&self) -> bool {
        let (lo, hi) = self.bracket;
        self.alpha > Solver::NEWTON_MAX_ALPHA
            && -self.generator.c() * lo.abs().max(hi.abs()) <= F::LOG_SPACE
    }

    fn curve(&self, state: &RowState<F>) -> Option<RatioCurve<F>> {
        if self.kind != Kind::Solvable {
            None
        } else if self.uses_support_radius() {
            Some(RatioCurve::with_support_radius(
                &self.generator,
                state.root,
                state.remainder,
            ))
        } else {
            Some(RatioCurve::new(&self.generator, state.root))
        }
    }

    /// Returns the error of the mass at the root, `(1 - S) / W`, in units of the relative slopes: one Newton step
    /// on the probabilities themselves. Above `alpha = 2`, a rounding error of the root can move an entry at the
    /// edge of the support by more than the error of the other entries. For `alpha <= 2` the error is only a
    /// rounding error, and the method returns zero.
    fn residual(&self, curve: &RatioCurve<F>) -> F {
        if self.alpha <= Solver::NEWTON_MAX_ALPHA {
            return F::zero();
        }
        let (s, w) = self.mass(curve);
        (F::one() - s) / w
    }

    /// Returns the output of a row that is not solvable.
    fn fallback_value(&self) -> F {
        match (self.kind, self.empty_row) {
            (Kind::Empty, EmptyRow::Zero) => F::zero(),
            _ => F::nan(),
        }
    }
}
