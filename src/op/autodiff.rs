//! The backward step of the operator, for any backend under Burn's autodiff.

use super::backend::TsallisBackend;
use super::request::{
    AlphaTensor, DivergenceTerm, GradientMask, InputGradients, OptionalTensor, ReferenceTensor,
    RowParameters,
};
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{AutodiffBackend, TensorMetadata};
use burn::tensor::{FloatDType, Shape};

/// The input that a parent of a step corresponds to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    /// The logits, or the probabilities of a divergence.
    Entries,
    Alpha,
    Reference,
}

/// The backward step of the operator, with the inputs that are its parents.
#[derive(Clone, Copy, Debug)]
struct RowStep<const N: usize>([Input; N]);

/// The saved state of the step: the inputs and the root, but not the probabilities.
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
        let is_tracked = |input| {
            let mut parents = ops.parents.iter().zip(self.0);
            parents.any(|(node, parent)| node.is_some() && parent == input)
        };
        let wanted = GradientMask {
            logits: is_tracked(Input::Entries),
            alpha: is_tracked(Input::Alpha),
            reference: is_tracked(Input::Reference),
        };
        let is_vector = matches!(saved.reference, ReferenceTensor::Vector(_));
        let InputGradients {
            logits,
            alpha,
            reference,
        } = B::tsallis_backward(
            saved.logits,
            saved.alpha,
            saved.reference,
            saved.state,
            cotangent,
            saved.parameters,
            wanted,
        );
        let [mut logits, mut alpha, mut reference] =
            [logits, alpha, reference].map(OptionalTensor::into_option);
        for (node, input) in ops.parents.into_iter().zip(self.0) {
            let gradient = match input {
                Input::Entries => logits.take(),
                Input::Alpha => alpha.take(),
                Input::Reference if is_vector => reference.take().map(sum_of_rows::<B>),
                Input::Reference => reference.take(),
            };
            if let (Some(node), Some(gradient)) = (node, gradient) {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

/// The backward step of the terms of a divergence, with the inputs that are its parents.
#[derive(Clone, Copy, Debug)]
struct TermsStep<const N: usize>([Input; N]);

/// The saved state of a [`TermsStep`].
#[derive(Clone, Debug)]
struct SavedTerms<B: TsallisBackend> {
    probabilities: FloatTensor<B>,
    alpha: AlphaTensor<B>,
    reference: ReferenceTensor<B>,
    parameters: RowParameters,
}

impl<B: TsallisBackend, const N: usize> Backward<B, N> for TermsStep<N> {
    type State = SavedTerms<B>;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let cotangent = grads.consume::<B>(&ops.node);
        let saved = ops.state;
        for (node, input) in ops.parents.into_iter().zip(self.0) {
            let Some(node) = node else { continue };
            let term = match input {
                Input::Entries => DivergenceTerm::ProbabilityDerivative,
                Input::Alpha => DivergenceTerm::AlphaDerivative,
                Input::Reference => DivergenceTerm::ReferenceDerivative,
            };
            let derivative = B::tsallis_divergence_terms(
                saved.probabilities.clone(),
                saved.alpha.clone(),
                saved.reference.clone(),
                saved.parameters,
                term,
            );
            let last = derivative.rank() - 1;
            let dtype = FloatDType::from(derivative.dtype());
            let rows = B::float_mul(derivative, B::float_cast(cotangent.clone(), dtype));
            let gradient = match (input, &saved.reference) {
                (Input::Alpha, _) => B::float_sum_dim(rows, last),
                (Input::Reference, ReferenceTensor::Vector(_)) => sum_of_rows::<B>(rows),
                _ => rows,
            };
            grads.register::<B>(node.id, gradient);
        }
    }
}

/// Sums over the rows, from shape `[.., K]` to `[K]`.
fn sum_of_rows<B: TsallisBackend>(rows: FloatTensor<B>) -> FloatTensor<B> {
    let shape = rows.shape();
    let columns = shape[shape.num_dims() - 1];
    let count = shape.num_elements() / columns.max(1);
    let sum = B::float_sum_dim(B::float_reshape(rows, Shape::new([count, columns])), 0);
    B::float_reshape(sum, Shape::new([columns]))
}

type Tracked<B, C> = FloatTensor<Autodiff<B, C>>;

/// Makes the forward call and registers its step with these parents.
fn forward<B: TsallisBackend, C: CheckpointStrategy, const N: usize>(
    parents: [NodeGuard; N],
    inputs: [Input; N],
    logits: FloatTensor<B>,
    alpha: AlphaTensor<B>,
    reference: ReferenceTensor<B>,
    parameters: RowParameters,
) -> (Tracked<B, C>, Tracked<B, C>) {
    // Compute-bound: checkpointing must not recompute the call, which would find the root again.
    let prepared = RowStep(inputs)
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

/// Computes the terms of a divergence and registers their step with these parents.
fn terms<B: TsallisBackend, C: CheckpointStrategy, const N: usize>(
    parents: [NodeGuard; N],
    inputs: [Input; N],
    saved: SavedTerms<B>,
) -> Tracked<B, C> {
    let prepared = TermsStep(inputs)
        .prepare::<C>(parents)
        .compute_bound()
        .stateful();
    let output = B::tsallis_divergence_terms(
        saved.probabilities.clone(),
        saved.alpha.clone(),
        saved.reference.clone(),
        saved.parameters,
        DivergenceTerm::Value,
    );
    match prepared {
        OpsKind::Tracked(prepared) => prepared.finish(saved, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

/// Splits off the node of alpha, if alpha is a tensor.
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

/// Splits off the node of the reference, if the reference is a tensor.
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
            (None, None) => forward::<B, C, 1>([x_node], [Input::Entries], x, alpha, q, parameters),
            (Some(node), None) => {
                let inputs = [Input::Entries, Input::Alpha];
                forward::<B, C, 2>([x_node, node], inputs, x, alpha, q, parameters)
            }
            (None, Some(node)) => {
                let inputs = [Input::Entries, Input::Reference];
                forward::<B, C, 2>([x_node, node], inputs, x, alpha, q, parameters)
            }
            (Some(alpha_node), Some(q_node)) => {
                let inputs = [Input::Entries, Input::Alpha, Input::Reference];
                let nodes = [x_node, alpha_node, q_node];
                forward::<B, C, 3>(nodes, inputs, x, alpha, q, parameters)
            }
        }
    }

    /// The gradients are constants of the graph, since the extension is first-order.
    fn tsallis_backward(
        logits: FloatTensor<Self>,
        alpha: AlphaTensor<Self>,
        reference: ReferenceTensor<Self>,
        state: FloatTensor<Self>,
        cotangent: FloatTensor<Self>,
        parameters: RowParameters,
        wanted: GradientMask,
    ) -> InputGradients<Self> {
        let InputGradients {
            logits,
            alpha,
            reference,
        } = B::tsallis_backward(
            logits.into_primitive(),
            split_alpha::<B, C>(alpha).0,
            split_reference::<B, C>(reference).0,
            state.into_primitive(),
            cotangent.into_primitive(),
            parameters,
            wanted,
        );
        let constant = |gradient| match gradient {
            OptionalTensor::None => OptionalTensor::None,
            OptionalTensor::Some(gradient) => {
                OptionalTensor::Some(<Self as AutodiffBackend>::from_inner(gradient))
            }
        };
        InputGradients {
            logits: constant(logits),
            alpha: constant(alpha),
            reference: constant(reference),
        }
    }

    fn tsallis_divergence_terms(
        probabilities: FloatTensor<Self>,
        alpha: AlphaTensor<Self>,
        reference: ReferenceTensor<Self>,
        parameters: RowParameters,
        term: DivergenceTerm,
    ) -> FloatTensor<Self> {
        let (probabilities, p_node) = probabilities.into_parts();
        let (alpha, alpha_node) = split_alpha(alpha);
        let (reference, q_node) = split_reference(reference);
        if term != DivergenceTerm::Value {
            let derivative =
                B::tsallis_divergence_terms(probabilities, alpha, reference, parameters, term);
            return <Self as AutodiffBackend>::from_inner(derivative);
        }
        let saved = SavedTerms {
            probabilities,
            alpha,
            reference,
            parameters,
        };
        match (alpha_node, q_node) {
            (None, None) => terms::<B, C, 1>([p_node], [Input::Entries], saved),
            (Some(node), None) => {
                terms::<B, C, 2>([p_node, node], [Input::Entries, Input::Alpha], saved)
            }
            (None, Some(node)) => {
                terms::<B, C, 2>([p_node, node], [Input::Entries, Input::Reference], saved)
            }
            (Some(alpha_node), Some(q_node)) => {
                let inputs = [Input::Entries, Input::Alpha, Input::Reference];
                terms::<B, C, 3>([p_node, alpha_node, q_node], inputs, saved)
            }
        }
    }
}
