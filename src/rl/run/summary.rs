use crate::rl::env::EnvironmentKind;
use crate::rl::ppo::{Learner, PpoConfig, UpdateMetrics};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The mean return of fewer episodes is not reliable.
const EPISODES: usize = 100;

/// The number of updates in [`RunSummary::late_return`].
const LATE_UPDATES: usize = 100;

/// The results of a run in numbers, the content of `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The environment of the run.
    pub environment: EnvironmentKind,
    /// Alpha of the policy.
    pub alpha: f64,
    /// Alpha of the regularizer.
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
    /// Why the run did not finish, or `None` if it did.
    pub reason: Option<String>,
    /// Whether the environment is solved, or `None` if no solving threshold is defined for it.
    pub verdict: Option<Verdict>,
    /// The mean return at which the environment counts as solved.
    pub solved_return: Option<f64>,
    /// Environment steps after which the mean return of 100 episodes first reached `solved_return`.
    pub steps_to_solved: Option<usize>,
    /// Mean return of the last 100 episodes, or of all if there are fewer, without noise or regularizer.
    pub final_return: Option<f64>,
    /// The highest mean return of 100 consecutive episodes.
    pub best_return: Option<f64>,
    /// Environment steps after which `best_return` was reached.
    pub best_return_step: Option<usize>,
    /// The mean over updates of the return of the episodes that ended in each. It measures how fast and how
    /// well the run learned.
    pub mean_return: Option<f64>,
    /// Like `mean_return`, over the last 100 updates.
    pub late_return: Option<f64>,
    /// The largest possible return of an episode, or `None` if it is not known.
    pub best_possible_return: Option<f64>,
    /// Number of episodes.
    pub episodes: usize,
    /// Number of episodes that left the best path, or `None` if the environment does not report it.
    pub bad_episodes: Option<usize>,
    /// Number of updates made.
    pub updates: usize,
    /// Number of environment steps made.
    pub steps: usize,
    /// Number of configured environment steps, in whole updates.
    pub total_steps: usize,
    /// Seconds of training.
    pub seconds: f64,
    /// Environment steps per second.
    pub steps_per_second: f64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// The run made its last update.
    Finished,
    /// The run was stopped on request and can be resumed.
    Stopped,
    /// The environments failed, for example because their process ended. The run can be resumed.
    Interrupted,
    /// The run could not continue.
    Failed,
}

/// Whether an environment is solved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Solved at the end of the run.
    Solved,
    /// Solved earlier in the run, but not at its end.
    Lost,
    /// Never solved.
    Unsolved,
}

/// The parts of a [`RunSummary`] that are collected update by update.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    solved_return: Option<f64>,
    last: Option<UpdateMetrics>,
    best: Option<(f64, usize)>,
    steps_to_solved: Option<usize>,
    returns: Mean,
    late_returns: VecDeque<Option<f64>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: f64,
    count: usize,
}

impl Mean {
    fn push(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn value(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

impl History {
    pub(super) fn new(learner: &Learner) -> Self {
        let kind = &learner.config().environment;
        Self {
            solved_return: kind
                .solved_return()
                .or(learner.environments().solved_return()),
            ..Self::default()
        }
    }

    pub(super) fn push(&mut self, metrics: &UpdateMetrics) {
        if let Some(mean) = metrics.episodic_return {
            self.returns.push(mean);
        }
        if self.late_returns.len() == LATE_UPDATES {
            self.late_returns.pop_front();
        }
        self.late_returns.push_back(metrics.episodic_return);
        if let Some(mean) = metrics
            .recent_return
            .filter(|_| metrics.episodes >= EPISODES)
        {
            if self.best.is_none_or(|(best, _)| mean > best) {
                self.best = Some((mean, metrics.global_step));
            }
            if self.steps_to_solved.is_none()
                && self.solved_return.is_some_and(|solved| mean >= solved)
            {
                self.steps_to_solved = Some(metrics.global_step);
            }
        }
        self.last = Some(metrics.clone());
    }

    /// Returns the mean return of the last 100 episodes, or `None` if there are fewer.
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
        let mut late_return = Mean::default();
        for &mean in self.late_returns.iter().flatten() {
            late_return.push(mean);
        }
        let final_return = last.and_then(|last| last.recent_return);
        let verdict = self.solved_return.map(|solved| match self.steps_to_solved {
            None => Verdict::Unsolved,
            Some(_) if final_return.is_some_and(|mean| mean >= solved) => Verdict::Solved,
            Some(_) => Verdict::Lost,
        });
        let steps = last.map_or(0, |last| last.global_step);
        RunSummary {
            environment: config.environment.clone(),
            alpha: config.alpha,
            regularizer_alpha: config.regularizer_alpha,
            beta: config.beta,
            noise_std: config.noise_std,
            learning_rate: config.learning_rate,
            seed: config.seed,
            status,
            reason,
            verdict,
            solved_return: self.solved_return,
            steps_to_solved: self.steps_to_solved,
            final_return,
            best_return: self.best.map(|(best, _)| best),
            best_return_step: self.best.map(|(_, step)| step),
            mean_return: self.returns.value(),
            late_return: late_return.value(),
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
