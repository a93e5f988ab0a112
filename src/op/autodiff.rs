//! The backward step of the operator, for any backend under Burn's autodiff.

use super::{ReferenceTensor, RowParameters, TsallisBackend, Wrt};
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{AutodiffBackend, TensorMetadata};
use burn::tensor::Shape;

/// The step in the first `N` of the inputs: logits, reference.
#[derive(Debug)]
struct RowStep;

/// What the step needs: the inputs and the root, and no probability.
#[derive(Clone, Debug)]
struct Saved<B: TsallisBackend> {
    logits: FloatTensor<B>,
    reference: ReferenceTensor<B>,
    state: FloatTensor<B>,
    parameters: RowParameters,
}

impl<B: TsallisBackend, const N: usize> Backward<B, N> for RowStep {
    type State = Saved<B>;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let cotangent = grads.consume::<B>(&ops.node);
        let saved = ops.state;
        for (node, wrt) in ops.parents.into_iter().zip([Wrt::Logits, Wrt::Reference]) {
            let Some(node) = node else { continue };
            let rows = B::tsallis_backward(
                saved.logits.clone(),
                saved.reference.clone(),
                saved.state.clone(),
                cotangent.clone(),
                saved.parameters,
                wrt,
            );
            let gradient = match wrt {
                Wrt::Logits => rows,
                Wrt::Reference => sum_of_rows::<B>(rows),
            };
            grads.register::<B>(node.id, gradient);
        }
    }
}

/// `[.., K]` to `[K]`.
fn sum_of_rows<B: TsallisBackend>(rows: FloatTensor<B>) -> FloatTensor<B> {
    let shape = rows.shape();
    let columns = shape[shape.num_dims() - 1];
    let count = shape.num_elements() / columns.max(1);
    let sum = B::float_sum_dim(B::float_reshape(rows, Shape::new([count, columns])), 0);
    B::float_reshape(sum, Shape::new([columns]))
}

type Tracked<B, C> = FloatTensor<Autodiff<B, C>>;

fn forward<B: TsallisBackend, C: CheckpointStrategy, const N: usize>(
    parents: [NodeGuard; N],
    logits: FloatTensor<B>,
    reference: ReferenceTensor<B>,
    parameters: RowParameters,
) -> (Tracked<B, C>, Tracked<B, C>) {
    // Compute-bound: the root is what is saved, and finding it again is what the step avoids.
    let prepared = RowStep.prepare::<C>(parents).compute_bound().stateful();
    let (output, state) = B::tsallis_forward(logits.clone(), reference.clone(), parameters);
    let row_state = <Autodiff<B, C> as AutodiffBackend>::from_inner(state.clone());
    let output = match prepared {
        OpsKind::Tracked(prepared) => prepared.finish(
            Saved {
                logits,
                reference,
                state,
                parameters,
            },
            output,
        ),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    };
    (output, row_state)
}

impl<B: TsallisBackend, C: CheckpointStrategy> TsallisBackend for Autodiff<B, C> {
    fn tsallis_forward(
        logits: FloatTensor<Self>,
        reference: ReferenceTensor<Self>,
        parameters: RowParameters,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (logits, node) = logits.into_parts();
        match reference {
            ReferenceTensor::Uniform => {
                forward::<B, C, 1>([node], logits, ReferenceTensor::Uniform, parameters)
            }
            ReferenceTensor::Ones => {
                forward::<B, C, 1>([node], logits, ReferenceTensor::Ones, parameters)
            }
            ReferenceTensor::Vector(q) => {
                let (q, q_node) = q.into_parts();
                let reference = ReferenceTensor::Vector(q);
                forward::<B, C, 2>([node, q_node], logits, reference, parameters)
            }
        }
    }
}
