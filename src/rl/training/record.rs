use crate::experiment::write_atomically;
use crate::rl::ppo::LearnerState;
use crate::rl::record::float_record;
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::Bytes;
use burn::train::checkpoint::{Checkpoint, CheckpointerError};
use std::path::PathBuf;

/// The part of a [`PpoAgent`](super::PpoAgent) checkpoint other than its networks: the optimizer's moments,
/// and all other state from which the learner continues, including the environments if they can be saved.
///
/// The file is a line of JSON, followed by the moments in Burn's format for modules. It is written under a
/// temporary name and renamed.
#[derive(Clone, Default)]
pub struct PpoAgentRecord {
    /// The moments; `None` before the first step.
    pub(super) moments: Option<ModuleRecord>,
    /// `None` before the training.
    pub(super) state: Option<LearnerState>,
}

impl Checkpoint for PpoAgentRecord {
    fn save(self, path: PathBuf) -> Result<(), CheckpointerError> {
        let bytes = self
            .checkpoint_into_bytes()
            .map_err(CheckpointerError::Record)?;
        write_atomically(&path, &bytes)
            .map_err(|error| CheckpointerError::Unknown(error.to_string()))
    }

    fn load(path: PathBuf) -> Result<Self, CheckpointerError> {
        let bytes = std::fs::read(&path).map_err(CheckpointerError::IOError)?;
        Self::checkpoint_from_bytes(Bytes::from_bytes_vec(bytes)).map_err(CheckpointerError::Record)
    }

    fn checkpoint_from_bytes(bytes: Bytes) -> Result<Self, RecordError> {
        let malformed =
            |reason: String| RecordError::Io(format!("not a record of an agent: {reason}"));
        let end = bytes
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or_else(|| malformed("the first line is incomplete".to_owned()))?;
        let state =
            serde_json::from_slice(&bytes[..end]).map_err(|error| malformed(error.to_string()))?;
        let moments = bytes[end + 1..].to_vec();
        let moments = (!moments.is_empty())
            .then(|| float_record(Bytes::from_bytes_vec(moments)))
            .transpose()?;
        Ok(Self { moments, state })
    }

    fn checkpoint_into_bytes(self) -> Result<Bytes, RecordError> {
        let mut bytes =
            serde_json::to_vec(&self.state).map_err(|error| RecordError::Io(error.to_string()))?;
        bytes.push(b'\n');
        if let Some(moments) = self.moments {
            bytes.extend_from_slice(&moments.into_bytes()?);
        }
        Ok(Bytes::from_bytes_vec(bytes))
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::rl::ppo::{Learner, PpoConfig};
    use burn::module::Module;
    use burn::tensor::Device;

    #[test]
    fn a_record_comes_back_from_its_bytes_and_a_torn_one_is_refused() {
        let config = PpoConfig {
            environments: 2,
            rollout_steps: 4,
            epochs: 1,
            minibatches: 2,
            ..PpoConfig::default()
        };
        let mut learner = Learner::new(config, &Device::flex()).expect("valid");
        learner.update().expect("an update");
        let saved = learner.checkpoint();
        let record = PpoAgentRecord {
            moments: saved.moments.map(Module::into_record),
            state: Some(saved.state.clone()),
        };
        let bytes = record.checkpoint_into_bytes().expect("bytes").to_vec();
        let read = |bytes: &[u8]| {
            PpoAgentRecord::checkpoint_from_bytes(Bytes::from_bytes_vec(bytes.to_vec()))
        };
        let back = read(&bytes).expect("a record");
        assert_eq!(back.state, Some(saved.state));
        assert_eq!(back.moments.map(|moments| moments.len()), Some(2));
        for length in [0, 10, bytes.len() - 100] {
            assert!(read(&bytes[..length]).is_err(), "{length} bytes");
        }
    }
}
