//! Policy gradients on finite Markov decision processes, exact and sampled, in `f64` and without tensors.
//!
//! | module | contents |
//! |---|---|
//! | [`mdp`] | finite MDPs: chains, grids, bandits, random MDPs (Garnets), and MDPs from JSON files |
//! | [`policy`] | tabular policies, among them the f-softargmax of a table of logits |
//! | [`exact`] | values, occupancies, optima, gradients and constants, without sampling |
//! | [`algorithms`] | exact and stochastic f-PG, f-PG with an adaptive alpha, and the baselines |
//! | [`bandit`] | the gradient flow of two arms, and Tsallis-INF |
//! | [`sweep`] | grids of runs on all cores, and the table of their results |
//!
//! f-PG is the policy gradient with an f-softargmax policy, regularized by the divergence of the same `f`. Source:
//! arXiv 2601.12604.

pub mod algorithms;
pub mod bandit;
pub mod divergence;
mod draw;
pub mod exact;
pub mod mdp;
pub mod policy;
pub mod sweep;
#[cfg(test)]
mod testing;
mod unique;

pub use divergence::Divergence;
pub use mdp::{Mdp, MdpError};
pub use policy::{Policy, SoftargmaxPolicy};
pub use unique::unique;
