//! One pass over the steps, in `f32`.

use super::{ObjectiveParameters, PolicyForm, SAMPLES, TERMS};

/// The loss, its terms and its derivatives.
pub(super) struct Parts {
    pub loss: f32,
    pub terms: Vec<f32>,
    pub of_policy: Vec<f32>,
    pub of_values: Vec<f32>,
}

/// See [`clipped_objective`](super::clipped_objective).
///
/// # Panics
///
/// If the three are not of one number of steps.
pub(super) fn parts(
    policy: &[f32],
    values: &[f32],
    samples: &[f32],
    parameters: ObjectiveParameters,
) -> Parts {
    let batch = values.len();
    assert_eq!(samples.len(), batch * SAMPLES, "one sample for each value");
    let actions = policy.len() / batch.max(1);
    assert_eq!(policy.len(), batch * actions, "one policy for each value");
    let scale = 1.0 / batch as f32;
    let ObjectiveParameters {
        form,
        clip,
        value_clip,
        value_coefficient,
    } = parameters;
    let mut parts = Parts {
        loss: 0.0,
        terms: Vec::with_capacity(batch * TERMS),
        of_policy: vec![0.0; policy.len()],
        of_values: Vec::with_capacity(batch),
    };
    let mut loss = 0.0_f64;
    for (i, (sample, &value)) in samples.chunks_exact(SAMPLES).zip(values).enumerate() {
        let &[action, log_prob, advantage, target, old_value] = sample else {
            unreachable!("a chunk is of its size");
        };
        let taken = i * actions + action as usize;
        // The derivative of the ratio in what the policy is given as.
        let (ratio, slope) = match form {
            PolicyForm::Log => {
                let ratio = (policy[taken] - log_prob).exp();
                (ratio, ratio)
            }
            PolicyForm::Probability => {
                let inverse = (-log_prob).exp();
                (policy[taken] * inverse, inverse)
            }
        };
        let free = ratio * advantage;
        let clipped = ratio.clamp(1.0 - clip, 1.0 + clip) * advantage;
        if clipped < free {
            parts.of_policy[taken] = 0.0;
        } else {
            parts.of_policy[taken] = -scale * advantage * slope;
        }
        let surrogate = if clipped < free { clipped } else { free };

        let error = value - target;
        // By what the clip takes away, which is nothing within its range: the sum of the old value and the
        // clamped move would differ from the value by a rounding, and be the larger one at random.
        let moved = value - old_value;
        let clipped_error = error + (moved.clamp(-value_clip, value_clip) - moved);
        let (free, clipped) = (error * error, clipped_error * clipped_error);
        let value_loss = 0.5 * if clipped > free { clipped } else { free };
        parts.of_values.push(if clipped > free {
            0.0
        } else {
            scale * value_coefficient * error
        });
        loss += f64::from(value_coefficient * value_loss - surrogate);
        parts.terms.extend([ratio, surrogate, value_loss]);
    }
    parts.loss = (loss / batch as f64) as f32;
    parts
}
