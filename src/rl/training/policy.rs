use super::{Actions, Observations, Probabilities};
use crate::rl::policy::{ActorCritic, TsallisPolicyHead};
use crate::rl::ppo::rollout::clocks;
use crate::rl::random::{Purpose, Stream, stream};
use burn::module::Module;
use burn::rl::{Policy, PolicyState};
use burn::store::ModuleRecord;
use burn::tensor::Device;

/// Networks as a [`burn::rl::Policy`] that draws its actions from a stream of its own.
#[derive(Clone, Debug)]
pub struct TsallisPolicy {
    networks: ActorCritic,
    draws: Stream,
}

/// The parameters of a [`TsallisPolicy`].
#[derive(Clone, Debug)]
pub struct PolicyNetworks(pub ActorCritic);

impl TsallisPolicy {
    /// The policy of these networks, without autodiff, its draws by `seed`.
    pub fn new(networks: ActorCritic, seed: u64) -> Self {
        Self {
            networks,
            draws: stream(seed, Purpose::Evaluation, 0),
        }
    }

    /// The networks.
    pub fn networks(&self) -> &ActorCritic {
        &self.networks
    }
}

impl PolicyState for PolicyNetworks {
    type Record = ModuleRecord;

    fn into_record(self) -> ModuleRecord {
        self.0.into_record()
    }

    fn load_record(&self, record: ModuleRecord) -> Self {
        Self(self.0.clone().load_record(record))
    }
}

impl Policy for TsallisPolicy {
    type Observation = Observations;
    type ActionDistribution = Probabilities;
    type Action = Actions;
    type ActionContext = ();
    type PolicyState = PolicyNetworks;

    fn forward(&mut self, observations: Observations) -> Probabilities {
        let logits = self.networks.logits(observations.0);
        Probabilities(self.networks.policy().probabilities(logits, None))
    }

    fn action(&mut self, observations: Observations, deterministic: bool) -> (Actions, Vec<()>) {
        let probabilities = self.forward(observations).0;
        let [batch, actions] = probabilities.dims();
        let drawn = if deterministic {
            TsallisPolicyHead::mode(probabilities)
        } else {
            let device = probabilities.device();
            // One stream for all rows, one row after another.
            let clocks = clocks(
                std::slice::from_mut(&mut self.draws),
                batch * actions,
                &device,
            );
            TsallisPolicyHead::sample(probabilities, clocks.reshape([batch, actions]))
        };
        (Actions(drawn), vec![(); batch])
    }

    fn update(&mut self, update: PolicyNetworks) {
        self.networks = update.0;
    }

    fn state(&self) -> PolicyNetworks {
        PolicyNetworks(self.networks.clone())
    }

    fn to_device(self, device: &Device) -> Self {
        Self {
            networks: self.networks.to_device(device),
            ..self
        }
    }

    fn load_record(self, record: ModuleRecord) -> Self {
        Self {
            networks: self.networks.load_record(record),
            ..self
        }
    }
}
