use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a command ends with that was stopped before its whole.
pub(super) const EXIT_CODE: u8 = 130;

static STOP: AtomicBool = AtomicBool::new(false);

/// A question that is answered with yes after the first Ctrl-C; the second one ends the process.
pub(super) fn stop_requested() -> fn() -> bool {
    stop_flag();
    || STOP.load(Ordering::Relaxed)
}

/// The flag behind [`stop_requested`].
pub(super) fn stop_flag() -> &'static AtomicBool {
    static HANDLER: OnceLock<()> = OnceLock::new();
    HANDLER.get_or_init(|| {
        // A handler that cannot be installed leaves the default one, which ends the process.
        let _ = ctrlc::set_handler(|| {
            if STOP.swap(true, Ordering::Relaxed) {
                std::process::exit(EXIT_CODE.into());
            }
            eprintln!("Stopping after what is being computed; Ctrl-C again ends at once.");
        });
    });
    &STOP
}
