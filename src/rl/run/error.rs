use crate::experiment::FileError;
use std::io;
use std::path::{Path, PathBuf};

/// What is wrong with a run folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A folder that a run would overwrite.
    #[error("{} already holds files: a new run needs a folder of its own", .0.display())]
    Occupied(PathBuf),
    /// A file or folder of the run cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
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
}

impl RunError {
    /// [`FileError::io`].
    pub(super) fn io<'a>(
        action: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |source| FileError::io(action, path)(source).into()
    }

    /// [`FileError::malformed`].
    pub(super) fn malformed(path: &Path, reason: impl std::fmt::Display) -> Self {
        FileError::malformed(path, reason).into()
    }
}
