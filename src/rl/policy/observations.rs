use crate::rl::env::Observation;
use crate::rl::transfer::{mask, matrix};
use burn::Tensor;
use burn::rl::{Batchable, SliceAccess, ToObservation};
use burn::tensor::{Bool, Device, Int};

/// Observations of several states and the actions that are allowed in them: the input of
/// [`TsallisPolicy`](super::TsallisPolicy).
///
/// Arrays and vectors of floats convert to this type through [`ToObservation`], as does an [`Observation`].
#[derive(Clone, Debug)]
pub struct Observations {
    /// The observations, `[states, observation_size]`.
    pub values: Tensor<2>,
    /// `[states, logits]`, true for allowed actions, or `None` if every action is allowed in every state.
    pub allowed: Option<Tensor<2, Bool>>,
}

impl Observations {
    /// Creates observations of states in which every action is allowed.
    pub fn new(values: Tensor<2>) -> Self {
        Self {
            values,
            allowed: None,
        }
    }
}

impl Batchable for Observations {
    /// # Panics
    ///
    /// If `items` is empty, or if some items have a mask and others do not.
    fn batch(items: Vec<Self>) -> Self {
        let count = items.len();
        let (values, allowed): (Vec<_>, Vec<_>) = items
            .into_iter()
            .map(|item| (item.values, item.allowed))
            .unzip();
        let masks: Vec<_> = allowed.into_iter().flatten().collect();
        assert!(
            masks.is_empty() || masks.len() == count,
            "{} of {count} observations have a mask: all or none must have one",
            masks.len()
        );
        Self {
            values: Tensor::cat(values, 0),
            allowed: (!masks.is_empty()).then(|| Tensor::cat(masks, 0)),
        }
    }

    fn unbatch(self) -> Vec<Self> {
        let values = self.values.split(1, 0);
        let mut masks = self.allowed.map(|allowed| allowed.split(1, 0).into_iter());
        values
            .into_iter()
            .map(|values| Self {
                values,
                allowed: masks.as_mut().and_then(Iterator::next),
            })
            .collect()
    }
}

// `RLTraining` requires this trait of every policy, for the buffer of Burn's off-policy loop.
impl SliceAccess for Observations {
    fn zeros_like(sample: &Self, capacity: usize, device: &Device) -> Self {
        let columns = sample.values.dims()[1];
        Self {
            values: Tensor::zeros([capacity, columns], device),
            allowed: sample.allowed.as_ref().map(|allowed| {
                let actions = allowed.dims()[1];
                mask(vec![false; capacity * actions], actions, device)
            }),
        }
    }

    fn select(self, dim: usize, indices: Tensor<1, Int>) -> Self {
        Self {
            values: self.values.select(dim, indices.clone()),
            allowed: self
                .allowed
                .map(|allowed| select_mask(allowed, dim, indices)),
        }
    }

    fn slice_assign_inplace(&mut self, index: usize, value: Self) {
        let rows = index..index + 1;
        self.values
            .inplace(|values| values.slice_assign(rows.clone(), value.values));
        if let (Some(allowed), Some(row)) = (&mut self.allowed, value.allowed) {
            allowed.inplace(|allowed| allowed.slice_assign(rows, row));
        }
    }
}

impl ToObservation<Observations> for Observation {
    fn to_observation(&self, device: &Device) -> Observations {
        Observations {
            values: matrix(self.values.clone(), self.values.len(), device),
            allowed: self.allowed.as_ref().map(|allowed| {
                let actions = allowed.len();
                mask(allowed.clone(), actions, device)
            }),
        }
    }
}

impl ToObservation<Observations> for Vec<f32> {
    fn to_observation(&self, device: &Device) -> Observations {
        Observations::new(matrix(self.clone(), self.len(), device))
    }
}

impl<const N: usize> ToObservation<Observations> for [f32; N] {
    fn to_observation(&self, device: &Device) -> Observations {
        Observations::new(matrix(self.to_vec(), N, device))
    }
}

impl<const N: usize> ToObservation<Observations> for [f64; N] {
    fn to_observation(&self, device: &Device) -> Observations {
        Observations::new(matrix(self.iter().map(|&x| x as f32).collect(), N, device))
    }
}

/// Selects rows of a mask, converted to integers and back: a selection of booleans on flex returns a tensor
/// of another type.
pub(in crate::rl) fn select_mask(
    mask: Tensor<2, Bool>,
    dim: usize,
    indices: Tensor<1, Int>,
) -> Tensor<2, Bool> {
    mask.int().select(dim, indices).bool()
}
