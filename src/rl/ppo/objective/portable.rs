//! The objective composed of Burn's own operations.

use super::{ObjectiveParameters, ObjectiveTensors, PolicyForm, SampleColumn};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata, get_device_settings};
use burn::tensor::{FloatDType, IndexingUpdateOp, Shape, Slice};

/// See [`clipped_objective`](super::clipped_objective).
pub(super) fn objective<B: Backend>(
    policy: FloatTensor<B>,
    values: FloatTensor<B>,
    samples: FloatTensor<B>,
    parameters: ObjectiveParameters,
) -> ObjectiveTensors<B> {
    let device = policy.device();
    let settings = get_device_settings::<B>(&device);
    let dtype = FloatDType::from(policy.dtype());
    let batch = values.shape()[0];
    let scale = 1.0 / batch as f32;
    let column = |sample: SampleColumn| {
        let start = sample as isize;
        let steps = Slice::from(0..batch as isize);
        B::float_slice(samples.clone(), &[steps, Slice::from(start..start + 1)])
    };
    let actions = B::float_into_int(column(SampleColumn::Action), settings.int_dtype);
    let taken = B::float_gather(1, policy.clone(), actions.clone());
    let log_prob = column(SampleColumn::LogProb);
    let (ratio, slope) = match parameters.form {
        PolicyForm::Log => {
            let ratio = B::float_exp(B::float_sub(taken, log_prob));
            (ratio.clone(), ratio)
        }
        PolicyForm::Probability => {
            let inverse = B::float_exp(B::float_neg(log_prob));
            (B::float_mul(taken, inverse.clone()), inverse)
        }
    };
    let advantage = column(SampleColumn::Advantage);
    let unclipped = B::float_mul(ratio.clone(), advantage.clone());
    let clip = parameters.clip;
    let clipped = B::float_clamp(ratio.clone(), (1.0 - clip).into(), (1.0 + clip).into());
    let clipped = B::float_mul(clipped, advantage.clone());
    let at_clip = B::float_lower(clipped.clone(), unclipped.clone(), settings.bool_dtype);
    let surrogate = B::float_mask_where(unclipped, at_clip.clone(), clipped);
    let taken_grad = B::float_mul_scalar(B::float_mul(advantage, slope), (-scale).into());
    let taken_grad = B::float_mask_fill(taken_grad, at_clip, 0f32.into());
    let policy_grad = B::float_scatter(
        1,
        B::float_zeros(policy.shape(), &device, dtype),
        actions,
        taken_grad,
        IndexingUpdateOp::Add,
    );

    let target = column(SampleColumn::Return);
    let old_value = column(SampleColumn::Value);
    let error = B::float_sub(values.clone(), target);
    let range = parameters.value_clip;
    let moved = B::float_sub(values, old_value);
    let within = B::float_clamp(moved.clone(), (-range).into(), range.into());
    // Add only the change made by the clip, as in the kernel: exactly zero within its range.
    let clipped_error = B::float_add(error.clone(), B::float_sub(within, moved));
    let unclipped = B::float_mul(error.clone(), error.clone());
    let clipped = B::float_mul(clipped_error.clone(), clipped_error);
    let at_clip = B::float_greater(clipped.clone(), unclipped.clone(), settings.bool_dtype);
    let value_loss = B::float_mask_where(unclipped, at_clip.clone(), clipped);
    let value_loss = B::float_mul_scalar(value_loss, 0.5f32.into());
    let value_grad = B::float_mul_scalar(error, (scale * parameters.value_coefficient).into());
    let value_grad = B::float_mask_fill(value_grad, at_clip, 0f32.into());

    let weighted = B::float_mul_scalar(value_loss.clone(), parameters.value_coefficient.into());
    let loss = B::float_sum(B::float_sub(weighted, surrogate.clone()));
    let loss = B::float_reshape(B::float_mul_scalar(loss, scale.into()), Shape::new([1]));
    ObjectiveTensors {
        loss,
        terms: B::float_cat(vec![ratio, surrogate, value_loss], 1),
        policy_grad,
        value_grad,
    }
}
