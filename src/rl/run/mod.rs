//! The folder that a training run leaves, and the loop that fills it.
//!
//! | file | what it holds |
//! |---|---|
//! | `config.json` | [`RunConfig`]: version, device, what is kept, and the [`PpoConfig`](super::ppo::PpoConfig) |
//! | `metrics.csv` | one [`UpdateMetrics`](super::ppo::UpdateMetrics) a row; the same seed gives the same bytes |
//! | `timing.csv` | what depends on the clock: one [`Timing`] to each of those |
//! | `tensorboard/` | the same numbers as scalar events, which TensorBoard reads |
//! | `checkpoints/step-N/` | `model.bpk`, `optimizer.bpk`, `state.json`, after `N` environment steps; the last few |
//! | `checkpoints/best/step-N/` | the one of them whose recent return was the highest |
//! | `summary.json` | [`RunSummary`]: what was learned, in numbers |
//!
//! Tables and events grow by whole rows, and [`Trainer::resume`] cuts what a killed run wrote after its last
//! checkpoint. Everything else is written beside its name, synced, and renamed, so that no torn file is ever
//! read.

mod checkpoint;
mod config;
mod error;
mod events;
mod folder;
mod saved;
mod summary;
mod timing;
mod trainer;

pub use checkpoint::CheckpointChoice;
pub use config::{Recording, RunConfig};
pub use error::RunError;
pub use folder::RunFolder;
pub use saved::SavedRun;
pub use summary::{RunStatus, RunSummary, Verdict};
pub use timing::Timing;
pub use trainer::{Notice, ResumeOptions, Trainer, TrainerError};

const CONFIG: &str = "config.json";
const METRICS: &str = "metrics.csv";
const TIMING: &str = "timing.csv";
const EVENTS: &str = "tensorboard";
const CHECKPOINTS: &str = "checkpoints";
const BEST: &str = "best";
const SUMMARY: &str = "summary.json";
