use burn_tsallis::experiment::renamed;
use burn_tsallis::rl::ppo::PpoConfig;
use serde_json::{Map, Value};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The settings in a configuration file.
pub(super) struct ConfigFile {
    path: PathBuf,
    settings: Map<String, Value>,
}

/// An error in a configuration file.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConfigFileError {
    #[error("cannot read {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} is not valid {format}: {reason}", path.display())]
    Syntax {
        path: PathBuf,
        format: &'static str,
        reason: String,
    },
    #[error("{}: {reason}", path.display())]
    Setting { path: PathBuf, reason: String },
}

impl ConfigFile {
    /// Reads a file as JSON if its extension is `json`, otherwise as TOML.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigFileError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigFileError::Io {
            path: path.to_owned(),
            source,
        })?;
        let is_json = path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let syntax = |format, reason: String| ConfigFileError::Syntax {
            path: path.to_owned(),
            format,
            reason,
        };
        let mut settings: Map<String, Value> = if is_json {
            serde_json::from_str(&text).map_err(|error| syntax("JSON", error.to_string()))?
        } else {
            toml::from_str(&text).map_err(|error| {
                let line = error.span().map_or(String::new(), |span| {
                    let before = &text.as_bytes()[..span.start.min(text.len())];
                    let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
                    format!("line {line}: ")
                });
                let words = error.message().replace('\n', ", ");
                syntax("TOML", format!("{line}{words}"))
            })?
        };
        // The config.json of a run has its settings under `config`.
        if settings.contains_key("version")
            && let Some(Value::Object(config)) = settings.remove("config")
        {
            settings = config;
        }
        Ok(Self {
            path: path.to_owned(),
            settings,
        })
    }

    /// Returns whether the file contains a setting.
    pub(super) fn has(&self, setting: &str) -> bool {
        self.settings.contains_key(setting)
    }

    /// Returns `base` with the settings of the file applied to it.
    pub(super) fn over(self, base: &PpoConfig) -> Result<PpoConfig, ConfigFileError> {
        let refused = |reason: String| ConfigFileError::Setting {
            path: self.path.clone(),
            reason,
        };
        let mut merged = serde_json::to_value(base).map_err(|error| refused(error.to_string()))?;
        for (name, value) in &self.settings {
            if let Some(reason) = renamed(name) {
                return Err(refused(reason));
            }
            let value = &without_none(name, value);
            // Parsed one at a time so that the message names the setting.
            let alone = Value::Object(Map::from_iter([(name.clone(), value.clone())]));
            serde_json::from_value::<PpoConfig>(alone).map_err(|error| {
                let error = plain_message(&error.to_string());
                if error.contains(name.as_str()) {
                    refused(error)
                } else {
                    refused(format!("{name}: {error}"))
                }
            })?;
            match (&mut merged[name.as_str()], value) {
                // A nested table may also be partial.
                (Value::Object(into), Value::Object(from)) => into.extend(from.clone()),
                (into, value) => *into = value.clone(),
            }
        }
        serde_json::from_value(merged).map_err(|error| refused(error.to_string()))
    }
}

/// Replaces `none`, as written on the command line, by the value of the configuration. TOML has no null.
fn without_none(name: &str, value: &Value) -> Value {
    match (name, value) {
        ("value_clip" | "target_kl", Value::String(word)) if word == "none" => Value::Null,
        ("hidden", Value::String(word)) if word == "none" => Value::Array(Vec::new()),
        (_, Value::Object(settings)) => settings
            .iter()
            .map(|(name, value)| (name.clone(), without_none(name, value)))
            .collect(),
        (_, value) => value.clone(),
    }
}

/// Replaces Rust type names in a message of serde by plain words.
fn plain_message(error: &str) -> String {
    let mut words = error.to_owned();
    for (rust, wanted) in [
        ("expected f64", "expected a number"),
        ("expected usize", "expected a non-negative whole number"),
        ("expected u64", "expected a non-negative whole number"),
        ("expected a boolean", "expected true or false"),
    ] {
        words = words.replace(rust, wanted);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<PpoConfig, String> {
        let name = format!("tsallis-config-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, text).expect("written");
        let file = ConfigFile::read(&path);
        fs::remove_file(&path).expect("removed");
        file.and_then(|file| file.over(&PpoConfig::paper()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn toml_and_json_say_the_same_and_leave_the_rest() {
        let toml =
            "alpha = 1\nenvironment = \"deepsea:20\"\ntarget_kl = 0.02\n[network]\nhidden = [32]\n";
        let json = r#"{"alpha": 1.0, "environment": "deepsea:20", "target_kl": 0.02,
                       "network": {"hidden": [32]}}"#;
        let run = format!(r#"{{"version": "0.1.0", "device": "flex", "config": {json}}}"#);
        let mut expected = PpoConfig {
            alpha: 1.0,
            environment: "deepsea:20".parse().expect("a name"),
            target_kl: Some(0.02),
            ..PpoConfig::paper()
        };
        expected.network.hidden = vec![32];
        assert_eq!(read("a.toml", toml).as_ref(), Ok(&expected));
        assert_eq!(read("a.json", json).as_ref(), Ok(&expected));
        assert_eq!(read("run.json", &run).as_ref(), Ok(&expected));
    }

    #[test]
    fn a_file_can_say_none() {
        let text = "value_clip = \"none\"\ntarget_kl = \"none\"\n[network]\nhidden = \"none\"\n";
        let config = read("none.toml", text).expect("settings");
        assert_eq!((config.value_clip, config.target_kl), (None, None));
        assert!(config.network.hidden.is_empty());
    }

    #[test]
    fn an_invalid_file_prints_one_line() {
        for (name, text, words) in [
            ("b.toml", "alpha = \n", "is not valid TOML: line 1: "),
            ("b.json", "{\"alpha\": }", "is not valid JSON: "),
            ("c.toml", "alhpa = 1\n", "unknown field `alhpa`"),
            (
                "d.toml",
                "beta = \"much\"\n",
                "beta: invalid type: string \"much\", expected a number",
            ),
            (
                "e.toml",
                "environment = \"pong\"\n",
                "invalid environment \"pong\"",
            ),
            (
                "f.toml",
                "epochs = -1\n",
                "epochs: invalid value: integer `-1`",
            ),
        ] {
            let error = read(name, text).expect_err(name);
            assert!(error.contains(words), "{error}");
            assert!(error.contains(name), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn mutated_files_are_read_or_refused() {
        let folder = crate::fuzz::Folder::new("settings");
        let toml = "# A run\nalpha = 0.5\nenvironment = \"deepsea:20\"\ntarget_kl = \"none\"\ntotal_steps = 1_000\n\
                    value_clip = 0.2\nnormalize_advantages = true\n\n[network]\nhidden = [32, 64]\nactivation = \"tanh\"\n";
        let json = serde_json::to_vec_pretty(&PpoConfig::paper()).expect("JSON");
        for (name, valid) in [("a.toml", toml.as_bytes().to_vec()), ("a.json", json)] {
            let path = folder.path().join(name);
            crate::fuzz::fuzz(name, &[valid], |bytes| {
                fs::write(&path, bytes).expect("written");
                if let Ok(file) = ConfigFile::read(&path)
                    && let Ok(config) = file.over(&PpoConfig::paper())
                {
                    let _ = config.validate();
                }
            });
        }
    }
}
