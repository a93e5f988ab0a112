//! Policy gradient methods on tables: with exact gradients, and from sampled episodes.

mod adaptive;
mod escort;
mod exact;
mod hadamard;
mod log_barrier;
mod natural;
mod reinforce;
mod run;
mod softargmax;

pub use adaptive::{ADAPTIVE_ORDERS, AdaptiveOrder};
pub use escort::Escort;
pub use exact::{Direction, ExactAscent, ExactStep, StepRule};
pub use hadamard::Hadamard;
pub use log_barrier::LogBarrier;
pub use natural::NaturalGradient;
pub use reinforce::{Batch, Credit, Learner, Reinforce, Sampling};
pub use run::{Algorithm, Curve, RunSettings, SettingsError, run};
pub use softargmax::FPg;
