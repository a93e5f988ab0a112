use super::renamed;
use std::io;
use std::path::{Path, PathBuf};

/// A file or folder that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} cannot be read: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process writes to the folder.
    #[error("{} is being written by another process", .0.display())]
    InUse(PathBuf),
}

impl FileError {
    /// Turns a refusal of the operating system into a [`FileError::Io`].
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

    /// A [`FileError::Malformed`] whose reason is one line. A field that serde does not know and that has been
    /// [`renamed`] is named with its present name.
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
