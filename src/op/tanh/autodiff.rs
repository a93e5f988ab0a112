use super::TanhBackend;
use burn::backend::AutodiffBackend;
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;

#[derive(Clone, Copy, Debug)]
struct BiasTanhStep;

impl<B: TanhBackend> Backward<B, 2> for BiasTanhStep {
    /// The output, which is all that the derivative needs.
    type State = FloatTensor<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<B>(&ops.node);
        let (of_x, of_bias) = B::bias_tanh_backward(ops.state, gradient);
        let [x, bias] = ops.parents;
        if let Some(node) = x {
            grads.register::<B>(node.id, of_x);
        }
        if let Some(node) = bias {
            grads.register::<B>(node.id, of_bias);
        }
    }
}

impl<B: TanhBackend, C: CheckpointStrategy> TanhBackend for Autodiff<B, C> {
    fn bias_tanh(x: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        let (x, x_node) = x.into_parts();
        let (bias, bias_node) = bias.into_parts();
        let prepared = BiasTanhStep
            .prepare::<C>([x_node, bias_node])
            .compute_bound()
            .stateful();
        let y = B::bias_tanh(x, bias);
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(y.clone(), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }

    /// First-order: the gradients are constants of the graph.
    fn bias_tanh_backward(
        y: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (of_x, of_bias) = B::bias_tanh_backward(y.into_primitive(), gradient.into_primitive());
        (
            <Self as AutodiffBackend>::from_inner(of_x),
            <Self as AutodiffBackend>::from_inner(of_bias),
        )
    }
}
