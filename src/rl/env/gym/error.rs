pub use super::process::LastWords;

/// An error of the Python process that steps Gymnasium's environments.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GymnasiumError {
    /// Python cannot be started.
    #[error(
        "cannot start {python:?}: {reason}; install Python and then Gymnasium with `python3 -m pip install \
         \"gymnasium[mujoco]\"`, or name another Python with --python"
    )]
    Start {
        /// The program.
        python: String,
        /// The error of the operating system.
        reason: String,
    },
    /// The environment cannot be made or served.
    #[error("{0}")]
    Refused(String),
    /// An environment raised an exception.
    #[error("an environment raised {message}\n{}", traceback.trim_end())]
    Exception {
        /// The type and the message of the exception.
        message: String,
        /// The traceback of Python.
        traceback: String,
    },
    /// The process has ended.
    #[error("the Python process ended without an answer ({status}); {words}")]
    Died {
        /// The exit code or the signal.
        status: String,
        /// What it printed before.
        words: LastWords,
    },
    /// The process gave no answer in time.
    #[error("the Python process gave no answer for {seconds} s (--env-timeout); {words}")]
    Timeout {
        /// The time that it had.
        seconds: f64,
        /// What it printed before.
        words: LastWords,
    },
    /// The process sent something else than a reply.
    #[error("the Python process sent no valid reply: {reason}; {words}")]
    Malformed {
        /// What is wrong.
        reason: String,
        /// What it printed before.
        words: LastWords,
    },
    /// A pipe failed.
    #[error("the pipe to the Python process failed: {0}")]
    Pipe(String),
    /// The process has ended after an earlier error.
    #[error("the Python process has ended after an error")]
    Ended,
}

impl GymnasiumError {
    /// Returns whether the user can correct the cause: what is installed, or the name and the arguments of the
    /// environment.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Start { .. } | Self::Refused(_))
    }
}
