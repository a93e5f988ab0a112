//! # burn-tsallis
//!
//! The Tsallis softargmax for [Burn](burn), on whatever device the tensor lives:
//!
//! ```text
//! p_i = q_i [1 + (alpha - 1)(x_i - mu)]_+^(1 / (alpha - 1)),    mu such that sum_i p_i = 1
//! ```
//!
//! One operator spans heavy-tailed probabilities (`alpha < 1`), the softmax (`alpha = 1`) and sparse
//! probabilities (`alpha > 1`), relative to a reference measure `q`.
//!
//! ```
//! # #[cfg(feature = "flex")] {
//! use burn::tensor::{Device, Tensor};
//! use burn_tsallis::{Reference, TsallisOptions, tsallis_softargmax};
//!
//! let device = Device::flex();
//! let logits = Tensor::<2>::from_data([[2.0, 1.0, 0.1], [0.0, f32::NEG_INFINITY, 3.0]], &device);
//!
//! // Heavy-tailed, against the uniform reference. A logit of -inf is an entry that is not allowed.
//! let p = tsallis_softargmax(logits.clone(), 0.5, -1);
//! assert_eq!(p.clone().slice([1..2, 1..2]).into_scalar::<f32>(), 0.0);
//!
//! // Against the reference `ones`, alpha = 1.5 is 1.5-entmax: sparse.
//! let options = TsallisOptions::new(1.5).with_reference(Reference::Ones);
//! let p = tsallis_softargmax(logits, options, -1);
//! assert_eq!(p.slice([0..1, 2..3]).into_scalar::<f32>(), 0.0);
//! # }
//! ```
//!
//! [`guide`] says what alpha does and how to choose it, and where the names of PyTorch's `entmax` are.
//!
//! # Layers
//!
//! | module | what it holds |
//! |---|---|
//! | [`math`] | generators of f-divergences, the root solvers and one row of the operator, without Burn |
//! | [`op`] | the tensor functions, and the backend extension with its kernels |
//! | `conformance` | exact cases, bounds and their comparison, for any device (feature `conformance`) |
//! | [`nn`] | modules, losses and a distribution for models of your own |
//! | `experiment` | random streams and atomic files (feature `experiment`) |
//! | `rl` | environments and the alpha-Tsallis PPO learner (feature `rl`; `rl::training`: `train`) |
//!
//! The tabular laboratory is the crate `tsallis-lab`, and the program `tsallis` the crate `tsallis-cli`.
//!
//! # Features
//!
//! Execution backends carry Burn's own names: `flex`, `ndarray`, `wgpu`, `vulkan`, `metal`, `webgpu`,
//! `cpu`, `cuda`, `rocm`, `tch` and `remote`. A backend that Burn has and this crate was not told of panics
//! when the operator reaches it, so name here every backend you name there. Beside them are `conformance`,
//! `experiment`, `rl`, and `train`, the learner inside Burn's training loop. The default feature is `flex`.
#![warn(missing_docs)]
// Each item that needs a feature says so on docs.rs.
#![cfg_attr(docsrs, feature(doc_cfg))]
// burn-ndarray and burn-tch are deprecated as a whole since Burn 0.22; they stay supported here until Burn
// drops them.
#![cfg_attr(any(feature = "ndarray", feature = "tch"), allow(deprecated))]

#[doc = include_str!("guide.md")]
pub mod guide {}

pub mod math;
pub mod nn;
pub mod op;
pub mod prelude;

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "experiment")]
pub mod experiment;
#[cfg(feature = "rl")]
pub mod rl;

// The README's example compiles and runs.
#[cfg(all(doctest, feature = "flex"))]
#[doc = include_str!("../README.md")]
struct Readme;

pub use math::{EmptyRow, Solver};
pub use op::{
    Alpha, FDivergence, FSoftargmaxOptions, KernelPath, Reference, TsallisError, TsallisOptions,
    f_softargmax, kernel_path, tsallis_divergence, tsallis_divergence_from_probabilities,
    tsallis_log_softargmax, tsallis_softargmax, tsallis_softargmax_jvp, tsallis_softargmax_vjp,
    tsallis_value,
};
