//! The divergences outside the Tsallis family, in Burn's own operations.
//!
//! The unknown is a number `b` for each row. Every ratio `u_i` is convex and decreasing in `b`, and follows from `b`
//! and the gap `g_i = x_max - x_i` without cancellation:
//!
//! | divergence | `b` | `u_i` |
//! |---|---|---|
//! | Jensen-Shannon | `1 / u_max` | `e^-g / (b + 1 - e^-g)` |
//! | Le Cam | `4 / (1 + u_max)^2` | `[2 / sqrt(b + g) - 1]_+` |
//!
//! A power of the mass `S = sum_i q_i u_i` is then a power mean of affine functions: concave in `b`, and exactly affine
//! for equal logits. Newton's method on it rises monotonically from the lower end of the bracket, at which one of the
//! largest logits has all the probability.
//!
//! The root is found outside autodiff. One more step `b + (S - 1) / W`, in which autodiff tracks the mass but not its
//! slope, leaves the root unchanged and adds its derivative, by the implicit function theorem.

use crate::math::EmptyRow;
use crate::op::call::{given_reference, masked_and_tempered};
use crate::op::deformed::expm1_ratio;
use crate::op::request::computed_dtype;
use crate::op::{Reference, TsallisOptions};
use burn::Tensor;
use burn::tensor::Bool;

/// The number of Newton steps. At most 15 were needed over 20 000 random rows of up to 2 000 entries, with references
/// down to 1e-12 and logits up to 1e4, and 8 for a million entries.
const STEPS: usize = 22;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    JensenShannon,
    LeCam,
}

pub(super) fn softargmax<const D: usize>(
    logits: Tensor<D>,
    options: &TsallisOptions<D>,
    dim: usize,
    family: Family,
) -> Tensor<D> {
    let shape = logits.dims();
    let dtype = logits.dtype();
    let last = D - 1;
    if shape[dim] == 0 {
        return logits;
    }
    let computed = computed_dtype(&logits.device(), logits.dtype());
    let (x, _) = masked_and_tempered(logits, options, dim, computed);
    let x = x.cast(computed);
    let given = match &options.reference {
        Reference::Ones => Some(x.ones_like()),
        reference => given_reference(&x, reference, dim),
    };
    let x = x.swap_dims(dim, last);
    // Masked entries, and entries that make their row NaN.
    let mut forbidden = x.clone().equal_scalar(f32::NEG_INFINITY);
    let mut invalid_entry = is_nan_or_infinite(&x);
    let given = given.map(|q| q.swap_dims(dim, last));
    if let Some(q) = &given {
        forbidden = forbidden.bool_or(q.clone().equal_scalar(0.0));
        invalid_entry =
            invalid_entry.bool_or(is_nan_or_infinite(q).bool_or(q.clone().lower_scalar(0.0)));
    }
    let ignored = forbidden.bool_or(invalid_entry.clone());
    let allowed = count_allowed(&ignored, &x);
    let q = given.unwrap_or_else(|| x.ones_like() / allowed.clone());
    let q = q.mask_fill(ignored.clone(), 0.0);

    let max = x
        .clone()
        .detach()
        .mask_fill(ignored.clone(), f64::NEG_INFINITY)
        .max_dim(last);
    // The gap of two finite logits may be out of range.
    let gaps = (max - x.clone())
        .clamp_max(f32::MAX)
        .mask_fill(ignored.clone(), 0.0);
    let root = family.solve(gaps.clone().detach(), q.clone().detach());
    let tracked = family.terms(&gaps, root.clone());
    let mass = (q.clone() * tracked.ratio).sum_dim(last);
    let slope = (q.clone() * tracked.slope).sum_dim(last).detach();
    let root = root + (mass - 1.0) / slope;
    let mut invalid = count_allowed(&invalid_entry.bool_not(), &x).greater_scalar(0.0);
    if options.empty_row == EmptyRow::NaN {
        invalid = invalid.bool_or(allowed.clone().equal_scalar(0.0));
    }
    // A factor makes the gradients of the row NaN too.
    let factor = allowed.ones_like().mask_fill(invalid, f64::NAN);
    ((q * family.terms(&gaps, root).ratio).mask_fill(ignored, 0.0) * factor)
        .swap_dims(dim, last)
        .cast(dtype)
}

/// The number of entries of each row that are not ignored.
fn count_allowed<const D: usize>(ignored: &Tensor<D, Bool>, like: &Tensor<D>) -> Tensor<D> {
    like.ones_like()
        .detach()
        .mask_fill(ignored.clone(), 0.0)
        .sum_dim(D - 1)
}

/// Whether each entry is `NaN` or `+inf`. `NaN` fails every comparison.
fn is_nan_or_infinite<const D: usize>(x: &Tensor<D>) -> Tensor<D, Bool> {
    x.clone().lower_scalar(f32::INFINITY).bool_not()
}

/// A ratio and minus its derivative in `b`.
struct Terms<const D: usize> {
    ratio: Tensor<D>,
    slope: Tensor<D>,
}

impl Family {
    fn terms<const D: usize>(self, gaps: &Tensor<D>, b: Tensor<D>) -> Terms<D> {
        match self {
            Self::JensenShannon => {
                let minus_gaps = gaps.clone().neg();
                let tail = minus_gaps.clone().exp();
                let denominator = b + gaps.clone() * expm1_ratio(minus_gaps);
                let ratio = tail / denominator.clone();
                Terms {
                    slope: ratio.clone() / denominator,
                    ratio,
                }
            }
            Self::LeCam => {
                let y = b + gaps.clone();
                let off = y.clone().greater_equal_scalar(4.0);
                // In the range in which the powers and their derivatives are finite.
                let power = y.mask_fill(off.clone(), 4.0).sqrt().recip();
                Terms {
                    ratio: (power.clone() * 2.0 - 1.0).mask_fill(off.clone(), 0.0),
                    slope: (power.clone() * power.clone() * power).mask_fill(off, 0.0),
                }
            }
        }
    }

    /// Finds `b` of each row.
    fn solve<const D: usize>(self, gaps: Tensor<D>, q: Tensor<D>) -> Tensor<D> {
        let last = D - 1;
        let total = q.clone().sum_dim(last);
        let below = gaps.clone().greater_scalar(0.0);
        let largest = q.clone().mask_fill(below, 0.0).max_dim(last);
        let device = gaps.device();
        let (lo, hi) = (self.unknown_at(largest), self.unknown_at(total.clone()));
        let mut b = lo.clone();
        for _ in 0..STEPS {
            let Terms { ratio, slope } = self.terms(&gaps, b.clone());
            let s = (q.clone() * ratio).sum_dim(last);
            let w = (q.clone() * slope).sum_dim(last);
            let above = s.clone() - 1.0;
            let step = match self {
                // Newton step on 1 / S.
                Self::JensenShannon => s * above,
                // Newton step on (S + Q)^-2, with the sum Q of the reference.
                Self::LeCam => {
                    let sum = s.clone() + total.clone();
                    let one = total.clone() + 1.0;
                    sum.clone() * above * (sum + one.clone()) / (one.clone() * one) * 0.5
                }
            };
            b = (b + step / w).max_pair(lo.clone()).min_pair(hi.clone());
            // Without a flush, Burn's fusion (0.22.1, wgpu) joins the steps into kernels that use the sums of another
            // step. A failed queue reports its error when the output is read.
            let _ = device.flush();
        }
        b
    }

    /// `b` at which the largest ratio is `1 / inverse`.
    fn unknown_at<const D: usize>(self, inverse: Tensor<D>) -> Tensor<D> {
        match self {
            Self::JensenShannon => inverse,
            Self::LeCam => {
                let share = inverse.clone() / (inverse + 1.0) * 2.0;
                share.clone() * share
            }
        }
    }
}
