use super::{LearnerError, PolicyStatistics, PpoConfig, generalised_advantages};
use crate::rl::env::{Episode, Step, VectorEnvironment};
use crate::rl::policy::{ActorCritic, TsallisPolicyHead};
use crate::rl::random::Stream;
use crate::rl::transfer::{indices, mask, matrix, read, read_actions};
use burn::Tensor;
use burn::tensor::{Bool, Device};
use rand_distr::{Distribution, Exp1};

/// What the policy met in `rollout_steps` of every environment. The steps of all environments at one
/// time stand together, one time after another.
#[derive(Clone, Debug)]
pub struct Rollout {
    /// `[steps * environments, observation_size]`.
    pub observations: Tensor<2>,
    /// The actions that were allowed, `[steps * environments, actions]`, where the environments have masks.
    pub allowed: Option<Tensor<2, Bool>>,
    /// The actions taken.
    pub actions: Vec<usize>,
    /// Their log-probabilities.
    pub log_probs: Vec<f32>,
    /// Rewards with their noise, less the regulariser where it stands in the reward.
    pub rewards: Vec<f64>,
    /// The values of the states.
    pub values: Vec<f64>,
    /// Generalised advantage estimates.
    pub advantages: Vec<f64>,
    /// What the values are fitted to: advantage plus value.
    pub returns: Vec<f64>,
    /// The episodes that ended.
    pub episodes: Vec<Episode>,
    /// What the policy was like.
    pub statistics: PolicyStatistics,
}

/// How a step was followed.
#[derive(Clone, Copy, PartialEq)]
enum After {
    NextStep,
    /// Worth nothing more.
    Terminated,
    /// In the final observation of this index.
    Truncated(usize),
}

/// What is known before the device is asked what the steps were worth.
#[derive(Default)]
struct Collected {
    observations: Vec<Tensor<2>>,
    allowed: Vec<Tensor<2, Bool>>,
    logits: Vec<Tensor<2>>,
    actions: Vec<usize>,
    rewards: Vec<f64>,
    after: Vec<After>,
    final_observations: Vec<f32>,
    episodes: Vec<Episode>,
}

impl Rollout {
    /// Steps the environments with actions drawn from the policy. Of each step nothing but the actions is
    /// read back from the device.
    ///
    /// # Errors
    ///
    /// If the device or an environment fails, or if the policy of a state is not a distribution.
    pub fn collect(
        model: &ActorCritic,
        environments: &mut VectorEnvironment,
        actions: &mut [Stream],
        config: &PpoConfig,
        device: &Device,
    ) -> Result<Self, LearnerError> {
        let mut collected = Collected::default();
        let mut step = Step::default();
        let n = environments.len();
        for time in 0..config.rollout_steps {
            let (observations, allowed) = observe(environments, device)
                .map_err(|error| LearnerError::environment(error, time * n))?;
            let logits = model.logits(observations.clone());
            let probabilities = model
                .policy()
                .probabilities(logits.clone(), allowed.clone());
            let clocks = clocks(actions, environments.actions(), device);
            let drawn = TsallisPolicyHead::sample(probabilities, clocks);
            let drawn = read_actions(drawn, environments.actions())?;
            environments
                .step(&drawn, &mut step)
                .map_err(|error| LearnerError::environment(error, time * n))?;
            collected.observations.push(observations);
            collected.allowed.extend(allowed);
            collected.logits.push(logits);
            collected.follow(&step);
            collected.actions.extend(drawn);
        }
        collected.evaluate(model, environments, config, device)
    }

    /// One minus the variance of `returns - values` over that of `returns`; zero where the returns do
    /// not vary.
    pub fn explained_variance(&self) -> f64 {
        let variance = |x: &[f64]| {
            let mean = x.iter().sum::<f64>() / x.len() as f64;
            x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64
        };
        let total = variance(&self.returns);
        if total > 0.0 {
            1.0 - variance(&self.advantages) / total
        } else {
            0.0
        }
    }
}

impl Collected {
    /// Takes in what a step led to.
    fn follow(&mut self, step: &Step) {
        let mut endings = step.final_observations();
        for transition in &step.transitions {
            self.rewards.push(transition.reward);
            self.episodes.extend(transition.episode);
            let ending = transition.done().then(|| endings.next()).flatten();
            self.after.push(match ending {
                None => After::NextStep,
                Some((_, observation)) if !transition.terminated => {
                    let index = self.final_observations.len() / observation.len();
                    self.final_observations.extend_from_slice(observation);
                    After::Truncated(index)
                }
                Some(_) => After::Terminated,
            });
        }
    }

    /// Asks the device for values, divergences and log-probabilities in one read.
    fn evaluate(
        self,
        model: &ActorCritic,
        environments: &VectorEnvironment,
        config: &PpoConfig,
        device: &Device,
    ) -> Result<Rollout, LearnerError> {
        let (n, batch) = (environments.len(), self.actions.len());
        let observations = Tensor::cat(self.observations, 0);
        let allowed = environments
            .has_action_mask()
            .then(|| Tensor::cat(self.allowed, 0));
        let logits = Tensor::cat(self.logits, 0);

        let (next, _) = observe(environments, device)
            .map_err(|error| LearnerError::environment(error, batch))?;
        let mut states = vec![observations.clone(), next];
        if !self.final_observations.is_empty() {
            let size = environments.observation_size();
            states.push(matrix(self.final_observations, size, device));
        }
        let policy = model.policy();
        let log_p = policy.log_probabilities(logits.clone(), allowed.clone());
        let divergence =
            policy.divergence(logits.clone(), config.regulariser_alpha, allowed.clone());
        let taken = indices(self.actions.iter().copied(), device);
        let [log_probs, divergences, values, means] = read([
            log_p.clone().gather(1, taken.unsqueeze_dim(1)),
            divergence,
            model.values(Tensor::cat(states, 0)),
            PolicyStatistics::means(logits, log_p, allowed.clone()),
        ])?;
        let finite = |name, numbers: &[f32]| {
            if numbers.iter().all(|x| x.is_finite()) {
                Ok(())
            } else {
                Err(LearnerError::NotFinite(name))
            }
        };
        finite("policy", &log_probs)?;
        finite("divergence of the policy", &divergences)?;
        finite("value", &values)?;

        let mut rewards = self.rewards;
        if config.regulariser.is_in_reward() {
            for (reward, &divergence) in rewards.iter_mut().zip(&divergences) {
                *reward -= config.beta * f64::from(divergence);
            }
        }
        let value = |i: usize| f64::from(values[i]);
        let next_value = |i: usize| match self.after[i] {
            After::NextStep => value(i + n),
            After::Truncated(ending) if config.bootstrap_on_truncation => value(batch + n + ending),
            After::Truncated(_) | After::Terminated => 0.0,
        };
        let mut advantages = vec![0.0; batch];
        for environment in 0..n {
            let steps: Vec<usize> = (environment..batch).step_by(n).collect();
            let of =
                |f: &dyn Fn(usize) -> f64| -> Vec<f64> { steps.iter().map(|&i| f(i)).collect() };
            let done: Vec<bool> = steps
                .iter()
                .map(|&i| self.after[i] != After::NextStep)
                .collect();
            let estimates = generalised_advantages(
                &of(&|i| rewards[i]),
                &of(&value),
                &of(&next_value),
                &done,
                config.gamma,
                config.gae_lambda,
            );
            for (&i, estimate) in steps.iter().zip(estimates) {
                advantages[i] = estimate;
            }
        }
        let values: Vec<f64> = (0..batch).map(value).collect();
        Ok(Rollout {
            observations,
            allowed,
            actions: self.actions,
            log_probs,
            rewards,
            returns: advantages.iter().zip(&values).map(|(a, v)| a + v).collect(),
            values,
            advantages,
            episodes: self.episodes,
            statistics: PolicyStatistics::new(&means, &divergences),
        })
    }
}

/// The observations of all environments, and their masks where they have any.
pub(in crate::rl) fn observe(
    environments: &VectorEnvironment,
    device: &Device,
) -> Result<(Tensor<2>, Option<Tensor<2, Bool>>), crate::rl::env::EnvironmentError> {
    let size = environments.observation_size();
    let mut observations = vec![0.0; environments.len() * size];
    environments.observe_into(&mut observations)?;
    let mut allowed = None;
    if environments.has_action_mask() {
        let actions = environments.actions();
        let mut flags = vec![false; environments.len() * actions];
        environments.action_masks_into(&mut flags)?;
        allowed = Some(mask(flags, actions, device));
    }
    Ok((matrix(observations, size, device), allowed))
}

/// The clocks of [`TsallisPolicyHead::sample`], each row from a stream of its own.
pub(in crate::rl) fn clocks(streams: &mut [Stream], actions: usize, device: &Device) -> Tensor<2> {
    let mut clocks = Vec::with_capacity(streams.len() * actions);
    for stream in streams {
        let draws = Exp1.sample_iter(stream).take(actions);
        // Zero would be drawn even at an action of probability zero.
        clocks.extend(draws.map(|clock: f64| (clock as f32).max(f32::MIN_POSITIVE)));
    }
    matrix(clocks, actions, device)
}
