//! One-line messages for an invalid command line.

use burn_tsallis::experiment::renamed;
use clap::error::{ContextKind, ErrorKind};

/// Returns clap's message and tips as one line, without the usage text. Returns `None` if the error is a request for
/// help or the version.
pub(super) fn one_line(error: &clap::Error) -> Option<String> {
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        | ErrorKind::DisplayVersion => return None,
        ErrorKind::UnknownArgument => {
            let argument = error.get(ContextKind::InvalidArg).map(ToString::to_string);
            if let Some(hint) = argument.as_deref().and_then(renamed) {
                return Some(hint);
            }
        }
        _ => {}
    }
    let text = error.to_string();
    let paragraphs = text
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .take_while(|paragraph| {
            !paragraph.starts_with("Usage:") && !paragraph.starts_with("For more")
        });
    let line = paragraphs.collect::<Vec<_>>().join("; ");
    Some(line.trim_start_matches("error: ").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Arguments {
        #[command(subcommand)]
        command: Command,
    }

    #[derive(Debug, clap::Subcommand)]
    enum Command {
        Play(Play),
    }

    #[derive(Debug, clap::Args)]
    struct Play {
        run: String,
        #[arg(long)]
        alpha: Option<f64>,
        #[arg(long, conflicts_with = "alpha")]
        seed: Option<u64>,
        #[arg(long)]
        shared: Option<bool>,
    }

    fn line(words: &[&str]) -> Option<String> {
        let error = Arguments::try_parse_from([&["program"], words].concat());
        one_line(&error.expect_err("an invalid line"))
    }

    #[test]
    fn every_usage_error_is_one_line() {
        for (words, want) in [
            (
                &["play", "a", "--alhpa", "1"][..],
                "unexpected argument '--alhpa' found; tip: a similar argument exists: '--alpha'",
            ),
            (&["play", "a", "b"], "unexpected argument 'b' found"),
            (
                &["play", "a", "--regulariser-alpha", "1"],
                "`--regulariser-alpha` is now `--regularizer-alpha`",
            ),
            (
                &["plai"],
                "unrecognized subcommand 'plai'; tip: a similar subcommand exists: 'play'",
            ),
            (
                &["play"],
                "the following required arguments were not provided: <RUN>",
            ),
            (
                &["play", "a", "--alpha", "abc"],
                "invalid value 'abc' for '--alpha <ALPHA>': invalid float literal",
            ),
            (
                &["play", "a", "--shared", "maybe"],
                "invalid value 'maybe' for '--shared <SHARED>' [possible values: true, false]",
            ),
            (
                &["play", "a", "--seed", "1", "--alpha", "2"],
                "the argument '--seed <SEED>' cannot be used with '--alpha <ALPHA>'",
            ),
        ] {
            assert_eq!(line(words).as_deref(), Some(want), "{words:?}");
        }
        assert_eq!(line(&["play", "--help"]), None);
        assert_eq!(line(&["help"]), None);
    }
}
