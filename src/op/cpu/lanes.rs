//! The operator on a row of `f32`, written so that the compiler vectorises it.
//!
//! Every inner loop runs over whole chunks of [`WIDTH`] entries without a branch; a row is copied into a
//! buffer of gaps, padded with entries that are not allowed. The formulas are those of
//! [`crate::math`], by the exponential and the logarithm of this file, and, at the orders where
//! `1 / (alpha - 1)` is a small integer, by multiplications alone. What is outside their range, and every
//! `alpha > 2`, is left to the scalar layer.

use super::RowCall;
use crate::math::{Measure, Real, RowState, Solver, expm1_over, log1p_over};
use crate::op::Output;
use std::array::from_fn;

/// Entries of a chunk: the `f32` of a 256-bit register.
const WIDTH: usize = 8;

type Chunk = [f32; WIDTH];

/// Chunks that are summed in `f32` before their sum goes to `f64`: 32 additions to a lane cost less than
/// a rounding of the result.
const BLOCK: usize = 32;

/// The widest gap, times the largest deformation, whose product with `u_max^c` stays a number.
const WIDEST: f32 = 1e34;

/// The buffers of the rows of a task.
#[derive(Default)]
pub(in crate::op) struct Lanes {
    /// `x_max - x`, `+inf` where the entry is not allowed, padded to whole chunks.
    gaps: Vec<f32>,
    /// The reference where it is given, zero where the entry is not allowed, padded likewise.
    reference: Vec<f32>,
    weights: Vec<f32>,
    scores: Vec<f32>,
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
}

impl Lanes {
    /// The output and the root, or nothing where the row is not for these kernels.
    #[inline(always)]
    pub fn forward(&mut self, row: RowCall<'_, f32>, y: &mut [f32]) -> Option<RowState<f32>> {
        if row.parameters.solver != Solver::Newton {
            return None;
        }
        let summary = self.summarise(&row)?;
        let log = row.parameters.output == Output::LogProbabilities;
        let l = match Form::of(row.alpha, log) {
            Form::Softmax => {
                // S is e^l times its value at l = 0.
                let (s, _) = self.mass(&summary, Softmax::new(0.0));
                -s.ln()
            }
            Form::Reciprocal1 => self.solve(&summary, |l| Reciprocal::<1>::new(summary.c, l))?,
            Form::Reciprocal2 => self.solve(&summary, |l| Reciprocal::<2>::new(summary.c, l))?,
            Form::Reciprocal3 => self.solve(&summary, |l| Reciprocal::<3>::new(summary.c, l))?,
            Form::Reciprocal4 => self.solve(&summary, |l| Reciprocal::<4>::new(summary.c, l))?,
            Form::Power1 => self.solve(&summary, |l| Power::<1>::new(summary.c, l))?,
            Form::Power2 => self.solve(&summary, |l| Power::<2>::new(summary.c, l))?,
            Form::General => self.solve(&summary, |l| General::new(summary.c, l))?,
        };
        let state = RowState {
            root: l as f32,
            rest: 0.0,
        };
        match row.parameters.output {
            Output::Probabilities => self.probabilities(&summary, row.alpha, l, 1.0, y),
            Output::LogProbabilities => self.log_probabilities(&summary, l, y),
            Output::Value => y[0] = row.scalar().value(&state),
            Output::Divergence => y[0] = row.scalar().divergence(&state),
        }
        Some(state)
    }

    /// The gradient in the logits, or false where the row is not for these kernels.
    #[inline(always)]
    pub fn backward(
        &mut self,
        row: RowCall<'_, f32>,
        state: RowState<f32>,
        cotangent: &[f32],
        grad: &mut [f32],
    ) -> bool {
        let l = f64::from(state.root);
        if row.parameters.output == Output::Divergence || l.is_nan() {
            return false;
        }
        let Some(summary) = self.summarise(&row) else {
            return false;
        };
        match row.parameters.output {
            Output::Probabilities => {
                let total = self.weigh(&summary, row.alpha, l);
                self.probabilities_backward(total, cotangent, grad);
            }
            Output::LogProbabilities => {
                let total = self.weigh(&summary, row.alpha, l);
                self.log_probabilities_backward(&summary, l, total, cotangent, grad);
            }
            Output::Value => self.probabilities(&summary, row.alpha, l, cotangent[0], grad),
            Output::Divergence => unreachable!("left to the scalar layer above"),
        }
        true
    }

    /// Fills the gaps and the reference. Nothing where the row has no answer or is out of range.
    #[inline(always)]
    fn summarise(&mut self, row: &RowCall<'_, f32>) -> Option<Summary> {
        // A NaN fails the comparison too.
        if !(row.alpha >= -crate::math::MAX_ALPHA && row.alpha <= Solver::NEWTON_MAX_ALPHA) {
            return None;
        }
        let x = row.logits;
        self.gaps.clear();
        match row.reference {
            Measure::Uniform | Measure::Ones => self.gaps.extend_from_slice(x),
            Measure::Given(q) => {
                // An entry without a reference is one without a logit.
                self.gaps
                    .extend(x.iter().zip(q).map(|(&x, &q)| if q == 0.0 && x < f32::INFINITY { f32::NEG_INFINITY } else { x }));
                self.reference.clear();
                self.reference.extend_from_slice(q);
                self.reference.resize(x.len().next_multiple_of(WIDTH), 0.0);
                if !q.iter().fold(true, |good, &q| good & (q >= 0.0 && q <= f32::MAX)) {
                    return None;
                }
            }
        }
        self.gaps.resize(x.len().next_multiple_of(WIDTH), f32::NEG_INFINITY);

        let mut max = [f32::NEG_INFINITY; WIDTH];
        let mut min = [f32::INFINITY; WIDTH];
        let mut allowed = [0_u32; WIDTH];
        let mut bad = [0_u32; WIDTH];
        for x in chunks(&self.gaps) {
            for i in 0..WIDTH {
                max[i] = if x[i] > max[i] { x[i] } else { max[i] };
                let finite = x[i] > f32::NEG_INFINITY;
                min[i] = if finite & (x[i] < min[i]) { x[i] } else { min[i] };
                allowed[i] += u32::from(finite);
                bad[i] |= u32::from(!(x[i] <= f32::MAX));
            }
        }
        let max = max.into_iter().fold(f32::NEG_INFINITY, f32::max);
        let min = min.into_iter().fold(f32::INFINITY, f32::min);
        let allowed: u64 = allowed.into_iter().map(u64::from).sum();
        let c = 1.0 - row.alpha;
        if allowed == 0
            || bad.into_iter().any(|bad| bad != 0)
            || (max - min) * c.abs().max(1.0) as f32 > WIDEST
        {
            return None;
        }
        let (constant, lo, hi) = match row.reference {
            Measure::Uniform => (Some(1.0 / allowed as f32), 0.0, (allowed as f64).ln()),
            Measure::Ones => (Some(1.0), -(allowed as f64).ln(), 0.0),
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
        if c.abs() * lo.abs().max(hi.abs()) > f64::from(f32::LOG_SPACE)
            || f64::from(max - min) * c.abs().max(1.0) * (c * lo).max(c * hi).exp() > f64::from(WIDEST)
        {
            return None;
        }
        for x in chunks_mut(&mut self.gaps) {
            for x in x {
                *x = max - *x;
            }
        }
        Some(Summary {
            c,
            constant,
            lo,
            hi,
        })
    }

    /// [`crate::math::solve_log_ratio`] with its scalars in `f64`. Nothing where it does not converge.
    #[inline(always)]
    fn solve<C: Curve>(&self, summary: &Summary, curve: impl Fn(f64) -> C) -> Option<f64> {
        let Summary { c, lo, hi, .. } = *summary;
        let (mut lo, mut hi) = (lo, hi);
        let tolerance = Solver::STOP_ROUNDINGS * f64::from(f32::EPSILON);
        let mut l = hi;
        let mut before = f64::INFINITY;
        for _ in 0..Solver::NEWTON_STEPS {
            let (s, w) = self.mass(summary, curve(l));
            if s >= 1.0 {
                hi = l;
            } else {
                lo = l;
            }
            let d = s * expm1_over(c, s.ln()) / w;
            let mut next = l - log1p_over(c, d);
            if !(next >= lo && next <= hi) {
                next = lo + 0.5 * (hi - lo);
            }
            let step = (next - l).abs();
            l = next;
            // Quadratic convergence: the step that would follow is about this one times
            // step / before^2 times itself.
            let following = step * step * (step / (before * before));
            if step.max(0.0) <= tolerance * l.abs().max(1.0)
                || (before < f64::INFINITY && step < 1e-2 && following <= 0.1 * tolerance)
            {
                return Some(l);
            }
            before = step;
        }
        None
    }

    /// `S` and `W` of [`crate::math::solve_log_ratio`].
    #[inline(always)]
    fn mass<C: Curve>(&self, summary: &Summary, curve: C) -> (f64, f64) {
        let (mut s, mut w) = (0.0, 0.0);
        match summary.constant {
            Some(q) => {
                for block in self.gaps.chunks(BLOCK * WIDTH) {
                    let (mut block_s, mut block_w) = ([0.0; WIDTH], [0.0; WIDTH]);
                    for gaps in chunks(block) {
                        let (u, v) = curve.at(gaps);
                        for i in 0..WIDTH {
                            block_s[i] += u[i];
                            block_w[i] += v[i];
                        }
                    }
                    s += total(block_s);
                    w += total(block_w);
                }
                (s * f64::from(q), w * f64::from(q))
            }
            None => {
                let blocks = self.gaps.chunks(BLOCK * WIDTH);
                for (block, q) in blocks.zip(self.reference.chunks(BLOCK * WIDTH)) {
                    let (mut block_s, mut block_w) = ([0.0; WIDTH], [0.0; WIDTH]);
                    for (gaps, q) in chunks(block).zip(chunks(q)) {
                        let (u, v) = curve.at(gaps);
                        for i in 0..WIDTH {
                            block_s[i] += q[i] * u[i];
                            block_w[i] += q[i] * v[i];
                        }
                    }
                    s += total(block_s);
                    w += total(block_w);
                }
                (s, w)
            }
        }
    }

    /// `p`, times a factor.
    #[inline(always)]
    fn probabilities(&self, summary: &Summary, alpha: f64, l: f64, factor: f32, y: &mut [f32]) {
        let c = summary.c;
        match Form::of(alpha, false) {
            Form::Softmax => self.write(summary, Softmax::new(l), factor, y),
            Form::Reciprocal1 => self.write(summary, Reciprocal::<1>::new(c, l), factor, y),
            Form::Reciprocal2 => self.write(summary, Reciprocal::<2>::new(c, l), factor, y),
            Form::Reciprocal3 => self.write(summary, Reciprocal::<3>::new(c, l), factor, y),
            Form::Reciprocal4 => self.write(summary, Reciprocal::<4>::new(c, l), factor, y),
            Form::Power1 => self.write(summary, Power::<1>::new(c, l), factor, y),
            Form::Power2 => self.write(summary, Power::<2>::new(c, l), factor, y),
            Form::General => self.write(summary, General::new(c, l), factor, y),
        }
    }

    #[inline(always)]
    fn write<C: Curve>(&self, summary: &Summary, curve: C, factor: f32, y: &mut [f32]) {
        self.fill(summary, y, |gaps, q| {
            let (u, _) = curve.at(gaps);
            from_fn(|i| q[i] * u[i] * factor)
        });
    }

    /// `ln p`.
    #[inline(always)]
    fn log_probabilities(&self, summary: &Summary, l: f64, y: &mut [f32]) {
        let log_q = summary.constant.map(|q| f64::from(q).ln());
        if summary.c == 0.0 {
            let offset = log_q.unwrap_or(0.0) + l;
            self.write_log(log_q.is_none(), y, |gaps| {
                from_fn(|i| offset as f32 - gaps[i])
            });
        } else {
            let curve = General::new(summary.c, l);
            let offset = log_q.unwrap_or(0.0) + l;
            self.write_log(log_q.is_none(), y, |gaps| {
                from_fn(|i| {
                    let (fall, on) = curve.fall(gaps[i]);
                    if on {
                        offset as f32 - fall
                    } else {
                        f32::NEG_INFINITY
                    }
                })
            });
        }
    }

    #[inline(always)]
    fn write_log(&self, given: bool, y: &mut [f32], log_u: impl Fn(&Chunk) -> Chunk) {
        let rows = y.chunks_mut(WIDTH).zip(chunks(&self.gaps));
        if given {
            for ((y, gaps), q) in rows.zip(chunks(&self.reference)) {
                let log_u = log_u(gaps);
                let log_p: Chunk = from_fn(|i| {
                    if gaps[i] < f32::INFINITY {
                        ln(q[i]) + log_u[i]
                    } else {
                        f32::NEG_INFINITY
                    }
                });
                y.copy_from_slice(&log_p[..y.len()]);
            }
        } else {
            for (y, gaps) in rows {
                let log_u = log_u(gaps);
                y.copy_from_slice(&log_u[..y.len()]);
            }
        }
    }

    /// Fills a row of the caller's from the gaps and the reference.
    #[inline(always)]
    fn fill(&self, summary: &Summary, y: &mut [f32], value: impl Fn(&Chunk, &Chunk) -> Chunk) {
        let rows = y.chunks_mut(WIDTH).zip(chunks(&self.gaps));
        match summary.constant {
            Some(q) => {
                let q = [q; WIDTH];
                for (y, gaps) in rows {
                    let chunk = value(gaps, &q);
                    match <&mut Chunk>::try_from(&mut *y) {
                        Ok(y) => *y = chunk,
                        Err(_) => y.copy_from_slice(&chunk[..y.len()]),
                    }
                }
            }
            None => {
                for ((y, gaps), q) in rows.zip(chunks(&self.reference)) {
                    let chunk = value(gaps, q);
                    y.copy_from_slice(&chunk[..y.len()]);
                }
            }
        }
    }

    /// Fills the weights `k = q u^(2 - alpha)`, and returns their sum.
    #[inline(always)]
    fn weigh(&mut self, summary: &Summary, alpha: f64, l: f64) -> f64 {
        let c = summary.c;
        match Form::of(alpha, false) {
            Form::Softmax => self.weigh_with(summary, l, Softmax::new(l)),
            Form::Reciprocal1 => self.weigh_with(summary, l, Reciprocal::<1>::new(c, l)),
            Form::Reciprocal2 => self.weigh_with(summary, l, Reciprocal::<2>::new(c, l)),
            Form::Reciprocal3 => self.weigh_with(summary, l, Reciprocal::<3>::new(c, l)),
            Form::Reciprocal4 => self.weigh_with(summary, l, Reciprocal::<4>::new(c, l)),
            Form::Power1 => self.weigh_with(summary, l, Power::<1>::new(c, l)),
            Form::Power2 => self.weigh_with(summary, l, Power::<2>::new(c, l)),
            Form::General => self.weigh_with(summary, l, General::new(c, l)),
        }
    }

    #[inline(always)]
    fn weigh_with<C: Curve>(&mut self, summary: &Summary, l: f64, curve: C) -> f64 {
        let power = (summary.c * l).exp() as f32;
        let mut weights = std::mem::take(&mut self.weights);
        weights.clear();
        weights.resize(self.gaps.len(), 0.0);
        self.fill(summary, &mut weights, |gaps, q| {
            let (_, v) = curve.at(gaps);
            from_fn(|i| q[i] * v[i] * power)
        });
        let mut sum = 0.0;
        for block in weights.chunks(BLOCK * WIDTH) {
            let mut lanes = [0.0; WIDTH];
            for k in chunks(block) {
                for i in 0..WIDTH {
                    lanes[i] += k[i];
                }
            }
            sum += total(lanes);
        }
        self.weights = weights;
        sum
    }

    /// The entry of the largest weight.
    #[inline(always)]
    fn largest(&self) -> usize {
        let mut best = [0.0_f32; WIDTH];
        for k in chunks(&self.weights) {
            for i in 0..WIDTH {
                best[i] = if k[i] > best[i] { k[i] } else { best[i] };
            }
        }
        let best = best.into_iter().fold(0.0, f32::max);
        self.weights.iter().position(|&k| k == best).unwrap_or(0)
    }

    /// [`crate::math::Row::softargmax_backward`] from the weights.
    #[inline(always)]
    fn probabilities_backward(&self, total_weight: f64, c: &[f32], grad: &mut [f32]) {
        let centre = c[self.largest()];
        let k = &self.weights[..c.len()];
        let mut sum = 0.0;
        for (c, k) in c.chunks(BLOCK * WIDTH).zip(k.chunks(BLOCK * WIDTH)) {
            let mut lanes = [0.0; WIDTH];
            let (c_chunks, c_tail) = c.as_chunks::<WIDTH>();
            let (k_chunks, k_tail) = k.as_chunks::<WIDTH>();
            for (c, k) in c_chunks.iter().zip(k_chunks) {
                for i in 0..WIDTH {
                    // An entry off the support has no weight, whatever its cotangent is.
                    lanes[i] += if k[i] > 0.0 { k[i] * (c[i] - centre) } else { 0.0 };
                }
            }
            for ((lane, c), k) in lanes.iter_mut().zip(c_tail).zip(k_tail) {
                *lane += if *k > 0.0 { k * (c - centre) } else { 0.0 };
            }
            sum += total(lanes);
        }
        let mean = (sum / total_weight) as f32;
        for ((grad, c), k) in grad.iter_mut().zip(c).zip(k) {
            *grad = if *k > 0.0 {
                k * ((c - centre) - mean)
            } else {
                0.0
            };
        }
    }

    /// [`crate::math::Row::log_softargmax_backward`] from the weights.
    #[inline(always)]
    fn log_probabilities_backward(
        &mut self,
        summary: &Summary,
        l: f64,
        total_weight: f64,
        c: &[f32],
        grad: &mut [f32],
    ) {
        let power = (summary.c * l).exp() as f32;
        let curve = General::new(summary.c, l);
        self.scores.clear();
        self.scores.resize(self.gaps.len(), 0.0);
        for (scores, gaps) in chunks_mut(&mut self.scores).zip(chunks(&self.gaps)) {
            *scores = from_fn(|i| power * curve.relative(gaps[i]));
        }
        let mut total = 0.0;
        for (&c, s) in c.iter().zip(&mut self.scores) {
            *s = if *s > 0.0 { c * *s } else { 0.0 };
            total += f64::from(*s);
        }
        let largest = self.largest();
        let slope = total / total_weight;
        let mut others = 0.0;
        for (i, grad) in grad.iter_mut().enumerate() {
            if i == largest {
                continue;
            }
            let value = if self.gaps[i] < f32::INFINITY {
                f64::from(self.scores[i]) - f64::from(self.weights[i]) * slope
            } else {
                0.0
            };
            others += value;
            *grad = value as f32;
        }
        // The row sums to zero: at the largest weight, the sum of the others keeps the digits.
        grad[largest] = -others as f32;
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
trait Curve: Copy {
    /// `u`, and `u (u / u_max)^c`, of every gap; both zero off the support and at an infinite gap.
    fn at(self, gaps: &Chunk) -> (Chunk, Chunk);
}

/// `alpha = 1`: `u = e^(l - g)`.
#[derive(Clone, Copy)]
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

impl Curve for Softmax {
    #[inline(always)]
    fn at(self, gaps: &Chunk) -> (Chunk, Chunk) {
        let u = from_fn(|i| self.scale * exp(self.offset - gaps[i]));
        (u, u)
    }
}

/// `alpha = 1 - 1/N`: `u = B^-N`, `B = b + c g`, `b = u_max^-c`.
#[derive(Clone, Copy)]
struct Reciprocal<const N: usize> {
    b: f32,
    c: f32,
}

impl<const N: usize> Reciprocal<N> {
    #[inline(always)]
    fn new(c: f64, l: f64) -> Self {
        Self {
            b: (-c * l).exp() as f32,
            c: c as f32,
        }
    }
}

impl<const N: usize> Curve for Reciprocal<N> {
    #[inline(always)]
    fn at(self, gaps: &Chunk) -> (Chunk, Chunk) {
        let r: Chunk = from_fn(|i| 1.0 / (self.b + self.c * gaps[i]));
        let u: Chunk = from_fn(|i| match N {
            1 => r[i],
            2 => r[i] * r[i],
            3 => r[i] * r[i] * r[i],
            _ => (r[i] * r[i]) * (r[i] * r[i]),
        });
        (u, from_fn(|i| u[i] * (self.b * r[i])))
    }
}

/// `alpha = 1 + 1/N`: `u = B_+^N`, `B = b + c g`, `b = u_max^-c`.
#[derive(Clone, Copy)]
struct Power<const N: usize> {
    b: f32,
    c: f32,
}

impl<const N: usize> Power<N> {
    #[inline(always)]
    fn new(c: f64, l: f64) -> Self {
        Self {
            b: (-c * l).exp() as f32,
            c: c as f32,
        }
    }
}

impl<const N: usize> Curve for Power<N> {
    #[inline(always)]
    fn at(self, gaps: &Chunk) -> (Chunk, Chunk) {
        let base: Chunk = from_fn(|i| {
            let base = self.b + self.c * gaps[i];
            if base > 0.0 { base } else { 0.0 }
        });
        match N {
            1 => (
                base,
                from_fn(|i| if base[i] > 0.0 { self.b } else { 0.0 }),
            ),
            _ => (
                from_fn(|i| base[i] * base[i]),
                from_fn(|i| base[i] * self.b),
            ),
        }
    }
}

/// Any other order: `ln u = l - ln(1 + z) / c`, `z = c g e^(c l)`.
#[derive(Clone, Copy)]
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
        let (offset, scale) = split_exponent(l);
        Self {
            slope: (c * (c * l).exp()) as f32,
            per_c: (1.0 / c) as f32,
            scale,
            offset,
        }
    }

    /// `l - ln u`, and whether the gap is on the support.
    #[inline(always)]
    fn fall(self, gap: f32) -> (f32, bool) {
        let z = self.slope * gap;
        let on = (z > -1.0) & (gap < f32::INFINITY);
        (log1p(z) * self.per_c, on)
    }

    /// `(u / u_max)^c`, zero off the support.
    #[inline(always)]
    fn relative(self, gap: f32) -> f32 {
        let z = self.slope * gap;
        let on = (z > -1.0) & (gap < f32::INFINITY);
        if on { 1.0 / (1.0 + z) } else { 0.0 }
    }
}

impl Curve for General {
    #[inline(always)]
    fn at(self, gaps: &Chunk) -> (Chunk, Chunk) {
        let u: Chunk = from_fn(|i| {
            let (fall, on) = self.fall(gaps[i]);
            let u = self.scale * exp(self.offset - fall);
            if on { u } else { 0.0 }
        });
        (u, from_fn(|i| u[i] * self.relative(gaps[i])))
    }
}

/// `l` as a number of few digits, which adds exactly to most others, and `e` to what is left.
#[inline(always)]
fn split_exponent(l: f64) -> (f32, f32) {
    let offset = (l * 64.0).round() / 64.0;
    (offset as f32, (l - offset).exp() as f32)
}

#[inline(always)]
fn chunks(row: &[f32]) -> std::slice::Iter<'_, Chunk> {
    row.as_chunks::<WIDTH>().0.iter()
}

#[inline(always)]
fn chunks_mut(row: &mut [f32]) -> std::slice::IterMut<'_, Chunk> {
    row.as_chunks_mut::<WIDTH>().0.iter_mut()
}

#[inline(always)]
fn total(lanes: Chunk) -> f64 {
    lanes.into_iter().map(f64::from).sum()
}

const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// `e^x` to 1.5 roundings; zero below the smallest normal number and no more than the largest above.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding this number leaves the nearest integer in the low bits.
    const SHIFT: f32 = 12_582_912.0;
    let held = x.clamp(-87.3, 88.0);
    let shifted = held * std::f32::consts::LOG2_E + SHIFT;
    let n = shifted - SHIFT;
    let r = (held - n * LN_2_HIGH) - n * LN_2_LOW;
    let tail = 1.0 / 2.0 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0))));
    let e = 1.0 + (r + r * r * tail);
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    if x < -87.3 { 0.0 } else { e * power }
}

/// `ln(1 + z)` for `z > -1`, by what the rounding of `1 + z` lost as well.
#[inline(always)]
fn log1p(z: f32) -> f32 {
    let w = 1.0 + z;
    let lost = z - (w - 1.0);
    ln(w) + lost / w
}

/// `ln x` for a normal `x > 0`.
#[inline(always)]
fn ln(x: f32) -> f32 {
    // The exponent such that the mantissa is in [sqrt(1/2), sqrt(2)).
    let bits = x.to_bits().wrapping_sub(0x3f35_04f3);
    let n = (bits as i32) >> 23;
    let m = f32::from_bits(x.to_bits().wrapping_sub((n as u32) << 23));
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let t = s * s;
    // 2 artanh(s) = f - s (f - 2 t (1/3 + ..)), whose first term is exact.
    let tail = 2.0 * t * (1.0 / 3.0 + t * (1.0 / 5.0 + t * (1.0 / 7.0 + t * (1.0 / 9.0))));
    let n = n as f32;
    n * LN_2_HIGH + (n * LN_2_LOW + (f - s * (f - tail)))
}
