//! The laboratory: policy gradients of finite Markov decision processes, exactly and from samples, in
//! `f64` and without tensors.
//!
//! | module | what it holds |
//! |---|---|
//! | [`mdp`] | finite processes: chains, grids, bandits, random ones, and those of a file |
//! | [`policy`] | tables of policies, and the f-softargmax of a table of logits |
//! | [`exact`] | values, occupancies, optima, gradients and constants, without sampling |
//! | [`algorithms`] | exact and stochastic f-PG and the methods it is compared with |
//! | [`bandit`] | the two-armed gradient flow, Tsallis-INF and an adaptive order |
//! | [`sweep`] | grids of runs over every core, and the table that they fill |
//!
//! Source: arXiv 2601.12604.

pub mod algorithms;
pub mod bandit;
pub mod divergence;
pub mod exact;
pub mod mdp;
pub mod policy;
pub mod sweep;
mod unique;

pub use divergence::Divergence;
pub use mdp::{Mdp, MdpError};
pub use policy::{Policy, SoftargmaxPolicy};
pub use unique::unique;
