//! The comparison of each alpha with alpha 1, on seeds that did not choose the settings.

use super::super::number_format::Compact;
use super::super::{LabError, write_table};
use super::TextTable;
use crate::print_paragraph::print_paragraph;
use crate::statistics::{DETECTABLE_ERRORS, Estimate, compare_samples, mean_difference};
use std::path::Path;
use tsallis_lab::sweep::{RunRow, Setting};

/// The alpha that the others are compared with.
const BASELINE: &str = "1";

/// A method and alpha, compared with the same method at the baseline or, if it has no alpha, with f-PG there.
pub(super) struct Judged<'a> {
    first: &'a RunRow,
    seeds: usize,
    difference: Estimate,
}

impl Judged<'_> {
    /// The difference that these seeds would have found with a probability of 80 %.
    fn detectable(&self) -> f64 {
        DETECTABLE_ERRORS * self.difference.error
    }
}

/// Compares the settings, of which each method and alpha has one.
pub(super) fn compare<'a>(settings: &[Vec<Setting<'a>>]) -> Vec<Judged<'a>> {
    let settings: Vec<&[&RunRow]> = settings
        .iter()
        .flatten()
        .map(|setting| setting.rows.as_slice())
        .collect();
    let values =
        |rows: &[&RunRow]| -> Vec<f64> { rows.iter().map(|row| row.final_value).collect() };
    let judged = settings.iter().filter_map(|&rows| {
        let first = *rows.first()?;
        let baseline = settings.iter().find(|rows| {
            rows.first().is_some_and(|other| {
                let method = first.alpha.as_ref().map_or("fpg", |_| &first.algorithm);
                other.mdp == first.mdp
                    && other.algorithm == method
                    && other.alpha.as_deref() == Some(BASELINE)
            })
        })?;
        if baseline
            .first()
            .is_some_and(|other| other.key() == first.key())
        {
            return None;
        }
        Some(Judged {
            first,
            seeds: rows.len(),
            difference: compare_samples(&values(rows), &values(baseline), mean_difference),
        })
    });
    judged.collect()
}

/// Writes judged.csv.
pub(super) fn write(folder: &Path, judged: &[Judged<'_>]) -> Result<(), LabError> {
    let header =
        "mdp,algorithm,alpha,step_size,temperature,seeds,difference,low,high,detectable_difference";
    let rows = judged.iter().map(|judged| {
        let Judged {
            first,
            seeds,
            difference,
        } = judged;
        (
            &first.mdp,
            &first.algorithm,
            &first.alpha,
            first.step_size,
            first.temperature,
            seeds,
            difference.value,
            difference.interval.0,
            difference.interval.1,
            judged.detectable(),
        )
    });
    write_table(&folder.join("judged.csv"), header, rows)
}

/// Prints the comparison.
pub(super) fn print(judged: &[Judged<'_>]) {
    if judged.is_empty() {
        return;
    }
    let names = "process, method, alpha, seeds, from alpha 1, low, high, detectable";
    let mut table = TextTable::new(2, names);
    for judged in judged {
        let first = judged.first;
        table.row([
            first.mdp.clone(),
            first.algorithm.clone(),
            super::or_dash(first.alpha.as_ref()),
            judged.seeds.to_string(),
            Compact(judged.difference.value).to_string(),
            Compact(judged.difference.interval.0).to_string(),
            Compact(judged.difference.interval.1).to_string(),
            Compact(judged.detectable()).to_string(),
        ]);
    }
    table.print();
    print_paragraph(
        "Each alpha is compared with alpha 1 by the mean of the value, with the 95 % bootstrap interval of the \
         difference. The last column is the difference that these seeds find with a power of 80 %.",
    );
}
