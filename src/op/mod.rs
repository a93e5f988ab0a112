//! The operator on Burn tensors.
//!
//! | file | what it holds |
//! |---|---|
//! | `softargmax` | the tensor functions of logits |
//! | `divergence` | the divergence of probabilities that are given |
//! | `f_softargmax` | the softargmax of other f-divergences |
//! | `deformed` | the deformed exponential in Burn's own tensor operations |
//! | `options` | what the operator is computed with, checked where it is built |
//! | `call` | from tensors along any dimension to rows |
//! | `request` | what a backend is asked |
//! | `backend` | [`TsallisBackend`], the extension of Burn's backends, and its route for each |
//! | `autodiff` | the backward step |
//! | `cpu`, `flex`, `ndarray` | the row kernels over the tensors' own memory |
//! | `cube`, `wgsl` | the route of a CubeCL device, and the launches of the WGSL kernels |
//! | `path` | which of them a device takes |
//! | `portable` | the same in Burn's own tensor operations, for every other device |

mod autodiff;
mod backend;
mod call;
#[cfg(any(feature = "flex", feature = "ndarray"))]
pub(crate) mod cpu;
#[cfg(feature = "cube")]
mod cube;
pub(crate) mod deformed;
mod divergence;
mod error;
mod f_softargmax;
#[cfg(feature = "flex")]
mod flex;
mod kernel_path;
#[cfg(feature = "ndarray")]
mod ndarray;
mod options;
pub(crate) mod portable;
mod request;
mod softargmax;
#[cfg(feature = "wgpu")]
pub(crate) mod wgsl;

pub use crate::math::Output;
pub use backend::TsallisBackend;
pub use divergence::tsallis_divergence_from_probabilities;
pub use error::TsallisError;
pub use f_softargmax::{FDivergence, FSoftargmaxOptions, f_softargmax};
pub use kernel_path::{KernelPath, kernel_path};
pub use options::{Alpha, Reference, TsallisOptions};
pub(crate) use request::arithmetic_dtype;
pub use request::{
    AlphaTensor, DivergenceTerm, GradientMask, InputGradients, OptionalTensor, ReferenceTensor,
    RowParameters,
};
pub use softargmax::{
    tsallis_divergence, tsallis_log_softargmax, tsallis_softargmax, tsallis_softargmax_jvp,
    tsallis_softargmax_vjp, tsallis_value,
};
