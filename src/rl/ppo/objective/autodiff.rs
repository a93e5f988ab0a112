use super::{ObjectiveBackend, ObjectiveParameters};
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{AutodiffBackend, TensorMetadata};
use burn::tensor::Shape;

#[derive(Clone, Copy, Debug)]
struct ObjectiveOp;

/// The derivatives of the loss, which are computed together with it.
#[derive(Clone, Debug)]
struct Derivatives<B: ObjectiveBackend> {
    policy_grad: FloatTensor<B>,
    value_grad: FloatTensor<B>,
}

impl<B: ObjectiveBackend> Backward<B, 2> for ObjectiveOp {
    type State = Derivatives<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let cotangent = grads.consume::<B>(&ops.node);
        let cotangent = B::float_reshape(cotangent, Shape::new([1, 1]));
        let derivatives = [ops.state.policy_grad, ops.state.value_grad];
        for (node, derivative) in ops.parents.into_iter().zip(derivatives) {
            if let Some(node) = node {
                let gradient = B::float_mul(derivative, cotangent.clone());
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

impl<B: ObjectiveBackend, C: CheckpointStrategy> ObjectiveBackend for Autodiff<B, C> {
    /// First-order only: all results are constants in the graph.
    fn objective_with_gradients(
        policy: FloatTensor<Self>,
        values: FloatTensor<Self>,
        samples: FloatTensor<Self>,
        parameters: ObjectiveParameters,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    ) {
        let (loss, terms, policy_grad, value_grad) = B::objective_with_gradients(
            policy.into_primitive(),
            values.into_primitive(),
            samples.into_primitive(),
            parameters,
        );
        let constant = <Self as AutodiffBackend>::from_inner;
        (
            constant(loss),
            constant(terms),
            constant(policy_grad),
            constant(value_grad),
        )
    }

    fn clipped_objective(
        policy: FloatTensor<Self>,
        values: FloatTensor<Self>,
        samples: FloatTensor<Self>,
        parameters: ObjectiveParameters,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (policy, policy_node) = policy.into_parts();
        let (values, values_node) = values.into_parts();
        debug_assert_eq!(policy.shape()[0], values.shape()[0]);
        let prepared = ObjectiveOp
            .prepare::<C>([policy_node, values_node])
            .compute_bound()
            .stateful();
        let (loss, terms, policy_grad, value_grad) =
            B::objective_with_gradients(policy, values, samples.into_primitive(), parameters);
        let loss = match prepared {
            OpsKind::Tracked(prepared) => {
                let derivatives = Derivatives {
                    policy_grad,
                    value_grad,
                };
                prepared.finish(derivatives, loss)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(loss),
        };
        (loss, <Self as AutodiffBackend>::from_inner(terms))
    }
}
