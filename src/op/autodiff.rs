//! The backward step of the operator, for any backend under Burn's autodiff.

use super::attention::{
    self, AttentionGradients, AttentionInputs, AttentionMask, AttentionOutput, AttentionParameters,
};
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

/// The parents of a step: the entries (logits, or the probabilities of a divergence), alpha and the reference. The node of
/// the entries stands in for an input that is not a tensor.
type Parents = [NodeGuard; 3];

/// The backward step of the operator.
#[derive(Clone, Copy, Debug)]
struct RowStep;

/// The saved state of a [`RowStep`]: the inputs and the root, but not the probabilities.
#[derive(Clone, Debug)]
struct Saved<B: TsallisBackend> {
    logits: FloatTensor<B>,
    alpha: AlphaTensor<B>,
    reference: ReferenceTensor<B>,
    state: FloatTensor<B>,
    parameters: RowParameters,
}

impl<B: TsallisBackend> Backward<B, 3> for RowStep {
    type State = Saved<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let cotangent = grads.consume::<B>(&ops.node);
        let saved = ops.state;
        let [x_node, alpha_node, q_node] =
            tracked_inputs(ops.parents, &saved.alpha, &saved.reference);
        let wanted = GradientMask {
            logits: x_node.is_some(),
            alpha: alpha_node.is_some(),
            reference: q_node.is_some(),
        };
        let is_vector = matches!(saved.reference, ReferenceTensor::Vector(_));
        let gradients = B::tsallis_backward(
            saved.logits,
            saved.alpha,
            saved.reference,
            saved.state,
            cotangent,
            saved.parameters,
            wanted,
        );
        let reference = gradients.reference.into_option();
        let reference = if is_vector {
            reference.map(sum_of_rows::<B>)
        } else {
            reference
        };
        for (node, gradient) in [
            (x_node, gradients.logits.into_option()),
            (alpha_node, gradients.alpha.into_option()),
            (q_node, reference),
        ] {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

/// Returns the tracked parents, without the stand-ins.
fn tracked_inputs<B: TsallisBackend, N>(
    parents: [Option<N>; 3],
    alpha: &AlphaTensor<B>,
    reference: &ReferenceTensor<B>,
) -> [Option<N>; 3] {
    let [entries, alpha_node, q_node] = parents;
    let is_tensor = matches!(
        reference,
        ReferenceTensor::Vector(_) | ReferenceTensor::Rows(_)
    );
    [
        entries,
        alpha_node.filter(|_| matches!(alpha, AlphaTensor::Rows(_))),
        q_node.filter(|_| is_tensor),
    ]
}

/// The backward step of the terms of a divergence.
#[derive(Clone, Copy, Debug)]
struct TermsStep;

/// The saved state of a [`TermsStep`].
#[derive(Clone, Debug)]
struct SavedTerms<B: TsallisBackend> {
    probabilities: FloatTensor<B>,
    alpha: AlphaTensor<B>,
    reference: ReferenceTensor<B>,
    parameters: RowParameters,
}

impl<B: TsallisBackend> SavedTerms<B> {
    fn compute(&self, term: DivergenceTerm) -> FloatTensor<B> {
        B::tsallis_divergence_terms(
            self.probabilities.clone(),
            self.alpha.clone(),
            self.reference.clone(),
            self.parameters,
            term,
        )
    }
}

impl<B: TsallisBackend> Backward<B, 3> for TermsStep {
    type State = SavedTerms<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let cotangent = grads.consume::<B>(&ops.node);
        let saved = ops.state;
        let nodes = tracked_inputs(ops.parents, &saved.alpha, &saved.reference);
        let derivatives = [
            DivergenceTerm::ProbabilityDerivative,
            DivergenceTerm::AlphaDerivative,
            DivergenceTerm::ReferenceDerivative,
        ];
        for (node, term) in nodes.into_iter().zip(derivatives) {
            let Some(node) = node else { continue };
            let derivative = saved.compute(term);
            let last = derivative.rank() - 1;
            let dtype = FloatDType::from(derivative.dtype());
            let rows = B::float_mul(derivative, B::float_cast(cotangent.clone(), dtype));
            let gradient = match (term, &saved.reference) {
                (DivergenceTerm::AlphaDerivative, _) => B::float_sum_dim(rows, last),
                (DivergenceTerm::ReferenceDerivative, ReferenceTensor::Vector(_)) => {
                    sum_of_rows::<B>(rows)
                }
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

/// Splits the tensors into their primitives and their nodes.
fn into_parents<B: TsallisBackend, C: CheckpointStrategy>(
    entries: FloatTensor<Autodiff<B, C>>,
    alpha: AlphaTensor<Autodiff<B, C>>,
    reference: ReferenceTensor<Autodiff<B, C>>,
) -> (Parents, FloatTensor<B>, AlphaTensor<B>, ReferenceTensor<B>) {
    let stand_in = || entries.clone().into_parts().1;
    let (alpha, alpha_node) = match alpha {
        AlphaTensor::Number => (AlphaTensor::Number, stand_in()),
        AlphaTensor::Rows(alpha) => {
            let (alpha, node) = alpha.into_parts();
            (AlphaTensor::Rows(alpha), node)
        }
    };
    let (reference, q_node) = match reference {
        ReferenceTensor::Uniform => (ReferenceTensor::Uniform, stand_in()),
        ReferenceTensor::Ones => (ReferenceTensor::Ones, stand_in()),
        ReferenceTensor::Vector(q) => {
            let (q, node) = q.into_parts();
            (ReferenceTensor::Vector(q), node)
        }
        ReferenceTensor::Rows(q) => {
            let (q, node) = q.into_parts();
            (ReferenceTensor::Rows(q), node)
        }
    };
    let (entries, node) = entries.into_parts();
    ([node, alpha_node, q_node], entries, alpha, reference)
}

impl<B: TsallisBackend, C: CheckpointStrategy> TsallisBackend for Autodiff<B, C> {
    fn tsallis_forward(
        logits: FloatTensor<Self>,
        alpha: AlphaTensor<Self>,
        reference: ReferenceTensor<Self>,
        parameters: RowParameters,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (parents, logits, alpha, reference) = into_parents::<B, C>(logits, alpha, reference);
        // Compute-bound, so that checkpointing does not recompute the call and find the root again.
        let prepared = RowStep.prepare::<C>(parents).compute_bound().stateful();
        let (output, state) =
            B::tsallis_forward(logits.clone(), alpha.clone(), reference.clone(), parameters);
        let row_state = <Self as AutodiffBackend>::from_inner(state.clone());
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
        let (_, logits, alpha, reference) = into_parents::<B, C>(logits, alpha, reference);
        let (state, cotangent) = (state.into_primitive(), cotangent.into_primitive());
        let gradients = B::tsallis_backward(
            logits, alpha, reference, state, cotangent, parameters, wanted,
        );
        let constant = |gradient: OptionalTensor<B>| match gradient {
            OptionalTensor::None => OptionalTensor::None,
            OptionalTensor::Some(gradient) => {
                OptionalTensor::Some(<Self as AutodiffBackend>::from_inner(gradient))
            }
        };
        InputGradients {
            logits: constant(gradients.logits),
            alpha: constant(gradients.alpha),
            reference: constant(gradients.reference),
        }
    }

    fn tsallis_divergence_terms(
        probabilities: FloatTensor<Self>,
        alpha: AlphaTensor<Self>,
        reference: ReferenceTensor<Self>,
        parameters: RowParameters,
        term: DivergenceTerm,
    ) -> FloatTensor<Self> {
        let (parents, probabilities, alpha, reference) =
            into_parents::<B, C>(probabilities, alpha, reference);
        let saved = SavedTerms {
            probabilities,
            alpha,
            reference,
            parameters,
        };
        let output = saved.compute(term);
        if term != DivergenceTerm::Value {
            return <Self as AutodiffBackend>::from_inner(output);
        }
        match TermsStep.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(saved, output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn tsallis_attention(
        inputs: AttentionInputs<Self>,
        parameters: AttentionParameters,
    ) -> AttentionOutput<Self> {
        attention::autodiff::forward(inputs, parameters)
    }

    fn tsallis_attention_backward(
        inputs: AttentionInputs<Self>,
        state: FloatTensor<Self>,
        cotangent: FloatTensor<Self>,
        parameters: AttentionParameters,
        wanted: AttentionMask,
    ) -> AttentionGradients<Self> {
        attention::autodiff::backward(inputs, state, cotangent, parameters, wanted)
    }
}
