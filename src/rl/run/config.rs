use super::{CONFIG, RunError};
use crate::experiment::{read_without_bom, write_atomically};
use crate::rl::ppo::PpoConfig;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The content of `config.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunConfig {
    /// The version of the crate that wrote the run.
    pub version: String,
    /// The device of the run, by its name on the command line.
    pub device: String,
    /// The versions of Python and of the packages of an environment of Gymnasium.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment_versions: BTreeMap<String, String>,
    /// The files that the run writes.
    pub recording: Recording,
    /// The configuration of the learner.
    pub config: PpoConfig,
}

/// The files that a run writes in addition to its configuration, metrics and summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recording {
    /// Whether to write TensorBoard events, and `timing.csv` if the run has no checkpoints.
    pub diagnostics: bool,
    /// The number of newest checkpoints to keep. With zero, the run cannot be resumed.
    pub checkpoints: usize,
    /// Environment steps between two checkpoints, or `None` for a twentieth of the run.
    pub checkpoint_every: Option<usize>,
}

impl Default for Recording {
    fn default() -> Self {
        Self {
            diagnostics: true,
            checkpoints: 3,
            checkpoint_every: None,
        }
    }
}

/// The default number of checkpoints of a run, the last one at its end.
const CHECKPOINTS_OF_A_RUN: usize = 20;

impl Recording {
    /// Returns the setting that writes only metrics and summary, for sweeps.
    pub fn metrics() -> Self {
        Self {
            diagnostics: false,
            checkpoints: 0,
            checkpoint_every: None,
        }
    }

    /// Returns the number of updates between two checkpoints.
    pub fn checkpoint_updates(&self, config: &PpoConfig) -> usize {
        match self.checkpoint_every {
            Some(steps) => steps.div_ceil(config.batch()).max(1),
            None => config.updates().div_ceil(CHECKPOINTS_OF_A_RUN),
        }
    }
}

impl RunConfig {
    /// Creates the configuration of a run with this version of the crate.
    pub fn new(device: impl Into<String>, config: PpoConfig, recording: Recording) -> Self {
        Self {
            version: VERSION.to_owned(),
            device: device.into(),
            environment_versions: BTreeMap::new(),
            recording,
            config,
        }
    }

    /// Reads the configuration from a folder.
    ///
    /// # Errors
    ///
    /// If the folder has no configuration, if an incompatible version wrote it, or if it is invalid.
    pub fn read(folder: &Path) -> Result<Self, RunError> {
        let file = folder.join(CONFIG);
        if !file.is_file() {
            return Err(RunError::not_a_run(folder));
        }
        let text = read_without_bom(&file).map_err(RunError::io("read", &file))?;
        // Read only the version first, because other versions may write other fields.
        let found: VersionOnly =
            serde_json::from_slice(&text).map_err(|error| RunError::malformed(&file, error))?;
        if !is_compatible(&found.version) {
            return Err(RunError::Version {
                path: folder.to_owned(),
                found: found.version,
                ours: VERSION,
            });
        }
        let config: Self =
            serde_json::from_slice(&text).map_err(|error| RunError::malformed(&file, error))?;
        config
            .config
            .validate()
            .map_err(|error| RunError::malformed(&file, error))?;
        Ok(config)
    }

    /// Checks that the configuration of the learner, which the file in `folder` holds, is that of a checkpoint,
    /// `trained`. Only the number of steps may differ, and the settings of the machine.
    pub(super) fn check_unchanged(&self, trained: &Self, folder: &Path) -> Result<(), RunError> {
        let trained = PpoConfig {
            total_steps: self.config.total_steps,
            ..trained.config.on_machine_of(&self.config)
        };
        if trained == self.config {
            return Ok(());
        }
        let value = |config| serde_json::to_value(config).unwrap_or_default();
        let (key, now, before) = first_difference("", &value(&self.config), &value(&trained))
            .unwrap_or_else(|| ("config".to_owned(), Value::Null, Value::Null));
        Err(RunError::Edited {
            path: folder.join(CONFIG),
            key,
            now: now.to_string(),
            before: before.to_string(),
        })
    }

    /// Writes the configuration to a folder.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), RunError> {
        let file = folder.join(CONFIG);
        let json =
            serde_json::to_vec_pretty(self).map_err(|error| RunError::malformed(&file, error))?;
        Ok(write_atomically(&file, &json)?)
    }
}

/// Returns the key of the first difference, with the two values.
fn first_difference(key: &str, one: &Value, other: &Value) -> Option<(String, Value, Value)> {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => one.iter().find_map(|(name, value)| {
            let key = format!("{key}{}{name}", if key.is_empty() { "" } else { "." });
            first_difference(&key, value, other.get(name).unwrap_or(&Value::Null))
        }),
        _ => (one != other).then(|| (key.to_owned(), one.clone(), other.clone())),
    }
}

#[derive(Deserialize)]
struct VersionOnly {
    version: String,
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Returns whether runs of the given version can be read: the major and the minor number must be equal.
fn is_compatible(version: &str) -> bool {
    let of = |version: &str| {
        let mut numbers = version.split('.').map(str::to_owned);
        Some((numbers.next()?, numbers.next()?))
    };
    of(version).is_some_and(|found| of(VERSION) == Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_the_same_minor_number_are_read() {
        let (major, minor) = VERSION.split_once('.').expect("a version");
        let minor: u32 = minor
            .split('.')
            .next()
            .and_then(|m| m.parse().ok())
            .expect("a number");
        assert!(is_compatible(VERSION));
        assert!(is_compatible(&format!("{major}.{minor}.99")));
        assert!(!is_compatible(&format!("{major}.{}.0", minor + 1)));
        assert!(!is_compatible(""));
    }

    #[test]
    fn checkpoints_come_in_whole_updates() {
        let config = PpoConfig::default();
        let every = |checkpoint_every| {
            Recording {
                checkpoint_every,
                ..Recording::default()
            }
            .checkpoint_updates(&config)
        };
        assert_eq!(every(None), 20);
        assert_eq!(every(Some(1)), 1);
        assert_eq!(every(Some(513)), 2);
    }
}
