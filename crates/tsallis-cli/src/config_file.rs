use burn_tsallis::experiment::{read_without_bom, renamed};
use burn_tsallis::rl::ppo::PpoConfig;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The most bytes of a configuration file. For 50 000 nested arrays, a text of 250 kB, the parser of TOML takes more than a
/// gigabyte.
const MAX_BYTES: usize = 1 << 16;

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
        let io = |source| ConfigFileError::Io {
            path: path.to_owned(),
            source,
        };
        let bytes = read_without_bom(path).map_err(io)?;
        if bytes.len() > MAX_BYTES {
            let size = bytes.len();
            let reason = format!("it has {size} bytes: a configuration has at most {MAX_BYTES}");
            return Err(io(io::Error::new(io::ErrorKind::InvalidData, reason)));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            io(io::Error::new(
                io::ErrorKind::InvalidData,
                error.utf8_error(),
            ))
        })?;
        let is_json = path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let syntax = |format, reason: String| ConfigFileError::Syntax {
            path: path.to_owned(),
            format,
            reason,
        };
        let settings: Value = if is_json {
            let unique: Unique =
                serde_json::from_str(&text).map_err(|error| syntax("JSON", error.to_string()))?;
            unique.0
        } else {
            let table: toml::Table = toml::from_str(&text).map_err(|error| {
                let line = error.span().map_or(String::new(), |span| {
                    let before = &text.as_bytes()[..span.start.min(text.len())];
                    let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
                    format!("line {line}: ")
                });
                let words = error.message().replace('\n', ", ");
                syntax("TOML", format!("{line}{words}"))
            })?;
            from_toml("", table.into()).map_err(|reason| ConfigFileError::Setting {
                path: path.to_owned(),
                reason,
            })?
        };
        let Value::Object(mut settings) = settings else {
            return Err(syntax("JSON", "expected an object of settings".to_owned()));
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

/// Converts a value of TOML. JSON, in which the settings are merged, has no numbers that are not finite.
fn from_toml(name: &str, value: toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::Float(number) => Number::from_f64(number)
            .map(Value::Number)
            .ok_or_else(|| format!("{name} is {number}: it must be a finite number"))?,
        toml::Value::Integer(number) => number.into(),
        toml::Value::Boolean(value) => value.into(),
        toml::Value::String(text) => text.into(),
        toml::Value::Datetime(date) => date.to_string().into(),
        toml::Value::Array(values) => values
            .into_iter()
            .map(|value| from_toml(name, value))
            .collect::<Result<Vec<_>, _>>()?
            .into(),
        toml::Value::Table(table) => Value::Object(
            table
                .into_iter()
                .map(|(name, value)| Ok((name.clone(), from_toml(&name, value)?)))
                .collect::<Result<_, String>>()?,
        ),
    })
}

/// A JSON value in which no object has the same key twice. Of equal keys, `serde_json::Value` keeps the last.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Unique(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Unique(value))) = entries.next_entry::<String, _>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format_args!("duplicate key `{key}`")));
            }
            object.insert(key, value);
        }
        Ok(object.into())
    }
}

/// Replaces `none`, as written on the command line, by the value of the configuration. TOML has no null.
fn without_none(name: &str, value: &Value) -> Value {
    match (name, value) {
        ("value_clip" | "target_kl", Value::String(word)) if word == "none" => Value::Null,
        ("hidden" | "policy_bias", Value::String(word)) if word == "none" => {
            Value::Array(Vec::new())
        }
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
    use std::fs;

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
    fn a_file_that_is_no_configuration_is_not_parsed() {
        let error = read("large.toml", &" ".repeat(MAX_BYTES + 1)).expect_err("too large");
        assert!(error.contains("65537 bytes"), "{error}");
        assert!(!error.contains('\n'), "{error}");
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
    fn a_byte_order_mark_is_skipped() {
        let expected = PpoConfig {
            alpha: 0.7,
            ..PpoConfig::paper()
        };
        for (name, text) in [
            ("mark.toml", "\u{feff}alpha = 0.7\n"),
            ("mark.json", "\u{feff}{\"alpha\": 0.7}"),
        ] {
            assert_eq!(read(name, text).as_ref(), Ok(&expected), "{name}");
        }
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
                "g.json",
                "{\"alpha\": 0.7, \"beta\": 1, \"alpha\": 1.5}",
                "duplicate key `alpha` at line 1",
            ),
            (
                "h.json",
                "{\"network\": {\"shared\": true, \"shared\": false}}",
                "duplicate key `shared`",
            ),
            (
                "i.json",
                "{\"version\": \"0.1.0\", \"config\": {\"alpha\": 1, \"alpha\": 1}}",
                "duplicate key `alpha`",
            ),
            ("j.toml", "alpha = 1\nalpha = 2\n", "duplicate key"),
            (
                "k.toml",
                "alpha = nan\n",
                "alpha is NaN: it must be a finite number",
            ),
            (
                "l.toml",
                "[network]\nhidden = [inf]\n",
                "hidden is inf: it must be a finite number",
            ),
            ("m.json", "[1]", "expected an object of settings"),
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
