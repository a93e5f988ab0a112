//! # burn-tsallis
//!
//! The Tsallis softargmax for [Burn](burn), with kernels for the CPU and wgpu, and in Burn's own operations on every
//! other backend:
//!
//! ```text
//! p_i = q_i [1 + (alpha - 1)(x_i - mu)]_+^(1 / (alpha - 1)),    with mu such that sum_i p_i = 1
//! ```
//!
//! One operator computes heavy-tailed probabilities (`alpha < 1`), the softmax (`alpha = 1`) and sparse probabilities
//! (`alpha > 1`), relative to a reference measure `q`. [`f_softargmax`] computes the softargmax of seven named
//! f-divergences.
//!
//! ```
//! # #[cfg(feature = "flex")] {
//! use burn::tensor::{Device, Tensor};
//! use burn_tsallis::{Reference, TsallisOptions, tsallis_softargmax};
//!
//! let device = Device::flex();
//! let logits = Tensor::<2>::from_data([[2.0, 1.0, 0.1], [0.0, f32::NEG_INFINITY, 3.0]], &device);
//!
//! // Heavy-tailed, with the uniform reference. A logit of -inf masks its entry.
//! let p = tsallis_softargmax(logits.clone(), 0.5, -1);
//! assert_eq!(p.clone().slice([1..2, 1..2]).into_scalar::<f32>(), 0.0);
//!
//! // With the reference `Ones`, alpha = 1.5 is 1.5-entmax, which is sparse.
//! let options = TsallisOptions::new(1.5).with_reference(Reference::Ones);
//! let p = tsallis_softargmax(logits, options, -1);
//! assert_eq!(p.slice([0..1, 2..3]).into_scalar::<f32>(), 0.0);
//! # }
//! ```
//!
//! [`guide`] describes the effect of alpha, how to choose it, and the counterparts of PyTorch's `entmax` functions.
//! [`how_it_is_built`] follows one call from the tensor to each kernel.
//!
//! # Layers
//!
//! | module | contents |
//! |---|---|
//! | [`math`] | generators of f-divergences, the root solvers and the operator on one row, without Burn |
//! | [`op`] | the tensor functions, and the backend extension with its kernels |
//! | `conformance` | exact cases, bounds and their comparison, for any device (feature `conformance`) |
//! | [`nn`] | modules, losses and a distribution for your own models |
//! | [`prelude`] | the names of [`nn`] and [`op`] that a model needs, in one import |
//! | `experiment` | random streams and atomic files (feature `experiment`) |
//! | `rl` | environments and the α-Tsallis PPO learner (feature `rl`; `rl::training` needs `train`) |
//!
//! The tabular laboratory is the crate `tsallis-lab`. The program `tsallis` is the crate `tsallis-cli`.
//!
//! # Features
//!
//! The features of the backends have Burn's names: `flex`, `ndarray`, `wgpu`, `vulkan`, `metal`, `webgpu`, `cpu`,
//! `cuda`, `rocm`, `tch` and `remote`. Enable the same backends here as on `burn`. On a backend that is enabled on
//! `burn` but not here, the operator panics at the first call. The other features are `conformance`, `experiment`,
//! `rl`, and `train`, which runs the learner inside Burn's training loop. The default feature is `flex`.
#![warn(missing_docs)]
// docs.rs shows the feature that an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
// burn-ndarray and burn-tch are deprecated as a whole since Burn 0.22. This crate supports them until Burn removes
// them.
#![cfg_attr(any(feature = "ndarray", feature = "tch"), allow(deprecated))]

#[doc = include_str!("guide.md")]
pub mod guide {}

#[doc = include_str!("../docs/how-it-is-built.md")]
pub mod how_it_is_built {}

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

// Runs the README's examples as doctests.
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
