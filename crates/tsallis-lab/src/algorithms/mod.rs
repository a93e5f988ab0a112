//! Tabular policy gradient methods, with exact gradients and from sampled episodes.

mod adaptive;
mod escort;
mod exact;
mod f_pg;
mod hadamard;
mod log_barrier;
mod network;
mod reinforce;
mod run;
mod unregularized;

pub use adaptive::{ADAPTIVE_ALPHAS, AdaptiveAlpha};
pub use escort::Escort;
pub use exact::{Direction, ExactAscent, ExactStep, StepRule};
pub use f_pg::FPg;
pub use hadamard::Hadamard;
pub use log_barrier::LogBarrier;
pub use network::{Features, LogitNetwork, NetworkAscent, NetworkPoint};
pub use reinforce::{Batch, Credit, Reinforce, Sampling, TabularLearner};
pub use run::{Algorithm, Curve, RunSettings, SettingsError, run};
pub use unregularized::{Parameterization, Unregularized};
