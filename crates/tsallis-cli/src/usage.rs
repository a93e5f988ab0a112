//! Errors of the command line itself.

use clap::error::{ContextKind, ErrorKind};
use std::error::Error;
use std::num::{IntErrorKind, ParseFloatError, ParseIntError};

/// What is wrong with the command line, in one line, where clap takes several; none for one that asks for help
/// or for the version. `help` is the command that lists what there is.
pub(super) fn line(error: &clap::Error, help: &str) -> Option<String> {
    let of = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    let (argument, value) = (of(ContextKind::InvalidArg), of(ContextKind::InvalidValue));
    let mut line = match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        | ErrorKind::DisplayVersion => return None,
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            format!("there is no flag {argument}")
        }
        ErrorKind::UnknownArgument => format!("nothing is to be done with {argument:?}"),
        ErrorKind::InvalidSubcommand => {
            format!(
                "there is no command {:?}",
                of(ContextKind::InvalidSubcommand)
            )
        }
        ErrorKind::MissingRequiredArgument => format!("{argument} is missing"),
        ErrorKind::InvalidValue if value.is_empty() => match of(ContextKind::ValidValue) {
            values if values.is_empty() => format!("{argument} needs a value"),
            values => format!("{argument} needs a value: {}", one_of(&values)),
        },
        ErrorKind::InvalidValue => format!(
            "{value:?} is no value of {argument}: it must be {}",
            one_of(&of(ContextKind::ValidValue))
        ),
        ErrorKind::ValueValidation => {
            let wanted = wanted(error);
            if wanted.contains(&format!("{value:?}")) {
                format!("{argument}: {wanted}")
            } else {
                format!("{value:?} is no value of {argument}: {wanted}")
            }
        }
        ErrorKind::ArgumentConflict => match of(ContextKind::PriorArg) {
            other if other == argument => format!("{argument} is given more than once"),
            other => format!("{argument} cannot be given beside {other}"),
        },
        _ => first_sentence(error),
    };
    for (kind, what) in [
        (
            ContextKind::SuggestedSubcommand,
            "a similar command exists: ",
        ),
        (ContextKind::SuggestedArg, "a similar argument exists: "),
        (ContextKind::SuggestedValue, "a similar value exists: "),
        (ContextKind::Suggested, ""),
    ] {
        let tip = of(kind);
        if !tip.is_empty() {
            line = format!("{line}; {what}{tip}");
        }
    }
    if matches!(
        error.kind(),
        ErrorKind::UnknownArgument
            | ErrorKind::InvalidSubcommand
            | ErrorKind::MissingRequiredArgument
    ) {
        line = format!("{line}; see {help}");
    }
    Some(line)
}

/// Of values with commas between, of which there may be one.
fn one_of(values: &str) -> String {
    if values.contains(", ") {
        format!("one of {values}")
    } else {
        values.to_owned()
    }
}

/// What a value would have to be: the words of its parser, except where those are the standard library's, which
/// speak of digits and literals.
fn wanted(error: &clap::Error) -> String {
    let Some(source) = error.source() else {
        return "it must be another one".to_owned();
    };
    if source.is::<ParseFloatError>() {
        return "it must be a number".to_owned();
    }
    match source
        .downcast_ref::<ParseIntError>()
        .map(ParseIntError::kind)
    {
        Some(IntErrorKind::PosOverflow) => "it must be a smaller whole number".to_owned(),
        Some(_) => "it must be a whole number without a sign".to_owned(),
        None => source.to_string(),
    }
}

/// The beginning of what clap says, less its `error: `.
fn first_sentence(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = first.split_whitespace().collect();
    let line = words.join(" ");
    line.strip_prefix("error: ")
        .map_or(line.clone(), str::to_owned)
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
        #[arg(long)]
        steps: Option<usize>,
        #[arg(long, value_name = "COUNT", conflicts_with = "steps")]
        seed: Option<u64>,
        #[arg(long, num_args = 2)]
        pair: Vec<f64>,
        #[arg(long)]
        shared: Option<bool>,
        #[arg(long, value_parser = even)]
        even: Option<usize>,
    }

    fn even(text: &str) -> Result<usize, String> {
        Err(format!("there is no even number {text:?}"))
    }

    fn refused(words: &[&str]) -> Option<String> {
        let error = Arguments::try_parse_from([&["program"], words].concat());
        line(&error.expect_err("a bad line"), "program --help")
    }

    #[test]
    fn every_error_is_one_line_that_names_the_value_and_what_would_be_right() {
        for (words, said) in [
            (
                &["play", "a", "--alhpa", "1"][..],
                "there is no flag --alhpa; a similar argument exists: --alpha; see program --help",
            ),
            (&["play", "a", "--zz"], "there is no flag --zz"),
            (
                &["play", "a", "b"],
                "nothing is to be done with \"b\"; see program --help",
            ),
            (
                &["plai"],
                "there is no command \"plai\"; a similar command exists: play; see program --help",
            ),
            (&["play"], "<RUN> is missing; see program --help"),
            (
                &["play", "a", "--alpha", "abc"],
                "\"abc\" is no value of --alpha <ALPHA>: it must be a number",
            ),
            (
                &["play", "a", "--steps", "1e5"],
                "\"1e5\" is no value of --steps <STEPS>: it must be a whole number without a sign",
            ),
            (
                &["play", "a", "--seed", "99999999999999999999"],
                "\"99999999999999999999\" is no value of --seed <COUNT>: it must be a smaller whole \
                 number",
            ),
            (
                &["play", "a", "--even", "3"],
                "--even <EVEN>: there is no even number \"3\"",
            ),
            (&["play", "a", "--alpha"], "--alpha <ALPHA> needs a value"),
            (
                &["play", "a", "--shared", "maybe"],
                "\"maybe\" is no value of --shared <SHARED>: it must be one of true, false",
            ),
            (
                &["play", "a", "--alpha", "1", "--alpha", "2"],
                "--alpha <ALPHA> is given more than once",
            ),
            (
                &["play", "a", "--seed", "1", "--steps", "2"],
                "--seed <COUNT> cannot be given beside --steps <STEPS>",
            ),
            (&["play", "a", "--pair", "1"], "2 values required"),
        ] {
            let line = refused(words).expect("an error");
            assert!(line.starts_with(said), "{words:?}: {line}");
            assert_eq!(line.lines().count(), 1, "{line}");
        }
        assert_eq!(refused(&["play", "--help"]), None);
        assert_eq!(refused(&["help"]), None);
    }
}
