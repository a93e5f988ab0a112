//! The backward step of the operator, for any backend under Burn's autodiff.

use super::backend::TsallisBackend;
use super::request::{AlphaTensor, ReferenceTensor, RowParameters, Wrt};
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{AutodiffBackend, TensorMetadata};
use burn::tensor::{FloatDType, Shape};

/// The step in these inputs.
#[derive(Clone, Copy, Debug)]
struct RowStep<const N: usize>([Wrt; N]);

/// What the step needs: the inputs and the root, and no probability.
#[derive(Clone, Debug)]
struct Saved<B: TsallisBackend> {
    logits: FloatTensor<B>,
    alpha: AlphaTensor<B>,
    reference: ReferenceTensor<B>,
    state: FloatTensor<B>,
    parameters: RowParameters,
}

impl<B: TsallisBackend, const N: usize> Backward<B, N> for RowStep<N> {
    type State = Saved<B>;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let cotangent = grads.consume::<B>(&ops.node);
        let saved = ops.state;
        for (node, wrt) in ops.parents.into_iter().zip(self.0) {
            let Some(node) = node else { continue };
            let rows = B::tsallis_backward(
                saved.logits.clone(),
                saved.alpha.clone(),
                saved.reference.clone(),
                saved.state.clone(),
                cotangent.clone(),
                saved.parameters,
                wrt,
            );
            let gradient = match (wrt, &saved.reference) {
                (Wrt::Reference, ReferenceTensor::Vector(_)) => sum_of_rows::<B>(rows),
                _ => rows,
            };
            grads.register::<B>(node.id, gradient);
        }
    }
}

/// The step of the terms of a divergence, in these inputs.
#[derive(Clone, Copy, Debug)]
struct EntriesStep<const N: usize>([Wrt; N]);

/// What it needs.
#[derive(Clone, Debug)]
struct SavedEntries<B: TsallisBackend> {
    probabilities: FloatTensor<B>,
    alpha: AlphaTensor<B>,
    reference: ReferenceTensor<B>,
    parameters: RowParameters,
}

impl<B: TsallisBackend, const N: usize> Backward<B, N> for EntriesStep<N> {
    type State = SavedEntries<B>;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let cotangent = grads.consume::<B>(&ops.node);
        let saved = ops.state;
        for (node, wrt) in ops.parents.into_iter().zip(self.0) {
            let Some(node) = node else { continue };
            let derivative = B::tsallis_divergence_entries(
                saved.probabilities.clone(),
                saved.alpha.clone(),
                saved.reference.clone(),
                saved.parameters,
                Some(wrt),
            );
            let last = derivative.rank() - 1;
            let dtype = FloatDType::from(derivative.dtype());
            let rows = B::float_mul(derivative, B::float_cast(cotangent.clone(), dtype));
            let gradient = match (wrt, &saved.reference) {
                (Wrt::Alpha, _) => B::float_sum_dim(rows, last),
                (Wrt::Reference, ReferenceTensor::Vector(_)) => sum_of_rows::<B>(rows),
                _ => rows,
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

/// The call with the inputs `wrt` as its parents.
fn forward<B: TsallisBackend, C: CheckpointStrategy, const N: usize>(
    parents: [NodeGuard; N],
    wrt: [Wrt; N],
    logits: FloatTensor<B>,
    alpha: AlphaTensor<B>,
    reference: ReferenceTensor<B>,
    parameters: RowParameters,
) -> (Tracked<B, C>, Tracked<B, C>) {
    // Compute-bound: the root is what is saved, and finding it again is what the step avoids.
    let prepared = RowStep(wrt)
        .prepare::<C>(parents)
        .compute_bound()
        .stateful();
    let (output, state) =
        B::tsallis_forward(logits.clone(), alpha.clone(), reference.clone(), parameters);
    let row_state = <Autodiff<B, C> as AutodiffBackend>::from_inner(state.clone());
    let output = match prepared {
        OpsKind::Tracked(prepared) => prepared.finish(
            Saved {
                logits,
                alpha,
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

/// As [`forward`], for the terms of a divergence.
fn entries<B: TsallisBackend, C: CheckpointStrategy, const N: usize>(
    parents: [NodeGuard; N],
    wrt: [Wrt; N],
    saved: SavedEntries<B>,
) -> Tracked<B, C> {
    let prepared = EntriesStep(wrt)
        .prepare::<C>(parents)
        .compute_bound()
        .stateful();
    let output = B::tsallis_divergence_entries(
        saved.probabilities.clone(),
        saved.alpha.clone(),
        saved.reference.clone(),
        saved.parameters,
        None,
    );
    match prepared {
        OpsKind::Tracked(prepared) => prepared.finish(saved, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

/// The orders, and their node where they are a tensor.
fn split_alpha<B: TsallisBackend, C: CheckpointStrategy>(
    alpha: AlphaTensor<Autodiff<B, C>>,
) -> (AlphaTensor<B>, Option<NodeGuard>) {
    match alpha {
        AlphaTensor::Number => (AlphaTensor::Number, None),
        AlphaTensor::Rows(alpha) => {
            let (alpha, node) = alpha.into_parts();
            (AlphaTensor::Rows(alpha), Some(node))
        }
    }
}

/// The reference, and its node where it is a tensor.
fn split_reference<B: TsallisBackend, C: CheckpointStrategy>(
    reference: ReferenceTensor<Autodiff<B, C>>,
) -> (ReferenceTensor<B>, Option<NodeGuard>) {
    match reference {
        ReferenceTensor::Uniform => (ReferenceTensor::Uniform, None),
        ReferenceTensor::Ones => (ReferenceTensor::Ones, None),
        ReferenceTensor::Vector(q) => {
            let (q, node) = q.into_parts();
            (ReferenceTensor::Vector(q), Some(node))
        }
        ReferenceTensor::Rows(q) => {
            let (q, node) = q.into_parts();
            (ReferenceTensor::Rows(q), Some(node))
        }
    }
}

impl<B: TsallisBackend, C: CheckpointStrategy> TsallisBackend for Autodiff<B, C> {
    fn tsallis_forward(
        logits: FloatTensor<Self>,
        alpha: AlphaTensor<Self>,
        reference: ReferenceTensor<Self>,
        parameters: RowParameters,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (x, x_node) = logits.into_parts();
        let (alpha, alpha_node) = split_alpha(alpha);
        let (q, q_node) = split_reference(reference);
        match (alpha_node, q_node) {
            (None, None) => forward::<B, C, 1>([x_node], [Wrt::Logits], x, alpha, q, parameters),
            (Some(node), None) => {
                let wrt = [Wrt::Logits, Wrt::Alpha];
                forward::<B, C, 2>([x_node, node], wrt, x, alpha, q, parameters)
            }
            (None, Some(node)) => {
                let wrt = [Wrt::Logits, Wrt::Reference];
                forward::<B, C, 2>([x_node, node], wrt, x, alpha, q, parameters)
            }
            (Some(alpha_node), Some(q_node)) => {
                let wrt = [Wrt::Logits, Wrt::Alpha, Wrt::Reference];
                let nodes = [x_node, alpha_node, q_node];
                forward::<B, C, 3>(nodes, wrt, x, alpha, q, parameters)
            }
        }
    }

    /// First-order: the gradient is a constant of the graph.
    fn tsallis_backward(
        logits: FloatTensor<Self>,
        alpha: AlphaTensor<Self>,
        reference: ReferenceTensor<Self>,
        state: FloatTensor<Self>,
        cotangent: FloatTensor<Self>,
        parameters: RowParameters,
        wrt: Wrt,
    ) -> FloatTensor<Self> {
        let gradient = B::tsallis_backward(
            logits.into_primitive(),
            split_alpha::<B, C>(alpha).0,
            split_reference::<B, C>(reference).0,
            state.into_primitive(),
            cotangent.into_primitive(),
            parameters,
            wrt,
        );
        <Self as AutodiffBackend>::from_inner(gradient)
    }

    fn tsallis_divergence_entries(
        probabilities: FloatTensor<Self>,
        alpha: AlphaTensor<Self>,
        reference: ReferenceTensor<Self>,
        parameters: RowParameters,
        wrt: Option<Wrt>,
    ) -> FloatTensor<Self> {
        let (probabilities, p_node) = probabilities.into_parts();
        let (alpha, alpha_node) = split_alpha(alpha);
        let (reference, q_node) = split_reference(reference);
        if wrt.is_some() {
            let derivative =
                B::tsallis_divergence_entries(probabilities, alpha, reference, parameters, wrt);
            return <Self as AutodiffBackend>::from_inner(derivative);
        }
        let saved = SavedEntries {
            probabilities,
            alpha,
            reference,
            parameters,
        };
        match (alpha_node, q_node) {
            (None, None) => entries::<B, C, 1>([p_node], [Wrt::Logits], saved),
            (Some(node), None) => {
                entries::<B, C, 2>([p_node, node], [Wrt::Logits, Wrt::Alpha], saved)
            }
            (None, Some(node)) => {
                entries::<B, C, 2>([p_node, node], [Wrt::Logits, Wrt::Reference], saved)
            }
            (Some(alpha_node), Some(q_node)) => {
                let wrt = [Wrt::Logits, Wrt::Alpha, Wrt::Reference];
                entries::<B, C, 3>([p_node, alpha_node, q_node], wrt, saved)
            }
        }
    }
}
