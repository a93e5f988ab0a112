use crate::experiment::FileError;
use std::io;
use std::path::{Path, PathBuf};

/// An error of a run folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The folder of a new run already holds files.
    #[error("{} already holds files: a new run needs an empty folder", .0.display())]
    Occupied(PathBuf),
    /// A file or folder of the run cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder is not a run folder.
    #[error("{} is not a run folder: it has no {missing}", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
        /// The name of the missing file.
        missing: &'static str,
    },
    /// The run was written by an incompatible version of this crate.
    #[error(
        "{} is a run of version {found}, but this is version {ours}: use version {found} to continue it",
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
    /// The run does not have the requested checkpoint.
    #[error("{} has no checkpoint {wanted}{has}", path.display())]
    NoCheckpoint {
        /// The folder of the run.
        path: PathBuf,
        /// The requested checkpoint.
        wanted: String,
        /// The existing checkpoints.
        has: String,
    },
}

impl RunError {
    /// See [`FileError::io`].
    pub(super) fn io<'a>(
        action: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |source| FileError::io(action, path)(source).into()
    }

    /// See [`FileError::malformed`].
    pub(super) fn malformed(path: &Path, reason: impl std::fmt::Display) -> Self {
        FileError::malformed(path, reason).into()
    }
}
