use crate::algorithms::{Algorithm, RunSettings, Sampling, SettingsError};
use crate::unique;
use crate::{Divergence, Mdp};

/// A method with all that it is tried with.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// f-PG with each of these divergences.
    FPg(Vec<Divergence>),
    /// The natural gradient of the same policies.
    Natural(Vec<Divergence>),
    /// The softmax with a logarithmic barrier.
    LogBarrier,
    /// The escort transform with each of these powers.
    Escort(Vec<f64>),
    /// The Hadamard parameterization.
    Hadamard,
    /// f-PG that chooses its order while it learns.
    Adaptive,
}

impl Method {
    fn algorithms(&self) -> Vec<Algorithm> {
        match self {
            Self::FPg(of) => of.iter().map(|&f| Algorithm::FPg(f)).collect(),
            Self::Natural(of) => of.iter().map(|&f| Algorithm::Natural(f)).collect(),
            Self::LogBarrier => vec![Algorithm::LogBarrier],
            Self::Escort(powers) => powers.iter().map(|&p| Algorithm::Escort(p)).collect(),
            Self::Hadamard => vec![Algorithm::Hadamard],
            Self::Adaptive => vec![Algorithm::Adaptive],
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::FPg(_) => "fpg",
            Self::Natural(_) => "natural",
            Self::LogBarrier => "log-barrier",
            Self::Escort(_) => "escort",
            Self::Hadamard => "hadamard",
            Self::Adaptive => "adaptive",
        }
    }
}

/// Largest number of runs on a process.
const MAX_RUNS: u128 = 10_000_000;

/// A grid of runs: every method with every step size, temperature and seed, on every process.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// The methods.
    pub methods: Vec<Method>,
    /// `eta`.
    pub step_sizes: Vec<f64>,
    /// `lambda`; methods that have none run once for all of them.
    pub temperatures: Vec<f64>,
    /// How many seeds; the first is 0.
    pub seeds: u64,
    /// Iterations of each run.
    pub iterations: usize,
    /// How episodes are sampled.
    pub sampling: Sampling,
    /// Iterations between two points of a curve.
    pub every: usize,
    /// Whether f-PG projects onto the floor of the theory.
    pub project: bool,
}

/// A run of a grid.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedRun {
    /// The name of the process.
    pub process: String,
    /// Everything else.
    pub settings: RunSettings,
}

/// A grid that no table can be made of.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GridError {
    /// A side of the grid without a value.
    #[error("the grid has no {0}")]
    Empty(String),
    /// More runs than a table can hold.
    #[error("the grid has {0} runs on each process, and a table is for at most {MAX_RUNS}")]
    TooLarge(u128),
    /// A setting of one of its runs.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

impl Grid {
    /// Checks every run.
    ///
    /// # Errors
    ///
    /// If a side of the grid is empty, or a number is out of its range.
    pub fn validate(&self) -> Result<(), GridError> {
        let some = |there: bool, what: &str| {
            if there {
                Ok(())
            } else {
                Err(GridError::Empty(what.to_owned()))
            }
        };
        some(!self.methods.is_empty(), "method")?;
        for method in &self.methods {
            let has_values = !method.algorithms().is_empty();
            some(has_values, &format!("alpha for {}", method.name()))?;
        }
        some(!self.step_sizes.is_empty(), "step size")?;
        some(!self.temperatures.is_empty(), "temperature")?;
        some(self.seeds > 0, "seed")?;
        let each = [self.step_sizes.len(), self.temperatures.len()];
        let size = each.iter().fold(
            u128::from(self.seeds) * self.algorithms().len() as u128,
            |size, &side| size.saturating_mul(side as u128),
        );
        if size > MAX_RUNS {
            return Err(GridError::TooLarge(size));
        }
        let algorithms = self.algorithms();
        let projected = |algorithm: &Algorithm| matches!(algorithm, Algorithm::FPg(_));
        if self.project && !algorithms.iter().any(projected) {
            return Err(SettingsError::NoProjection(algorithms[0].name()).into());
        }
        for settings in self.settings() {
            settings.validate()?;
        }
        Ok(())
    }

    fn algorithms(&self) -> Vec<Algorithm> {
        unique(self.methods.iter().flat_map(Method::algorithms))
    }

    /// The runs on these processes, the seeds of one setting after each other.
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
            .collect()
    }

    fn settings(&self) -> Vec<RunSettings> {
        let mut all = Vec::new();
        let step_sizes = unique(self.step_sizes.iter().copied());
        let some = unique(self.temperatures.iter().copied());
        for algorithm in self.algorithms() {
            let none = [0.0];
            let temperatures: &[f64] = if algorithm.has_temperature() {
                &some
            } else {
                &none
            };
            for &step_size in &step_sizes {
                for &temperature in temperatures {
                    all.extend((0..self.seeds).map(|seed| RunSettings {
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
