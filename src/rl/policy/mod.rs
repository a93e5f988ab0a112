//! The policy head and the actor-critic, as Burn modules.

mod head;
mod network;
mod orthogonal;

pub use head::TsallisPolicyHead;
pub use network::{Activation, ActorCritic, Features, NetworkConfig};
