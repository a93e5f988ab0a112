use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code of a command that was stopped before it finished.
pub(super) const EXIT_CODE: u8 = 130;

static STOP: AtomicBool = AtomicBool::new(false);

/// Returns a function that returns `true` after the first Ctrl-C, termination or hang-up. A second Ctrl-C ends the process.
pub(super) fn stop_requested() -> fn() -> bool {
    stop_flag();
    || STOP.load(Ordering::Relaxed)
}

/// Returns the flag behind [`stop_requested`].
pub(super) fn stop_flag() -> &'static AtomicBool {
    static HANDLER: OnceLock<()> = OnceLock::new();
    HANDLER.get_or_init(|| {
        #[cfg(unix)]
        let ignored = ignored::signals();
        // If this handler cannot be installed, the default one remains and ends the process.
        let _ = ctrlc::set_handler(|| {
            if STOP.swap(true, Ordering::Relaxed) {
                std::process::exit(EXIT_CODE.into());
            }
            eprintln!("Stopping after the current work; press Ctrl-C again to quit immediately.");
        });
        #[cfg(unix)]
        ignored::ignore(&ignored);
    });
    &STOP
}

/// The signals that the parent process ignores for this one: `nohup` ignores hang-ups, and a shell without job control
/// ignores Ctrl-C for the jobs in its background.
#[cfg(unix)]
mod ignored {
    use libc::{SIG_IGN, SIGHUP, SIGINT, SIGTERM, c_int, sigaction, signal};
    use std::mem::MaybeUninit;
    use std::ptr::null;

    /// Returns the signals that are ignored now.
    pub(super) fn signals() -> Vec<c_int> {
        let is_ignored = |signal: &c_int| {
            let mut action = MaybeUninit::<sigaction>::zeroed();
            // SAFETY: without a new action, `sigaction` only writes the present one. Zeros are valid for all fields.
            unsafe {
                sigaction(*signal, null(), action.as_mut_ptr()) == 0
                    && action.assume_init().sa_sigaction == SIG_IGN
            }
        };
        [SIGINT, SIGTERM, SIGHUP]
            .into_iter()
            .filter(is_ignored)
            .collect()
    }

    /// Ignores the signals.
    pub(super) fn ignore(signals: &[c_int]) {
        for &number in signals {
            // SAFETY: an ignored signal runs no code of this process.
            unsafe { signal(number, SIG_IGN) };
        }
    }
}
