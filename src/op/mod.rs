//! The operator on Burn tensors.
//!
//! [`how_it_is_built`](crate::how_it_is_built) follows one call through these files.
//!
//! | file | contents |
//! |---|---|
//! | `softargmax` | the tensor functions of logits |
//! | `divergence` | the divergence of given probabilities |
//! | `f_softargmax` | the softargmax of other f-divergences |
//! | `deformed` | the deformed exponential in Burn's own tensor operations |
//! | `options`, `error` | the options of the operator, validated when they are set |
//! | `call` | conversion of tensors along any dimension to rows and back |
//! | `request` | arguments and results of the backend functions |
//! | `attention` | attention by blocks of queries |
//! | `backend` | [`TsallisBackend`], the extension of Burn's backends |
//! | `autodiff` | the backward step |
//! | `cpu`, `flex`, `ndarray` | the row kernels of the CPU backends |
//! | `cube` | CubeCL devices: the route, and the CubeCL kernels |
//! | `wgsl` | the launches of the WGSL kernels |
//! | `step` | limits of the root finders of the kernels |
//! | `kernel_path` | the implementation that a device uses |
//! | `portable` | the operator in Burn's own tensor operations, for every other device |

pub(crate) mod attention;
mod autodiff;
mod backend;
mod call;
#[cfg(any(feature = "flex", feature = "ndarray"))]
pub(crate) mod cpu;
#[cfg(feature = "cube")]
#[doc(hidden)]
pub mod cube;
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
#[cfg(feature = "cube")]
mod refusal;
mod request;
mod softargmax;
#[cfg(any(feature = "flex", feature = "ndarray", feature = "cube"))]
mod step;
#[cfg(feature = "wgpu")]
pub(crate) mod wgsl;

pub use crate::math::Output;
pub use attention::{
    AttentionGradients, AttentionInputs, AttentionMask, AttentionOutput, AttentionParameters,
    OptionalMask,
};
pub use backend::TsallisBackend;
pub(crate) use call::{alpha_rows, check_broadcast, expanded};
pub use divergence::tsallis_divergence_from_probabilities;
pub use error::TsallisError;
pub use f_softargmax::{FDivergence, FSoftargmaxOptions, f_softargmax};
pub use kernel_path::{KernelPath, kernel_path};
pub use options::{Alpha, Reference, TsallisOptions};
#[cfg(test)]
pub(crate) use request::arithmetic_dtype;
pub use request::{
    AlphaTensor, DivergenceTerm, GradientMask, InputGradients, OptionalTensor, ReferenceTensor,
    RowParameters, computed_dtype,
};
pub use softargmax::{
    tsallis_divergence, tsallis_log_softargmax, tsallis_softargmax, tsallis_softargmax_jvp,
    tsallis_softargmax_vjp, tsallis_value,
};
