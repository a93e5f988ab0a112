use super::renamed;
use std::io;
use std::path::{Path, PathBuf};

/// An error in reading or writing a file or folder of an experiment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system returned an error.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The action that failed, such as `write`.
        action: &'static str,
        /// The path of the file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The content of a file is invalid.
    #[error("{} cannot be read: {reason}", path.display())]
    Malformed {
        /// The path of the file.
        path: PathBuf,
        /// The problem, in one line.
        reason: String,
    },
    /// Another process is writing to the folder.
    #[error("{} is being written by another process", .0.display())]
    InUse(PathBuf),
}

impl FileError {
    /// Returns a function that converts an [`io::Error`] to a [`FileError::Io`]. `action` is a verb, such as
    /// `write`.
    pub fn io<'a>(
        action: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// Returns a [`FileError::Malformed`] with the reason in one line. If the reason is an unknown field that
    /// has been [`renamed`], the message gives its present name.
    pub fn malformed(path: &Path, reason: impl std::fmt::Display) -> Self {
        // Some libraries return several lines.
        let reason = reason.to_string().replace('\n', " ").trim().to_owned();
        let unknown = reason
            .split_once("unknown field `")
            .and_then(|(_, name)| name.split('`').next());
        let reason = unknown.and_then(renamed).unwrap_or(reason);
        Self::Malformed {
            path: path.to_owned(),
            reason,
        }
    }
}
