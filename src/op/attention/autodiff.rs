//! The backward step of attention, for any backend under Burn's autodiff.

use super::{
    AttentionGradients, AttentionInputs, AttentionMask, AttentionOutput, AttentionParameters,
};
use crate::op::backend::TsallisBackend;
use crate::op::request::{AlphaTensor, OptionalTensor};
use burn::backend::AutodiffBackend;
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;

/// The queries, keys, values, bias and alpha. The node of the queries stands in for an input that is not a tensor.
type Parents = [NodeGuard; 5];

#[derive(Clone, Copy, Debug)]
struct AttentionStep;

/// The saved state of an [`AttentionStep`]: the inputs and the root of each row, but no scores and no weights.
#[derive(Clone, Debug)]
struct Saved<B: TsallisBackend> {
    inputs: AttentionInputs<B>,
    state: FloatTensor<B>,
    parameters: AttentionParameters,
}

impl<B: TsallisBackend> Backward<B, 5> for AttentionStep {
    type State = Saved<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 5>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let cotangent = grads.consume::<B>(&ops.node);
        let saved = ops.state;
        let [query, key, value, bias, alpha] = ops.parents;
        let bias = bias.filter(|_| matches!(saved.inputs.bias, OptionalTensor::Some(_)));
        let alpha = alpha.filter(|_| matches!(saved.inputs.alpha, AlphaTensor::Rows(_)));
        let wanted = AttentionMask {
            query: query.is_some(),
            key: key.is_some(),
            value: value.is_some(),
            bias: bias.is_some(),
            alpha: alpha.is_some(),
        };
        let gradients = B::tsallis_attention_backward(
            saved.inputs,
            saved.state,
            cotangent,
            saved.parameters,
            wanted,
        );
        for (node, gradient) in [
            (query, gradients.query),
            (key, gradients.key),
            (value, gradients.value),
            (bias, gradients.bias),
            (alpha, gradients.alpha),
        ] {
            if let (Some(node), OptionalTensor::Some(gradient)) = (node, gradient) {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

/// Splits the tensors into their primitives and their nodes.
fn into_parents<B: TsallisBackend, C: CheckpointStrategy>(
    inputs: AttentionInputs<Autodiff<B, C>>,
) -> (Parents, AttentionInputs<B>) {
    let query = inputs.query.clone();
    let stand_in = || query.clone().into_parts().1;
    let (key, key_node) = inputs.key.into_parts();
    let (value, value_node) = inputs.value.into_parts();
    let (bias, bias_node) = match inputs.bias {
        OptionalTensor::None => (OptionalTensor::None, stand_in()),
        OptionalTensor::Some(bias) => {
            let (bias, node) = bias.into_parts();
            (OptionalTensor::Some(bias), node)
        }
    };
    let (alpha, alpha_node) = match inputs.alpha {
        AlphaTensor::Number => (AlphaTensor::Number, stand_in()),
        AlphaTensor::Rows(alpha) => {
            let (alpha, node) = alpha.into_parts();
            (AlphaTensor::Rows(alpha), node)
        }
    };
    let (query, query_node) = inputs.query.into_parts();
    let mask = |mask| match mask {
        super::OptionalMask::None => super::OptionalMask::None,
        super::OptionalMask::Some(mask) => super::OptionalMask::Some(mask),
    };
    let inputs = AttentionInputs {
        query,
        key,
        value,
        alpha,
        bias,
        mask: mask(inputs.mask),
        padding: mask(inputs.padding),
        block_mask: mask(inputs.block_mask),
    };
    (
        [query_node, key_node, value_node, bias_node, alpha_node],
        inputs,
    )
}

pub(in crate::op) fn forward<B: TsallisBackend, C: CheckpointStrategy>(
    inputs: AttentionInputs<Autodiff<B, C>>,
    parameters: AttentionParameters,
) -> AttentionOutput<Autodiff<B, C>> {
    let (parents, inputs) = into_parents::<B, C>(inputs);
    // Compute-bound, so that checkpointing does not recompute the call and find the roots again.
    let prepared = AttentionStep
        .prepare::<C>(parents)
        .compute_bound()
        .stateful();
    let output = B::tsallis_attention(inputs.clone(), parameters.clone());
    let constant = <Autodiff<B, C> as AutodiffBackend>::from_inner;
    let state = constant(output.state.clone());
    let statistics = match output.statistics {
        OptionalTensor::None => OptionalTensor::None,
        OptionalTensor::Some(statistics) => OptionalTensor::Some(constant(statistics)),
    };
    let context = match prepared {
        OpsKind::Tracked(prepared) => prepared.finish(
            Saved {
                inputs,
                state: output.state,
                parameters,
            },
            output.context,
        ),
        OpsKind::UnTracked(prepared) => prepared.finish(output.context),
    };
    AttentionOutput {
        context,
        state,
        statistics,
    }
}

/// The gradients are constants of the graph, since the extension is first-order.
pub(in crate::op) fn backward<B: TsallisBackend, C: CheckpointStrategy>(
    inputs: AttentionInputs<Autodiff<B, C>>,
    state: FloatTensor<Autodiff<B, C>>,
    cotangent: FloatTensor<Autodiff<B, C>>,
    parameters: AttentionParameters,
    wanted: AttentionMask,
) -> AttentionGradients<Autodiff<B, C>> {
    let (_, inputs) = into_parents::<B, C>(inputs);
    let (state, cotangent) = (state.into_primitive(), cotangent.into_primitive());
    let gradients = B::tsallis_attention_backward(inputs, state, cotangent, parameters, wanted);
    let constant = |gradient: OptionalTensor<B>| match gradient {
        OptionalTensor::None => OptionalTensor::None,
        OptionalTensor::Some(gradient) => {
            OptionalTensor::Some(<Autodiff<B, C> as AutodiffBackend>::from_inner(gradient))
        }
    };
    AttentionGradients {
        query: constant(gradients.query),
        key: constant(gradients.key),
        value: constant(gradients.value),
        bias: constant(gradients.bias),
        alpha: constant(gradients.alpha),
    }
}
