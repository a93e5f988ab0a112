//! Transfers between the host and the device. On a GPU each read is a round trip that waits for all launched
//! work. All reads of the learner are therefore in this module, where a test counts them.

use super::env::ActionSpace;
use burn::Tensor;
#[cfg(any(feature = "flex", feature = "ndarray"))]
use burn::backend::DispatchDevice;
use burn::tensor::{Bool, Device, Int, TensorData, Transaction};

/// An error of a read.
#[derive(Debug)]
pub(super) enum ReadError {
    /// The device failed.
    Device(String),
    /// An action that does not exist. A policy with probabilities that are not finite can draw one.
    Action,
}

/// Returns whether the memory of a device is the host's and its kernels take slices.
#[cfg(any(feature = "flex", feature = "ndarray"))]
pub(super) fn is_host(device: &Device) -> bool {
    match device.clone().inner().as_dispatch() {
        #[cfg(feature = "flex")]
        DispatchDevice::Flex(_) => true,
        #[cfg(feature = "ndarray")]
        DispatchDevice::NdArray(_) => true,
        #[allow(unreachable_patterns)]
        _ => false,
    }
}

/// Returns rows of `columns` numbers as a tensor.
pub(super) fn matrix(values: Vec<f32>, columns: usize, device: &Device) -> Tensor<2> {
    let rows = values.len() / columns;
    Tensor::from_data(TensorData::new(values, [rows, columns]), device)
}

/// Returns rows of `columns` flags as a tensor.
pub(super) fn mask(values: Vec<bool>, columns: usize, device: &Device) -> Tensor<2, Bool> {
    let rows = values.len() / columns;
    Tensor::from_data(TensorData::new(values, [rows, columns]), device)
}

/// Returns indices as a tensor, `[count]`.
pub(super) fn indices(values: impl Iterator<Item = usize>, device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = values.map(|i| i as i32).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

/// Reads all tensors in one round trip.
pub(super) fn read<const N: usize>(tensors: [Tensor<2>; N]) -> Result<[Vec<f32>; N], ReadError> {
    let transaction = tensors
        .into_iter()
        .fold(Transaction::default(), Transaction::register);
    let read = transaction.try_execute().map_err(failed)?;
    let mut read = read.into_iter().map(|data| {
        let values: Vec<f32> = data.iter::<f32>().collect();
        counted(values)
    });
    Ok(std::array::from_fn(|_| read.next().unwrap_or_default()))
}

/// Reads actions, one for each dimension of the space.
pub(super) fn read_actions(
    actions: Tensor<2, Int>,
    space: &ActionSpace,
) -> Result<Vec<usize>, ReadError> {
    let actions = counted(actions.try_into_vec_as::<i32>().map_err(failed)?);
    actions
        .into_iter()
        .zip(space.sizes().iter().cycle())
        .map(|(action, &size)| {
            usize::try_from(action)
                .ok()
                .filter(|&action| action < size)
                .ok_or(ReadError::Action)
        })
        .collect()
}

fn failed(error: impl std::fmt::Display) -> ReadError {
    ReadError::Device(error.to_string())
}

#[cfg(not(test))]
fn counted<T>(values: Vec<T>) -> Vec<T> {
    values
}

#[cfg(test)]
pub(super) use count::counted;
#[cfg(test)]
pub(super) use count::take_reads;

#[cfg(test)]
mod count {
    use std::cell::RefCell;

    thread_local!(static READS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) });

    pub(in crate::rl) fn counted<T>(values: Vec<T>) -> Vec<T> {
        READS.with_borrow_mut(|reads| reads.push(values.len()));
        values
    }

    /// Returns the number of values in each read on this thread since the last call.
    pub(in crate::rl) fn take_reads() -> Vec<usize> {
        READS.take()
    }
}
