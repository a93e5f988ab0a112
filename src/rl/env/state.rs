//! Saves and restores the states of environments as JSON.

use super::RestoreError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Returns a state as JSON. Every finite `f64` is preserved exactly.
pub(super) fn save(state: &impl Serialize) -> Option<Value> {
    serde_json::to_value(state).ok()
}

/// Parses a saved state.
pub(super) fn restore<S: DeserializeOwned>(
    environment: &'static str,
    saved: &Value,
) -> Result<S, RestoreError> {
    S::deserialize(saved).map_err(|error| malformed(environment, error))
}

pub(super) fn malformed(environment: &'static str, reason: impl ToString) -> RestoreError {
    RestoreError::Malformed {
        environment,
        reason: reason.to_string(),
    }
}

/// Returns an error if `index` is not below `count`. `what` names the index.
pub(super) fn check_index(
    environment: &'static str,
    what: &str,
    index: usize,
    count: usize,
) -> Result<(), RestoreError> {
    if index < count {
        Ok(())
    } else {
        Err(malformed(
            environment,
            format_args!("{what} {index} is not below {count}"),
        ))
    }
}

/// Returns an error unless there is one saved state for each environment.
pub(super) fn check_count<S>(saved: &[S], environments: usize) -> Result<(), RestoreError> {
    if saved.len() == environments {
        Ok(())
    } else {
        Err(RestoreError::Count {
            saved: saved.len(),
            environments,
        })
    }
}
