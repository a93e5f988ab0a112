//! The exact answers of a row.

use crate::math::{MAX_ALPHA, Row, RowReference, Solver};

/// The exact answers of a row.
#[derive(Clone, Debug)]
pub struct Exact {
    /// The reference of every entry.
    pub q: Vec<f64>,
    /// The distance of every entry from the largest logit, zero where it is not allowed.
    pub gaps: Vec<f64>,
    /// How a gradient answers to the rounding of a gap above `alpha = 1`, for a cotangent of one.
    pub sensitivity: f64,
    /// The probabilities.
    pub p: Vec<f64>,
    /// Their logarithms, `-inf` where `p` is zero.
    pub log_p: Vec<f64>,
    /// `V`.
    pub value: f64,
    /// `D`.
    pub divergence: f64,
}

impl Exact {
    /// The answers of the scalar layer in `f64`.
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

    /// Appends entries that are not allowed, up to this length, with the reference `q`.
    pub(super) fn pad(&mut self, columns: usize, q: f64) {
        self.q.resize(columns, q);
        self.gaps.resize(columns, 0.0);
        self.p.resize(columns, 0.0);
        self.log_p.resize(columns, f64::NEG_INFINITY);
    }

    /// Fills in what the bounds need.
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

    /// At `alpha = 2` an entry at the very edge of the support has a gradient on one side only; above,
    /// it has none.
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
