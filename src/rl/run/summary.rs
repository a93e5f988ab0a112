use crate::rl::env::EnvironmentKind;
use crate::rl::ppo::{PpoConfig, UpdateMetrics};
use serde::{Deserialize, Serialize};

/// A mean return of fewer episodes says nothing.
const EPISODES: usize = 100;

/// What was learned, in numbers: what `summary.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// What was learned.
    pub environment: EnvironmentKind,
    /// Order of the policy.
    pub alpha: f64,
    /// Order of the regularizer.
    pub regularizer_alpha: f64,
    /// Weight of the regularizer.
    pub beta: f64,
    /// Standard deviation of the noise on the rewards.
    pub noise_std: f64,
    /// Learning rate of the first update.
    pub learning_rate: f64,
    /// Seed of the run.
    pub seed: u64,
    /// How the run ended.
    pub status: RunStatus,
    /// Why it did not come to its end.
    pub reason: Option<String>,
    /// Whether the environment is solved, where there is a return from which on it counts as such.
    pub verdict: Option<Verdict>,
    /// That return.
    pub solved_return: Option<f64>,
    /// Environment steps after which the mean return of 100 episodes first reached it.
    pub steps_to_solved: Option<usize>,
    /// Mean return of the last 100 episodes, or of as many as there are, without noise or regularizer.
    pub final_return: Option<f64>,
    /// The highest mean return of 100 episodes in a row.
    pub best_return: Option<f64>,
    /// Environment steps after which it was reached.
    pub best_return_step: Option<usize>,
    /// The mean over updates of the return of the episodes that ended in each: how fast and how well it learned.
    pub mean_return: Option<f64>,
    /// The largest return that an episode can have.
    pub best_possible_return: f64,
    /// Episodes.
    pub episodes: usize,
    /// Episodes that left the best way, where the environment tells.
    pub bad_episodes: Option<usize>,
    /// Updates made.
    pub updates: usize,
    /// Environment steps made.
    pub steps: usize,
    /// Environment steps that were asked for, in whole updates.
    pub total_steps: usize,
    /// Seconds that the run has been trained for.
    pub seconds: f64,
    /// Environment steps per second.
    pub steps_per_second: f64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// With its last update.
    Finished,
    /// It was asked to stop, and can be resumed.
    Stopped,
    /// It could not go on.
    Failed,
}

/// Whether an environment is solved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// At the end of the run.
    Solved,
    /// It was before, and no more at the end.
    Lost,
    /// At no time.
    Unsolved,
}

/// The parts of a [`RunSummary`] that are gathered update by update.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    last: Option<UpdateMetrics>,
    best: Option<(f64, usize)>,
    steps_to_solved: Option<usize>,
    returns: (f64, usize),
}

impl History {
    pub(super) fn push(&mut self, metrics: &UpdateMetrics, solved_return: Option<f64>) {
        if let Some(mean) = metrics.episodic_return {
            self.returns.0 += mean;
            self.returns.1 += 1;
        }
        if let Some(mean) = metrics
            .recent_return
            .filter(|_| metrics.episodes >= EPISODES)
        {
            if self.best.is_none_or(|(best, _)| mean > best) {
                self.best = Some((mean, metrics.global_step));
            }
            if self.steps_to_solved.is_none() && solved_return.is_some_and(|solved| mean >= solved)
            {
                self.steps_to_solved = Some(metrics.global_step);
            }
        }
        self.last = Some(metrics.clone());
    }

    /// The mean return of the last 100 episodes; none of fewer.
    pub(super) fn recent_return(&self) -> Option<f64> {
        let last = self.last.as_ref()?;
        last.recent_return.filter(|_| last.episodes >= EPISODES)
    }

    pub(super) fn summary(
        &self,
        config: &PpoConfig,
        status: RunStatus,
        reason: Option<String>,
        seconds: f64,
    ) -> RunSummary {
        let last = self.last.as_ref();
        let final_return = last.and_then(|last| last.recent_return);
        let solved_return = config.environment.solved_return();
        let verdict = solved_return.map(|solved| match self.steps_to_solved {
            None => Verdict::Unsolved,
            Some(_) if final_return.is_some_and(|mean| mean >= solved) => Verdict::Solved,
            Some(_) => Verdict::Lost,
        });
        let steps = last.map_or(0, |last| last.global_step);
        RunSummary {
            environment: config.environment,
            alpha: config.alpha,
            regularizer_alpha: config.regularizer_alpha,
            beta: config.beta,
            noise_std: config.noise_std,
            learning_rate: config.learning_rate,
            seed: config.seed,
            status,
            reason,
            verdict,
            solved_return,
            steps_to_solved: self.steps_to_solved,
            final_return,
            best_return: self.best.map(|(best, _)| best),
            best_return_step: self.best.map(|(_, step)| step),
            mean_return: (self.returns.1 > 0).then(|| self.returns.0 / self.returns.1 as f64),
            best_possible_return: config.environment.best_return(),
            episodes: last.map_or(0, |last| last.episodes),
            bad_episodes: last.and_then(|last| last.bad_episodes),
            updates: last.map_or(0, |last| last.update),
            steps,
            total_steps: config.updates() * config.batch(),
            seconds,
            steps_per_second: if seconds > 0.0 {
                steps as f64 / seconds
            } else {
                0.0
            },
        }
    }
}
