//! Output that may fail: whoever reads it may have gone, and its disk may be full. The standard library's macros
//! panic then; these, which stand in their place in all commands, do not.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write, stderr, stdout};

macro_rules! print {
    ($($words:tt)*) => { $crate::print::to_stdout(format_args!($($words)*)) };
}

macro_rules! println {
    () => { print!("\n") };
    ($($words:tt)*) => { print!("{}\n", format_args!($($words)*)) };
}

macro_rules! eprintln {
    ($($words:tt)*) => { $crate::print::to_stderr(format_args!($($words)*)) };
}

/// Ends the process, with exit code 2, where the words cannot be written though there is someone to read them.
pub(super) fn to_stdout(words: Arguments<'_>) {
    let mut output = stdout().lock();
    match output.write_fmt(words).and_then(|()| output.flush()) {
        // Files and exit code are still those of the command.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("error: cannot write to the standard output: {error}");
            std::process::exit(2);
        }
        _ => {}
    }
}

/// Progress and errors, a line of them: there is nowhere to say that they cannot be written.
pub(super) fn to_stderr(words: Arguments<'_>) {
    let _ = writeln!(stderr().lock(), "{words}");
}
