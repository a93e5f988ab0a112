//! The policy head and the actor-critic as Burn modules, and the policy for [`burn::rl`].

mod actions;
mod activation;
mod dense;
mod exponential_noise;
#[cfg(any(feature = "flex", feature = "ndarray"))]
mod flat;
mod head;
#[cfg(any(feature = "flex", feature = "ndarray"))]
mod host_policy;
mod network;
mod observations;
mod orthogonal;
mod tsallis_policy;

pub use actions::{ActionProbabilities, Actions};
pub use activation::Activation;
pub(super) use exponential_noise::exponential_noise;
#[cfg(any(feature = "flex", feature = "ndarray"))]
pub(super) use flat::{FlatActorCritic, Outputs};
pub use head::TsallisPolicyHead;
#[cfg(any(feature = "flex", feature = "ndarray"))]
pub(super) use host_policy::{HostPolicy, forbid};
pub use network::{ActorCritic, Features, NetworkConfig};
pub use observations::Observations;
pub(super) use observations::select_mask;
pub(super) use orthogonal::Initializer;
pub use tsallis_policy::{TsallisPolicy, TsallisPolicyState};
