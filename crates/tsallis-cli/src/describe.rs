//! Descriptions of runs and their results in plain text.

use burn_tsallis::rl::env::EnvironmentKind;
use burn_tsallis::rl::ppo::PpoConfig;
use burn_tsallis::rl::run::{RunStatus, RunSummary, Verdict};
use indicatif::{HumanCount, HumanDuration};
use std::time::Duration;

/// Formats a setting with all its digits, and with a power of ten if they are many: it can be part of the name of a
/// file.
pub(super) fn number(value: f64) -> String {
    let digits = value.to_string();
    if digits.len() > 24 {
        format!("{value:e}")
    } else {
        digits
    }
}

/// Returns the name of an environment as part of the name of a file.
pub(super) fn file_name(environment: &EnvironmentKind) -> String {
    environment.to_string().replace([':', '/'], "-")
}

/// Describes the configuration of a run in a few words, without its seed.
pub(super) fn describe_config(config: &PpoConfig) -> String {
    let alpha = if config.alpha == config.regularizer_alpha {
        format!("alpha {}", number(config.alpha))
    } else {
        format!(
            "alpha {} (regularizer {})",
            number(config.alpha),
            number(config.regularizer_alpha)
        )
    };
    format!(
        "{}, {alpha}, beta {}, noise {}",
        config.environment.title(),
        number(config.beta),
        number(config.noise_std)
    )
}

/// Formats a return with a number of decimals that suits the largest possible return, or itself if that is not known.
pub(super) fn format_return(value: f64, largest: Option<f64>) -> String {
    let largest = largest.unwrap_or(value).abs();
    let digits = if largest >= 100.0 {
        1
    } else if largest >= 10.0 {
        2
    } else {
        3
    };
    format!("{value:.digits$}")
}

/// Formats a return, and the largest possible one if it is known.
pub(super) fn format_of_best(value: f64, largest: Option<f64>) -> String {
    let value = format_return(value, largest);
    match largest {
        Some(largest) => format!("{value} of {}", thousandths(largest)),
        None => value,
    }
}

fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Describes the result of a run. The reason for a failure is omitted, since it is in the summary.
pub(super) fn describe_summary(summary: &RunSummary) -> String {
    let took = format!(
        "{} steps in {}",
        HumanCount(summary.steps as u64),
        HumanDuration(Duration::from_secs(summary.seconds.round() as u64))
    );
    let learned = describe_result(summary);
    match summary.status {
        RunStatus::Finished => format!("{learned}. {took}."),
        RunStatus::Stopped => format!("Stopped after {took}. {learned}."),
        RunStatus::Interrupted => format!("Interrupted after {took}. {learned}."),
        RunStatus::Failed => format!("Failed after {took}. {learned}."),
    }
}

fn describe_result(summary: &RunSummary) -> String {
    if summary.updates == 0 {
        return "No update was completed".to_owned();
    }
    let largest = summary.best_possible_return;
    let Some(mean) = summary.final_return else {
        return "No episode was completed".to_owned();
    };
    let mean = format_of_best(mean, largest);
    let episodes = summary.episodes.min(100);
    let of = if episodes == 1 {
        "over the last episode".to_owned()
    } else {
        format!("over the last {episodes} episodes")
    };
    let environment = summary.environment.title();
    match (
        summary.verdict,
        summary.solved_return,
        summary.steps_to_solved,
    ) {
        (Some(Verdict::Solved), Some(solved), Some(steps)) => format!(
            "{environment} is solved: mean return {mean} {of}, {solved} first reached after {} \
             steps",
            HumanCount(steps as u64)
        ),
        (Some(Verdict::Lost), ..) => {
            format!("{environment} was solved earlier, but not at the end: mean return {mean} {of}")
        }
        (Some(_), Some(solved), _) => format!(
            "{environment} is not solved yet: mean return {mean} {of} (solved at {solved}){}",
            if summary.status == RunStatus::Finished {
                "; more --steps may help"
            } else {
                ""
            }
        ),
        _ => format!("{environment}: mean return {mean} {of}"),
    }
}

/// Describes the results of runs that differ only in their seeds. Returns `None` if there are none.
pub(super) fn describe_summaries(summaries: &[RunSummary]) -> Option<String> {
    let first = summaries.first()?;
    let returns: Vec<f64> = summaries.iter().filter_map(|s| s.final_return).collect();
    let count = |holds: fn(&RunSummary) -> bool| summaries.iter().filter(|s| holds(s)).count();
    let runs = summaries.len();
    let mut parts = Vec::new();
    if first.verdict.is_some() {
        let solved = count(|s| s.verdict == Some(Verdict::Solved));
        let mut steps: Vec<_> = summaries.iter().filter_map(|s| s.steps_to_solved).collect();
        steps.sort_unstable();
        let first_reached = match (steps.first(), steps.last()) {
            (Some(least), Some(most)) if least < most => format!(
                ", first after {} to {} steps",
                HumanCount(*least as u64),
                HumanCount(*most as u64)
            ),
            (Some(least), _) => format!(", first after {} steps", HumanCount(*least as u64)),
            _ => String::new(),
        };
        parts.push(format!("{solved} of {runs} solved{first_reached}"));
    }
    if !returns.is_empty() {
        let mean = returns.iter().sum::<f64>() / returns.len() as f64;
        let (least, most) = returns
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), &r| {
                (lo.min(r), hi.max(r))
            });
        let words = |value| format_return(value, first.best_possible_return);
        parts.push(format!(
            "mean final return {}, range {} to {}",
            words(mean),
            words(least),
            words(most)
        ));
        if let (Some(part), Some(best)) = (parts.last_mut(), first.best_possible_return) {
            part.push_str(&format!(", best possible {}", thousandths(best)));
        }
    }
    for (status, words) in [
        (RunStatus::Failed, "failed"),
        (RunStatus::Interrupted, "interrupted"),
        (RunStatus::Stopped, "stopped early"),
    ] {
        let number = summaries.iter().filter(|s| s.status == status).count();
        if number > 0 {
            parts.push(format!("{number} {words}"));
        }
    }
    Some(format!(
        "{}, {runs} seeds: {}.",
        first.environment.title(),
        parts.join("; ")
    ))
}
