//! The operator on Burn tensors.
//!
//! | file | what it holds |
//! |---|---|
//! | `softargmax` | the tensor functions |
//! | `options` | order, reference and solver, checked where they are built |
//! | `backend` | [`TsallisBackend`], the extension of Burn's backends, and its route for each |
//! | `autodiff` | the backward step |
//! | `cpu`, `flex`, `ndarray` | the row kernels over the tensors' own memory |
//! | `cube`, `wgsl` | the route of a CubeCL device, and the launches of the WGSL kernels |
//! | `paths` | tests of the paths that no device takes by itself |
//! | `portable` | the same in Burn's own tensor operations, for every other device |

mod autodiff;
mod backend;
#[cfg(any(feature = "flex", feature = "ndarray"))]
mod cpu;
#[cfg(feature = "cube")]
mod cube;
mod error;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "ndarray")]
mod ndarray;
mod options;
#[cfg(test)]
mod paths;
mod portable;
mod softargmax;
#[cfg(feature = "wgpu")]
mod wgsl;

pub use backend::{Output, ReferenceTensor, RowParameters, TsallisBackend, Wrt};
pub use error::TsallisError;
pub use options::{MAX_ALPHA, Reference, TsallisOptions};
pub use softargmax::{
    try_tsallis_log_softargmax, try_tsallis_softargmax, tsallis_log_softargmax, tsallis_softargmax,
};
