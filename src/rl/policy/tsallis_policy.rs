use super::exponential_noise::exponential_noise;
use super::{ActionProbabilities, Actions, ActorCritic, Observations};
use crate::experiment::{Purpose, Stream, stream};
use crate::rl::env::{CLIP, RunningStatistics};
use crate::rl::transfer::matrix;
use burn::Tensor;
use burn::module::Module;
use burn::rl::{Policy, PolicyState};
use burn::store::ModuleRecord;
use burn::tensor::Device;

/// The index of the policy's stream. No evaluation uses that many environments at once.
const DRAWS: u32 = u32::MAX;

/// The networks of an [`ActorCritic`] as a [`burn::rl::Policy`] with its own stream of draws.
///
/// A clone draws the same actions as the original.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::module::Module;
/// use burn::rl::{Environment, Policy, ToObservation};
/// use burn::tensor::Device;
/// use burn_tsallis::rl::env::CartPole;
/// use burn_tsallis::rl::policy::TsallisPolicy;
/// use burn_tsallis::rl::ppo::{Learner, PpoConfig};
///
/// let device = Device::flex();
/// let learner = Learner::new(PpoConfig::default(), &device).unwrap();
/// let mut policy = TsallisPolicy::new(learner.model().valid(), 0);
///
/// let mut cartpole = CartPole::new();
/// let (action, _) = policy.action(cartpole.state().to_observation(&device), false);
/// assert_eq!(Environment::step(&mut cartpole, action.into()).reward, 1.0);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TsallisPolicy {
    model: ActorCritic,
    statistics: Option<RunningStatistics>,
    draws: Stream,
}

/// The parameters of a [`TsallisPolicy`], which convert to a record of a Burn module, and the statistics of its
/// observations, which the record does not include.
#[derive(Clone, Debug)]
pub struct TsallisPolicyState(ActorCritic, Option<RunningStatistics>);

impl TsallisPolicy {
    /// Creates a policy from networks, with draws seeded by `seed`. For networks in training, pass their
    /// [`valid`](Module::valid) copy.
    pub fn new(model: ActorCritic, seed: u64) -> Self {
        Self {
            model,
            statistics: None,
            draws: stream(seed, Purpose::Evaluation, DRAWS),
        }
    }

    /// Sets the statistics by which observations are normalized, for networks that were trained with normalized ones
    /// ([`Learner::observation_statistics`](crate::rl::ppo::Learner::observation_statistics)). The default is none.
    pub fn with_observation_statistics(self, statistics: Option<RunningStatistics>) -> Self {
        Self { statistics, ..self }
    }

    /// Returns the networks.
    pub fn model(&self) -> &ActorCritic {
        &self.model
    }
}

/// Normalizes observations, `[states, observation_size]`, as
/// [`normalize`](RunningStatistics::normalize) does on the host.
fn normalized(values: Tensor<2>, statistics: &RunningStatistics) -> Tensor<2> {
    let size = statistics.mean().len();
    let device = values.device();
    let numbers = |number: &dyn Fn(usize) -> f64| {
        let numbers = (0..size).map(|component| number(component) as f32);
        matrix(numbers.collect(), size, &device)
    };
    let mean = numbers(&|component| statistics.mean()[component]);
    let deviation = numbers(&|component| statistics.deviation(component));
    ((values - mean) / deviation).clamp(-CLIP, CLIP)
}

impl PolicyState for TsallisPolicyState {
    type Record = ModuleRecord;

    fn into_record(self) -> ModuleRecord {
        self.0.into_record()
    }

    /// # Panics
    ///
    /// If the record does not match the shape of the networks.
    fn load_record(&self, record: ModuleRecord) -> Self {
        Self(self.0.clone().load_record(record), self.1.clone())
    }
}

impl Policy for TsallisPolicy {
    type Observation = Observations;
    type ActionDistribution = ActionProbabilities;
    type Action = Actions;
    type ActionContext = ();
    type PolicyState = TsallisPolicyState;

    fn forward(&mut self, observations: Observations) -> ActionProbabilities {
        let Observations { values, allowed } = observations;
        let values = match &self.statistics {
            Some(statistics) => normalized(values, statistics),
            None => values,
        };
        let logits = self.model.logits(values);
        ActionProbabilities(self.model.policy().probabilities(logits, allowed))
    }

    /// Returns an action for each state, one index for each dimension: the most probable action if `deterministic`, otherwise a sampled
    /// one. An action that is not allowed is never chosen.
    fn action(&mut self, observations: Observations, deterministic: bool) -> (Actions, Vec<()>) {
        let ActionProbabilities(probabilities) = self.forward(observations);
        let [states, logits] = probabilities.dims();
        let drawn = if deterministic {
            self.model.policy().mode(probabilities)
        } else {
            let draws = std::slice::from_mut(&mut self.draws);
            let exponential_noise =
                exponential_noise(draws, states * logits, &probabilities.device());
            let exponential_noise = exponential_noise.reshape([states, logits]);
            self.model.policy().sample(probabilities, exponential_noise)
        };
        (Actions(drawn), vec![(); states])
    }

    /// Replaces the parameters. The policy stays on its device.
    fn update(&mut self, state: TsallisPolicyState) {
        let TsallisPolicyState(model, statistics) = state;
        self.statistics = statistics;
        self.model = match self.model.devices().first() {
            Some(device) => model.to_device(device),
            None => model,
        };
    }

    fn state(&self) -> TsallisPolicyState {
        TsallisPolicyState(self.model.clone(), self.statistics.clone())
    }

    fn to_device(self, device: &Device) -> Self {
        Self {
            model: self.model.to_device(device),
            ..self
        }
    }

    /// # Panics
    ///
    /// If the record does not match the shape of the networks.
    fn load_record(self, record: ModuleRecord) -> Self {
        Self {
            model: self.model.load_record(record),
            ..self
        }
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::rl::policy::NetworkConfig;
    use burn::rl::{AsyncPolicy, Batchable, SliceAccess, ToAction, ToObservation};
    use burn::tensor::Tolerance;

    fn policy(seed: u64) -> TsallisPolicy {
        let config = NetworkConfig {
            hidden: vec![8],
            ..NetworkConfig::default()
        };
        let mut weights = stream(seed, Purpose::Weights, 0);
        let model = ActorCritic::new(2, 3, &config, 0.5, &Device::flex(), &mut weights);
        TsallisPolicy::new(model, seed)
    }

    fn observations(states: usize, allowed: Option<[bool; 3]>) -> Observations {
        let one = crate::rl::env::Observation {
            values: vec![0.5, -1.0],
            allowed: allowed.map(|allowed| allowed.to_vec()),
        };
        Observations::batch(vec![one.to_observation(&Device::flex()); states])
    }

    fn drawn(actions: Actions) -> Vec<i64> {
        actions.0.into_data().iter::<i64>().collect()
    }

    #[test]
    fn actions_are_drawn_from_a_stream_of_their_own_and_within_the_mask() {
        let mut first = policy(1);
        let mut second = first.clone();
        let (actions, contexts) = first.action(observations(3000, None), false);
        let actions = drawn(actions);
        assert_eq!(contexts.len(), 3000);
        assert_eq!(
            actions,
            drawn(second.action(observations(3000, None), false).0)
        );
        // The initial policy is close to uniform: allow four standard deviations of a count.
        for action in 0..3 {
            let count = actions.iter().filter(|&&a| a == action).count();
            assert!(count.abs_diff(1000) < 120, "{action}: {count}");
        }
        let only = [false, true, false];
        for deterministic in [false, true] {
            let (actions, _) = first.action(observations(100, Some(only)), deterministic);
            assert!(drawn(actions).iter().all(|&action| action == 1));
        }
    }

    /// The policy normalizes on its device as an environment does on the host.
    #[test]
    fn observations_are_normalized_by_the_statistics() {
        let device = Device::flex();
        let mut statistics = RunningStatistics::new(2);
        for i in 0..50 {
            statistics.add(&[1000.0 + f64::from(i % 7), -0.3 * f64::from(i % 3)]);
        }
        let values = [1002.5_f32, -0.2, 2000.0, 0.1];
        let mut normalized = values;
        normalized
            .chunks_exact_mut(2)
            .for_each(|row| statistics.normalize(row));
        assert_eq!(normalized[2], 10.0);
        let probabilities = |policy: &mut TsallisPolicy, values: [f32; 4]| {
            let observations = Observations::new(matrix(values.to_vec(), 2, &device));
            policy.forward(observations).0.into_data()
        };
        let mut plain = policy(1);
        let mut normalizing = policy(1).with_observation_statistics(Some(statistics));
        let wanted = probabilities(&mut plain, normalized);
        let found = probabilities(&mut normalizing, values);
        found.assert_approx_eq(&wanted, Tolerance::<f32>::rel_abs(1e-5, 1e-6));
        plain.update(normalizing.state());
        assert_eq!(probabilities(&mut plain, values), found);
    }

    #[test]
    fn parameters_are_handed_on_as_a_state_and_as_a_record() {
        let mut wanted = policy(1);
        let p = |policy: &mut TsallisPolicy| policy.forward(observations(1, None)).0.into_data();
        let mut updated = policy(2);
        assert_ne!(p(&mut updated), p(&mut wanted));
        updated.update(wanted.state());
        assert_eq!(p(&mut updated), p(&mut wanted));
        let mut loaded = policy(3).load_record(wanted.state().into_record());
        assert_eq!(p(&mut loaded), p(&mut wanted));
    }

    #[test]
    fn burn_batches_requests_and_keeps_transitions() {
        let device = Device::flex();
        let mut served = AsyncPolicy::new(1, policy(1));
        let (action, _) = served.action(observations(1, Some([true, false, false])), true);
        assert_eq!(usize::from(action), 0);

        let sample = observations(1, Some([true, false, true]));
        let mut stored = Observations::zeros_like(&sample, 4, &device);
        stored.slice_assign_inplace(2, sample.clone());
        let rows = stored.select(0, Tensor::from_data([2, 0], &device));
        let [second, zeros] = rows.unbatch().try_into().expect("two rows");
        let data = |of: Observations| (of.values.into_data(), of.allowed.map(Tensor::into_data));
        assert_eq!(data(second), data(sample));
        assert_eq!(zeros.values.into_data().iter::<f32>().sum::<f32>(), 0.0);
        let action = 2.to_action(&device);
        let mut stored = Actions::zeros_like(&action, 3, &device);
        stored.slice_assign_inplace(1, action);
        assert_eq!(drawn(stored), [0, 2, 0]);
    }
}
