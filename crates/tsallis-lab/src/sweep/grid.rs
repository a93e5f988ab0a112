use super::{RunKey, SettingKey};
use crate::algorithms::{Algorithm, RunSettings, Sampling, SettingsError};
use crate::{Mdp, unique};
use std::collections::BTreeSet;
use std::ops::Range;

/// Largest number of runs in a table.
const MAX_RUNS: u128 = 10_000_000;

/// A grid of runs: every method with every step size, temperature and seed, on every process.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// The methods.
    pub algorithms: Vec<Algorithm>,
    /// The step sizes `eta`.
    pub step_sizes: Vec<f64>,
    /// The temperatures `lambda`. Methods without a temperature are run once, not for each temperature.
    pub temperatures: Vec<f64>,
    /// The seeds.
    pub seeds: Range<u64>,
    /// The number of iterations of each run.
    pub iterations: usize,
    /// How episodes are sampled.
    pub sampling: Sampling,
    /// The number of iterations between two points of a curve.
    pub every: usize,
    /// Whether f-PG projects onto the probability floor of the theory after each step. Other methods are run without a
    /// projection.
    pub project: bool,
    /// The settings to run, or `None` for all.
    pub only: Option<BTreeSet<SettingKey>>,
}

/// One run of a grid.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedRun {
    /// The name of the process.
    pub process: String,
    /// The settings of the run.
    pub settings: RunSettings,
}

/// An error for an invalid grid.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GridError {
    /// A part of the grid has no value.
    #[error("the grid has no {0}")]
    Empty(&'static str),
    /// There are more runs than a table can hold.
    #[error("the sweep has {0} runs: a table can have at most {MAX_RUNS}")]
    TooLarge(u128),
    /// The settings of a run are invalid.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

fn check_count(runs: u128) -> Result<(), GridError> {
    if runs > MAX_RUNS {
        return Err(GridError::TooLarge(runs));
    }
    Ok(())
}

impl Grid {
    /// Checks the grid and the settings of every run.
    ///
    /// # Errors
    ///
    /// Returns an error if a part of the grid is empty, there are too many runs, a number is out of range, or `project`
    /// is set and not possible.
    pub fn validate(&self) -> Result<(), GridError> {
        let some = |there: bool, what| there.then_some(()).ok_or(GridError::Empty(what));
        some(!self.algorithms.is_empty(), "method")?;
        some(!self.step_sizes.is_empty(), "step size")?;
        some(!self.temperatures.is_empty(), "temperature")?;
        some(!self.seeds.is_empty(), "seed")?;
        let algorithms = unique(self.algorithms.iter().copied());
        let sides = [
            algorithms.len(),
            self.step_sizes.len(),
            self.temperatures.len(),
        ];
        check_count(sides.iter().fold(self.seed_count(), |size, &side| {
            size.saturating_mul(side as u128)
        }))?;
        let projected = |algorithm: &Algorithm| matches!(algorithm, Algorithm::FPg(_));
        if self.project && !algorithms.iter().any(projected) {
            return Err(SettingsError::NoProjection(algorithms[0].name()).into());
        }
        // The seeds of a setting are alike.
        for settings in self.with_one_seed().settings() {
            settings.validate()?;
        }
        Ok(())
    }

    fn seed_count(&self) -> u128 {
        u128::from(self.seeds.end.saturating_sub(self.seeds.start))
    }

    fn with_one_seed(&self) -> Self {
        Self {
            seeds: 0..1,
            ..self.clone()
        }
    }

    /// Checks the number of runs in a table with the runs of this grid on `processes` and the rows that it has.
    pub(super) fn check_table(&self, processes: &[Mdp], rows: &[RunKey]) -> Result<(), GridError> {
        let settings: BTreeSet<SettingKey> = self
            .with_one_seed()
            .runs(processes)
            .iter()
            .map(|planned| planned.key().setting)
            .collect();
        let others = rows
            .iter()
            .filter(|row| !self.seeds.contains(&row.seed) || !settings.contains(&row.setting));
        let planned = settings.len() as u128 * self.seed_count();
        check_count(planned + others.count() as u128)
    }

    /// Returns the runs on `processes`. The seeds of a setting follow each other.
    pub fn runs(&self, processes: &[Mdp]) -> Vec<PlannedRun> {
        let settings = self.settings();
        processes
            .iter()
            .flat_map(|mdp| {
                settings.iter().map(|settings| PlannedRun {
                    process: mdp.name().to_owned(),
                    settings: settings.clone(),
                })
            })
            .filter(|planned| {
                let only = self.only.as_ref();
                only.is_none_or(|only| only.contains(&planned.key().setting))
            })
            .collect()
    }

    fn settings(&self) -> Vec<RunSettings> {
        let mut all = Vec::new();
        let step_sizes = unique(self.step_sizes.iter().copied());
        let some = unique(self.temperatures.iter().copied());
        for algorithm in unique(self.algorithms.iter().copied()) {
            let none = [0.0];
            let temperatures: &[f64] = if algorithm.has_temperature() {
                &some
            } else {
                &none
            };
            for &step_size in &step_sizes {
                for &temperature in temperatures {
                    all.extend(self.seeds.clone().map(|seed| RunSettings {
                        algorithm,
                        step_size,
                        temperature,
                        iterations: self.iterations,
                        sampling: self.sampling,
                        every: self.every,
                        project: self.project && matches!(algorithm, Algorithm::FPg(_)),
                        seed,
                    }));
                }
            }
        }
        all
    }
}
