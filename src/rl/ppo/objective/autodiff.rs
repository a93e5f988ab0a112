use super::{ObjectiveBackend, ObjectiveParameters, ObjectiveTensors};
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{AutodiffBackend, TensorMetadata};
use burn::tensor::Shape;

#[derive(Clone, Copy, Debug)]
struct ObjectiveOp;

impl<B: ObjectiveBackend> Backward<B, 2> for ObjectiveOp {
    /// The derivatives of the loss, which are computed together with it.
    type State = [FloatTensor<B>; 2];

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let cotangent = grads.consume::<B>(&ops.node);
        let cotangent = B::float_reshape(cotangent, Shape::new([1, 1]));
        for (node, derivative) in ops.parents.into_iter().zip(ops.state) {
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
    ) -> ObjectiveTensors<Self> {
        let output = B::objective_with_gradients(
            policy.into_primitive(),
            values.into_primitive(),
            samples.into_primitive(),
            parameters,
        );
        let constant = <Self as AutodiffBackend>::from_inner;
        ObjectiveTensors {
            loss: constant(output.loss),
            terms: constant(output.terms),
            policy_grad: constant(output.policy_grad),
            value_grad: constant(output.value_grad),
        }
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
        let output =
            B::objective_with_gradients(policy, values, samples.into_primitive(), parameters);
        let loss = match prepared {
            OpsKind::Tracked(prepared) => {
                prepared.finish([output.policy_grad, output.value_grad], output.loss)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(output.loss),
        };
        (loss, <Self as AutodiffBackend>::from_inner(output.terms))
    }
}
