use super::{Activation, DenseBackend};
use burn::backend::AutodiffBackend;
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;

#[derive(Clone, Copy, Debug)]
struct DenseOp;

/// The tensors that the derivative needs.
#[derive(Clone, Debug)]
struct SavedTensors<B: DenseBackend> {
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    y: FloatTensor<B>,
    activation: Option<Activation>,
}

impl<B: DenseBackend> Backward<B, 3> for DenseOp {
    type State = SavedTensors<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<B>(&ops.node);
        let saved = ops.state;
        let (product_grad, bias_grad) = B::dense_backward(saved.y, gradient, saved.activation);
        let [x_node, weight_node, bias_node] = ops.parents;
        if let Some(node) = x_node {
            let weight = B::float_swap_dims(saved.weight, 0, 1);
            grads.register::<B>(node.id, B::product(product_grad.clone(), weight));
        }
        if let Some(node) = weight_node {
            let x = B::float_swap_dims(saved.x, 0, 1);
            grads.register::<B>(node.id, B::product(x, product_grad));
        }
        if let Some(node) = bias_node {
            grads.register::<B>(node.id, bias_grad);
        }
    }
}

impl<B: DenseBackend, C: CheckpointStrategy> DenseBackend for Autodiff<B, C> {
    fn dense(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        activation: Option<Activation>,
    ) -> FloatTensor<Self> {
        let (x, x_node) = x.into_parts();
        let (weight, weight_node) = weight.into_parts();
        let (bias, bias_node) = bias.into_parts();
        let prepared = DenseOp
            .prepare::<C>([x_node, weight_node, bias_node])
            .compute_bound()
            .stateful();
        match prepared {
            OpsKind::Tracked(prepared) => {
                let y = B::dense(x.clone(), weight.clone(), bias, activation);
                let saved = SavedTensors {
                    x,
                    weight,
                    y: y.clone(),
                    activation,
                };
                prepared.finish(saved, y)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::dense(x, weight, bias, activation)),
        }
    }

    /// First-order only: the gradients are constants in the graph.
    fn dense_backward(
        y: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        activation: Option<Activation>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (product_grad, bias_grad) =
            B::dense_backward(y.into_primitive(), gradient.into_primitive(), activation);
        (
            <Self as AutodiffBackend>::from_inner(product_grad),
            <Self as AutodiffBackend>::from_inner(bias_grad),
        )
    }
}
