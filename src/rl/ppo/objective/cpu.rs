//! The objective in one pass over the steps, in `f32`.

use super::{ObjectiveParameters, PolicyForm, SAMPLE_COLUMNS, TERM_COLUMNS};

/// The loss, its terms and its derivatives.
pub(in crate::rl::ppo) struct ObjectiveOutput {
    pub loss: f32,
    pub terms: Vec<f32>,
    pub policy_grad: Vec<f32>,
    pub value_grad: Vec<f32>,
}

/// See [`clipped_objective`](super::clipped_objective).
///
/// # Panics
///
/// If the three slices do not have the same number of steps.
pub(in crate::rl::ppo) fn objective(
    policy: &[f32],
    values: &[f32],
    samples: &[f32],
    parameters: ObjectiveParameters,
) -> ObjectiveOutput {
    let batch = values.len();
    let columns = samples.len() / batch.max(1);
    assert!(
        samples.len() == batch * columns && columns > SAMPLE_COLUMNS,
        "there must be one sample for each value, with an action"
    );
    let entries = policy.len() / batch.max(1);
    assert_eq!(policy.len(), batch * entries, "one policy for each value");
    let scale = 1.0 / batch as f32;
    let (clip, value_clip) = (parameters.clip, parameters.value_clip);
    let value_coefficient = parameters.value_coefficient;
    let mut output = ObjectiveOutput {
        loss: 0.0,
        terms: Vec::with_capacity(batch * TERM_COLUMNS),
        policy_grad: vec![0.0; policy.len()],
        value_grad: Vec::with_capacity(batch),
    };
    let mut loss = 0.0_f64;
    for (i, (sample, &value)) in samples.chunks_exact(columns).zip(values).enumerate() {
        let &[log_prob, advantage, target, old_value, ref actions @ ..] = sample else {
            unreachable!("a chunk has more than SAMPLE_COLUMNS entries");
        };
        let policy = &policy[i * entries..][..entries];
        let taken = actions.iter().map(|&action| policy[action as usize]);
        // One over the probability of the action in the rollout, where it is needed.
        let inverse = match parameters.form {
            PolicyForm::Log => 1.0,
            PolicyForm::Probability => (-log_prob).exp(),
        };
        let ratio = match parameters.form {
            PolicyForm::Log => (taken.sum::<f32>() - log_prob).exp(),
            PolicyForm::Probability => taken.product::<f32>() * inverse,
        };
        let unclipped = ratio * advantage;
        let clipped = ratio.clamp(1.0 - clip, 1.0 + clip) * advantage;
        let surrogate = if clipped < unclipped {
            clipped
        } else {
            let gradient = &mut output.policy_grad[i * entries..][..entries];
            for (dimension, &action) in actions.iter().enumerate() {
                // The derivative of the ratio with respect to the policy in its form.
                let slope = match parameters.form {
                    PolicyForm::Log => ratio,
                    PolicyForm::Probability => {
                        // Not the ratio divided by the probability, which can be zero.
                        let others = actions.iter().enumerate();
                        let others = others.filter(|&(other, _)| other != dimension);
                        let others = others.map(|(_, &action)| policy[action as usize]);
                        others.product::<f32>() * inverse
                    }
                };
                gradient[action as usize] = -scale * advantage * slope;
            }
            unclipped
        };

        let error = value - target;
        // Add only the change made by the clip, which is exactly zero within its range. The sum of the old
        // value and the clamped move would differ from the value by a rounding error and be the larger one at
        // random.
        let moved = value - old_value;
        let clipped_error = error + (moved.clamp(-value_clip, value_clip) - moved);
        let (unclipped, clipped) = (error * error, clipped_error * clipped_error);
        let (value_loss, value_grad) = if clipped > unclipped {
            (0.5 * clipped, 0.0)
        } else {
            (0.5 * unclipped, scale * value_coefficient * error)
        };
        output.value_grad.push(value_grad);
        loss += f64::from(value_coefficient * value_loss - surrogate);
        output.terms.extend([ratio, surrogate, value_loss]);
    }
    output.loss = (loss / batch as f64) as f32;
    output
}
