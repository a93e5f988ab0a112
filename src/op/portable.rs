//! The operator in Burn's own tensor operations, for every backend without kernels of ours.
//!
//! The formulas are those of [`crate::math`]; nothing is read back, so the number of steps is fixed.

use super::backend::arithmetic_dtype;
use super::{Output, ReferenceTensor, RowParameters, Wrt};
use crate::math::{Real, Solver};
use burn::backend::tensor::{BoolTensor, FloatTensor};
use burn::backend::{Backend, TensorMetadata, get_device_settings};
use burn::tensor::{BoolDType, DType, FloatDType, IndexingUpdateOp};

/// Orders at which this many Newton steps have converged without a test.
const NEWTON_ALPHA: std::ops::RangeInclusive<f64> = 0.0..=2.0;
const NEWTON_STEPS: usize = 16;

/// Below this `ln u` is `-inf`: no logits within `1e30` of each other lead to it.
const OFF_SUPPORT: f64 = -1e30;

/// Arguments up to which `ln(1 + z)` is taken from its series in f32. A device's `log1p` may be
/// `log(1 + z)`, whose rounding of `1 + z` is divided by `c` afterwards.
const LOG_SERIES: f64 = 0.29;

/// Arguments up to which `e^z - 1` is. It only makes a step, whose end does not depend on its last digits.
const EXP_SERIES: f64 = 1e-2;

pub(super) fn forward<B: Backend>(
    logits: FloatTensor<B>,
    reference: ReferenceTensor<B>,
    parameters: RowParameters,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let dtype = logits.dtype();
    let rows = Rows::<B>::new(logits, reference, parameters.alpha);
    let state = rows.solve(parameters.solver);
    let log_u = rows.log_ratio(&state);
    let output = match parameters.output {
        Output::Probabilities => {
            let p = B::float_mul(rows.q.clone(), B::float_exp(log_u.clone()));
            B::float_mask_fill(p, rows.off_support(&log_u), 0.0.into())
        }
        Output::LogProbabilities => {
            let log_p = B::float_add(B::float_log(rows.q.clone()), log_u.clone());
            B::float_mask_fill(log_p, rows.off_support(&log_u), f64::NEG_INFINITY.into())
        }
    };
    let output = rows.poison(output);
    (cast::<B>(output, dtype), state)
}

pub(super) fn backward<B: Backend>(
    logits: FloatTensor<B>,
    reference: ReferenceTensor<B>,
    state: FloatTensor<B>,
    cotangent: FloatTensor<B>,
    parameters: RowParameters,
    wrt: Wrt,
) -> FloatTensor<B> {
    let dtype = logits.dtype();
    let cotangent = cast::<B>(cotangent, arithmetic_dtype(dtype));
    let rows = Rows::<B>::new(logits, reference, parameters.alpha);
    let last = rows.last;
    let log_u = rows.log_ratio(&state);
    let off = rows.off_support(&log_u);
    let log_u = B::float_mask_fill(log_u, off.clone(), 0.0.into());
    // An entry off the support has no weight, whatever its cotangent is.
    let cotangent = B::float_mask_fill(cotangent, off.clone(), 0.0.into());
    // In halves: with a small q the power overflows where the product does not.
    let root = B::float_exp(B::float_mul_scalar(
        log_u.clone(),
        (0.5 * (1.0 + rows.c)).into(),
    ));
    let k = B::float_mul(B::float_mul(rows.q.clone(), root.clone()), root);
    let k = B::float_mask_fill(k, off.clone(), 0.0.into());
    let total = B::float_sum_dim(k.clone(), last);
    let weight = B::float_div(k.clone(), total.clone());
    let settings = get_device_settings::<B>(&k.device());
    let largest = B::float_argmax(k.clone(), last, settings.int_dtype);
    let gradient = match parameters.output {
        Output::Probabilities => {
            let centre = B::float_gather(last, cotangent.clone(), largest);
            let centred = B::float_sub(cotangent, centre);
            let mean = B::float_sum_dim(B::float_mul(weight, centred.clone()), last);
            let factor = match wrt {
                Wrt::Logits => k,
                Wrt::Reference => B::float_exp(log_u),
            };
            B::float_mul(factor, B::float_sub(centred, mean))
        }
        Output::LogProbabilities => {
            let score = B::float_mul(
                cotangent,
                B::float_exp(B::float_mul_scalar(log_u.clone(), rows.c.into())),
            );
            let sum = B::float_sum_dim(score.clone(), last);
            let gradient = B::float_sub(score, B::float_mul(weight, sum));
            // The row sums to zero; at the largest weight the difference above has lost that.
            let excess = B::float_neg(B::float_sum_dim(gradient.clone(), last));
            let gradient = B::float_scatter(last, gradient, largest, excess, IndexingUpdateOp::Add);
            match wrt {
                Wrt::Logits => gradient,
                Wrt::Reference => {
                    let power = B::float_exp(B::float_mul_scalar(log_u, (-rows.c).into()));
                    B::float_div(B::float_mul(gradient, power), rows.q.clone())
                }
            }
        }
    };
    let gradient = rows.poison(B::float_mask_fill(gradient, off, 0.0.into()));
    match wrt {
        Wrt::Logits => cast::<B>(gradient, dtype),
        Wrt::Reference => gradient,
    }
}

/// The rows of a tensor, as [`crate::math::Row`] is one row.
struct Rows<B: Backend> {
    alpha: f64,
    c: f64,
    dtype: DType,
    bools: BoolDType,
    /// The reduced dimension.
    last: usize,
    /// `x_max - x_i`, zero where the entry is not allowed.
    gap: FloatTensor<B>,
    /// The reference, of the logits' shape, one where the entry is not allowed.
    q: FloatTensor<B>,
    /// The entries that leave every sum.
    ignored: BoolTensor<B>,
    /// The rows without an answer, of the shape of the row state.
    poisoned: BoolTensor<B>,
    /// The bracket of `ln u_max`.
    lo: FloatTensor<B>,
    hi: FloatTensor<B>,
    /// Whether `u_max^c` may overflow, decided without reading a tensor.
    log_space: bool,
}

impl<B: Backend> Rows<B> {
    fn new(logits: FloatTensor<B>, reference: ReferenceTensor<B>, alpha: f64) -> Self {
        let dtype = arithmetic_dtype(logits.dtype());
        let last = logits.rank() - 1;
        let x = cast::<B>(logits, dtype);
        let shape = x.shape();
        let bools = get_device_settings::<B>(&x.device()).bool_dtype;
        let finite_max = match dtype {
            DType::F64 => f64::MAX,
            _ => f64::from(f32::MAX),
        };
        let ones = B::float_ones(shape.clone(), &x.device(), FloatDType::from(dtype));
        let zeros = B::float_zeros(shape.clone(), &x.device(), FloatDType::from(dtype));
        // The widest that ln(q) is taken for when its values are the user's: q >= 1e-12.
        let (given, widest) = match reference {
            ReferenceTensor::Uniform => (None, 0.0),
            ReferenceTensor::Ones => (Some(ones.clone()), 0.0),
            ReferenceTensor::Vector(q) => {
                let mut row = shape.clone();
                for dim in 0..last {
                    row[dim] = 1;
                }
                let q = B::float_expand(B::float_reshape(q, row), shape.clone());
                (Some(q), 12.0 * std::f64::consts::LN_10)
            }
        };

        // -inf is the one number below the lowest finite one, and NaN fails every comparison.
        let masked = B::float_lower_elem(x.clone(), (-finite_max).into(), bools);
        let bad = B::bool_not(B::float_lower_equal_elem(
            x.clone(),
            finite_max.into(),
            bools,
        ));
        let (masked, bad) = match &given {
            None => (masked, bad),
            Some(q) => {
                let positive = B::float_greater_equal_elem(q.clone(), 0.0.into(), bools);
                let finite = B::float_lower_equal_elem(q.clone(), finite_max.into(), bools);
                let absent = B::float_equal_elem(q.clone(), 0.0.into(), bools);
                (
                    B::bool_or(masked, absent),
                    B::bool_or(bad, B::bool_not(B::bool_and(positive, finite))),
                )
            }
        };
        let ignored = B::bool_or(masked, bad.clone());

        let candidates = B::float_mask_fill(x, ignored.clone(), (-finite_max).into());
        let max = B::float_max_dim(candidates.clone(), last);
        // Finite logits may lie further apart than the largest number.
        let gap = B::float_clamp_max(B::float_sub(max, candidates), finite_max.into());
        let gap = B::float_mask_fill(gap, ignored.clone(), 0.0.into());

        let present = B::float_mask_fill(ones, ignored.clone(), 0.0.into());
        let count = B::float_sum_dim(present, last);
        let bad_count = B::float_sum_dim(B::float_mask_fill(zeros, bad, 1.0.into()), last);
        let poisoned = B::bool_or(
            B::float_greater_elem(bad_count, 0.0.into(), bools),
            B::float_equal_elem(count.clone(), 0.0.into(), bools),
        );
        let (q, lo, hi) = match given {
            None => {
                let hi = B::float_log(count.clone());
                let lo = B::float_mul_scalar(hi.clone(), 0.0.into());
                (
                    B::float_expand(B::float_recip(count), shape.clone()),
                    lo,
                    hi,
                )
            }
            Some(q) => {
                let q = B::float_mask_fill(q, ignored.clone(), 0.0.into());
                let total = B::float_sum_dim(q.clone(), last);
                let below = B::float_greater_elem(gap.clone(), 0.0.into(), bools);
                let at_max = B::float_mask_fill(q.clone(), below, 0.0.into());
                let at_max = B::float_max_dim(at_max, last);
                (
                    q,
                    B::float_neg(B::float_log(total)),
                    B::float_neg(B::float_log(at_max)),
                )
            }
        };
        let c = 1.0 - alpha;
        let log_space = match dtype {
            DType::F64 => f64::LOG_SPACE,
            _ => f64::from(f32::LOG_SPACE),
        };
        Self {
            alpha,
            c,
            dtype,
            bools,
            last,
            gap,
            q: B::float_mask_fill(q, ignored.clone(), 1.0.into()),
            ignored,
            poisoned,
            lo,
            hi,
            log_space: c.abs() * (widest + (shape[last].max(1) as f64).ln()) > log_space,
        }
    }

    /// [`crate::math::solve_log_ratio`] with a fixed number of steps.
    fn solve(&self, solver: Solver) -> FloatTensor<B> {
        let mut l = self.hi.clone();
        if solver == Solver::Newton && NEWTON_ALPHA.contains(&self.alpha) {
            for _ in 0..NEWTON_STEPS {
                let (s, w) = self.mass(&l);
                let step = self.expm1_over(self.log(s.clone()));
                let d = B::float_div(B::float_mul(s, step), w);
                l = self.clamp(B::float_sub(l, self.log1p_over(d)));
            }
        } else {
            let halvings = match self.dtype {
                DType::F64 => f64::HALVINGS,
                _ => f32::HALVINGS,
            };
            let (mut lo, mut hi) = (self.lo.clone(), self.hi.clone());
            for _ in 0..halvings {
                l = B::float_mul_scalar(B::float_add(lo.clone(), hi.clone()), 0.5.into());
                let above = B::float_greater_equal_elem(self.mass(&l).0, 1.0.into(), self.bools);
                hi = B::float_mask_where(hi, above.clone(), l.clone());
                lo = B::float_mask_where(lo, B::bool_not(above), l.clone());
            }
        }
        B::float_mask_fill(l, self.poisoned.clone(), f64::NAN.into())
    }

    /// `S` and `W` of [`crate::math::solve_log_ratio`].
    fn mass(&self, l: &FloatTensor<B>) -> (FloatTensor<B>, FloatTensor<B>) {
        let log_u = self.log_ratio(l);
        let off = self.off_support(&log_u);
        let relative = B::float_mul_scalar(B::float_sub(log_u.clone(), l.clone()), self.c.into());
        let u = B::float_mul(self.q.clone(), B::float_exp(log_u.clone()));
        let s = B::float_mask_fill(u, off.clone(), 0.0.into());
        let w = B::float_exp(B::float_add(log_u, relative));
        let w = B::float_mask_fill(B::float_mul(self.q.clone(), w), off, 0.0.into());
        (
            B::float_sum_dim(s, self.last),
            B::float_sum_dim(w, self.last),
        )
    }

    /// [`crate::math::LogRatio`] at every gap; `-inf` off the support.
    fn log_ratio(&self, l: &FloatTensor<B>) -> FloatTensor<B> {
        let log_power = B::float_mul_scalar(l.clone(), self.c.into());
        let log_u = if self.log_space && self.c != 0.0 {
            // ln |c g e^(c l)|; ln(1 + e^t) is t + e^-t to rounding beyond t = 20, and the sign of z
            // is that of c.
            let magnitude = B::float_mul_scalar(self.gap.clone(), self.c.abs().into());
            let t = B::float_add(B::float_log(magnitude), log_power);
            let small = B::float_exp(B::float_clamp_max(t.clone(), 20.0.into()));
            let z = B::float_mul_scalar(small, self.c.signum().into());
            let direct = self.log1p(z);
            let asymptotic = B::float_add(t.clone(), B::float_exp(B::float_neg(t.clone())));
            let large = B::float_greater_elem(t, 20.0.into(), self.bools);
            let log = if self.c > 0.0 {
                B::float_mask_where(direct, large, asymptotic)
            } else {
                direct
            };
            B::float_sub(l.clone(), B::float_div_scalar(log, self.c.into()))
        } else {
            let x = B::float_mul(self.gap.clone(), B::float_exp(log_power));
            // An entry that far away has a logarithm all the same.
            let largest = match self.dtype {
                DType::F64 => 1e307,
                _ => 1e37,
            };
            let x = B::float_clamp_max(x, (largest / self.c.abs().max(1.0)).into());
            B::float_sub(l.clone(), self.log1p_over(x))
        };
        B::float_mask_fill(log_u, self.ignored.clone(), f64::NEG_INFINITY.into())
    }

    /// Where `ln u` is `-inf`.
    fn off_support(&self, log_u: &FloatTensor<B>) -> BoolTensor<B> {
        B::float_lower_elem(log_u.clone(), OFF_SUPPORT.into(), self.bools)
    }

    /// `NaN` in the rows without an answer.
    fn poison(&self, rows: FloatTensor<B>) -> FloatTensor<B> {
        let poisoned = B::bool_expand(self.poisoned.clone(), rows.shape());
        B::float_mask_fill(rows, poisoned, f64::NAN.into())
    }

    /// Into the bracket.
    fn clamp(&self, l: FloatTensor<B>) -> FloatTensor<B> {
        let above = B::float_greater(l.clone(), self.hi.clone(), self.bools);
        let l = B::float_mask_where(l, above, self.hi.clone());
        let below = B::float_lower(l.clone(), self.lo.clone(), self.bools);
        B::float_mask_where(l, below, self.lo.clone())
    }

    /// [`crate::math::log1p_over`] at `c`.
    fn log1p_over(&self, x: FloatTensor<B>) -> FloatTensor<B> {
        if self.negligible_deformation() {
            return x;
        }
        let z = B::float_mul_scalar(x, self.c.into());
        B::float_div_scalar(self.log1p(z), self.c.into())
    }

    /// [`crate::math::expm1_over`] at `c`.
    fn expm1_over(&self, x: FloatTensor<B>) -> FloatTensor<B> {
        if self.negligible_deformation() {
            return x;
        }
        let z = B::float_mul_scalar(x, self.c.into());
        let direct = B::float_sub_scalar(B::float_exp(z.clone()), 1.0.into());
        let series = polynomial::<B>(&z, &[1.0, 1.0 / 2.0, 1.0 / 6.0, 1.0 / 24.0]);
        let small = self.near_zero(&z, EXP_SERIES);
        B::float_div_scalar(B::float_mask_where(direct, small, series), self.c.into())
    }

    /// `ln(1 + z)`, `-inf` for `z <= -1`.
    fn log1p(&self, z: FloatTensor<B>) -> FloatTensor<B> {
        let outside = B::float_lower_equal_elem(z.clone(), (-1.0).into(), self.bools);
        let inside = B::float_mask_fill(z.clone(), outside.clone(), 0.0.into());
        let direct = B::float_log1p(inside);
        let log = if self.dtype == DType::F64 {
            direct
        } else {
            // 2 artanh(z / (2 + z)).
            let s = B::float_div(z.clone(), B::float_add_scalar(z.clone(), 2.0.into()));
            let squared = B::float_mul(s.clone(), s.clone());
            let tail = polynomial::<B>(&squared, &[1.0 / 3.0, 1.0 / 5.0, 1.0 / 7.0, 1.0 / 9.0]);
            let series = B::float_mul(s, B::float_add_scalar(tail, 1.0.into()));
            let series = B::float_mul_scalar(series, 2.0.into());
            B::float_mask_where(direct, self.near_zero(&z, LOG_SERIES), series)
        };
        B::float_mask_fill(log, outside, f64::NEG_INFINITY.into())
    }

    /// `ln s`, exact near one.
    fn log(&self, s: FloatTensor<B>) -> FloatTensor<B> {
        self.log1p(B::float_sub_scalar(s, 1.0.into()))
    }

    fn near_zero(&self, z: &FloatTensor<B>, range: f64) -> BoolTensor<B> {
        B::float_lower_elem(B::float_abs(z.clone()), range.into(), self.bools)
    }

    /// Whether `c` is zero to the arithmetic: nothing that is finite deforms by as much as a rounding.
    fn negligible_deformation(&self) -> bool {
        self.c.abs() < f64::from(f32::MIN_POSITIVE)
    }
}

/// `z (a_0 + z (a_1 + ..))`.
fn polynomial<B: Backend>(z: &FloatTensor<B>, coefficients: &[f64]) -> FloatTensor<B> {
    let mut sum = B::float_mul_scalar(z.clone(), 0.0.into());
    for &coefficient in coefficients.iter().rev() {
        sum = B::float_mul(B::float_add_scalar(sum, coefficient.into()), z.clone());
    }
    sum
}

fn cast<B: Backend>(tensor: FloatTensor<B>, dtype: DType) -> FloatTensor<B> {
    if tensor.dtype() == dtype {
        tensor
    } else {
        B::float_cast(tensor, FloatDType::from(dtype))
    }
}
