use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How environments of Gymnasium are made. Other environments ignore these settings.
///
/// ```
/// use burn_tsallis::rl::env::GymnasiumConfig;
///
/// let mut config = GymnasiumConfig { python: "/opt/venv/bin/python".to_owned(), ..GymnasiumConfig::default() };
/// config.arguments.insert("healthy_reward".to_owned(), 0.5.into());
/// assert_eq!(config.timeout, 60.0);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GymnasiumConfig {
    /// The Python that has Gymnasium: a program in the `PATH`, or its path.
    pub python: String,
    /// The keyword arguments of `gymnasium.make`.
    pub arguments: Map<String, Value>,
    /// The time in seconds in which Python must answer.
    pub timeout: f64,
}

impl Default for GymnasiumConfig {
    fn default() -> Self {
        Self {
            python: "python3".to_owned(),
            arguments: Map::new(),
            timeout: 60.0,
        }
    }
}

impl GymnasiumConfig {
    /// Returns whether every setting has its default.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
