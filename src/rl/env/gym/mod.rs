//! Environments of Gymnasium, stepped by a Python process.

mod config;
mod error;
mod process;
mod protocol;

pub use config::GymnasiumConfig;
pub use error::{GymnasiumError, LastWords};

use super::{ActionSpace, BinnedBox, EnvironmentBatch, EnvironmentError, Transition, VectorStep};
use crate::experiment::{Purpose, stream};
use process::Process;
use protocol::{Actions, Frame, PROTOCOL, Request, write_numbers};
use rand::RngExt;
use std::collections::BTreeMap;
use std::time::Duration;

const SERVER: &str = include_str!("server.py");

/// Environments of [Gymnasium](https://gymnasium.farama.org) that one Python process steps together.
///
/// Python needs the package `gymnasium`, and what the environment needs. A step is one message over a pipe to the
/// process and one back. The output of an environment appears on standard error. The process ends with this value.
///
/// | space | as |
/// |---|---|
/// | `Discrete` and `MultiDiscrete` actions | indices that count from zero |
/// | `Box` actions with finite bounds | bins of each component ([`BinnedBox`]) |
/// | `Box` observations | all components in one row, at most 65 536 |
/// | `Discrete` observations | one-hot |
///
/// The state of these environments cannot be saved.
///
/// ```no_run
/// use burn_tsallis::rl::env::{EnvironmentBatch, Gymnasium, GymnasiumConfig};
///
/// let environments = Gymnasium::start("HalfCheetah-v5", 8, 11, &GymnasiumConfig::default())?;
/// assert_eq!(environments.action_space().sizes(), [11; 6]);
/// println!("{:?}", environments.versions());
/// # Ok::<(), burn_tsallis::rl::env::GymnasiumError>(())
/// ```
pub struct Gymnasium {
    process: Process,
    environments: usize,
    observation_size: usize,
    actions: ActionSpace,
    /// The values of the actions, or `None` if their indices are sent.
    values: Option<BinnedBox>,
    versions: BTreeMap<String, String>,
    solved_return: Option<f64>,
    frame: Frame,
}

impl Gymnasium {
    /// Starts Python, which makes `environments` times the environment with an id of Gymnasium. The id may name the
    /// module that registers it, as in `package:Name-v0`. A component of a `Box` action takes one of `bins` values. The
    /// first episodes have the seed 0.
    ///
    /// # Errors
    ///
    /// [`is_usage`](GymnasiumError::is_usage) if Python, Gymnasium or another package is missing, or if the environment
    /// cannot be made or has a space that is not served. Another error if Python ends or gives no answer in time.
    pub fn start(
        id: &str,
        environments: usize,
        bins: usize,
        config: &GymnasiumConfig,
    ) -> Result<Self, GymnasiumError> {
        let timeout = Duration::try_from_secs_f64(config.timeout).unwrap_or(Duration::MAX);
        let mut process = Process::start(&config.python, SERVER, timeout).map_err(|error| {
            GymnasiumError::Start {
                python: config.python.clone(),
                reason: error.to_string(),
            }
        })?;
        let request = Request {
            protocol: PROTOCOL,
            id,
            arguments: &config.arguments,
            environments,
        };
        let handshake = process.exchange(
            |output| protocol::write_request(output, &request),
            |input| protocol::read_handshake(input, environments),
        )?;
        let (actions, values) = match handshake.actions {
            Actions::Indices { sizes } => (sizes.into(), None),
            Actions::Values { low, high } => {
                let refused =
                    |error| GymnasiumError::Refused(format!("{id:?} cannot be trained: {error}"));
                let values = BinnedBox::new(&low, &high, bins).map_err(refused)?;
                (values.action_space(), Some(values))
            }
        };
        let mut batch = Self {
            process,
            environments,
            observation_size: handshake.observation_size,
            actions,
            values,
            versions: handshake.versions,
            solved_return: handshake.solved_return,
            frame: Frame::new(environments, handshake.observation_size),
        };
        batch.reset(0, 0)?;
        Ok(batch)
    }

    /// Begins an episode in each environment.
    fn reset(&mut self, seed: u64, first_index: u32) -> Result<(), GymnasiumError> {
        let seeds = (first_index..).take(self.environments).map(|index| {
            let seed: u32 = stream(seed, Purpose::Resets, index).random_range(0..=MAX_SEED);
            seed.to_le_bytes()
        });
        self.exchange(b'R', seeds)
    }

    /// Sends a request and reads the reply into the frame.
    fn exchange(
        &mut self,
        kind: u8,
        numbers: impl Iterator<Item = [u8; 4]>,
    ) -> Result<(), GymnasiumError> {
        let frame = &mut self.frame;
        self.process.exchange(
            |output| write_numbers(output, kind, numbers),
            |input| frame.read(input),
        )
    }
}

/// The largest seed. Environments may hand it on to generators that take 32 bits, some of them with a sign.
const MAX_SEED: u32 = i32::MAX as u32;

impl EnvironmentBatch for Gymnasium {
    fn len(&self) -> usize {
        self.environments
    }

    fn observation_size(&self) -> usize {
        self.observation_size
    }

    fn action_space(&self) -> ActionSpace {
        self.actions.clone()
    }

    fn seed(&mut self, seed: u64, first_index: u32) -> Result<(), EnvironmentError> {
        Ok(self.reset(seed, first_index)?)
    }

    fn observe(&self, observations: &mut [f32]) -> Result<(), EnvironmentError> {
        for (to, from) in observations.iter_mut().zip(self.frame.observations()) {
            *to = from;
        }
        Ok(())
    }

    fn step(&mut self, actions: &[usize], step: &mut VectorStep) -> Result<(), EnvironmentError> {
        let numbers: Vec<[u8; 4]> = match &self.values {
            None => actions.iter().map(|&i| (i as u32).to_le_bytes()).collect(),
            Some(binned) => {
                let mut values = vec![0.0; actions.len()];
                let dimensions = self.actions.dimensions();
                let rows = values.chunks_exact_mut(dimensions);
                for (bins, values) in actions.chunks_exact(dimensions).zip(rows) {
                    binned.write_values(bins, values);
                }
                values.into_iter().map(f32::to_le_bytes).collect()
            }
        };
        self.exchange(b'S', numbers.into_iter())?;
        let mut ended = self.frame.final_observations();
        for (reward, [terminated, truncated]) in self.frame.transitions() {
            let transition = Transition {
                terminated,
                truncated,
                ..Transition::ongoing(reward)
            };
            if let Some(room) = step.push_with_room(transition, self.observation_size) {
                room.iter_mut()
                    .zip(ended.by_ref())
                    .for_each(|(to, from)| *to = from);
            }
        }
        Ok(())
    }

    /// The `reward_threshold` of the environment.
    fn solved_return(&self) -> Option<f64> {
        self.solved_return
    }

    fn versions(&self) -> BTreeMap<String, String> {
        self.versions.clone()
    }
}
