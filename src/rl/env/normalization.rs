use super::{RestoreError, Transition, state};
use serde::{Deserialize, Serialize};

/// The largest absolute value of a normalized number.
pub(in crate::rl) const CLIP: f64 = 10.0;

/// Keeps the division finite for a component that does not vary.
const EPSILON: f64 = 1e-8;

/// The weight of the initial mean 0 and variance 1, in vectors.
const INITIAL_COUNT: f64 = 1e-4;

/// The running mean and variance of each component of vectors (Chan et al. 1979), with the constants of Gymnasium's
/// `RunningMeanStd`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunningStatistics {
    count: f64,
    mean: Vec<f64>,
    variance: Vec<f64>,
}

impl RunningStatistics {
    /// Creates statistics of vectors with `size` components: mean 0 and variance 1, with a small weight.
    pub fn new(size: usize) -> Self {
        Self {
            count: INITIAL_COUNT,
            mean: vec![0.0; size],
            variance: vec![1.0; size],
        }
    }

    /// Returns the mean of each component.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Returns the variance of each component.
    pub fn variance(&self) -> &[f64] {
        &self.variance
    }

    /// Adds a vector.
    pub fn add<T: Copy + Into<f64>>(&mut self, vector: &[T]) {
        let count = self.count + 1.0;
        let moments = self.mean.iter_mut().zip(&mut self.variance);
        for (&x, (mean, variance)) in vector.iter().zip(moments) {
            let difference = x.into() - *mean;
            *mean += difference / count;
            let squares = *variance * self.count + difference.powi(2) * (self.count / count);
            *variance = squares / count;
        }
        self.count = count;
    }

    /// Normalizes a vector to mean 0 and variance 1, and clips it to -10 and 10.
    pub fn normalize(&self, vector: &mut [f32]) {
        for (component, x) in vector.iter_mut().enumerate() {
            let centered = f64::from(*x) - self.mean[component];
            *x = (centered / self.deviation(component)).clamp(-CLIP, CLIP) as f32;
        }
    }

    /// Returns the standard deviation of a component, which is above zero.
    pub(in crate::rl) fn deviation(&self, component: usize) -> f64 {
        (self.variance[component] + EPSILON).sqrt()
    }

    /// Checks saved statistics.
    pub(in crate::rl) fn check(&self, size: usize) -> Result<(), RestoreError> {
        let valid = |numbers: &[f64], least: f64| {
            numbers.len() == size && numbers.iter().all(|x| x.is_finite() && *x >= least)
        };
        if valid(&self.mean, f64::MIN)
            && valid(&self.variance, 0.0)
            && self.count.is_finite()
            && self.count > 0.0
        {
            return Ok(());
        }
        let reason = format!("they are not the mean and the variance of {size} components");
        Err(state::malformed("the running statistics", reason))
    }
}

/// The statistics with which a [`VectorEnvironment`](super::VectorEnvironment) normalizes its observations and rewards.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalization {
    /// The statistics of the observations, or `None` if they are not normalized.
    pub observations: Option<RunningStatistics>,
    /// The statistics of the rewards, or `None` if they are not normalized.
    pub rewards: Option<RewardStatistics>,
}

/// The statistics of the discounted return, by whose standard deviation rewards are divided. The mean is not subtracted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewardStatistics {
    statistics: RunningStatistics,
    /// The discounted return of the current episode of each environment.
    returns: Vec<f64>,
}

impl RewardStatistics {
    pub(super) fn new(environments: usize) -> Self {
        Self {
            statistics: RunningStatistics::new(1),
            returns: vec![0.0; environments],
        }
    }

    /// Adds the rewards of a step, and then divides them by the standard deviation and clips them.
    pub(super) fn normalize(&mut self, transitions: &mut [Transition], gamma: f64) {
        for (transition, discounted) in transitions.iter().zip(&mut self.returns) {
            *discounted = *discounted * gamma + transition.reward;
            self.statistics.add(&[*discounted]);
            if transition.done() {
                *discounted = 0.0;
            }
        }
        let deviation = self.statistics.deviation(0);
        for transition in transitions {
            transition.reward = (transition.reward / deviation).clamp(-CLIP, CLIP);
        }
    }

    pub(super) fn begin_episodes(&mut self) {
        self.returns.fill(0.0);
    }

    pub(super) fn check(&self, environments: usize) -> Result<(), RestoreError> {
        self.statistics.check(1)?;
        state::check_count(&self.returns, environments)
    }
}
