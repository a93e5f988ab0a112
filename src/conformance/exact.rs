//! The exact values of a row.

use crate::math::{MAX_ALPHA, Row, RowReference, Solver};

/// The exact values of a row.
#[derive(Clone, Debug)]
pub struct Exact {
    /// The reference of every entry.
    pub q: Vec<f64>,
    /// The distance of every entry from the largest logit, zero for a masked entry.
    pub gaps: Vec<f64>,
    /// The sensitivity of a gradient to a relative change of a gap at `alpha > 1`, for a cotangent of one.
    pub sensitivity: f64,
    /// The probabilities.
    pub p: Vec<f64>,
    /// The logarithms of the probabilities, `-inf` if `p` is zero.
    pub log_p: Vec<f64>,
    /// The value `V`.
    pub value: f64,
    /// The divergence `D`.
    pub divergence: f64,
}

impl Exact {
    /// Computes the values with the scalar layer in `f64`.
    pub fn new(logits: &[f64], reference: RowReference<&[f64]>, alpha: f64) -> Self {
        let row = Row::new(logits, reference, alpha);
        let state = row.solve(Solver::Newton);
        let (mut p, mut log_p) = (vec![0.0; logits.len()], vec![0.0; logits.len()]);
        row.softargmax(&state, &mut p);
        row.log_softargmax(&state, &mut log_p);
        let allowed = logits.iter().filter(|x| x.is_finite()).count();
        let q = match reference {
            RowReference::Uniform => vec![1.0 / allowed as f64; logits.len()],
            RowReference::Ones => vec![1.0; logits.len()],
            RowReference::Values(q) => q.to_vec(),
        };
        let mut exact = Self {
            value: row.value(&state),
            divergence: row.divergence(&state),
            gaps: Vec::new(),
            sensitivity: 0.0,
            q,
            p,
            log_p,
        };
        exact.compute_sensitivity(logits, alpha);
        exact
    }

    /// Appends masked entries with the reference `q`, up to this length.
    pub(super) fn pad(&mut self, columns: usize, q: f64) {
        self.q.resize(columns, q);
        self.gaps.resize(columns, 0.0);
        self.p.resize(columns, 0.0);
        self.log_p.resize(columns, f64::NEG_INFINITY);
    }

    /// Computes the gaps and the sensitivity, which the bounds use.
    pub fn compute_sensitivity(&mut self, logits: &[f64], alpha: f64) {
        let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.gaps = logits
            .iter()
            .map(|&x| if x == f64::NEG_INFINITY { 0.0 } else { max - x })
            .collect();
        self.sensitivity = (0..self.p.len())
            .filter(|&i| self.p[i] > 0.0)
            .map(|i| {
                let log_u = self.log_p[i] - self.q[i].ln();
                let slope = ((3.0 - 2.0 * alpha) * log_u).exp();
                (2.0 - alpha).abs() * self.q[i] * slope * self.gaps[i]
            })
            .fold(0.0, f64::max);
    }

    /// The largest ratio `u`, divided by the sum of the weights `q u^(2 - alpha)`, and at least one.
    pub fn ratio_per_weight(&self, alpha: f64) -> f64 {
        let (mut largest, mut total) = (0.0_f64, 0.0);
        for (p, q) in self.p.iter().zip(&self.q).filter(|(p, _)| **p > 0.0) {
            let u = p / q;
            largest = largest.max(u);
            total += q * u.powf(2.0 - alpha);
        }
        (largest / total).max(1.0)
    }

    /// Whether an entry lies at the edge of the support, where the gradient does not exist for `alpha >= 2`. At
    /// `alpha = 2` it exists on one side only.
    pub fn is_at_kink(&self, alpha: f64) -> bool {
        if !(2.0..=MAX_ALPHA).contains(&alpha) {
            return false;
        }
        let Some(top) = (0..self.p.len())
            .filter(|&i| self.p[i] > 0.0 && self.gaps[i] == 0.0)
            .max_by(|&a, &b| self.p[a].total_cmp(&self.p[b]))
        else {
            return false;
        };
        let support_radius = (self.p[top] / self.q[top]).powf(alpha - 1.0) / (alpha - 1.0);
        (0..self.p.len()).any(|i| {
            self.gaps[i] > 0.0 && (support_radius - self.gaps[i]).abs() < 1e-5 * support_radius
        })
    }
}
