//! `print!`, `println!` and `eprintln!` without panics.
//!
//! The standard macros panic if the pipe is closed or the disk is full. These macros replace them in all commands.

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

/// Writes to standard output. Ends the process with exit code 2 if that fails, unless the reader has closed the pipe.
pub(super) fn to_stdout(words: Arguments<'_>) {
    let mut output = stdout().lock();
    match output.write_fmt(words).and_then(|()| output.flush()) {
        // A closed pipe is ignored: the command still writes its files and sets its exit code.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("error: cannot write to standard output: {error}");
            std::process::exit(2);
        }
        _ => {}
    }
}

/// Writes a line to standard error. Ignores failures because there is no place left to report them.
pub(super) fn to_stderr(words: Arguments<'_>) {
    let _ = writeln!(stderr().lock(), "{words}");
}
