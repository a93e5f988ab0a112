use super::environment::MdpEnvironment;
use super::observer::{Observer, Trajectory};
use super::problem::{Problem, Start};
use burn::Tensor;
use burn::module::Module;
use burn::tensor::{Device, TensorData};
use burn_tsallis::experiment::{Purpose, stream};
use burn_tsallis::rl::env::VectorEnvironment;
use burn_tsallis::rl::ppo::{Learner, LearnerError, PpoConfig, Regularizer};
use clap::ValueEnum;
use std::sync::Arc;
use tsallis_lab::algorithms::{ExactAscent, FPg, Reinforce, Sampling, StepRule};
use tsallis_lab::exact::optimum;
use tsallis_lab::{Divergence, SoftargmaxPolicy};

/// How a policy learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Method {
    /// f-PG with exact gradients on a table of logits; an iteration is a step.
    Exact,
    /// f-PG with the gradient of two sampled episodes on a table of logits; an iteration is a batch and a step.
    Sampled,
    /// PPO with neural networks, as in `tsallis train --regularizer both --anneal-learning-rate false`; an iteration is an
    /// update with 512 environment steps.
    Learner,
}

/// The number of iterations of the sampled gradient between two observations, which take as long as an iteration.
const SAMPLED_EVERY: usize = 10;

/// The number of episodes in a batch of the sampled gradient, as in the paper.
const BATCH: usize = 2;

impl Method {
    pub(super) fn default_step_size(self) -> f64 {
        match self {
            Self::Exact | Self::Sampled => 0.1,
            Self::Learner => 1e-3,
        }
    }

    pub(super) fn default_iterations(self) -> usize {
        match self {
            Self::Exact => 100_000,
            Self::Sampled => 20_000,
            Self::Learner => 150,
        }
    }
}

/// What is the same in all runs of a command.
pub(super) struct Experiment<'a> {
    pub(super) problem: &'a Problem<'a>,
    pub(super) method: Method,
    pub(super) iterations: usize,
    pub(super) horizon: usize,
    pub(super) floor: Option<f64>,
    pub(super) device: Device,
}

/// The settings of a run, except its seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Setting {
    pub(super) divergence: Divergence,
    pub(super) start: Start,
    pub(super) gap: f64,
    pub(super) probability: f64,
    pub(super) step_size: f64,
    pub(super) temperature: f64,
}

impl Experiment<'_> {
    pub(super) fn run(&self, setting: &Setting, seed: u64) -> Result<Trajectory, LearnerError> {
        let mdp = self.problem.evaluator.mdp();
        let mut policy = SoftargmaxPolicy::uniform(setting.divergence, mdp.states(), mdp.actions());
        let best = optimum(self.problem.evaluator, &policy, setting.temperature).objective;
        policy.set_logits(&self.problem.logits(setting.gap));
        let observer = Observer::new(self.problem, best, setting.temperature, self.iterations);
        match self.method {
            Method::Exact => Ok(self.exact(setting, policy, observer)),
            Method::Sampled => Ok(self.sampled(setting, policy, observer, seed)),
            Method::Learner => self.learner(setting, policy, observer, seed),
        }
    }

    fn exact(
        &self,
        setting: &Setting,
        policy: SoftargmaxPolicy,
        mut observer: Observer<'_>,
    ) -> Trajectory {
        let rule = StepRule::Fixed(setting.step_size);
        let evaluator = self.problem.evaluator;
        let mut ascent =
            ExactAscent::new(evaluator, policy, setting.temperature, rule).with_floor(self.floor);
        observer.observe(0, ascent.policy());
        for iteration in 1..=self.iterations {
            ascent.step();
            observer.observe(iteration, ascent.policy());
            if observer.is_over() {
                break;
            }
        }
        observer.finish(ascent.policy())
    }

    fn sampled(
        &self,
        setting: &Setting,
        policy: SoftargmaxPolicy,
        mut observer: Observer<'_>,
        seed: u64,
    ) -> Trajectory {
        let learner = FPg::new(policy, setting.temperature).with_floor(self.floor);
        let sampling = Sampling::new(BATCH, self.horizon);
        let random = stream(seed, Purpose::TabularEpisodes, 0);
        let mdp = self.problem.evaluator.mdp();
        let mut reinforce = Reinforce::new(mdp, learner, sampling, random);
        observer.observe(0, reinforce.learner().policy());
        for iteration in 1..=self.iterations {
            reinforce.iterate(setting.step_size);
            if iteration.is_multiple_of(SAMPLED_EVERY) || iteration == self.iterations {
                observer.observe(iteration, reinforce.learner().policy());
            }
        }
        observer.finish(reinforce.learner().policy())
    }

    fn learner(
        &self,
        setting: &Setting,
        mut policy: SoftargmaxPolicy,
        mut observer: Observer<'_>,
        seed: u64,
    ) -> Result<Trajectory, LearnerError> {
        let mdp = Arc::new(self.problem.evaluator.mdp().clone());
        let mut config = learner_config(setting, mdp.discount(), self.iterations, seed);
        if setting.gap != 0.0 {
            // The wrong action is the same in every state, so the biases of the head alone prefer it.
            config.network.policy_bias = self.problem.logits(setting.gap)[..mdp.actions()].to_vec();
        }
        let horizon = self.horizon.min(mdp.episode_steps().unwrap_or(usize::MAX));
        let environments = VectorEnvironment::seeded(config.environments, seed, || {
            MdpEnvironment::new(Arc::clone(&mdp), horizon)
        })?;
        let mut learner = Learner::with_environments(config, environments, &self.device)?;
        policy.set_logits(&self.logits(&learner));
        observer.observe(0, &policy);
        for iteration in 1..=self.iterations {
            match learner.update() {
                Ok(_) => {}
                // A diverged run learns nothing more.
                Err(LearnerError::NotFinite(_)) => break,
                Err(error) => return Err(error),
            }
            policy.set_logits(&self.logits(&learner));
            observer.observe(iteration, &policy);
        }
        Ok(observer.finish(&policy))
    }

    /// Returns the logits of all states, state by state.
    fn logits(&self, learner: &Learner) -> Vec<f64> {
        let states = self.problem.evaluator.mdp().states();
        let mut one_hot = vec![0.0_f32; states * states];
        (0..states).for_each(|state| one_hot[state * (states + 1)] = 1.0);
        let one_hot = TensorData::new(one_hot, [states, states]);
        let one_hot = Tensor::from_data(one_hot, &self.device);
        let logits = learner.model().valid().logits(one_hot).into_data();
        logits.iter::<f32>().map(f64::from).collect()
    }
}

/// Returns the configuration of the learner: the default one without noise, with the exact gradient of the regularized
/// return and a constant learning rate.
pub(super) fn learner_config(
    setting: &Setting,
    discount: f64,
    updates: usize,
    seed: u64,
) -> PpoConfig {
    let alpha = setting.divergence.alpha().unwrap_or(1.0);
    let config = PpoConfig {
        noise_std: 0.0,
        seed,
        alpha,
        regularizer_alpha: alpha,
        beta: setting.temperature,
        regularizer: Regularizer::Both,
        learning_rate: setting.step_size,
        anneal_learning_rate: false,
        gamma: discount,
        ..PpoConfig::default()
    };
    PpoConfig {
        total_steps: updates * config.batch(),
        ..config
    }
}
