use burn::Tensor;
use burn::rl::{Batchable, SliceAccess, ToAction, ToObservation};
use burn::tensor::{Device, Int, TensorData};

/// Observations, `[batch, observation_size]`.
#[derive(Clone, Debug)]
pub struct Observations(pub Tensor<2>);

/// The probabilities of the actions, `[batch, actions]`.
#[derive(Clone, Debug)]
pub struct Probabilities(pub Tensor<2>);

/// Indices of actions, `[batch, 1]`.
#[derive(Clone, Debug)]
pub struct Actions(pub Tensor<2, Int>);

macro_rules! batches {
    ($($batch:ident),*) => {$(
        impl Batchable for $batch {
            fn batch(items: Vec<Self>) -> Self {
                Self(Tensor::cat(items.into_iter().map(|item| item.0).collect(), 0))
            }

            fn unbatch(self) -> Vec<Self> {
                self.0.split(1, 0).into_iter().map(Self).collect()
            }
        }

        // For the replay buffer of Burn's off-policy loop, which asks for it of every policy.
        impl SliceAccess for $batch {
            fn zeros_like(sample: &Self, capacity: usize, device: &Device) -> Self {
                Self(Tensor::zeros([capacity, sample.0.dims()[1]], device))
            }

            fn select(self, dim: usize, indices: Tensor<1, Int>) -> Self {
                Self(self.0.select(dim, indices))
            }

            fn slice_assign_inplace(&mut self, index: usize, value: Self) {
                self.0.inplace(|rows| rows.slice_assign(index..index + 1, value.0));
            }
        }
    )*};
}
batches!(Observations, Probabilities, Actions);

/// A state of an environment as the numbers that a network is given.
///
/// A state of a user's own implements this and, through [`Observations::from_vector`], Burn's
/// [`ToObservation`].
pub trait ObservationVector {
    /// The numbers, as many for every state.
    fn observation(&self) -> Vec<f32>;
}

impl Observations {
    /// The observation of one state.
    pub fn from_vector(state: &impl ObservationVector, device: &Device) -> Self {
        let numbers = state.observation();
        let shape = [1, numbers.len()];
        Self(Tensor::from_data(TensorData::new(numbers, shape), device))
    }
}

macro_rules! vectors {
    ($([$($generics:tt)*] $state:ty, $number:ty;)*) => {$(
        impl<$($generics)*> ObservationVector for $state {
            fn observation(&self) -> Vec<f32> {
                self.iter().map(|&x: &$number| x as f32).collect()
            }
        }

        impl<$($generics)*> ToObservation<Observations> for $state {
            fn to_observation(&self, device: &Device) -> Observations {
                Observations::from_vector(self, device)
            }
        }
    )*};
}
vectors! {
    [const N: usize] [f32; N], f32;
    [const N: usize] [f64; N], f64;
    [] Vec<f32>, f32;
    [] Vec<f64>, f64;
}

impl ToAction<Actions> for usize {
    fn to_action(&self, device: &Device) -> Actions {
        Actions(Tensor::from_data([[*self as i32]], device))
    }
}

impl From<Actions> for usize {
    /// The one action of a batch of one.
    ///
    /// # Panics
    ///
    /// If the device fails, or if there is more than one action.
    fn from(actions: Actions) -> Self {
        actions.0.into_scalar::<i64>() as Self
    }
}
