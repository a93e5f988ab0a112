use super::{
    AdaptiveAlpha, Direction, Escort, FPg, Hadamard, LogBarrier, Reinforce, Sampling,
    TabularLearner, Unregularized,
};
use crate::exact::{AssumptionError, Constants, FiniteHorizon};
use crate::{Divergence, Mdp, SoftargmaxPolicy};
use burn_tsallis::experiment::{Purpose, stream};
use std::fmt;

/// A method and its parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Algorithm {
    /// f-PG with this divergence. With `alpha = 1` it is the softmax with entropy regularization.
    FPg(Divergence),
    /// f-PG with this divergence and the natural gradient.
    Natural(Divergence),
    /// The softmax with a logarithmic barrier.
    LogBarrier,
    /// The escort transform with this power.
    Escort(f64),
    /// The Hadamard parameterization.
    Hadamard,
    /// f-PG that chooses alpha while it learns.
    Adaptive,
}

impl Algorithm {
    /// Returns the name of the method on the command line and in tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::FPg(_) => "fpg",
            Self::Natural(_) => "natural",
            Self::LogBarrier => "log-barrier",
            Self::Escort(_) => "escort",
            Self::Hadamard => "hadamard",
            Self::Adaptive => "adaptive",
        }
    }

    /// Returns the divergence or the power as text, or `None` if the method has neither.
    pub fn alpha(&self) -> Option<String> {
        match self {
            Self::FPg(divergence) | Self::Natural(divergence) => Some(divergence.to_string()),
            Self::Escort(power) => Some(power.to_string()),
            Self::LogBarrier | Self::Hadamard | Self::Adaptive => None,
        }
    }

    /// Returns `true` if the method has a temperature.
    pub fn has_temperature(&self) -> bool {
        !matches!(self, Self::Escort(_) | Self::Hadamard)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.alpha() {
            Some(alpha) => write!(f, "{} {alpha}", self.name()),
            None => f.write_str(self.name()),
        }
    }
}

/// Largest number of iterations and of episodes in a batch, and the range in error messages.
const MAX_COUNT: (usize, &str) = (1_000_000_000, "from 1 to a billion");

/// Longest horizon, and the range in error messages. Every step is stored until its episode has ended.
const MAX_HORIZON: (usize, &str) = (1_000_000, "from 1 to a million");

/// The settings of one stochastic run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSettings {
    /// The method.
    pub algorithm: Algorithm,
    /// The step size `eta`.
    pub step_size: f64,
    /// The temperature `lambda`. Methods without regularization ignore it.
    pub temperature: f64,
    /// The number of iterations, each with one batch and one step.
    pub iterations: usize,
    /// How episodes are sampled.
    pub sampling: Sampling,
    /// The number of iterations between two points of the curve.
    pub every: usize,
    /// Whether f-PG projects onto the probability floor of the theory ([`Constants::floor`]) after each step.
    pub project: bool,
    /// The seed of the episodes and of the initial parameters.
    pub seed: u64,
}

/// Invalid settings of a run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A number is out of range.
    #[error("the {what} must be {needs}, not {got}")]
    OutOfRange {
        /// The setting.
        what: &'static str,
        /// The valid range.
        needs: &'static str,
        /// The invalid value.
        got: String,
    },
    /// The theory has no projection for the setting.
    #[error("no projection: {0}")]
    Projection(#[from] AssumptionError),
    /// The method has no projection.
    #[error("only fpg supports projection, not {0}")]
    NoProjection(&'static str),
}

impl RunSettings {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Returns an error that names the setting if a number is out of range, or if `project` is set for a method or a
    /// divergence without a projection.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let check = |holds: bool, what, needs, got: String| {
            let error = SettingsError::OutOfRange { what, needs, got };
            holds.then_some(()).ok_or(error)
        };
        let positive = |what, value: f64| {
            let holds = value > 0.0 && value.is_finite();
            check(holds, what, "positive and finite", value.to_string())
        };
        let counted = |what, value: usize, (most, needs)| {
            let holds = (1..=most).contains(&value);
            check(holds, what, needs, value.to_string())
        };
        positive("step size", self.step_size)?;
        if self.algorithm.has_temperature() {
            positive("temperature", self.temperature)?;
        }
        if let Algorithm::Escort(power) = self.algorithm {
            positive("power of the escort transform", power)?;
        }
        counted("number of iterations", self.iterations, MAX_COUNT)?;
        counted("batch size", self.sampling.batch, MAX_COUNT)?;
        counted("horizon", self.sampling.horizon, MAX_HORIZON)?;
        let every = "number of iterations between two points";
        counted(every, self.every, MAX_COUNT)?;
        match self.algorithm {
            Algorithm::FPg(divergence) if self.project => Ok(Constants::check_covers(divergence)?),
            _ if self.project => Err(SettingsError::NoProjection(self.algorithm.name())),
            _ => Ok(()),
        }
    }
}

/// The learning curve of a run: points at regular intervals and at its end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// The number of iterations before each point.
    pub iterations: Vec<usize>,
    /// The mean discounted return of the batch at each point.
    pub returns: Vec<f64>,
    /// The exact expectation of that return, `E sum_{t < H} gamma^t r_t`, for the policy at each point.
    pub values: Vec<f64>,
}

/// Runs a method on a process and returns its learning curve.
///
/// ```
/// use tsallis_lab::algorithms::{Algorithm, RunSettings, Sampling, run};
/// use tsallis_lab::{Divergence, mdp::nchain};
///
/// let settings = RunSettings {
///     algorithm: Algorithm::FPg(Divergence::Tsallis(0.5)),
///     step_size: 0.1,
///     temperature: 0.01,
///     iterations: 2000,
///     sampling: Sampling { batch: 2, horizon: 25 },
///     every: 500,
///     project: false,
///     seed: 0,
/// };
/// let curve = run(&nchain(5)?, &settings)?;
/// assert_eq!(curve.iterations, [0, 500, 1000, 1500, 2000]);
/// assert!(curve.values[4] > curve.values[0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Returns an error if the settings are invalid.
pub fn run(mdp: &Mdp, settings: &RunSettings) -> Result<Curve, SettingsError> {
    settings.validate()?;
    let (states, actions) = (mdp.states(), mdp.actions());
    let mut random = stream(settings.seed, Purpose::TabularParameters, 0);
    Ok(match settings.algorithm {
        Algorithm::FPg(divergence) => {
            let policy = SoftargmaxPolicy::uniform(divergence, states, actions);
            let floor = if settings.project {
                Some(Constants::for_policy(mdp, &policy, settings.temperature)?.floor())
            } else {
                None
            };
            let learner = FPg::new(policy, settings.temperature).with_floor(floor);
            run_reinforce(mdp, settings, learner)
        }
        Algorithm::Natural(divergence) => {
            let policy = SoftargmaxPolicy::uniform(divergence, states, actions);
            let learner = FPg::new(policy, settings.temperature);
            run_reinforce(mdp, settings, learner.with_direction(Direction::Natural))
        }
        Algorithm::LogBarrier => {
            let learner = LogBarrier::new(states, actions, settings.temperature);
            run_reinforce(mdp, settings, learner)
        }
        Algorithm::Escort(power) => {
            let learner = Unregularized::new(Escort { power }, states, actions, &mut random);
            run_reinforce(mdp, settings, learner)
        }
        Algorithm::Hadamard => {
            let learner = Unregularized::new(Hadamard, states, actions, &mut random);
            run_reinforce(mdp, settings, learner)
        }
        Algorithm::Adaptive => {
            let adaptive =
                AdaptiveAlpha::new(mdp, settings.temperature, settings.sampling, settings.seed);
            let value = AdaptiveAlpha::value;
            record(settings, adaptive, value, AdaptiveAlpha::iterate)
        }
    })
}

fn run_reinforce(mdp: &Mdp, settings: &RunSettings, learner: impl TabularLearner) -> Curve {
    let random = stream(settings.seed, Purpose::TabularEpisodes, 0);
    let reinforce = Reinforce::new(mdp, learner, settings.sampling, random);
    let exact = FiniteHorizon::new(mdp, reinforce.horizon());
    let value = |reinforce: &Reinforce<_>| exact.objective(reinforce.learner(), 0.0);
    record(settings, reinforce, value, Reinforce::iterate)
}

fn record<T>(
    settings: &RunSettings,
    mut learner: T,
    value: impl Fn(&T) -> f64,
    iterate: impl Fn(&mut T, f64) -> f64,
) -> Curve {
    let mut curve = Curve::default();
    for iteration in 0..=settings.iterations {
        let last = iteration == settings.iterations;
        if !last && !iteration.is_multiple_of(settings.every) {
            iterate(&mut learner, settings.step_size);
            continue;
        }
        let value = value(&learner);
        // The last batch only adds a point to the curve.
        let eta = if last { 0.0 } else { settings.step_size };
        let earned = iterate(&mut learner, eta);
        curve.iterations.push(iteration);
        curve.values.push(value);
        // A policy with NaN probabilities always takes the last action, and its return may look plausible.
        curve
            .returns
            .push(if value.is_nan() { f64::NAN } else { earned });
    }
    curve
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mdp::{bandit, nchain};

    fn settings(algorithm: Algorithm) -> RunSettings {
        RunSettings {
            algorithm,
            step_size: 0.1,
            temperature: 0.01,
            iterations: 3000,
            sampling: Sampling::new(2, 25),
            every: 1000,
            project: false,
            seed: 3,
        }
    }

    const ALL: [Algorithm; 7] = [
        Algorithm::FPg(Divergence::Tsallis(0.5)),
        Algorithm::FPg(Divergence::JensenShannon),
        Algorithm::Natural(Divergence::Tsallis(1.0)),
        Algorithm::LogBarrier,
        Algorithm::Escort(2.0),
        Algorithm::Hadamard,
        Algorithm::Adaptive,
    ];

    #[test]
    fn every_method_learns_three_arms() {
        let mdp = bandit(&[0.1, 0.9, 0.3], 0.0).expect("arms");
        for algorithm in ALL {
            let mut settings = settings(algorithm);
            settings.iterations = 10_000;
            let curve = run(&mdp, &settings).expect("valid");
            let last = curve.values[curve.values.len() - 1];
            assert!(last > 0.75, "{algorithm}: {last}");
        }
    }

    #[test]
    fn a_seed_is_one_run() {
        let mdp = nchain(6).expect("a length");
        for algorithm in ALL {
            let first = run(&mdp, &settings(algorithm)).expect("valid");
            assert_eq!(first, run(&mdp, &settings(algorithm)).expect("valid"));
            let mut other = settings(algorithm);
            other.seed = 4;
            assert_ne!(first, run(&mdp, &other).expect("valid"));
        }
    }

    #[test]
    fn a_diverged_run_reports_nan() {
        let mdp = nchain(5).expect("a length");
        let mut far = settings(Algorithm::FPg(Divergence::Tsallis(0.5)));
        far.step_size = 1e308;
        let mut diverged = 0;
        for seed in 0..8 {
            far.seed = seed;
            let curve = run(&mdp, &far).expect("valid");
            assert!(curve.returns[0].is_finite());
            let points = || curve.values.iter().zip(&curve.returns);
            assert!(points().all(|(value, earned)| value.is_nan() == earned.is_nan()));
            diverged += points().filter(|(value, _)| value.is_nan()).count();
        }
        assert!(diverged > 0);
    }

    #[test]
    fn the_projection_holds_at_every_point() {
        let mdp = nchain(6)
            .expect("a length")
            .with_discount(0.8)
            .expect("a discount");
        let mut with = settings(Algorithm::FPg(Divergence::Tsallis(0.1)));
        with.project = true;
        with.step_size = 1.0;
        let curve = run(&mdp, &with).expect("valid");
        assert!(curve.values.iter().all(|v| v.is_finite()));
        with.algorithm = Algorithm::FPg(Divergence::Tsallis(2.0));
        let error = run(&mdp, &with).expect_err("sparse");
        assert!(
            error
                .to_string()
                .starts_with("no projection: the theory covers alpha above 0")
        );
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        let mdp = nchain(6).expect("a length");
        let error = |change: fn(&mut RunSettings)| {
            let mut settings = settings(Algorithm::FPg(Divergence::Tsallis(0.5)));
            change(&mut settings);
            run(&mdp, &settings).expect_err("out of range").to_string()
        };
        assert_eq!(
            error(|s| s.temperature = -1.0),
            "the temperature must be positive and finite, not -1"
        );
        assert_eq!(
            error(|s| s.step_size = f64::NAN),
            "the step size must be positive and finite, not NaN"
        );
        assert_eq!(
            error(|s| s.sampling.batch = 0),
            "the batch size must be from 1 to a billion, not 0"
        );
        assert_eq!(
            error(|s| s.sampling.horizon = usize::MAX),
            "the horizon must be from 1 to a million, not 18446744073709551615"
        );
        assert_eq!(
            error(|s| s.every = 0),
            "the number of iterations between two points must be from 1 to a billion, not 0"
        );
    }
}
