//! The operator on a row of `f32`, by vectors of the widest kind that the machine has.
//!
//! A row is copied into a buffer of gaps, padded to whole vectors with entries that are not allowed, and
//! every pass runs over vectors without a branch. The formulas are those of [`crate::math`], by the
//! exponential and the logarithm of `elementary` and, at the orders where `1 / (alpha - 1)` is a small
//! integer, by multiplications alone. What is outside their range, and every `alpha > 2`, is left to the
//! scalar layer.

use super::RowCall;
use super::elementary::{exp, ln, log1p};
use super::vector::{V, lanes, load, load_row, splat, store, store_row};
use crate::math::{Measure, Real, Solver};
use crate::op::Output;
use crate::op::backend::STATE;
use macerator::Simd;

/// Vectors that are summed in `f32` before their sum goes to `f64`: 32 additions to a lane cost less than
/// a rounding of the result.
const BLOCK: usize = 32;

/// The widest gap, times the largest deformation, whose product with `u_max^c` stays a number.
const WIDEST: f64 = 1e34;

/// The buffers of the rows of a task.
#[derive(Default)]
pub(in crate::op) struct Lanes {
    /// `x_max - x`, `+inf` where the entry is not allowed, padded to whole vectors.
    gaps: Vec<f32>,
    /// The reference where it is given, padded likewise with zeros.
    reference: Vec<f32>,
    weights: Vec<f32>,
    scores: Vec<f32>,
    /// The last pair of a number and its logarithm, and of an exponent and its exponential: rows of one
    /// length ask for the same ones again and again.
    last_ln: (f64, f64),
    last_exp: [(f64, f64); 2],
}

/// What the first reading of a row finds: [`crate::math::Row::new`].
#[derive(Clone, Copy)]
struct Summary {
    c: f64,
    /// The reference of every entry, where it is not given.
    constant: Option<f32>,
    /// The bracket of `ln u_max`.
    lo: f64,
    hi: f64,
    /// An upper bound of the root by the mean gap, where there is one.
    mean_gap: f64,
}

impl Lanes {
    /// The output and the root, or nothing where the row is not for these kernels.
    #[inline(always)]
    pub fn forward<S: Simd>(
        &mut self,
        row: RowCall<'_, f32>,
        y: &mut [f32],
    ) -> Option<[f32; STATE]> {
        // What is one number for a row is summed in f64.
        if row.parameters.solver != Solver::Newton || !row.parameters.output.is_by_entry() {
            return None;
        }
        let summary = self.summarise::<S>(&row)?;
        let c = summary.c;
        let log = row.parameters.output == Output::LogProbabilities;
        // The orders of a power are solved in b, from which p follows without a logarithm.
        macro_rules! power {
            ($curve:ty, $root:expr) => {{
                let b = self.solve_power::<S, _>(&summary, $root, |b| <$curve>::new(c, b))?;
                if row.parameters.output == Output::Probabilities {
                    let curve = <$curve>::new(c, b);
                    self.write_probabilities::<S>(&summary, &curve, 1.0, y);
                }
                -b.ln() / c
            }};
        }
        let form = Form::of(row.alpha, log);
        let l = match form {
            Form::Softmax => {
                // S is e^l times its value at l = 0.
                let (s, _) = self.mass::<S>(&summary, &Softmax::new(0.0));
                -s.ln()
            }
            Form::Reciprocal1 => power!(Reciprocal::<1>, |s: f64| s),
            Form::Reciprocal2 => power!(Reciprocal::<2>, f64::sqrt),
            Form::Reciprocal3 => power!(Reciprocal::<3>, f64::cbrt),
            Form::Reciprocal4 => power!(Reciprocal::<4>, |s: f64| s.sqrt().sqrt()),
            Form::Power1 => power!(Power::<1>, f64::recip),
            Form::Power2 => power!(Power::<2>, |s: f64| s.sqrt().recip()),
            Form::General => self.solve::<S>(&summary)?,
        };
        match (row.parameters.output, form) {
            (Output::Probabilities, Form::Softmax) => {
                self.write_probabilities::<S>(&summary, &Softmax::new(l), 1.0, y);
            }
            (Output::Probabilities, Form::General) => {
                self.write_probabilities::<S>(&summary, &General::new(c, l), 1.0, y);
            }
            (Output::Probabilities, _) => {}
            (Output::LogProbabilities, _) => self.log_probabilities::<S>(&summary, l, y),
            (Output::Value | Output::Divergence, _) => {
                unreachable!("left to the scalar layer above")
            }
        }
        let root = l as f32;
        Some([root, (l - f64::from(root)) as f32])
    }

    /// The gradient in the logits, or false where the row is not for these kernels.
    #[inline(always)]
    pub fn backward<S: Simd>(
        &mut self,
        row: RowCall<'_, f32>,
        [root, rest]: [f32; STATE],
        cotangent: &[f32],
        grad: &mut [f32],
    ) -> bool {
        let l = f64::from(root) + f64::from(rest);
        if row.parameters.output == Output::Divergence || l.is_nan() {
            return false;
        }
        let Some(summary) = self.summarise::<S>(&row) else {
            return false;
        };
        match row.parameters.output {
            Output::Probabilities => {
                let total = self.weigh::<S>(&summary, row.alpha, l);
                self.probabilities_backward::<S>(total, cotangent, grad);
            }
            Output::LogProbabilities => {
                let total = self.weigh::<S>(&summary, row.alpha, l);
                self.log_probabilities_backward::<S>(&summary, l, total, cotangent, grad);
            }
            Output::Value => self.probabilities::<S>(&summary, row.alpha, l, cotangent[0], grad),
            Output::Divergence => unreachable!("left to the scalar layer above"),
        }
        true
    }

    /// Fills the gaps and the reference. Nothing where the row has no answer or is out of range.
    #[inline(always)]
    fn summarise<S: Simd>(&mut self, row: &RowCall<'_, f32>) -> Option<Summary> {
        // A NaN fails the comparison too.
        if !(row.alpha >= -crate::math::MAX_ALPHA && row.alpha <= Solver::NEWTON_MAX_ALPHA) {
            return None;
        }
        let x = row.logits;
        let padded = x.len().next_multiple_of(lanes::<S>());
        self.gaps.clear();
        match row.reference {
            Measure::Uniform | Measure::Ones => self.gaps.extend_from_slice(x),
            Measure::Given(q) => {
                self.reference.clear();
                self.reference.extend_from_slice(q);
                self.reference.resize(padded, 0.0);
                // An entry without a reference is one without a logit, unless it is no number.
                let without = |(&x, &q): (&f32, &f32)| {
                    if q == 0.0 && x < f32::INFINITY {
                        f32::NEG_INFINITY
                    } else {
                        x
                    }
                };
                self.gaps.extend(x.iter().zip(q).map(without));
                if !q
                    .iter()
                    .fold(true, |good, &q| good & (0.0..=f32::MAX).contains(&q))
                {
                    return None;
                }
            }
        }
        self.gaps.resize(padded, f32::NEG_INFINITY);

        let (lowest, largest) = (splat::<S>(f32::NEG_INFINITY), splat::<S>(f32::MAX));
        let (zero, one) = (splat::<S>(0.0), splat::<S>(1.0));
        let mut max = lowest;
        let mut min = splat::<S>(f32::INFINITY);
        let mut masked = zero;
        let mut bad = zero;
        for i in (0..padded).step_by(lanes::<S>()) {
            let x = load::<S>(&self.gaps, i);
            // NaN fails every comparison.
            bad = x.le(largest).select(bad, one);
            max = x.gt(max).select(x, max);
            min = x.eq(lowest).select(min, x.lt(min).select(x, min));
            masked += x.eq(lowest).select(one, zero);
        }
        // Exact: below 2^24 entries.
        let allowed = padded - masked.reduce_add() as usize;
        if allowed == 0 || bad.reduce_add() > 0.0 {
            return None;
        }
        let (max, min) = (max.reduce_max(), min.reduce_min());
        let c = 1.0 - row.alpha;
        let count = allowed as f64;
        let (constant, lo, hi) = match row.reference {
            Measure::Uniform => (Some((1.0 / count) as f32), 0.0, self.ln_again(count)),
            Measure::Ones => (Some(1.0), -self.ln_again(count), 0.0),
            Measure::Given(q) => {
                let mut total = 0.0;
                let mut at_max = 0.0_f32;
                for (&x, &q) in self.gaps.iter().zip(q) {
                    if x > f32::NEG_INFINITY {
                        total += f64::from(q);
                        if x == max {
                            at_max = at_max.max(q);
                        }
                    }
                }
                (None, -total.ln(), -f64::from(at_max).ln())
            }
        };
        // Outside, the products with u_max^c are taken in log space; and what a gap is multiplied by
        // stays a number.
        let widest = (f64::from(max) - f64::from(min)) * c.abs().max(1.0);
        let log_power = (c * lo).max(c * hi);
        if c.abs() * lo.abs().max(hi.abs()) > f64::from(f32::LOG_SPACE)
            || widest > WIDEST
            || (log_power > 1.0 && widest * log_power.exp() > WIDEST)
        {
            return None;
        }
        let top = splat::<S>(max);
        let mut sum = zero;
        for i in (0..padded).step_by(lanes::<S>()) {
            let gap = top - load::<S>(&self.gaps, i);
            store::<S>(&mut self.gaps, i, gap);
            // Not a bound to the last digit, and needed only where the reference is the same for each.
            sum += gap.lt(splat::<S>(f32::INFINITY)).select(gap, zero);
        }
        let mean_gap = f64::from(sum.reduce_add()) / count;
        Some(Summary {
            c,
            constant,
            lo,
            hi,
            mean_gap: if constant.is_some() {
                mean_gap
            } else {
                f64::NAN
            },
        })
    }

    #[inline(always)]
    fn ln_again(&mut self, x: f64) -> f64 {
        if self.last_ln.0 != x {
            self.last_ln = (x, x.ln());
        }
        self.last_ln.1
    }

    #[inline(always)]
    fn exp_again(&mut self, which: usize, x: f64) -> f64 {
        // At zero the cache holds what it was made with.
        if x == 0.0 {
            return 1.0;
        }
        if self.last_exp[which].0 != x {
            self.last_exp[which] = (x, x.exp());
        }
        self.last_exp[which].1
    }

    /// [`crate::math::solve_log_ratio`] with its scalars in `f64`. Nothing where it does not converge.
    #[inline(always)]
    fn solve<S: Simd>(&self, summary: &Summary) -> Option<f64> {
        let Summary { c, lo, hi, .. } = *summary;
        // Jensen's inequality: the mean of B^(-1/c) is at least that of the mean B.
        let mean = (-c * lo).exp() - c * summary.mean_gap;
        let start = -mean.ln() / c * (1.0 + 1e-6) + 1e-6;
        let mut hi = if start > lo && start < hi { start } else { hi };
        let mut lo = lo;
        let tolerance = Solver::STOP_ROUNDINGS * f64::from(f32::EPSILON);
        let mut l = hi;
        let mut power = (c * l).exp();
        let mut before = 0.0;
        for _ in 0..Solver::NEWTON_STEPS {
            let (s, w) = self.mass::<S>(summary, &General::with_power(c, l, power));
            if s >= 1.0 {
                hi = l;
            } else {
                lo = l;
            }
            // c d of the step.
            let change = s * power_less_one(s, c) / w;
            let newton = l - ln_of_one_and(change) / c;
            // An end of the bracket is as good as the root: equal logits have theirs at one.
            let next = newton.clamp(lo, hi);
            let step = (next - l).abs();
            power = if next == newton {
                power / (1.0 + change)
            } else {
                before = 0.0;
                (c * next).exp()
            };
            l = next;
            if converged(step, before, tolerance * l.abs().max(1.0)) {
                return Some(l);
            }
            before = if next == newton { step } else { 0.0 };
        }
        None
    }

    /// The same in `b = u_max^-c`, where `S^c` is a root: `b <- b + b S (S^c - 1) / W`. Returns `b`.
    #[inline(always)]
    fn solve_power<S: Simd, C: Curve<S>>(
        &mut self,
        summary: &Summary,
        root: impl Fn(f64) -> f64,
        curve: impl Fn(f64) -> C,
    ) -> Option<f64> {
        let Summary { c, lo, hi, .. } = *summary;
        let (b_at_lo, b_at_hi) = (self.exp_again(0, -c * lo), self.exp_again(1, -c * hi));
        let (mut least, mut most) = (b_at_lo.min(b_at_hi), b_at_lo.max(b_at_hi));
        let mut b = b_at_hi;
        // As in `solve`.
        let mean = b_at_lo - c * summary.mean_gap;
        if mean > least && mean < most {
            b = mean;
        }
        let tolerance = Solver::STOP_ROUNDINGS * f64::from(f32::EPSILON);
        let mut before = 0.0;
        for _ in 0..Solver::NEWTON_STEPS {
            let (s, w) = self.mass::<S>(summary, &curve(b));
            // S falls with b for c > 0 and rises for c < 0.
            if (s >= 1.0) == (c > 0.0) {
                least = b;
            } else {
                most = b;
            }
            let newton = b + b * s * (root(s) - 1.0) / w;
            let next = newton.clamp(least, most);
            if next != newton {
                before = 0.0;
            }
            // In units of a step of l, for which the tolerance is.
            let unit = (c * b).abs();
            let step = (next - b).abs();
            b = next;
            if converged(step, before, tolerance * unit) {
                return Some(b);
            }
            before = if next == newton { step } else { 0.0 };
        }
        None
    }

    /// `S` and `W` of [`crate::math::solve_log_ratio`].
    #[inline(always)]
    fn mass<S: Simd>(&self, summary: &Summary, curve: &impl Curve<S>) -> (f64, f64) {
        let (mut s, mut w) = (0.0, 0.0);
        let width = lanes::<S>();
        let mut begin = 0;
        while begin < self.gaps.len() {
            let end = (begin + BLOCK * width).min(self.gaps.len());
            let (mut block_s, mut block_w) = (splat::<S>(0.0), splat::<S>(0.0));
            match summary.constant {
                Some(_) => {
                    for i in (begin..end).step_by(width) {
                        let (u, v) = curve.at(load::<S>(&self.gaps, i));
                        block_s += u;
                        block_w += v;
                    }
                }
                None => {
                    for i in (begin..end).step_by(width) {
                        let (u, v) = curve.at(load::<S>(&self.gaps, i));
                        let q = load::<S>(&self.reference, i);
                        block_s += q * u;
                        block_w += q * v;
                    }
                }
            }
            s += f64::from(block_s.reduce_add());
            w += f64::from(block_w.reduce_add());
            begin = end;
        }
        let q = summary.constant.map_or(1.0, f64::from);
        (s * q, w * q)
    }

    /// Runs `with` on the curve of an order and a root.
    #[inline(always)]
    fn with_curve<S: Simd>(c: f64, alpha: f64, l: f64, with: impl WithCurve<S>) {
        let b = (-c * l).exp();
        match Form::of(alpha, false) {
            Form::Softmax => with.run(&Softmax::new(l)),
            Form::Reciprocal1 => with.run(&Reciprocal::<1>::new(c, b)),
            Form::Reciprocal2 => with.run(&Reciprocal::<2>::new(c, b)),
            Form::Reciprocal3 => with.run(&Reciprocal::<3>::new(c, b)),
            Form::Reciprocal4 => with.run(&Reciprocal::<4>::new(c, b)),
            Form::Power1 => with.run(&Power::<1>::new(c, b)),
            Form::Power2 => with.run(&Power::<2>::new(c, b)),
            Form::General => with.run(&General::new(c, l)),
        }
    }

    /// `p` on a curve, times a factor.
    #[inline(always)]
    fn write_probabilities<S: Simd>(
        &self,
        summary: &Summary,
        curve: &impl Curve<S>,
        factor: f32,
        y: &mut [f32],
    ) {
        let factor = splat::<S>(factor);
        for i in (0..self.gaps.len()).step_by(lanes::<S>()) {
            let (u, _) = curve.at(load::<S>(&self.gaps, i));
            store_row::<S>(y, i, self.reference_at::<S>(summary, i) * u * factor);
        }
    }

    /// The reference at a vector of entries.
    #[inline(always)]
    fn reference_at<S: Simd>(&self, summary: &Summary, at: usize) -> V<S> {
        match summary.constant {
            Some(q) => splat::<S>(q),
            None => load::<S>(&self.reference, at),
        }
    }

    /// `p`, times a factor.
    #[inline(always)]
    fn probabilities<S: Simd>(
        &self,
        summary: &Summary,
        alpha: f64,
        l: f64,
        factor: f32,
        y: &mut [f32],
    ) {
        let write = Write {
            lanes: self,
            summary,
            factor,
            y,
        };
        Self::with_curve::<S>(summary.c, alpha, l, write);
    }

    /// `ln p`.
    #[inline(always)]
    fn log_probabilities<S: Simd>(&self, summary: &Summary, l: f64, y: &mut [f32]) {
        let offset = summary.constant.map_or(0.0, |q| f64::from(q).ln()) + l;
        let (offset, nothing) = (splat::<S>(offset as f32), splat::<S>(f32::NEG_INFINITY));
        let curve = (summary.c != 0.0).then(|| General::new(summary.c, l));
        for i in (0..self.gaps.len()).step_by(lanes::<S>()) {
            let gap = load::<S>(&self.gaps, i);
            let log_u = match &curve {
                None => offset - gap,
                Some(curve) => {
                    let (fall, z) = curve.fall::<S>(gap);
                    let log_u = z.gt(splat::<S>(-1.0)).select(offset - fall, nothing);
                    gap.lt(splat::<S>(f32::INFINITY)).select(log_u, nothing)
                }
            };
            let log_p = match summary.constant {
                Some(_) => log_u,
                None => {
                    let log_p = ln::<S>(load::<S>(&self.reference, i)) + log_u;
                    gap.lt(splat::<S>(f32::INFINITY)).select(log_p, nothing)
                }
            };
            store_row::<S>(y, i, log_p);
        }
    }

    /// Fills the weights `k = q u^(2 - alpha)`, and returns their sum.
    #[inline(always)]
    fn weigh<S: Simd>(&mut self, summary: &Summary, alpha: f64, l: f64) -> f64 {
        let mut weights = std::mem::take(&mut self.weights);
        weights.clear();
        weights.resize(self.gaps.len(), 0.0);
        let mut sum = 0.0;
        let weigh = Weigh {
            lanes: self,
            summary,
            power: (summary.c * l).exp() as f32,
            weights: &mut weights,
            sum: &mut sum,
        };
        Self::with_curve::<S>(summary.c, alpha, l, weigh);
        self.weights = weights;
        sum
    }

    /// The entry of the largest weight.
    #[inline(always)]
    fn largest<S: Simd>(&self) -> usize {
        let mut best = splat::<S>(0.0);
        for i in (0..self.weights.len()).step_by(lanes::<S>()) {
            best = best.max(load::<S>(&self.weights, i));
        }
        let best = best.reduce_max();
        self.weights.iter().position(|&k| k == best).unwrap_or(0)
    }

    /// [`crate::math::Row::softargmax_backward`] from the weights.
    #[inline(always)]
    fn probabilities_backward<S: Simd>(&self, total: f64, c: &[f32], grad: &mut [f32]) {
        let zero = splat::<S>(0.0);
        let centre = splat::<S>(c[self.largest::<S>()]);
        let width = lanes::<S>();
        let mut sum = 0.0;
        let mut begin = 0;
        while begin < self.weights.len() {
            let end = (begin + BLOCK * width).min(self.weights.len());
            let mut block = zero;
            for i in (begin..end).step_by(width) {
                let k = load::<S>(&self.weights, i);
                let c = load_row::<S>(c, i);
                // An entry off the support has no weight, whatever its cotangent is.
                block += k.gt(zero).select(k * (c - centre), zero);
            }
            sum += f64::from(block.reduce_add());
            begin = end;
        }
        let mean = splat::<S>((sum / total) as f32);
        for i in (0..self.weights.len()).step_by(width) {
            let k = load::<S>(&self.weights, i);
            let value = k * ((load_row::<S>(c, i) - centre) - mean);
            store_row::<S>(grad, i, k.gt(zero).select(value, zero));
        }
    }

    /// [`crate::math::Row::log_softargmax_backward`] from the weights.
    #[inline(always)]
    fn log_probabilities_backward<S: Simd>(
        &mut self,
        summary: &Summary,
        l: f64,
        total_weight: f64,
        c: &[f32],
        grad: &mut [f32],
    ) {
        let power = splat::<S>((summary.c * l).exp() as f32);
        let curve = General::new(summary.c, l);
        let zero = splat::<S>(0.0);
        self.scores.clear();
        self.scores.resize(self.gaps.len(), 0.0);
        let mut total = 0.0;
        for i in (0..self.gaps.len()).step_by(lanes::<S>()) {
            let relative = curve.relative::<S>(load::<S>(&self.gaps, i));
            let score = load_row::<S>(c, i) * (power * relative);
            let score = relative.gt(zero).select(score, zero);
            store::<S>(&mut self.scores, i, score);
            total += f64::from(score.reduce_add());
        }
        let largest = self.largest::<S>();
        let slope = total / total_weight;
        let mut others = 0.0;
        for (i, grad) in grad.iter_mut().enumerate() {
            if i == largest {
                continue;
            }
            // Both are zero off the support.
            let value = f64::from(self.scores[i]) - f64::from(self.weights[i]) * slope;
            others += value;
            *grad = value as f32;
        }
        // The row sums to zero: at the largest weight, the sum of the others keeps the digits.
        grad[largest] = -others as f32;
    }
}

/// `s^c - 1`. Close to one by its series, which is exact enough for a step, and cheaper.
#[inline(always)]
fn power_less_one(s: f64, c: f64) -> f64 {
    let d = s - 1.0;
    if d.abs() < 0.05 {
        let tail =
            1.0 + (c - 2.0) / 3.0 * d * (1.0 + (c - 3.0) / 4.0 * d * (1.0 + (c - 4.0) / 5.0 * d));
        c * d * (1.0 + (c - 1.0) / 2.0 * d * tail)
    } else {
        (c * s.ln()).exp_m1()
    }
}

/// `ln(1 + x)`, likewise.
#[inline(always)]
fn ln_of_one_and(x: f64) -> f64 {
    if x.abs() < 0.05 {
        let s = x / (2.0 + x);
        let t = s * s;
        2.0 * s * (1.0 + t * (1.0 / 3.0 + t * (1.0 / 5.0 + t * (1.0 / 7.0))))
    } else {
        x.ln_1p()
    }
}

/// Whether a step of `l` has converged, or the one that would follow it has: by quadratic convergence that is
/// about `step^3 / before^2`. Without a division, whose latency is what short rows wait for.
#[inline(always)]
fn converged(step: f64, before: f64, tolerance: f64) -> bool {
    step <= tolerance || (step < 1e-3 && step * step * step <= 1e-3 * tolerance * before * before)
}

/// What is done with a curve whose type depends on the order.
trait WithCurve<S: Simd> {
    fn run(self, curve: &impl Curve<S>);
}

struct Write<'a> {
    lanes: &'a Lanes,
    summary: &'a Summary,
    factor: f32,
    y: &'a mut [f32],
}

impl<S: Simd> WithCurve<S> for Write<'_> {
    #[inline(always)]
    fn run(self, curve: &impl Curve<S>) {
        self.lanes
            .write_probabilities::<S>(self.summary, curve, self.factor, self.y);
    }
}

struct Weigh<'a> {
    lanes: &'a Lanes,
    summary: &'a Summary,
    power: f32,
    weights: &'a mut [f32],
    sum: &'a mut f64,
}

impl<S: Simd> WithCurve<S> for Weigh<'_> {
    #[inline(always)]
    fn run(self, curve: &impl Curve<S>) {
        let power = splat::<S>(self.power);
        let width = lanes::<S>();
        let mut begin = 0;
        while begin < self.weights.len() {
            let end = (begin + BLOCK * width).min(self.weights.len());
            let mut block = splat::<S>(0.0);
            for i in (begin..end).step_by(width) {
                let (_, v) = curve.at(load::<S>(&self.lanes.gaps, i));
                let q = self.lanes.reference_at::<S>(self.summary, i);
                let k = q * v * power;
                store::<S>(self.weights, i, k);
                block += k;
            }
            *self.sum += f64::from(block.reduce_add());
            begin = end;
        }
    }
}

/// The orders with a kernel of their own.
#[derive(Clone, Copy)]
enum Form {
    Softmax,
    Reciprocal1,
    Reciprocal2,
    Reciprocal3,
    Reciprocal4,
    Power1,
    Power2,
    General,
}

impl Form {
    /// The form of an order; logarithms are taken from the general one.
    #[inline(always)]
    fn of(alpha: f64, log: bool) -> Self {
        if alpha == 1.0 {
            Self::Softmax
        } else if log {
            Self::General
        } else if alpha == 0.0 {
            Self::Reciprocal1
        } else if alpha == 0.5 {
            Self::Reciprocal2
        } else if alpha == 2.0 / 3.0 {
            Self::Reciprocal3
        } else if alpha == 0.75 {
            Self::Reciprocal4
        } else if alpha == 1.5 {
            Self::Power2
        } else if alpha == 2.0 {
            Self::Power1
        } else {
            Self::General
        }
    }
}

/// `u` as a function of the gap, given the root.
trait Curve<S: Simd> {
    /// `u`, and `u (u / u_max)^c`: both zero off the support and at an infinite gap.
    fn at(&self, gap: V<S>) -> (V<S>, V<S>);
}

/// `alpha = 1`: `u = e^(l - g)`.
struct Softmax {
    scale: f32,
    offset: f32,
}

impl Softmax {
    #[inline(always)]
    fn new(l: f64) -> Self {
        let (offset, scale) = split_exponent(l);
        Self { scale, offset }
    }
}

impl<S: Simd> Curve<S> for Softmax {
    #[inline(always)]
    fn at(&self, gap: V<S>) -> (V<S>, V<S>) {
        let u = splat::<S>(self.scale) * exp::<S>(splat::<S>(self.offset) - gap);
        (u, u)
    }
}

/// `alpha = 1 - 1/N`: `u = B^-N`, `B = b + c g`, `b = u_max^-c`.
struct Reciprocal<const N: usize> {
    b: f32,
    c: f32,
}

impl<const N: usize> Reciprocal<N> {
    #[inline(always)]
    fn new(c: f64, b: f64) -> Self {
        Self {
            b: b as f32,
            c: c as f32,
        }
    }
}

impl<S: Simd, const N: usize> Curve<S> for Reciprocal<N> {
    #[inline(always)]
    fn at(&self, gap: V<S>) -> (V<S>, V<S>) {
        let b = splat::<S>(self.b);
        let r = splat::<S>(1.0) / (b + splat::<S>(self.c) * gap);
        let u = match N {
            1 => r,
            2 => r * r,
            3 => r * r * r,
            _ => (r * r) * (r * r),
        };
        (u, u * (b * r))
    }
}

/// `alpha = 1 + 1/N`: `u = B_+^N`, `B = b + c g`, `b = u_max^-c`.
struct Power<const N: usize> {
    b: f32,
    c: f32,
}

impl<const N: usize> Power<N> {
    #[inline(always)]
    fn new(c: f64, b: f64) -> Self {
        Self {
            b: b as f32,
            c: c as f32,
        }
    }
}

impl<S: Simd, const N: usize> Curve<S> for Power<N> {
    #[inline(always)]
    fn at(&self, gap: V<S>) -> (V<S>, V<S>) {
        let (zero, b) = (splat::<S>(0.0), splat::<S>(self.b));
        let base = (b + splat::<S>(self.c) * gap).max(zero);
        match N {
            1 => (base, base.gt(zero).select(b, zero)),
            _ => (base * base, base * b),
        }
    }
}

/// Any other order: `ln u = l - ln(1 + z) / c`, `z = c g e^(c l)`.
struct General {
    /// `c e^(c l)`.
    slope: f32,
    per_c: f32,
    scale: f32,
    offset: f32,
}

impl General {
    #[inline(always)]
    fn new(c: f64, l: f64) -> Self {
        Self::with_power(c, l, (c * l).exp())
    }

    /// Given `e^(c l)` as well.
    #[inline(always)]
    fn with_power(c: f64, l: f64, power: f64) -> Self {
        let (offset, scale) = split_exponent(l);
        Self {
            slope: (c * power) as f32,
            per_c: (1.0 / c) as f32,
            scale,
            offset,
        }
    }

    /// `ln u_max - ln u`, and `z`.
    #[inline(always)]
    fn fall<S: Simd>(&self, gap: V<S>) -> (V<S>, V<S>) {
        let z = splat::<S>(self.slope) * gap;
        (log1p::<S>(z).0 * splat::<S>(self.per_c), z)
    }

    /// `(u / u_max)^c`, zero off the support.
    #[inline(always)]
    fn relative<S: Simd>(&self, gap: V<S>) -> V<S> {
        let (zero, one) = (splat::<S>(0.0), splat::<S>(1.0));
        let z = splat::<S>(self.slope) * gap;
        let relative = z.gt(splat::<S>(-1.0)).select(one / (one + z), zero);
        gap.lt(splat::<S>(f32::INFINITY)).select(relative, zero)
    }
}

impl<S: Simd> Curve<S> for General {
    #[inline(always)]
    fn at(&self, gap: V<S>) -> (V<S>, V<S>) {
        let zero = splat::<S>(0.0);
        let z = splat::<S>(self.slope) * gap;
        let (log, reciprocal) = log1p::<S>(z);
        let fall = log * splat::<S>(self.per_c);
        let u = splat::<S>(self.scale) * exp::<S>(splat::<S>(self.offset) - fall);
        let u = z.gt(splat::<S>(-1.0)).select(u, zero);
        let u = gap.lt(splat::<S>(f32::INFINITY)).select(u, zero);
        let v = u.gt(zero).select(u * reciprocal, zero);
        (u, v)
    }
}

/// `l` as a number of few digits, which adds exactly to most others, and `e` to what is left.
#[inline(always)]
fn split_exponent(l: f64) -> (f32, f32) {
    let offset = (l * 64.0).round() / 64.0;
    // Below 1/128: four terms are exact to f32.
    let r = l - offset;
    let scale = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0)));
    (offset as f32, scale as f32)
}
