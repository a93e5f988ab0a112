//! The objective composed of Burn's own operations.

use super::{ObjectiveParameters, ObjectiveTensors, PolicyForm, SAMPLE_COLUMNS, SampleColumn};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata, get_device_settings};
use burn::tensor::{FloatDType, IndexingUpdateOp, Shape, Slice};
use std::ops::Range;

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
    let columns = |of: &FloatTensor<B>, columns: Range<usize>| {
        let steps = Slice::from(0..batch as isize);
        let columns = Slice::from(columns.start as isize..columns.end as isize);
        B::float_slice(of.clone(), &[steps, columns])
    };
    let column = |sample: SampleColumn| {
        let start = sample as usize;
        columns(&samples, start..start + 1)
    };
    let dimensions = samples.shape()[1] - SAMPLE_COLUMNS;
    let actions = columns(&samples, SAMPLE_COLUMNS..SAMPLE_COLUMNS + dimensions);
    let actions = B::float_into_int(actions, settings.int_dtype);
    let taken = B::float_gather(1, policy.clone(), actions.clone());
    let taken = (0..dimensions).map(|dimension| columns(&taken, dimension..dimension + 1));
    let log_prob = column(SampleColumn::LogProb);
    // The derivative of the ratio with respect to the policy of each dimension.
    let (ratio, slopes) = match parameters.form {
        PolicyForm::Log => {
            let log_p = taken.reduce(B::float_add).expect("a dimension");
            let ratio = B::float_exp(B::float_sub(log_p, log_prob));
            (ratio.clone(), vec![ratio; dimensions])
        }
        PolicyForm::Probability => {
            let inverse = B::float_exp(B::float_neg(log_prob));
            let taken: Vec<_> = taken.collect();
            let product = |of: &dyn Fn(usize) -> bool| {
                let taken = (0..dimensions).filter(|&i| of(i)).map(|i| taken[i].clone());
                let product = taken.reduce(B::float_mul);
                product.map_or(inverse.clone(), |p| B::float_mul(p, inverse.clone()))
            };
            let others = |dimension| product(&|i| i != dimension);
            (product(&|_| true), (0..dimensions).map(others).collect())
        }
    };
    let advantage = column(SampleColumn::Advantage);
    let unclipped = B::float_mul(ratio.clone(), advantage.clone());
    let clip = parameters.clip;
    let clipped = B::float_clamp(ratio.clone(), (1.0 - clip).into(), (1.0 + clip).into());
    let clipped = B::float_mul(clipped, advantage.clone());
    let at_clip = B::float_lower(clipped.clone(), unclipped.clone(), settings.bool_dtype);
    let surrogate = B::float_mask_where(unclipped, at_clip.clone(), clipped);
    let gradients = slopes.into_iter().map(|slope| {
        let gradient = B::float_mul_scalar(B::float_mul(advantage.clone(), slope), (-scale).into());
        B::float_mask_fill(gradient, at_clip.clone(), 0f32.into())
    });
    let taken_grad = B::float_cat(gradients.collect(), 1);
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
