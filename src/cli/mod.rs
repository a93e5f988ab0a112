//! The commands of the program `tsallis`.

pub mod check;
mod curve;
mod device;
mod eval;
mod interrupt;
mod lab;
mod plot;
mod progress;
mod train;

use crate::rl::ppo::{ConfigError, LearnerError};
use crate::rl::run::RunError;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Reinforcement learning with Tsallis policies.
#[derive(Debug, Parser)]
#[command(name = "tsallis", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(train::Train),
    Eval(eval::Eval),
    Check(check::Check),
    Devices(device::Devices),
    Landscape(lab::landscape::Landscape),
    Tabular(lab::tabular::Tabular),
    Converge(lab::converge::Converge),
    Recommend(lab::recommend::Recommend),
    Bandit(lab::bandit::Bandit),
}

/// Why a command ended without its result.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Device(#[from] device::DeviceError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Learner(#[from] LearnerError),
    #[error(transparent)]
    Plot(#[from] plot::PlotError),
    #[error(transparent)]
    Check(#[from] check::CheckError),
    #[error(transparent)]
    Lab(#[from] lab::LabError),
}

impl CommandError {
    /// 2 for a value, a device or a folder that cannot be used, 1 for a computation that failed.
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) | Self::Device(_) | Self::Run(_) => ExitCode::from(2),
            Self::Check(check::CheckError::Broken(_)) => ExitCode::FAILURE,
            Self::Check(_) => ExitCode::from(2),
            Self::Lab(error) if error.is_usage() => ExitCode::from(2),
            Self::Lab(_) => ExitCode::FAILURE,
            Self::Learner(_) | Self::Plot(_) => ExitCode::FAILURE,
        }
    }
}

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Train(train) => train.run(),
        Command::Eval(eval) => eval.run(),
        Command::Check(check) => check.run(),
        Command::Devices(devices) => {
            devices.run();
            Ok(())
        }
        Command::Landscape(landscape) => landscape.run().map_err(Into::into),
        Command::Tabular(tabular) => tabular.run().map_err(Into::into),
        Command::Converge(converge) => converge.run().map_err(Into::into),
        Command::Recommend(recommend) => recommend.run().map_err(Into::into),
        Command::Bandit(bandit) => bandit.run().map_err(Into::into),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            error.exit_code()
        }
    }
}

/// A count with its thousands apart: `200 000`.
fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A time as a person says it: `42 s`, `3 min 5 s`, `2 h 10 min`.
fn duration(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn numbers_as_words() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(200_192), "200 192");
        assert_eq!(thousands(1_000_000), "1 000 000");
        assert_eq!(duration(59.4), "59 s");
        assert_eq!(duration(185.0), "3 min 5 s");
        assert_eq!(duration(7800.0), "2 h 10 min");
    }
}
