use std::io;
use std::path::{Path, PathBuf};

/// What is wrong with a run folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A folder that a run would overwrite.
    #[error("{} already holds files: a new run needs a folder of its own", .0.display())]
    Occupied(PathBuf),
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
    /// The folder is not one that a run left.
    #[error("{} is not a run folder: it has no {missing}", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
        /// The file that it lacks.
        missing: &'static str,
    },
    /// A run of another version of this crate.
    #[error(
        "{} is a run of version {found}, and this is {ours}: go on with the version that made it",
        path.display()
    )]
    Version {
        /// The folder.
        path: PathBuf,
        /// The version that wrote it.
        found: String,
        /// The version of this crate.
        ours: &'static str,
    },
    /// A file does not hold what it should.
    #[error("{} cannot be read: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A run without the checkpoint that is asked for.
    #[error("{} has no checkpoint {wanted}{has}", path.display())]
    NoCheckpoint {
        /// The run.
        path: PathBuf,
        /// Which one.
        wanted: String,
        /// Those that it has, in words.
        has: String,
    },
    /// Another process writes to the folder.
    #[error("{} is being written by another process", .0.display())]
    InUse(PathBuf),
}

impl RunError {
    /// What a refusal of the operating system is turned into.
    pub(crate) fn io<'a>(
        action: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn malformed(path: &Path, reason: impl std::fmt::Display) -> Self {
        // Some libraries answer in several lines.
        let reason = reason.to_string().replace('\n', " ").trim().to_owned();
        Self::Malformed {
            path: path.to_owned(),
            reason,
        }
    }
}
