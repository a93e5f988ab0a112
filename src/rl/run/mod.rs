//! The folder of a training run, and the loop that writes it.
//!
//! | file | content |
//! |---|---|
//! | `config.json` | [`RunConfig`]: version, device, versions of Python and its packages, files to write, and the [`PpoConfig`](super::ppo::PpoConfig) |
//! | `metrics.csv` | one [`UpdateMetrics`](super::ppo::UpdateMetrics) per row; the same seed gives the same bytes |
//! | `timing.csv` | values that depend on the clock: one [`Timing`] per row of `metrics.csv` |
//! | `tensorboard/` | the same numbers as scalar events for TensorBoard |
//! | `checkpoints/step-N/` | `model.bpk`, `optimizer.bpk`, `state.json` after `N` environment steps, and the configuration as `settings.json`; the newest few |
//! | `checkpoints/best/step-N/` | the checkpoint with the highest recent return |
//! | `summary.json` | [`RunSummary`]: the results in numbers |
//!
//! Whole rows are appended to tables and events, and [`Trainer::resume`] removes rows that a killed run wrote after
//! its last checkpoint. Every other file is written under a temporary name, synced, and renamed, so that an
//! incomplete file is never read.

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
pub use saved::{SavedModel, SavedRun};
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
