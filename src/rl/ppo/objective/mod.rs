//! The clipped objective as one operation. Composed of Burn's own operations, it takes about twenty small
//! ones under autodiff, which take more time than the layers of a small network.

mod autodiff;
mod backend;
#[cfg(any(feature = "flex", feature = "ndarray"))]
mod cpu;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "ndarray")]
mod ndarray;
mod portable;

pub use backend::{ObjectiveBackend, ObjectiveTensors};
#[cfg(any(feature = "flex", feature = "ndarray"))]
pub(super) use cpu::objective;

use burn::Tensor;
use burn::backend::Dispatch;

/// The first columns of `samples`, the data of a step that the objective needs. The position of the action of each
/// dimension among the entries of the policy follows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SampleColumn {
    /// The log-probability of the action in the rollout.
    LogProb,
    /// The advantage of the action.
    Advantage,
    /// The target of the value.
    Return,
    /// The value in the rollout.
    Value,
}

/// The number of columns of `samples` before the actions.
pub(super) const SAMPLE_COLUMNS: usize = 4;

/// The columns of the terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TermColumn {
    /// `pi(a|s) / pi_old(a|s)`.
    Ratio,
    /// `min(ratio A, clip(ratio) A)`.
    Surrogate,
    /// Half the squared error of the value; the larger of the clipped and the unclipped one.
    ValueLoss,
}

/// The number of columns of the terms.
pub(super) const TERM_COLUMNS: usize = 3;

/// The form of the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyForm {
    /// Log-probabilities.
    Log,
    /// Probabilities. An action outside the support has the ratio zero and a finite gradient; its logarithm
    /// would be infinite.
    Probability,
}

/// The parameters of the objective.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ObjectiveParameters {
    /// The form of the policy.
    pub form: PolicyForm,
    /// Clip range of the ratio around one.
    pub clip: f32,
    /// Clip range of the value around its value in the rollout; infinite for no clipping.
    pub value_clip: f32,
    /// Weight of the value loss.
    pub value_coefficient: f32,
}

/// Computes the loss of PPO (Schulman et al. 2017) and its terms. The loss is the mean over the steps of
///
/// `value_coefficient value_loss - surrogate`.
///
/// It is differentiable in the policy and the values; the terms are constants to autodiff. The gradient is
/// zero if the clip has an effect and the clipped branch is the smaller surrogate or the larger value loss. The
/// probability of an action of several dimensions is the product over the dimensions.
///
/// # Shapes
/// - policy: `[batch, logits]`, in the form that [`PolicyForm`] specifies
/// - values: `[batch, 1]`
/// - samples: `[batch, 4 + dimensions]`, the columns of [`SampleColumn`] and the actions
/// - loss: `[1]`; terms: `[batch, 3]`, the columns of [`TermColumn`]
pub(super) fn clipped_objective(
    policy: Tensor<2>,
    values: Tensor<2>,
    samples: Tensor<2>,
    parameters: ObjectiveParameters,
) -> (Tensor<1>, Tensor<2>) {
    let (loss, terms) = <Dispatch as ObjectiveBackend>::clipped_objective(
        policy.into_dispatch(),
        values.into_dispatch(),
        samples.into_dispatch(),
        parameters,
    );
    (Tensor::from_dispatch(loss), Tensor::from_dispatch(terms))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::backend::flex::Flex;
    use burn::tensor::{Device, TensorData, Tolerance};

    const ACTIONS: usize = 3;

    /// Steps on both sides of every clip, and some with an action outside the support.
    fn inputs(form: PolicyForm, dimensions: usize) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let (mut policy, mut values, mut samples) = (Vec::new(), Vec::new(), Vec::new());
        for i in 0..60_usize {
            let wave = |k: f32| (i as f32 * k).sin();
            let mut actions = Vec::new();
            for dimension in 0..dimensions {
                let k = 1.0 + 0.4 * dimension as f32;
                let mut p = [
                    1.0 + wave(0.7 * k),
                    1.2 + wave(1.3 * k),
                    1.1 + wave(2.1 * k),
                ];
                let action = (i + dimension) % ACTIONS;
                if i % 10 == dimension && form == PolicyForm::Probability {
                    p[action] = 0.0;
                }
                let sum: f32 = p.iter().sum();
                policy.extend(p.map(|p| match form {
                    PolicyForm::Log => (p / sum).ln(),
                    PolicyForm::Probability => p / sum,
                }));
                actions.push((dimension * ACTIONS + action) as f32);
            }
            values.push(2.0 * wave(0.9));
            let old = dimensions as f32 * (0.35 + 0.25 * wave(1.7)).ln();
            samples.extend([old, 1.5 * wave(2.9), wave(3.3), values[i] + 0.4 * wave(4.1)]);
            samples.extend(actions);
        }
        (policy, values, samples)
    }

    fn parameters(form: PolicyForm, value_clip: f32) -> ObjectiveParameters {
        ObjectiveParameters {
            form,
            clip: 0.2,
            value_clip,
            value_coefficient: 0.5,
        }
    }

    /// Returns the parameters of both forms, each with one dimension of actions and with several.
    fn both() -> impl Iterator<Item = (ObjectiveParameters, usize)> {
        let parameters = [PolicyForm::Log, PolicyForm::Probability]
            .into_iter()
            .flat_map(|form| [0.2, f32::INFINITY].map(|range| parameters(form, range)));
        parameters.flat_map(|parameters| [1, 2, 3].map(|dimensions| (parameters, dimensions)))
    }

    #[test]
    fn the_kernel_is_the_portable_path() {
        for (parameters, dimensions) in both() {
            let (policy, values, samples) = inputs(parameters.form, dimensions);
            let kernel = objective(&policy, &values, &samples, parameters);
            let tensor = |numbers: &[f32], columns: usize| {
                let rows = numbers.len() / columns;
                let data = TensorData::new(numbers.to_vec(), [rows, columns]);
                burn::backend::flex::FlexTensor::from_data(data)
            };
            let portable = portable::objective::<Flex>(
                tensor(&policy, dimensions * ACTIONS),
                tensor(&values, 1),
                tensor(&samples, SAMPLE_COLUMNS + dimensions),
                parameters,
            );
            let pairs = [
                (portable.loss, vec![kernel.loss]),
                (portable.terms, kernel.terms),
                (portable.policy_grad, kernel.policy_grad),
                (portable.value_grad, kernel.value_grad),
            ];
            for (portable, kernel) in pairs {
                let shape = [kernel.len()];
                let numbers: Vec<f32> = portable.into_data().iter().collect();
                let portable = TensorData::new(numbers, shape);
                let close = Tolerance::<f32>::rel_abs(1e-6, 1e-7);
                TensorData::new(kernel, shape).assert_approx_eq(&portable, close);
            }
        }
    }

    /// Compares each derivative with a difference quotient of the loss, away from the kinks.
    #[test]
    fn derivatives_are_those_of_the_loss() {
        for (parameters, dimensions) in both() {
            let (policy, values, samples) = inputs(parameters.form, dimensions);
            let output = objective(&policy, &values, &samples, parameters);
            let loss = |policy: &[f32], values: &[f32]| {
                f64::from(objective(policy, values, &samples, parameters).loss)
            };
            let step = 2e-3_f32;
            let mut checked = 0;
            for i in 0..policy.len() + values.len() {
                let at = |sign: f32| {
                    let (mut policy, mut values) = (policy.clone(), values.clone());
                    let number = match i.checked_sub(policy.len()) {
                        None => &mut policy[i],
                        Some(i) => &mut values[i],
                    };
                    *number += sign * step;
                    loss(&policy, &values)
                };
                let (above, here, below) = (at(1.0), f64::from(output.loss), at(-1.0));
                if (above - 2.0 * here + below).abs() > 2e-6 {
                    continue;
                }
                checked += 1;
                let slope = match i.checked_sub(policy.len()) {
                    None => output.policy_grad[i],
                    Some(i) => output.value_grad[i],
                };
                let difference = (above - below) / (2.0 * f64::from(step));
                assert!(
                    (f64::from(slope) - difference).abs() < 1e-4,
                    "{parameters:?} {i}: {slope} {difference}"
                );
            }
            let all = policy.len() + values.len();
            assert!(6 * checked > 5 * all, "{checked} of {all}");
        }
    }

    /// A value that moved by less than the clip range keeps its gradient in spite of rounding.
    #[test]
    fn within_the_clip_no_gradient_is_lost() {
        let n = 2_000;
        let wave = |i: usize, k: f32| 0.07 * ((i + 1) as f32 * k).sin();
        let values: Vec<f32> = (0..n).map(|i| wave(i, 0.9)).collect();
        let samples: Vec<f32> = (0..n)
            .flat_map(|i| [0.0, 1.0, wave(i, 3.3), wave(i, 4.1), 0.0])
            .collect();
        let output = |value_clip| {
            let parameters = parameters(PolicyForm::Log, value_clip);
            objective(&vec![0.0; n], &values, &samples, parameters).value_grad
        };
        assert_eq!(output(0.2), output(f32::INFINITY));
        assert!(output(0.2).iter().all(|&slope| slope != 0.0));
    }

    #[test]
    fn an_action_that_left_the_support_has_ratio_zero_and_a_finite_gradient() {
        let device = Device::flex().autodiff();
        let policy = Tensor::<2>::from_data([[0.0, 1.0]], &device).require_grad();
        let values = Tensor::<2>::from_data([[0.0]], &device).require_grad();
        let samples = Tensor::<2>::from_data([[0.5_f32.ln(), -1.0, 0.0, 0.0, 0.0]], &device);
        let parameters = parameters(PolicyForm::Probability, 0.2);
        let (loss, terms) = clipped_objective(policy.clone(), values, samples, parameters);
        let terms: Vec<f32> = terms.into_data().iter().collect();
        // The clip holds the ratio at 0.8; below it a negative advantage has no gradient.
        assert_eq!(terms, [0.0, -0.8, 0.0]);
        let gradient = policy.grad(&loss.backward()).expect("tracked");
        let gradient: Vec<f32> = gradient.into_data().iter().collect();
        assert_eq!(gradient, [0.0, 0.0]);
    }
}
