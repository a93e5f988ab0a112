use super::CONFIG;
use crate::experiment::FileError;
use std::fs;
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
    #[error("{} is not a run folder: it has no config.json{hint}", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
        /// The run that was probably meant, after a semicolon, or nothing.
        hint: String,
    },
    /// The configuration file differs from the configuration of the checkpoint.
    #[error(
        "{} has {key} {now}, but the run has been trained with {before}: restore the value, or train another run",
        path.display()
    )]
    Edited {
        /// The configuration file.
        path: PathBuf,
        /// The setting that differs.
        key: String,
        /// Its value in the file.
        now: String,
        /// Its value in the checkpoint.
        before: String,
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
    /// Creates the error of a path that is not a run, with a hint if a run is near.
    pub(super) fn not_a_run(path: &Path) -> Self {
        let is_run = |folder: &Path| folder.join(CONFIG).is_file();
        let children = |folder: &Path| -> Vec<PathBuf> {
            let entries = fs::read_dir(folder).into_iter().flatten();
            let mut paths: Vec<_> = entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .collect();
            paths.sort();
            paths
        };
        // A run, or the folder of its seeds.
        let holds_run =
            |folder: &PathBuf| is_run(folder) || children(folder).iter().any(|child| is_run(child));
        // A relative path has no ancestors above the current folder.
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let above = absolute.ancestors().skip(1).find(|folder| is_run(folder));
        // The path may be a file of a sweep, or a run that does not exist. Only the nearest folder is searched, because
        // runs further above have nothing to do with the path.
        let near = absolute.ancestors().find(|folder| folder.is_dir());
        let below = near.and_then(|folder| {
            // The runs of a sweep are in its subfolder `runs`.
            let mut below = children(folder);
            below.extend(children(&folder.join("runs")));
            Some((folder, below.into_iter().find(holds_run)?))
        });
        let hint = match (above, below) {
            (Some(run), _) => format!("; the run is {}", like(path, run)),
            (None, Some((folder, run))) => {
                let place = if folder == absolute {
                    "it".to_owned()
                } else {
                    like(path, folder)
                };
                let run = like(path, &run);
                format!("; choose one of the runs in {place}, such as {run}")
            }
            (None, None) => String::new(),
        };
        Self::NotARun {
            path: path.to_owned(),
            hint,
        }
    }

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

/// Formats an absolute path like `given`: relative to the current folder if `given` is relative and the path is in it.
fn like(given: &Path, absolute: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    match absolute.strip_prefix(&here) {
        Ok(rest) if given.is_relative() && rest.as_os_str().is_empty() => ".".to_owned(),
        Ok(rest) if given.is_relative() => rest.display().to_string(),
        _ => absolute.display().to_string(),
    }
}
