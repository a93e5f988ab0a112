//! The `tsallis` program: its commands, progress displays and plots.
// burn-ndarray is deprecated as a whole since Burn 0.22; it stays supported here until Burn drops it.
#![cfg_attr(feature = "ndarray", allow(deprecated))]

// Declared first so that its macros replace the standard ones in all modules below.
#[macro_use]
mod print;

mod band;
mod check;
mod compare;
mod config_file;
mod describe;
mod device;
mod eval;
#[cfg(test)]
mod fuzz;
mod hyperparameters;
mod lab;
mod learning_curve;
mod markdown;
mod negative_numbers;
mod parallel;
mod plot;
mod plot_runs;
mod print_paragraph;
mod progress;
mod seeds;
mod sharding;
mod statistics;
mod stop;
mod sweep;
mod train;
mod usage;
mod value_parser;

use burn_tsallis::experiment::FileError;
use burn_tsallis::rl::env::EnvironmentError;
use burn_tsallis::rl::ppo::{ConfigError, LearnerError};
use burn_tsallis::rl::run::{RunError, TrainerError};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::path::PathBuf;
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
    Train(Box<train::Train>),
    Sweep(Box<sweep::Sweep>),
    Compare(compare::Compare),
    Eval(eval::Eval),
    Plot(plot_runs::Plot),
    Check(check::Check),
    Devices(device::Devices),
    Landscape(lab::landscape::Landscape),
    Tabular(lab::tabular::Tabular),
    Converge(lab::converge::Converge),
    Network(lab::network::Network),
    Trajectories(lab::trajectories::Trajectories),
    Recommend(lab::recommend::Recommend),
    Bandit(lab::bandit::Bandit),
}

/// An error that ends a command.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Device(#[from] device::DeviceError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Write(#[from] FileError),
    #[error(transparent)]
    Learner(#[from] LearnerError),
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error(transparent)]
    Trainer(TrainerError),
    #[error(transparent)]
    Plot(#[from] plot::PlotError),
    #[error(transparent)]
    Check(#[from] check::CheckError),
    #[error(transparent)]
    File(#[from] config_file::ConfigFileError),
    #[error(
        "the argument '--{0}' cannot be used with '--resume': a resumed run keeps its \
         configuration, and only --steps, --device, --jobs, --python, --env-timeout, --quiet and --json are allowed"
    )]
    NotAllowedWithResume(String),
    #[error(
        "the {what} of {} is {other}, but {first} in the first run: pass {flag} to set it for all runs, or resume this \
         run alone",
        run.display()
    )]
    ResumeTogether {
        run: PathBuf,
        what: String,
        other: String,
        first: String,
        flag: String,
    },
    #[error(
        "{} was stopped before training began: repeat the command that began it, without --resume",
        .0.display()
    )]
    Unprepared(PathBuf),
    #[error(
        "{reason}{}the folder {} keeps the results so far and the last good checkpoint",
        // A traceback has lines of its own.
        if reason.contains('\n') { "\n" } else { "; " },
        run.display()
    )]
    Failed { reason: String, run: PathBuf },
    #[error(transparent)]
    Lab(#[from] lab::LabError),
    #[error("{0}")]
    Sweep(#[from] sweep::SweepError),
    #[error(transparent)]
    Compare(#[from] compare::CompareError),
    #[error(transparent)]
    PlotRuns(#[from] plot_runs::PlotRunsError),
    /// An error that has already been printed, with the exit code.
    #[error("the error has already been printed")]
    Reported(u8),
}

impl From<hyperparameters::SettingsError> for CommandError {
    fn from(error: hyperparameters::SettingsError) -> Self {
        match error {
            hyperparameters::SettingsError::File(error) => Self::File(error),
            hyperparameters::SettingsError::Value(error) => Self::Config(error),
        }
    }
}

impl From<TrainerError> for CommandError {
    fn from(error: TrainerError) -> Self {
        match error {
            TrainerError::Learner(LearnerError::Config(error)) | TrainerError::Config(error) => {
                Self::Config(error)
            }
            TrainerError::Learner(error) => Self::Learner(error),
            TrainerError::Run(error) => Self::Run(error),
            other => Self::Trainer(other),
        }
    }
}

impl CommandError {
    /// Returns the exit code: 2 for an invalid value, device or folder, 1 for a failed computation.
    fn code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Device(_) | Self::Run(_) | Self::Write(_) | Self::File(_) => 2,
            Self::NotAllowedWithResume(_) | Self::ResumeTogether { .. } | Self::Unprepared(_) => 2,
            Self::Sweep(sweep::SweepError::Interrupted { .. }) => 1,
            Self::Sweep(_) | Self::Compare(_) | Self::PlotRuns(_) => 2,
            Self::Check(check::CheckError::Broken(_)) => 1,
            Self::Check(_) => 2,
            Self::Reported(code) => *code,
            Self::Plot(plot::PlotError::Write(_)) => 2,
            Self::Learner(LearnerError::Environments(EnvironmentError::Gymnasium(error)))
            | Self::Environment(EnvironmentError::Gymnasium(error))
                if error.is_usage() =>
            {
                2
            }
            Self::Environment(_) => 1,
            Self::Learner(_) | Self::Trainer(_) | Self::Plot(_) | Self::Failed { .. } => 1,
            Self::Lab(error) if error.is_usage() => 2,
            Self::Lab(_) => 1,
        }
    }
}

/// Parses the command line and runs the command.
fn main() -> ExitCode {
    let line = negative_numbers::spelled_out(std::env::args_os());
    let matches = Arguments::command().try_get_matches_from(line);
    let parsed = matches.and_then(|matches| {
        let arguments = Arguments::from_arg_matches(&matches)?;
        Ok((matches, arguments))
    });
    let (matches, arguments) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return exit_with_usage(&error),
    };
    let done = match arguments.command {
        Command::Train(train) => train.run(&given_flags(&matches)),
        Command::Sweep(sweep) => sweep.run(),
        Command::Compare(compare) => compare.run(),
        Command::Eval(eval) => eval.run(),
        Command::Plot(plot) => plot.run(),
        Command::Check(check) => check.run(),
        Command::Devices(devices) => {
            devices.run();
            Ok(())
        }
        Command::Landscape(landscape) => landscape.run().map_err(Into::into),
        Command::Tabular(tabular) => match tabular.run() {
            Ok(true) => Ok(()),
            // The exit code keeps scripts from mistaking a partial table for a complete one.
            Ok(false) => Err(CommandError::Reported(stop::EXIT_CODE)),
            Err(error) => Err(error.into()),
        },
        Command::Converge(converge) => converge.run().map_err(Into::into),
        Command::Network(network) => network.run().map_err(Into::into),
        Command::Trajectories(trajectories) => trajectories.run().map_err(Into::into),
        Command::Recommend(recommend) => recommend.run().map_err(Into::into),
        Command::Bandit(bandit) => bandit.run().map_err(Into::into),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !matches!(error, CommandError::Reported(_)) {
                eprintln!("error: {error}");
            }
            ExitCode::from(error.code())
        }
    }
}

/// Prints a command line error as one line, or the requested help or version.
fn exit_with_usage(error: &clap::Error) -> ExitCode {
    match usage::one_line(error) {
        Some(line) => {
            eprintln!("error: {line}");
            ExitCode::from(2)
        }
        None => error.exit(),
    }
}

/// Returns the long flags given on the command line, without their dashes.
fn given_flags(matches: &ArgMatches) -> Vec<String> {
    let Some((name, matches)) = matches.subcommand() else {
        return Vec::new();
    };
    let program = Arguments::command();
    let flags = program
        .find_subcommand(name)
        .into_iter()
        .flat_map(|command| {
            command
                .get_arguments()
                .filter_map(|flag| Some((flag.get_id().as_str(), flag.get_long()?)))
        });
    flags
        .filter(|(id, _)| matches.value_source(id) == Some(ValueSource::CommandLine))
        .map(|(_, flag)| flag.to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    /// `cargo run --features X` selects features of this package, so each backend feature of the plugin must exist
    /// here.
    #[test]
    fn the_program_has_the_backends_of_the_plugin() {
        let features = |manifest: &str| {
            let path = format!("{}/{manifest}", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).expect("a manifest of the workspace");
            let manifest: toml::Table = text.parse().expect("TOML");
            manifest["features"].as_table().expect("a table").clone()
        };
        let (plugin, program) = (features("../../Cargo.toml"), features("Cargo.toml"));
        // Layers that the program always enables, and a part of the backends that is not a backend.
        let others = ["conformance", "experiment", "rl", "cube"];
        let wanted: Vec<_> = plugin
            .keys()
            .filter(|name| !others.contains(&name.as_str()))
            .collect();
        assert_eq!(program.keys().collect::<Vec<_>>(), wanted);
        for name in wanted.into_iter().filter(|&name| name != "default") {
            let forwarded = toml::Value::from(vec![format!("burn-tsallis/{name}")]);
            assert_eq!(program[name], forwarded, "{name}");
        }
    }
}
