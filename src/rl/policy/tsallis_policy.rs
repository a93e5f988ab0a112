use super::exponential_noise::exponential_noise;
use super::{ActionProbabilities, Actions, ActorCritic, Observations, TsallisPolicyHead};
use crate::experiment::{Purpose, Stream, stream};
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
    draws: Stream,
}

/// The parameters of a [`TsallisPolicy`], which convert to a record of a Burn module.
#[derive(Clone, Debug)]
pub struct TsallisPolicyState(ActorCritic);

impl TsallisPolicy {
    /// Creates a policy from networks, with draws seeded by `seed`. For networks in training, pass their
    /// [`valid`](Module::valid) copy.
    pub fn new(model: ActorCritic, seed: u64) -> Self {
        Self {
            model,
            draws: stream(seed, Purpose::Evaluation, DRAWS),
        }
    }

    /// Returns the networks.
    pub fn model(&self) -> &ActorCritic {
        &self.model
    }
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
        Self(self.0.clone().load_record(record))
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
        let logits = self.model.logits(values);
        ActionProbabilities(self.model.policy().probabilities(logits, allowed))
    }

    /// Returns an action for each state: the most probable action if `deterministic`, otherwise a sampled
    /// one. An action that is not allowed is never chosen.
    fn action(&mut self, observations: Observations, deterministic: bool) -> (Actions, Vec<()>) {
        let ActionProbabilities(probabilities) = self.forward(observations);
        let [states, actions] = probabilities.dims();
        let drawn = if deterministic {
            TsallisPolicyHead::mode(probabilities)
        } else {
            let draws = std::slice::from_mut(&mut self.draws);
            let exponential_noise =
                exponential_noise(draws, states * actions, &probabilities.device());
            TsallisPolicyHead::sample(probabilities, exponential_noise.reshape([states, actions]))
        };
        (Actions(drawn), vec![(); states])
    }

    /// Replaces the parameters. The policy stays on its device.
    fn update(&mut self, state: TsallisPolicyState) {
        let model = state.0;
        self.model = match self.model.devices().first() {
            Some(device) => model.to_device(device),
            None => model,
        };
    }

    fn state(&self) -> TsallisPolicyState {
        TsallisPolicyState(self.model.clone())
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
    use burn::Tensor;
    use burn::rl::{AsyncPolicy, Batchable, SliceAccess, ToAction, ToObservation};

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
