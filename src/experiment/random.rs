//! Random streams. No draw comes from a process-wide generator, so a run produces the same numbers whether
//! or not other runs execute at the same time.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A random stream. It can be saved and restored at any point.
pub type Stream = ChaCha8Rng;

/// The purpose of a random stream. The numbers never change, because they determine the stream of a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The initial weights of the networks.
    Weights = 0,
    /// The sampled actions in an environment.
    Actions = 1,
    /// The initial states of an environment's episodes.
    Resets = 2,
    /// The noise on an environment's rewards.
    Noise = 3,
    /// The order of the minibatches.
    Minibatches = 4,
    /// All draws of an evaluation.
    Evaluation = 5,
    /// The random transitions and rewards of an environment.
    Dynamics = 6,
    /// Draws that define a problem once, such as the mean rewards of a bandit's arms.
    Problem = 7,
    /// The episodes of a tabular run.
    TabularEpisodes = 16,
    /// The initial parameters of a tabular run.
    TabularParameters = 17,
    /// Random finite Markov decision processes.
    Processes = 18,
    /// The losses of a bandit's arms.
    BanditLosses = 19,
    /// The arms that a bandit algorithm pulls.
    BanditArms = 20,
}

/// Returns the random stream of a seed, a purpose and the index of an environment. Streams of one seed are
/// independent.
///
/// ```
/// use burn_tsallis::experiment::{Purpose, stream};
/// use rand::Rng;
///
/// assert_eq!(stream(7, Purpose::Actions, 3).next_u64(), stream(7, Purpose::Actions, 3).next_u64());
/// assert_ne!(stream(7, Purpose::Actions, 3).next_u64(), stream(7, Purpose::Resets, 3).next_u64());
/// ```
pub fn stream(seed: u64, purpose: Purpose, environment: u32) -> Stream {
    let mut stream = Stream::seed_from_u64(seed);
    stream.set_stream((purpose as u64) << 32 | u64::from(environment));
    stream
}
