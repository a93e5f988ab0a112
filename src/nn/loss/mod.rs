//! Losses of the Tsallis softargmax and the Tsallis divergence.

mod divergence;
mod fenchel_young;
mod solved_rows;

pub use divergence::{TsallisDivergenceLoss, TsallisDivergenceLossConfig};
pub use fenchel_young::{FenchelYoungLoss, FenchelYoungLossConfig};

pub use burn::nn::loss::Reduction;
