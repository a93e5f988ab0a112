//! The operator in Burn's own tensor operations, for every backend without kernels of ours.
//!
//! The formulas are those of [`crate::math`], whose functions each part names; nothing is read back, so
//! the number of steps is fixed.

mod values;

use super::backend::{STATE, arithmetic_dtype};
use super::{AlphaTensor, Output, ReferenceTensor, RowParameters, Wrt};
use crate::math::{EmptyRow, MAX_ALPHA, Real, Solver};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata, get_device_settings};
use burn::tensor::{DType, IndexingUpdateOp, Slice};
use values::{Mask, Values};

/// Orders at which this many Newton steps have converged without a test.
const NEWTON_ALPHA: std::ops::RangeInclusive<f64> = 0.0..=2.0;
const NEWTON_STEPS: usize = 16;

/// Halvings of the reach after those of its logarithm, down to a sum of two numbers: the interval left is
/// some thousand roundings of the first.
const REACH_HALVINGS: usize = 44;
const REACH_ROUNDINGS: f64 = 256.0;

/// Below this `ln u` is `-inf`: no logits within `1e30` of each other lead to it.
const OFF_SUPPORT: f64 = -1e30;

/// Arguments up to which `ln(1 + z)` is taken from its series in f32. A device's `log1p` may be
/// `log(1 + z)`, whose rounding of `1 + z` is divided by `c` afterwards.
const LOG_SERIES: f64 = 0.29;

pub(super) fn forward<B: Backend>(
    logits: FloatTensor<B>,
    alpha: AlphaTensor<B>,
    reference: ReferenceTensor<B>,
    parameters: RowParameters,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let dtype = logits.dtype();
    let rows = Rows::<B>::new(logits, alpha, reference, parameters);
    let state = rows.solve(parameters.solver);
    let ratio = rows.ratio(&state);
    let off = rows.off_support(&ratio.log_u);
    let output = match parameters.output {
        Output::Probabilities => {
            let share = (rows.residual(&ratio) * &ratio.relative + 1.0).at_least(0.0);
            let p = &rows.q * ratio.log_u.exp() * share;
            rows.answer(p.fill(&off, 0.0), 0.0)
        }
        Output::LogProbabilities => {
            let share = (rows.residual(&ratio) * &ratio.relative).at_least(-1.0);
            let log_p = rows.q.ln() + &ratio.log_u + rows.log1p(&share);
            rows.answer(log_p.fill(&off, f64::NEG_INFINITY), f64::NEG_INFINITY)
        }
        Output::Value => {
            let conjugates = &rows.q * rows.conjugate(&ratio.log_u);
            let mu = &rows.max - rows.derivative(&rows.log_u_max(&state));
            rows.answer(rows.over_allowed(conjugates) + mu, 0.0)
        }
        Output::Divergence => {
            let terms = &rows.q * rows.generator(&ratio.log_u);
            rows.answer(rows.over_allowed(terms), 0.0)
        }
    };
    let state = B::float_cat(vec![state.root.0, state.rest.0], rows.last);
    (output.cast(dtype).0, state)
}

pub(super) fn backward<B: Backend>(
    logits: FloatTensor<B>,
    alpha: AlphaTensor<B>,
    reference: ReferenceTensor<B>,
    state: FloatTensor<B>,
    cotangent: FloatTensor<B>,
    parameters: RowParameters,
    wrt: Wrt,
) -> FloatTensor<B> {
    let dtype = logits.dtype();
    let cotangent = Values::<B>(cotangent).cast(arithmetic_dtype(dtype));
    let rows = Rows::<B>::new(logits, alpha, reference, parameters);
    let state = rows.state(state);
    let ratio = rows.ratio(&state);
    let support = Support::new(&rows, &ratio);
    let gradient = match (parameters.output, wrt) {
        (Output::Probabilities, Wrt::Logits) => &support.k * support.centred(&cotangent),
        (Output::Probabilities, Wrt::Alpha) => support.order_gradient(&cotangent),
        (Output::Probabilities, Wrt::Reference) => &support.u * support.centred(&cotangent),
        (Output::LogProbabilities, Wrt::Logits) => support.log_gradient(&cotangent),
        (Output::LogProbabilities, Wrt::Alpha) => support.log_order_gradient(&cotangent),
        (Output::LogProbabilities, Wrt::Reference) => {
            let power = (-(&rows.c * &support.log_u)).exp();
            support.log_gradient(&cotangent) * power / &rows.q
        }
        (Output::Value, Wrt::Logits) => {
            let share = (rows.residual(&ratio) * &ratio.relative + 1.0).at_least(0.0);
            &rows.q * &support.u * share * cotangent
        }
        (Output::Value, Wrt::Alpha) => {
            -rows.over_allowed(&rows.q * rows.order_derivative(&ratio.log_u)) * cotangent
        }
        (Output::Value, Wrt::Reference) => rows.conjugate(&ratio.log_u) * cotangent,
        (Output::Divergence, Wrt::Logits) => &support.k * support.centred(&support.y()) * cotangent,
        (Output::Divergence, Wrt::Alpha) => {
            let direct = rows.over_allowed(&rows.q * rows.order_derivative(&ratio.log_u));
            (direct + support.order_gradient(&support.y())) * cotangent
        }
        (Output::Divergence, Wrt::Reference) => {
            let centred = (&support.u * support.centred(&support.y())).fill(&support.off, 0.0);
            (centred - rows.conjugate(&ratio.log_u)) * cotangent
        }
    };
    // Off the support only the generator itself depends on an input, the reference.
    let gradient = match (parameters.output, wrt) {
        (_, Wrt::Alpha) => gradient,
        (Output::Value | Output::Divergence, Wrt::Reference) => gradient.fill(&rows.ignored, 0.0),
        _ => gradient.fill(&support.off, 0.0),
    };
    let gradient = rows.answer(gradient, 0.0);
    match wrt {
        Wrt::Logits => gradient.cast(dtype).0,
        Wrt::Alpha | Wrt::Reference => gradient.0,
    }
}

/// `q f(p / q)` of every entry, or its derivative in the input `wrt`, which is the probabilities where it
/// is the logits: [`crate::math::Tsallis`].
pub(super) fn divergence_entries<B: Backend>(
    probabilities: FloatTensor<B>,
    alpha: AlphaTensor<B>,
    reference: ReferenceTensor<B>,
    parameters: RowParameters,
    wrt: Option<Wrt>,
) -> FloatTensor<B> {
    let dtype = probabilities.dtype();
    // Of the rows only the reference, the order and the entries that leave the sums are needed: an entry
    // has no place in them where its reference is zero.
    let p = Values::<B>(probabilities.clone()).cast(arithmetic_dtype(dtype));
    let rows = Rows::<B>::new(probabilities, alpha, reference, parameters);
    let log_u = (p.ln() - rows.q.ln()).fill(&p.equals(0.0), f64::NEG_INFINITY);
    let entries = match wrt {
        None => &rows.q * rows.generator(&log_u),
        Some(Wrt::Logits) => rows.derivative(&log_u),
        Some(Wrt::Alpha) => &rows.q * rows.order_derivative(&log_u),
        Some(Wrt::Reference) => -rows.conjugate(&log_u),
    };
    let entries = rows.answer(entries.fill(&rows.ignored, 0.0), 0.0);
    match wrt {
        None | Some(Wrt::Logits) => entries.cast(dtype).0,
        Some(_) => entries.0,
    }
}

/// The rows of a tensor, as [`crate::math::Row`] is one row.
struct Rows<B: Backend> {
    parameters: RowParameters,
    dtype: DType,
    /// The reduced dimension.
    last: usize,
    /// `alpha` and `c = 1 - alpha`, broadcasting to the row state.
    alpha: Values<B>,
    c: Values<B>,
    /// Whether the orders are a tensor, of which nothing is known here.
    alpha_is_tensor: bool,
    /// The largest allowed logit.
    max: Values<B>,
    /// `x_max - x_i` and what its rounding lost, zero where the entry is not allowed.
    gap: Values<B>,
    gap_rest: Values<B>,
    /// The reference, one where the entry is not allowed.
    q: Values<B>,
    /// The entries that leave every sum.
    ignored: Mask<B>,
    /// The rows that answer `NaN`, and those without an allowed entry.
    poisoned: Mask<B>,
    empty: Mask<B>,
    /// The bracket of `ln u_max`.
    lo: Values<B>,
    hi: Values<B>,
    /// The rows whose root is the reach, if there may be any.
    by_reach: Option<Mask<B>>,
}

/// [`crate::math::RowState`] of every row.
struct State<B: Backend> {
    root: Values<B>,
    rest: Values<B>,
}

/// [`crate::math::Ratio`] of every entry.
struct Ratios<B: Backend> {
    log_u: Values<B>,
    fall: Values<B>,
    relative: Values<B>,
}

impl<B: Backend> Rows<B> {
    fn new(
        logits: FloatTensor<B>,
        alpha: AlphaTensor<B>,
        reference: ReferenceTensor<B>,
        parameters: RowParameters,
    ) -> Self {
        let dtype = arithmetic_dtype(logits.dtype());
        let last = logits.rank() - 1;
        let x = Values::<B>(logits).cast(dtype);
        let shape = x.shape();
        let largest = largest_number(dtype);
        let ones = x.filled(1.0);
        let alpha_is_tensor = matches!(alpha, AlphaTensor::Rows(_));
        let (alpha, c) = match alpha {
            // c is taken before rounding, so that an order close to 1 keeps its distance from 1.
            AlphaTensor::Number => (
                Values::number(parameters.alpha, &x),
                Values::number(1.0 - parameters.alpha, &x),
            ),
            AlphaTensor::Rows(alpha) => {
                let alpha = Values(alpha);
                let c = -(&alpha - 1.0);
                (alpha, c)
            }
        };
        let given = match reference {
            ReferenceTensor::Uniform => None,
            ReferenceTensor::Ones => Some(ones.clone()),
            ReferenceTensor::Vector(q) => {
                let mut row = shape.clone();
                for dim in 0..last {
                    row[dim] = 1;
                }
                Some(Values(B::float_reshape(q, row)).expand(&shape))
            }
            ReferenceTensor::Rows(q) => Some(Values(q)),
        };

        // -inf is the one number below the lowest finite one, and NaN fails every comparison.
        let mut masked = x.below(-largest);
        let mut bad = !x.at_or_below(largest);
        if let Some(q) = &given {
            masked = masked | q.equals(0.0);
            bad = bad | !(q.at_or_above(0.0) & q.at_or_below(largest));
        }
        let ignored = masked | bad.clone();

        let candidates = x.fill(&ignored, -largest);
        let max = candidates.max();
        // Finite logits may lie further apart than the largest number.
        let gap = (&max - &candidates).at_most(largest);
        // Knuth's exact difference.
        let x_seen = &max - &gap;
        let max_seen = &gap + &x_seen;
        let gap_rest = (&max - &max_seen) + (x_seen - &candidates);
        let gap = gap.fill(&ignored, 0.0);
        let gap_rest = gap_rest.fill(&ignored, 0.0);

        let count = ones.fill(&ignored, 0.0).sum();
        let bad_count = x.filled(0.0).fill(&bad, 1.0).sum();
        let order_is_good = alpha.abs().at_or_below(MAX_ALPHA);
        let poisoned = bad_count.above(0.0) | !order_is_good;
        let empty = count.equals(0.0);
        let (q, lo, hi) = match given {
            None => {
                let hi = count.ln();
                let q = (count.filled(1.0) / count).expand(&shape);
                (q, &hi * 0.0, hi)
            }
            Some(q) => {
                let q = q.fill(&ignored, 0.0);
                let at_max = q.fill(&gap.above(0.0), 0.0).max();
                (q.clone(), -q.sum().ln(), -at_max.ln())
            }
        };
        let may_be_sparse = alpha_is_tensor || parameters.alpha > Solver::NEWTON_MAX_ALPHA;
        let by_reach = may_be_sparse.then(|| {
            let widest = lo.abs().max_pair(&hi.abs());
            // Below -1, c is that of an alpha above 2.
            c.below(1.0 - Solver::NEWTON_MAX_ALPHA) & (-(widest * &c)).at_or_below(log_space(dtype))
        });
        Self {
            parameters,
            dtype,
            last,
            alpha,
            c,
            alpha_is_tensor,
            max,
            gap,
            gap_rest,
            q: q.fill(&ignored, 1.0),
            ignored,
            poisoned,
            empty,
            lo,
            hi,
            by_reach,
        }
    }

    /// [`crate::math::solve_log_ratio`] with a fixed number of steps, then
    /// [`crate::math::solve_reach`] from there.
    fn solve(&self, solver: Solver) -> State<B> {
        let newton = solver == Solver::Newton
            && !self.alpha_is_tensor
            && NEWTON_ALPHA.contains(&self.parameters.alpha);
        let mut l = self.hi.clone();
        if newton {
            for _ in 0..NEWTON_STEPS {
                let (s, w) = self.mass(&self.by_log_ratio(&l));
                let d = &s * self.expm1_over(&self.c, &self.log(&s)) / w;
                l = (l - self.log1p_over(&d))
                    .max_pair(&self.lo)
                    .min_pair(&self.hi);
            }
        } else {
            let halvings = match self.dtype {
                DType::F64 => f64::HALVINGS,
                _ => f32::HALVINGS,
            };
            let (mut lo, mut hi) = (self.lo.clone(), self.hi.clone());
            for _ in 0..halvings {
                l = (&lo + &hi) * 0.5;
                let above = self.mass(&self.by_log_ratio(&l)).0.at_or_above(1.0);
                hi = above.select(&l, &hi);
                lo = above.select(&lo, &l);
            }
        }
        let mut state = State {
            rest: &l * 0.0,
            root: l,
        };
        if let Some(by_reach) = &self.by_reach {
            let reach = self.solve_reach(&state.root);
            state.root = by_reach.select(&reach.root, &state.root);
            state.rest = by_reach.select(&reach.rest, &state.rest);
        }
        let none = self.poisoned.clone() | self.empty.clone();
        State {
            root: state.root.fill(&none, f64::NAN),
            rest: state.rest.fill(&none, f64::NAN),
        }
    }

    /// The reach near `u_max = e^l`, by halving what the resolution of `l` leaves.
    fn solve_reach(&self, l: &Values<B>) -> State<B> {
        let beta = -self.c.clone();
        let m = (&beta * l).exp() / &beta;
        let epsilon = match self.dtype {
            DType::F64 => f64::EPSILON,
            _ => f64::from(f32::EPSILON),
        };
        // The error of m: of l, of its product with beta, and of the exponential.
        let width = (l.abs() * &beta + 1.0) * &m * (epsilon * REACH_ROUNDINGS);
        let (mut lo, mut hi) = (-width.clone(), width);
        let mut rest = &lo * 0.0;
        for _ in 0..REACH_HALVINGS {
            rest = (&lo + &hi) * 0.5;
            let above = self.mass(&self.by_reach(&m, &rest)).0.at_or_above(1.0);
            hi = above.select(&rest, &hi);
            lo = above.select(&lo, &rest);
        }
        let root = &m + &rest;
        let rest = rest - (&root - m);
        State { root, rest }
    }

    /// From the tensor of the extension.
    fn state(&self, state: FloatTensor<B>) -> State<B> {
        let shape = state.shape();
        let column = |n: usize| {
            let mut slices: Vec<_> = (0..self.last)
                .map(|dim| Slice::from(0..shape[dim]))
                .collect();
            slices.push(Slice::from(n..n + 1));
            Values::<B>(B::float_slice(state.clone(), &slices))
        };
        let [root, rest]: [_; STATE] = [0, 1].map(column);
        State { root, rest }
    }

    /// `S` and `W` of [`crate::math::solve_log_ratio`].
    fn mass(&self, ratio: &Ratios<B>) -> (Values<B>, Values<B>) {
        let off = self.off_support(&ratio.log_u);
        let p = (&self.q * ratio.log_u.exp()).fill(&off, 0.0);
        let w = (&p * &ratio.relative).fill(&off, 0.0);
        (p.sum(), w.sum())
    }

    /// [`crate::math::RatioCurve`] at every gap; `ln u` is `-inf` off the support.
    fn ratio(&self, state: &State<B>) -> Ratios<B> {
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

    fn by_log_ratio(&self, l: &Values<B>) -> Ratios<B> {
        let largest = largest_number(self.dtype) * 1e-2;
        let log_power = &self.c * l;
        // ln |c g e^(c l)|, for products that overflow; ln(1 + e^t) is t + e^-t to rounding beyond t = 20,
        // and the sign of z is that of c.
        let limit = log_space(self.dtype);
        let t = self.gap.ln() + self.c.abs().ln() + &log_power;
        let far = t.above(limit) & self.c.above(0.0);
        // An entry that far away has a logarithm all the same.
        let product = (&self.gap * log_power.at_most(limit).exp()).at_most(largest / MAX_ALPHA);
        let through_log = t.at_most(limit).exp() / self.c.abs();
        let x = log_power.above(limit).select(&through_log, &product);
        let z = &x * &self.c;
        let outside = z.at_or_below(-1.0);
        let fall = self.log1p_over(&x);
        // Inside its range, for what is selected away is still a number.
        let relative = z.fill(&outside, 0.0) + 1.0;
        let relative = relative.filled(1.0) / relative;
        let held = t.at_least(1.0);
        let far_fall = (&held + (-held.clone()).exp()) / &self.c;
        let far_relative = (-held).exp();
        let fall = far.select(&far_fall, &fall);
        Ratios {
            log_u: (l - &fall).fill(&(outside | self.ignored.clone()), f64::NEG_INFINITY),
            fall,
            relative: far.select(&far_relative, &relative),
        }
    }

    fn by_reach(&self, root: &Values<B>, rest: &Values<B>) -> Ratios<B> {
        let beta = -self.c.clone();
        let left = (root - &self.gap) + (rest - &self.gap_rest);
        let off = left.at_or_below(0.0) | self.ignored.clone();
        let left = left.fill(&off, 1.0);
        let relative = root / &left;
        Ratios {
            fall: self.log1p(&(&self.gap / &left)) / &beta,
            log_u: ((&left * &beta).ln() / beta).fill(&off, f64::NEG_INFINITY),
            relative,
        }
    }

    /// `ln u_max`.
    fn log_u_max(&self, state: &State<B>) -> Values<B> {
        match &self.by_reach {
            None => state.root.clone(),
            Some(mask) => {
                let beta = -self.c.clone();
                let of_reach = (&state.root * &beta).ln() / beta;
                mask.select(&of_reach, &state.root)
            }
        }
    }

    /// What the root left of the mass: `math::Row::residual`.
    fn residual(&self, ratio: &Ratios<B>) -> Values<B> {
        if self.by_reach.is_none() {
            return Values::number(0.0, &self.max);
        }
        let (s, w) = self.mass(ratio);
        let plain = self.c.at_or_above(1.0 - Solver::NEWTON_MAX_ALPHA);
        ((-(s - 1.0)) / w).fill(&plain, 0.0)
    }

    /// Where `ln u` is `-inf`.
    fn off_support(&self, log_u: &Values<B>) -> Mask<B> {
        log_u.below(OFF_SUPPORT)
    }

    /// The sum over the allowed entries.
    fn over_allowed(&self, terms: Values<B>) -> Values<B> {
        terms.fill(&self.ignored, 0.0).sum()
    }

    /// The answers of the rows that have none.
    fn answer(&self, rows: Values<B>, empty: f64) -> Values<B> {
        let empty = match self.parameters.empty_row {
            EmptyRow::NaN => f64::NAN,
            EmptyRow::Zero => empty,
        };
        rows.fill(&self.empty, empty).fill(&self.poisoned, f64::NAN)
    }

    /// `f'(e^l)`, within the numbers.
    fn derivative(&self, log_u: &Values<B>) -> Values<B> {
        self.expm1_over(&-self.c.clone(), log_u)
    }

    /// `f*(f'(e^l))`.
    fn conjugate(&self, log_u: &Values<B>) -> Values<B> {
        self.expm1_over(&self.alpha, log_u)
    }

    /// `f(e^l)`: [`crate::math::Tsallis::value_at_log`].
    fn generator(&self, log_u: &Values<B>) -> Values<B> {
        let zero = self.off_support(log_u);
        let held = log_u.fill(&zero, 0.0);
        let conjugate = self.conjugate(&held);
        let u = held.exp();
        let near = &u * self.derivative(&held) - &conjugate;
        let power = (&held * &self.alpha).exp();
        let far = (&u - &power) / &self.c - conjugate;
        let value = (&held * &self.c).abs().below(1.0).select(&near, &far);
        let value = value.fill(&power.above(largest_number(self.dtype)), f64::INFINITY);
        let at_zero = self.positive_order(self.alpha.filled(1.0) / &self.alpha, f64::INFINITY);
        zero.select(&at_zero, &value)
    }

    /// `df/dalpha` at `e^l`: [`crate::math::Tsallis::order_derivative_at_log`].
    fn order_derivative(&self, log_u: &Values<B>) -> Values<B> {
        let zero = self.off_support(log_u);
        let held = log_u.fill(&zero, 0.0);
        let value = self.moment(&-self.c.clone(), &held, &held)
            - self.moment(&self.alpha, &held, &(&held * 0.0));
        let squared = &self.alpha * &self.alpha;
        let at_zero = self.positive_order(-(squared.filled(1.0) / &squared), f64::NEG_INFINITY);
        zero.select(&at_zero, &value)
    }

    /// The value for `alpha > 0`, the other elsewhere.
    fn positive_order(&self, value: Values<B>, other: f64) -> Values<B> {
        value.fill(&self.alpha.at_or_below(0.0), other)
    }

    /// `math::deformed::moment`.
    fn moment(&self, a: &Values<B>, l: &Values<B>, shift: &Values<B>) -> Values<B> {
        let z = l * a;
        let small = z.abs().below(1.0);
        let series: Vec<_> = (1..18)
            .scan(1.0, |factorial, n| {
                *factorial *= f64::from(n);
                Some(1.0 / (*factorial * f64::from(n + 2)))
            })
            .collect();
        let near = z.fill(&!small.clone(), 0.0).polynomial(&series) + 0.5;
        let near = near * shift.exp() * l * l;
        let direct = (&z + shift).exp() * (&z - 1.0) + shift.exp();
        small.select(&near, &(direct / (a * a)))
    }

    /// [`crate::math::log1p_over`] at `c`; `-inf` beyond the edge of the support.
    fn log1p_over(&self, x: &Values<B>) -> Values<B> {
        let z = x * &self.c;
        let negligible = z.abs().below(1e-30);
        negligible.select(x, &(self.log1p(&z) / &self.c))
    }

    /// [`crate::math::expm1_over`].
    fn expm1_over(&self, c: &Values<B>, x: &Values<B>) -> Values<B> {
        let z = x * c;
        let negligible = z.abs().below(1e-30);
        let small = z.abs().below(0.5);
        // 1 / n!: exact to f64 below one half.
        let series: Vec<_> = (1..16)
            .scan(1.0, |factorial, n| {
                *factorial *= f64::from(n);
                Some(1.0 / *factorial)
            })
            .collect();
        let near = z.fill(&!small.clone(), 0.0).polynomial(&series);
        let expm1 = small.select(&near, &(z.exp() - 1.0));
        negligible.select(x, &(expm1 / c))
    }

    /// `ln(1 + z)`, `-inf` for `z <= -1`.
    fn log1p(&self, z: &Values<B>) -> Values<B> {
        let outside = z.at_or_below(-1.0);
        let direct = z.fill(&outside, 0.0).log1p();
        let log = if self.dtype == DType::F64 {
            direct
        } else {
            // 2 artanh(z / (2 + z)).
            let small = z.abs().below(LOG_SERIES);
            let held = z.fill(&!small.clone(), 0.0);
            let s = &held / (&held + 2.0);
            let tail = (&s * &s).polynomial(&[1.0 / 3.0, 1.0 / 5.0, 1.0 / 7.0, 1.0 / 9.0]);
            small.select(&(s * (tail + 1.0) * 2.0), &direct)
        };
        log.fill(&outside, f64::NEG_INFINITY)
    }

    /// `ln s`, exact near one.
    fn log(&self, s: &Values<B>) -> Values<B> {
        self.log1p(&(s - 1.0))
    }
}

/// What the gradients of a tensor of rows share: `math::row::backward`.
struct Support<'r, B: Backend> {
    rows: &'r Rows<B>,
    off: Mask<B>,
    /// `ln u`, zero off the support.
    log_u: Values<B>,
    /// `ln u_max - ln u`, zero off the support.
    fall: Values<B>,
    /// `u` and `k`, zero off the support, and the sum of `k`.
    u: Values<B>,
    k: Values<B>,
    total: Values<B>,
    /// The column of the largest weight.
    largest: burn::backend::tensor::IntTensor<B>,
}

impl<'r, B: Backend> Support<'r, B> {
    fn new(rows: &'r Rows<B>, ratio: &Ratios<B>) -> Self {
        let off = rows.off_support(&ratio.log_u);
        let log_u = ratio.log_u.fill(&off, 0.0);
        // In halves: with a small q the power overflows where the product does not.
        let root = (&log_u * &((&rows.c + 1.0) * 0.5)).exp();
        let k = (&rows.q * &root * root).fill(&off, 0.0);
        let settings = get_device_settings::<B>(&k.0.device());
        Self {
            rows,
            fall: ratio.fall.fill(&off, 0.0),
            u: log_u.exp().fill(&off, 0.0),
            total: k.sum(),
            largest: B::float_argmax(k.0.clone(), rows.last, settings.int_dtype),
            k,
            off,
            log_u,
        }
    }

    /// `c - <w, c>`, centred on the largest weight, zero off the support.
    fn centred(&self, cotangent: &Values<B>) -> Values<B> {
        // An entry off the support has no weight, whatever its cotangent is.
        let cotangent = cotangent.fill(&self.off, 0.0);
        let centred = &cotangent - self.at_largest(&cotangent);
        let mean = (&self.k * &centred).sum() / &self.total;
        (centred - mean).fill(&self.off, 0.0)
    }

    fn at_largest(&self, values: &Values<B>) -> Values<B> {
        let (last, index) = (self.rows.last, self.largest.clone());
        Values(B::float_gather(last, values.0.clone(), index))
    }

    /// `f'(u)` on the support, up to what is the same for the row.
    fn y(&self) -> Values<B> {
        -self.rows.gap.clone()
    }

    /// `math::row::backward`'s `order_slope`, of every entry.
    fn order_slope(&self) -> Values<B> {
        let d = &self.fall - self.at_largest(&self.fall);
        let d = d.fill(&self.off, 0.0);
        let minus_c = -self.rows.c.clone();
        let z = &d * &minus_c;
        let small = z.abs().below(1.0);
        // 1 / (n + 2)!
        let series: Vec<_> = (1..18)
            .scan(0.5, |term, n| {
                *term /= f64::from(n + 2);
                Some(*term)
            })
            .collect();
        let near = z.fill(&!small.clone(), 0.0).polynomial(&series) + 0.5;
        let far = (z.exp() - 1.0 - &z) / (&z * &z);
        let curvature = &d * &d * small.select(&near, &far);
        self.rows.expm1_over(&minus_c, &d) * self.at_largest(&self.log_u) - curvature
    }

    /// `u^(1 - alpha)` of every entry.
    fn score(&self) -> Values<B> {
        (&self.log_u * &self.rows.c).exp()
    }

    /// `<c, dp/dalpha>`.
    fn order_gradient(&self, cotangent: &Values<B>) -> Values<B> {
        let terms = self.centred(cotangent) * &self.rows.q * &self.u * self.order_slope();
        terms.fill(&self.off, 0.0).sum()
    }

    /// `<c, dln p/dx>`.
    fn log_gradient(&self, cotangent: &Values<B>) -> Values<B> {
        let score = (cotangent.fill(&self.off, 0.0) * self.score()).fill(&self.off, 0.0);
        let gradient = &score - &self.k / &self.total * score.sum();
        // The row sums to zero; at the largest weight the difference above has lost that.
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
    fn log_order_gradient(&self, cotangent: &Values<B>) -> Values<B> {
        let slope = self.order_slope();
        let mean = (&self.rows.q * &self.u * &slope).sum() / &self.total;
        let terms = cotangent.fill(&self.off, 0.0) * (slope - self.score() * mean);
        terms.fill(&self.off, 0.0).sum()
    }
}

fn largest_number(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::MAX,
        _ => f64::from(f32::MAX),
    }
}

fn log_space(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::LOG_SPACE,
        _ => f64::from(f32::LOG_SPACE),
    }
}
