use crate::rl::transfer::indices;
use burn::Tensor;
use burn::rl::{Batchable, SliceAccess, ToAction};
use burn::tensor::{Device, Int};

/// Actions in several states, `[states, dimensions]`: the output of [`TsallisPolicy`](super::TsallisPolicy).
///
/// A single action converts to and from `usize`, the action type of every environment in
/// [`env`](crate::rl::env).
#[derive(Clone, Debug)]
pub struct Actions(pub Tensor<2, Int>);

/// Distributions over the actions in several states, `[states, logits]`
/// ([`ActionSpace::logits`](crate::rl::env::ActionSpace::logits)).
#[derive(Clone, Debug)]
pub struct ActionProbabilities(pub Tensor<2>);

impl Batchable for Actions {
    fn batch(items: Vec<Self>) -> Self {
        Self(Tensor::cat(
            items.into_iter().map(|item| item.0).collect(),
            0,
        ))
    }

    fn unbatch(self) -> Vec<Self> {
        self.0.split(1, 0).into_iter().map(Self).collect()
    }
}

impl Batchable for ActionProbabilities {
    fn batch(items: Vec<Self>) -> Self {
        Self(Tensor::cat(
            items.into_iter().map(|item| item.0).collect(),
            0,
        ))
    }

    fn unbatch(self) -> Vec<Self> {
        self.0.split(1, 0).into_iter().map(Self).collect()
    }
}

// `RLTraining` requires this trait of every policy, for the buffer of Burn's off-policy loop.
impl SliceAccess for Actions {
    fn zeros_like(sample: &Self, capacity: usize, device: &Device) -> Self {
        Self(Tensor::zeros([capacity, sample.0.dims()[1]], device))
    }

    fn select(self, dim: usize, indices: Tensor<1, Int>) -> Self {
        Self(self.0.select(dim, indices))
    }

    fn slice_assign_inplace(&mut self, index: usize, value: Self) {
        self.0
            .inplace(|actions| actions.slice_assign(index..index + 1, value.0));
    }
}

impl From<Actions> for usize {
    /// # Panics
    ///
    /// If there is not exactly one action, or if the device fails.
    fn from(actions: Actions) -> Self {
        actions.0.into_scalar::<i64>() as Self
    }
}

impl ToAction<Actions> for usize {
    fn to_action(&self, device: &Device) -> Actions {
        Actions(indices(std::iter::once(*self), device).unsqueeze_dim(1))
    }
}
