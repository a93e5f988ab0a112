//! The messages between this process and `server.py`, whose first lines describe them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};

/// The version of the protocol. Both sides refuse another one.
pub(super) const PROTOCOL: u32 = 1;

/// A new episode begins in the step that ended the last one, and the reply has the last observation too.
const AUTORESET: &str = "SameStep";

/// The longest reply that is JSON.
const MAX_JSON: usize = 1 << 20;

/// The first request.
#[derive(Serialize)]
pub(super) struct Request<'a> {
    pub(super) protocol: u32,
    pub(super) id: &'a str,
    /// The keyword arguments of `gymnasium.make`.
    pub(super) arguments: &'a Map<String, Value>,
    pub(super) environments: usize,
}

/// The actions of an environment.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Actions {
    /// The number of values of each dimension.
    Indices { sizes: Vec<usize> },
    /// The bounds of each component.
    Values { low: Vec<f32>, high: Vec<f32> },
}

/// The reply to the first request.
#[derive(Deserialize)]
pub(super) struct Handshake {
    pub(super) protocol: u32,
    pub(super) versions: BTreeMap<String, String>,
    pub(super) autoreset: String,
    pub(super) environments: usize,
    pub(super) observation_size: usize,
    /// The `reward_threshold` with which the environment is registered.
    #[serde(default)]
    pub(super) solved_return: Option<f64>,
    pub(super) actions: Actions,
}

/// The reply of a server that cannot go on.
#[derive(Deserialize)]
pub(super) struct Failure {
    pub(super) message: String,
    /// Where an environment failed, or `None` if the request cannot be served.
    pub(super) traceback: Option<String>,
}

/// The reply to a step or a reset, in a buffer that is used again.
pub(super) struct Frame {
    environments: usize,
    observation_size: usize,
    bytes: Vec<u8>,
}

/// Why a reply cannot be used.
pub(super) enum ReplyError {
    /// The other process has closed its pipe.
    Closed,
    Io(io::Error),
    /// Bytes that are no reply of this protocol.
    Malformed(String),
    Failure(Failure),
}

impl From<io::Error> for ReplyError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

impl From<serde_json::Error> for ReplyError {
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

pub(super) fn write_request(output: &mut impl Write, request: &Request<'_>) -> io::Result<()> {
    let json = serde_json::to_vec(request)?;
    let length = u32::try_from(json.len()).map_err(io::Error::other)?;
    output.write_all(&[&length.to_le_bytes()[..], &json].concat())
}

/// Writes a request of one byte and little-endian numbers in one piece.
pub(super) fn write_numbers(
    output: &mut impl Write,
    kind: u8,
    numbers: impl Iterator<Item = [u8; 4]>,
) -> io::Result<()> {
    let mut bytes = vec![kind];
    numbers.for_each(|number| bytes.extend(number));
    output.write_all(&bytes)
}

/// Reads the header of a reply of the wanted kind and returns the length of the rest.
fn read_header(input: &mut impl Read, wanted: u8) -> Result<usize, ReplyError> {
    let mut header = [0; 8];
    input.read_exact(&mut header)?;
    let [kind, 0, 0, 0, length @ ..] = header else {
        let found = String::from_utf8_lossy(&header);
        return Err(ReplyError::Malformed(format!("it begins with {found:?}")));
    };
    let length = u32::from_le_bytes(length) as usize;
    if kind == b'E' {
        return Err(ReplyError::Failure(read_json(input, length)?));
    }
    if kind != wanted {
        let (kind, wanted) = (char::from(kind), char::from(wanted));
        let reason = format!("its kind is {kind:?} instead of {wanted:?}");
        return Err(ReplyError::Malformed(reason));
    }
    Ok(length)
}

fn read_json<T: serde::de::DeserializeOwned>(
    input: &mut impl Read,
    length: usize,
) -> Result<T, ReplyError> {
    if length > MAX_JSON {
        return Err(ReplyError::Malformed(format!("its length is {length}")));
    }
    let mut json = vec![0; length];
    input.read_exact(&mut json)?;
    Ok(serde_json::from_slice(&json)?)
}

/// Reads the reply to the first request, which asked for this number of environments.
pub(super) fn read_handshake(
    input: &mut impl Read,
    environments: usize,
) -> Result<Handshake, ReplyError> {
    let length = read_header(input, b'H')?;
    let handshake: Handshake = read_json(input, length)?;
    let found = (
        handshake.protocol,
        handshake.autoreset.as_str(),
        handshake.environments,
    );
    let wanted = (PROTOCOL, AUTORESET, environments);
    if found != wanted {
        let reason =
            format!("protocol, autoreset and environments are {found:?} instead of {wanted:?}");
        return Err(ReplyError::Malformed(reason));
    }
    Ok(handshake)
}

impl Frame {
    pub(super) fn new(environments: usize, observation_size: usize) -> Self {
        Self {
            environments,
            observation_size,
            bytes: Vec::new(),
        }
    }

    /// Reads a reply. On an error, the frame is empty.
    pub(super) fn read(&mut self, input: &mut impl Read) -> Result<(), ReplyError> {
        self.bytes.clear();
        let length = read_header(input, b'O')?;
        let least = self.flags().end;
        let most = least + 4 * self.environments * self.observation_size;
        if !(least..=most).contains(&length) {
            let reason = format!("its length is {length} instead of {least} to {most}");
            return Err(ReplyError::Malformed(reason));
        }
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.resize(length, 0);
        input.read_exact(&mut bytes)?;
        let flags = &bytes[self.flags()];
        let ended = flags.iter().filter(|&&flags| flags != 0).count();
        let wanted = least + 4 * ended * self.observation_size;
        if length != wanted || flags.iter().any(|&flags| flags > 3) {
            let reason = format!(
                "its length is {length} instead of {wanted} with {ended} ended episodes, and its flags are {flags:?}"
            );
            return Err(ReplyError::Malformed(reason));
        }
        self.bytes = bytes;
        Ok(())
    }

    fn rewards_begin(&self) -> usize {
        4 * self.environments * self.observation_size
    }

    fn flags(&self) -> std::ops::Range<usize> {
        let begin = self.rewards_begin() + 8 * self.environments;
        begin..begin + self.environments
    }

    /// Returns the observations of all environments, or nothing after an error.
    pub(super) fn observations(&self) -> impl Iterator<Item = f32> {
        let end = self.rewards_begin().min(self.bytes.len());
        numbers(&self.bytes[..end]).map(f32::from_le_bytes)
    }

    /// Returns the reward of each environment, and its flags: whether the episode was terminated and truncated.
    pub(super) fn transitions(&self) -> impl Iterator<Item = (f64, [bool; 2])> {
        let (begin, flags) = (self.rewards_begin(), self.flags());
        let rewards = numbers(&self.bytes[begin..flags.start]).map(f64::from_le_bytes);
        let flags = self.bytes[flags]
            .iter()
            .map(|flags| [flags & 1 != 0, flags & 2 != 0]);
        rewards.zip(flags)
    }

    /// Returns the last observations of the episodes that ended, in the order of the environments.
    pub(super) fn final_observations(&self) -> impl Iterator<Item = f32> {
        numbers(&self.bytes[self.flags().end..]).map(f32::from_le_bytes)
    }
}

fn numbers<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.as_chunks().0.iter().copied()
}
