use super::policy_form;
use crate::rl::ppo::objective::{PolicyForm, TERM_COLUMNS, TermColumn};
use crate::rl::ppo::{LearnerError, PpoConfig, UpdateMetrics};

/// What the minibatches of an update report, on the host.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// The columns of [`TermColumn`] of every step.
    pub terms: Vec<f32>,
    /// The policy of every step in its [`PolicyForm`].
    pub policy: Vec<f32>,
    /// The norm of the gradient of every minibatch, before clipping.
    pub norms: Vec<f32>,
}

impl Report {
    /// Returns the number of steps.
    pub fn steps(&self) -> usize {
        self.terms.len() / TERM_COLUMNS
    }

    /// Returns a column of the terms of the steps from `first` on.
    fn column(&self, term: TermColumn, first: usize) -> impl ExactSizeIterator<Item = f64> {
        let steps = self.terms[first * TERM_COLUMNS..].chunks_exact(TERM_COLUMNS);
        steps.map(move |terms| f64::from(terms[term as usize]))
    }

    /// Returns the mean of `ratio - 1 - ln ratio` from step `first` on, an estimate of `KL(old || new)` (Schulman
    /// 2020).
    pub fn approx_kl(&self, first: usize) -> f64 {
        let ratios = self.column(TermColumn::Ratio, first);
        mean(ratios.map(|ratio| ratio - 1.0 - log_ratio(ratio)))
    }

    /// Returns the mean Shannon entropy, in nats.
    fn entropy(&self, form: PolicyForm) -> f64 {
        let terms = self.policy.iter().map(|&entry| match form {
            PolicyForm::Log if entry == f32::NEG_INFINITY => 0.0,
            PolicyForm::Log => entry.exp() * entry,
            PolicyForm::Probability if entry == 0.0 => 0.0,
            PolicyForm::Probability => entry * entry.ln(),
        });
        -terms.map(f64::from).sum::<f64>() / self.steps() as f64
    }

    /// Writes the means into `metrics`.
    ///
    /// # Errors
    ///
    /// If one of them is not finite.
    pub fn write(
        &self,
        config: &PpoConfig,
        metrics: &mut UpdateMetrics,
    ) -> Result<(), LearnerError> {
        let column = |term| self.column(term, 0);
        let outside = |ratio: f64| f64::from((ratio - 1.0).abs() > config.clip);
        let means = [
            (
                &mut metrics.policy_loss,
                -mean(column(TermColumn::Surrogate)),
                "policy loss",
            ),
            (
                &mut metrics.value_loss,
                mean(column(TermColumn::ValueLoss)),
                "value loss",
            ),
            (
                &mut metrics.entropy,
                self.entropy(policy_form(config)),
                "entropy",
            ),
            (
                &mut metrics.old_approx_kl,
                -mean(column(TermColumn::Ratio).map(log_ratio)),
                "approximate KL divergence",
            ),
            (
                &mut metrics.approx_kl,
                self.approx_kl(0),
                "approximate KL divergence",
            ),
            (
                &mut metrics.clip_fraction,
                mean(column(TermColumn::Ratio).map(outside)),
                "clip fraction",
            ),
            (
                &mut metrics.grad_norm,
                mean(self.norms.iter().copied().map(f64::from)),
                "gradient norm",
            ),
        ];
        for (field, mean, name) in means {
            *field = mean;
            if !mean.is_finite() {
                return Err(LearnerError::NotFinite(name));
            }
        }
        Ok(())
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

fn log_ratio(ratio: f64) -> f64 {
    // The logarithm of the smallest normal number replaces that of a ratio of zero. The clamp preserves NaN.
    ratio
        .clamp(f64::from(f32::MIN_POSITIVE), f64::INFINITY)
        .ln()
}
