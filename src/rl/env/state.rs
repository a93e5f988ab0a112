//! What environments save of themselves, as JSON.

use super::RestoreError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A state as JSON. Every finite `f64` comes back as it was.
pub(super) fn save(state: &impl Serialize) -> Option<Value> {
    serde_json::to_value(state).ok()
}

/// The state that was saved.
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

/// Refuses an index that is not below the number of what it is an index of.
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
            format_args!("{what} {index} of {count}"),
        ))
    }
}
