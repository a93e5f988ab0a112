//! The program `tsallis`.

use std::process::ExitCode;

fn main() -> ExitCode {
    burn_tsallis::cli::main()
}
