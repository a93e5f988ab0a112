use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code of a command that was stopped before it finished.
pub(super) const EXIT_CODE: u8 = 130;

static STOP: AtomicBool = AtomicBool::new(false);

/// Returns a function that returns `true` after the first Ctrl-C. A second Ctrl-C ends the process.
pub(super) fn stop_requested() -> fn() -> bool {
    stop_flag();
    || STOP.load(Ordering::Relaxed)
}

/// Returns the flag behind [`stop_requested`].
pub(super) fn stop_flag() -> &'static AtomicBool {
    static HANDLER: OnceLock<()> = OnceLock::new();
    HANDLER.get_or_init(|| {
        // If this handler cannot be installed, the default one remains and ends the process.
        let _ = ctrlc::set_handler(|| {
            if STOP.swap(true, Ordering::Relaxed) {
                std::process::exit(EXIT_CODE.into());
            }
            eprintln!("Stopping after the current work; press Ctrl-C again to quit immediately.");
        });
    });
    &STOP
}
