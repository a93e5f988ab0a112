use super::{Mdp, MdpError, Outcome};
use burn_tsallis::experiment::{FileError, read_without_bom};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The JSON format of a process.
///
/// ```
/// let text = r#"{
///     "name": "two rooms", "discount": 0.9, "states": 2, "actions": 1, "start": [1.0, 0.0],
///     "transitions": [
///         {"state": 0, "action": 0, "next": 1, "reward": 0.5},
///         {"state": 1, "action": 0, "next": 0, "probability": 0.25},
///         {"state": 1, "action": 0, "next": null, "probability": 0.75, "reward": 1.0}
///     ]
/// }"#;
/// let mdp: tsallis_lab::Mdp = serde_json::from_str(text)?;
/// assert_eq!(mdp.reward(1, 0), 0.75);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MdpFile {
    /// The name of the process.
    #[serde(default)]
    pub name: String,
    /// The discount `gamma`, at least 0 and below 1.
    pub discount: f64,
    /// The number of states. States are numbered from 0.
    pub states: usize,
    /// The number of actions in each state. Actions are numbered from 0.
    pub actions: usize,
    /// The probability that an episode starts in each state. By default, episodes start in state 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub start: Vec<f64>,
    /// The number of steps after which a sampled episode is truncated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub episode_steps: Option<usize>,
    /// The possible outcomes of each action in each state.
    pub transitions: Vec<Transition>,
}

/// One possible outcome of an action.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// The state.
    pub state: usize,
    /// The action.
    pub action: usize,
    /// The next state, or `null` if the episode ends. The field has no default.
    #[serde(deserialize_with = "Option::deserialize")]
    pub next: Option<usize>,
    /// The probability of the outcome. The default is 1.
    #[serde(default = "one")]
    pub probability: f64,
    /// The mean of the reward. The default is 0.
    #[serde(default)]
    pub reward: f64,
    /// The standard deviation of Gaussian noise on the reward. The default is 0.
    #[serde(default)]
    pub reward_std: f64,
}

fn one() -> f64 {
    1.0
}

/// An error of [`read`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not JSON, or does not hold a valid process.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
}

/// Reads a process from a JSON file. A process without a name gets the name of the file without its extension.
///
/// # Errors
///
/// Returns an error if the file cannot be read, is not JSON, or does not hold a valid process.
pub fn read(path: &Path) -> Result<Mdp, ReadError> {
    let text = read_without_bom(path).map_err(FileError::io("read", path))?;
    let malformed = |reason| ReadError::Malformed {
        path: path.to_owned(),
        reason,
    };
    let mut mdp: Mdp =
        serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?;
    if mdp.name.is_empty() {
        mdp.name = path.file_stem().unwrap_or_default().display().to_string();
        super::check_name(&mdp.name).map_err(|error| malformed(error.to_string()))?;
    }
    Ok(mdp)
}

impl TryFrom<MdpFile> for Mdp {
    type Error = MdpError;

    fn try_from(file: MdpFile) -> Result<Self, MdpError> {
        let (states, actions) = (file.states, file.actions);
        if states == 0 || actions == 0 {
            return Err(MdpError::Empty { states, actions });
        }
        super::check_size(states, actions)?;
        let start = if file.start.is_empty() {
            super::start_in(0, states)
        } else {
            file.start
        };
        if start.len() != states {
            let what = format!(
                "the number of probabilities is {}, not {states}",
                start.len()
            );
            return Err(MdpError::Start { what });
        }
        let mut table = vec![Vec::new(); states.saturating_mul(actions)];
        for transition in file.transitions {
            let within = |what, index, count| {
                if index < count {
                    Ok(())
                } else {
                    Err(MdpError::Missing { what, index, count })
                }
            };
            within("state", transition.state, states)?;
            within("action", transition.action, actions)?;
            table[transition.state * actions + transition.action].push(Outcome {
                probability: transition.probability,
                next: transition.next,
                reward: transition.reward,
                reward_std: transition.reward_std,
            });
        }
        Self::new(file.name, file.discount, start, actions, |state, action| {
            std::mem::take(&mut table[state * actions + action])
        })?
        .with_episode_steps(file.episode_steps)
    }
}

impl From<Mdp> for MdpFile {
    fn from(mdp: Mdp) -> Self {
        let transitions = (0..mdp.states())
            .flat_map(|state| (0..mdp.actions()).map(move |action| (state, action)))
            .flat_map(|(state, action)| {
                mdp.outcomes(state, action)
                    .iter()
                    .map(move |outcome| Transition {
                        state,
                        action,
                        next: outcome.next,
                        probability: outcome.probability,
                        reward: outcome.reward,
                        reward_std: outcome.reward_std,
                    })
            })
            .collect();
        Self {
            name: mdp.name.clone(),
            discount: mdp.discount,
            states: mdp.states(),
            actions: mdp.actions,
            episode_steps: mdp.episode_steps,
            transitions,
            start: mdp.start,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{deep_sea_stochastic, garnet, nchain};
    use super::*;

    #[test]
    fn a_process_is_read_as_it_was_written() {
        for mdp in [
            nchain(5).expect("valid"),
            garnet(4, 3, 2, 0.8, 1).expect("valid"),
            deep_sea_stochastic(3).expect("valid"),
        ] {
            let text = serde_json::to_string(&mdp).expect("JSON");
            let back: Mdp = serde_json::from_str(&text).expect("the same process");
            assert_eq!(back, mdp);
        }
    }

    /// Other programs compute probabilities whose sum is 1 up to rounding.
    #[test]
    fn a_rounding_error_of_a_probability_is_read() {
        let path = std::env::temp_dir().join(format!("tsallis-round-{}.json", std::process::id()));
        let text = r#"{"discount": 0.9, "states": 1, "actions": 1, "start": [1.0000000000000002], "transitions":
            [{"state": 0, "action": 0, "next": 0, "probability": 1.0000000000000002}]}"#;
        std::fs::write(&path, text).expect("written");
        let mdp = read(&path).expect("a process");
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(mdp.start(), [1.0]);
        assert_eq!(mdp.outcomes(0, 0)[0].probability, 1.0);
    }

    #[test]
    fn a_bad_file_says_what_is_wrong() {
        let cases = [
            (r#"{"discount": 0.9"#, "EOF"),
            (
                r#"{"discount": 0.9, "states": 1, "actions": 1, "transitions": []}"#,
                "action 0 in state 0: it has no outcome",
            ),
            (
                r#"{"discount": 0.9, "states": 1, "actions": 1, "transitions": [{"state": 0, "action": 4, "next": 0}]}"#,
                "action 4 does not exist: there are 1, numbered from 0",
            ),
            (
                r#"{"discount": 1.0, "states": 1, "actions": 1, "transitions": [{"state": 0, "action": 0, "next": 0}]}"#,
                "the discount must be at least 0 and below 1, not 1",
            ),
            (
                r#"{"discount": 0.9, "states": 2, "actions": 1, "start": [1.0], "transitions": []}"#,
                "the number of probabilities is 1, not 2",
            ),
            (
                r#"{"discount": 0.9, "states": 0, "actions": 1, "transitions": []}"#,
                "at least one state",
            ),
            (
                r#"{"discount": 0.9, "states": 1, "actions": 1, "transitions": [{"state": 0, "action": 0}]}"#,
                "missing field `next`",
            ),
            (r#"{"gamma": 0.9}"#, "unknown field `gamma`"),
            (
                r#"{"discount": 0.9, "discount": 0.8}"#,
                "duplicate field `discount`",
            ),
            (
                r#"{"discount": 0.9, "states": 1, "actions": 1, "transitions": [{"state": 0, "state": 0}]}"#,
                "duplicate field `state`",
            ),
            (
                r#"{"name": "a\nb", "discount": 0.9, "states": 1, "actions": 1, "transitions": [{"state": 0, "action": 0, "next": 0}]}"#,
                "the name of a process cannot contain the control character '\\n'",
            ),
        ];
        for (text, what) in cases {
            let error = serde_json::from_str::<Mdp>(text).expect_err(what);
            assert!(error.to_string().contains(what), "{error}");
        }
        // Editors on Windows write a byte-order mark.
        let path = std::env::temp_dir().join(format!("tsallis-mdp-{}.json", std::process::id()));
        let mdp = nchain(3).expect("a length");
        let text = serde_json::to_string(&mdp).expect("JSON");
        std::fs::write(&path, format!("\u{feff}{text}")).expect("written");
        assert_eq!(read(&path).expect("a process"), mdp);
        std::fs::remove_file(&path).expect("removed");
        let missing = read(Path::new("/nowhere/mdp.json")).expect_err("no file");
        assert!(
            missing
                .to_string()
                .starts_with("cannot read /nowhere/mdp.json")
        );
    }
}
