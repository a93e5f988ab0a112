use super::file::ReadError;
use super::{
    Mdp, MdpError, bandit, cliff_walking, deep_sea, deep_sea_stochastic, garnet, gridworld, nchain,
    read,
};
use std::path::Path;
use std::str::FromStr;

/// The names that [`Mdp::from_name`] accepts, as listed in help texts and messages.
pub const PROCESS_NAMES: &str = "nchain:LENGTH, deepsea:SIZE, deepsea-stochastic:SIZE, bandit:MEAN,MEAN,.., \
                         gridworld:ROWS,COLUMNS[,SLIP], cliffwalking, \
                         garnet:STATES,ACTIONS,BRANCHES,SEED, or a JSON file";

/// An error of [`Mdp::from_name`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The kind of process is unknown.
    #[error("unknown process \"{0}\": it must be {PROCESS_NAMES}")]
    Unknown(String),
    /// The parameters after the kind do not have the right form.
    #[error("invalid process \"{text}\": the form is {kind}:{shape}")]
    Parameters {
        /// The name that was given.
        text: String,
        /// The kind of process.
        kind: &'static str,
        /// The form of the parameters.
        shape: &'static str,
    },
    /// The parameters are out of range.
    #[error(transparent)]
    Process(#[from] MdpError),
    /// The file cannot be read, or does not hold a valid process.
    #[error(transparent)]
    File(#[from] ReadError),
}

/// The discount of a Garnet process that is created by name.
const GARNET_DISCOUNT: f64 = 0.8;

impl Mdp {
    /// Creates the process with a name such as `nchain:15` or `bandit:0,1`, or reads the process from a file if the
    /// name ends in `.json`. [`PROCESS_NAMES`] lists the names.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is unknown, its parameters are invalid, or the file does not hold a valid process.
    pub fn from_name(text: &str) -> Result<Self, NameError> {
        if Path::new(text).extension().is_some_and(|end| end == "json") {
            return Ok(read(Path::new(text))?);
        }
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let shape = |kind, shape| {
            move || NameError::Parameters {
                text: text.to_owned(),
                kind,
                shape,
            }
        };
        match kind {
            "nchain" => {
                let [length] = parse_array(rest).ok_or_else(shape("nchain", "LENGTH"))?;
                Ok(nchain(length)?)
            }
            "deepsea" => {
                let [size] = parse_array(rest).ok_or_else(shape("deepsea", "SIZE"))?;
                Ok(deep_sea(size)?)
            }
            "deepsea-stochastic" => {
                let [size] = parse_array(rest).ok_or_else(shape("deepsea-stochastic", "SIZE"))?;
                Ok(deep_sea_stochastic(size)?)
            }
            "bandit" => {
                let means = parse_list(rest).ok_or_else(shape("bandit", "MEAN,MEAN,.."))?;
                Ok(bandit(&means, 0.0)?)
            }
            "gridworld" => {
                let wrong = shape("gridworld", "ROWS,COLUMNS[,SLIP]");
                let mut parts = rest.splitn(3, ',');
                let mut next = || parts.next();
                let rows = next().and_then(|part| part.parse().ok());
                let columns = next().and_then(|part| part.parse().ok());
                let slip = next().map_or(Some(0.0), |part| part.parse().ok());
                match (rows, columns, slip) {
                    (Some(rows), Some(columns), Some(slip)) => Ok(gridworld(rows, columns, slip)?),
                    _ => Err(wrong()),
                }
            }
            "cliffwalking" if rest.is_empty() => Ok(cliff_walking()?),
            "garnet" => {
                let [states, actions, branches, seed] = parse_array(rest)
                    .ok_or_else(shape("garnet", "STATES,ACTIONS,BRANCHES,SEED"))?;
                let seed = seed as u64;
                Ok(garnet(states, actions, branches, GARNET_DISCOUNT, seed)?)
            }
            _ => Err(NameError::Unknown(text.to_owned())),
        }
    }
}

fn parse_list<T: FromStr>(text: &str) -> Option<Vec<T>> {
    text.split(',').map(|part| part.parse().ok()).collect()
}

fn parse_array<const N: usize>(text: &str) -> Option<[usize; N]> {
    parse_list(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_called_as_it_was_named() {
        for name in [
            "nchain:15",
            "deepsea:10",
            "deepsea-stochastic:4",
            "bandit:0,1",
            "gridworld:3,4",
            "gridworld:3,4,0.1",
            "cliffwalking",
            "garnet:4,3,2,7",
        ] {
            assert_eq!(Mdp::from_name(name).expect(name).name(), name);
        }
    }

    #[test]
    fn a_bad_name_says_what_would_be_right() {
        for (name, what) in [
            ("frozenlake", "nchain:LENGTH"),
            ("nchain", "nchain:LENGTH"),
            ("nchain:x", "nchain:LENGTH"),
            ("nchain:1", "nchain needs at least 2 states, not 1"),
            ("garnet:4,3", "garnet:STATES,ACTIONS,BRANCHES,SEED"),
            ("gridworld:3", "gridworld:ROWS,COLUMNS[,SLIP]"),
            ("bandit:a", "bandit:MEAN,MEAN,.."),
            ("bandit:NaN", "action 0 in state 0: its reward is NaN"),
            (
                "garnet:10000,10,500,1",
                "10000 states times 10 actions times 500 branches are too many",
            ),
            ("deepsea:4000000000", "are too many"),
            ("nchain:99999999", "are too many"),
            ("nowhere.json", "cannot read nowhere.json"),
        ] {
            let error = Mdp::from_name(name).expect_err(name).to_string();
            assert!(error.contains(what), "{error}");
        }
    }
}
