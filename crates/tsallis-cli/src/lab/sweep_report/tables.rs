use super::super::number_format::Decimals;
use super::super::{LabError, write_table};
use std::path::Path;
use tsallis_lab::sweep::{BestSetting, Setting, SixDigits};

/// The table of the best settings.
pub(in crate::lab) const BEST_SETTINGS: &str = "best.csv";

/// Writes best.csv with the best settings, curves.csv with their curves, and settings.csv with the final value of every
/// setting and seed.
pub(super) fn write(
    folder: &Path,
    best_settings: &[BestSetting],
    settings: &[Vec<Setting<'_>>],
) -> Result<(), LabError> {
    write_best_settings(folder, best_settings)?;
    write_curves(folder, best_settings)?;
    write_settings(folder, settings)
}

fn write_best_settings(folder: &Path, best_settings: &[BestSetting]) -> Result<(), LabError> {
    let header = "mdp,algorithm,alpha,step_size,temperature,settings,seeds,final_value,standard_error,final_return";
    let rows = best_settings.iter().map(|best| {
        (
            &best.mdp,
            &best.algorithm,
            &best.alpha,
            best.step_size,
            best.temperature,
            best.settings,
            best.seeds,
            best.final_value,
            best.standard_error,
            best.final_return,
        )
    });
    write_table(&folder.join(BEST_SETTINGS), header, rows)
}

fn write_curves(folder: &Path, best_settings: &[BestSetting]) -> Result<(), LabError> {
    let header = "mdp,algorithm,alpha,iteration,value_mean,value_std";
    let rows = best_settings.iter().flat_map(|best| {
        best.iterations
            .iter()
            .zip(&best.values)
            .map(move |(iteration, (mean, deviation))| {
                let digits = |value| Decimals(value, 6).to_string();
                (
                    &best.mdp,
                    &best.algorithm,
                    &best.alpha,
                    iteration,
                    digits(*mean),
                    digits(*deviation),
                )
            })
    });
    write_table(&folder.join("curves.csv"), header, rows)
}

fn write_settings(folder: &Path, settings: &[Vec<Setting<'_>>]) -> Result<(), LabError> {
    let header =
        "mdp,algorithm,alpha,step_size,temperature,seeds,final_value,standard_error,final_values";
    let rows = settings.iter().flatten().filter_map(|setting| {
        let first = setting.rows.first()?;
        let values = setting.rows.iter().map(|row| SixDigits(row.final_value));
        let values: Vec<String> = values.map(|value| value.to_string()).collect();
        Some((
            &first.mdp,
            &first.algorithm,
            &first.alpha,
            first.step_size,
            first.temperature,
            setting.rows.len(),
            setting.final_value,
            setting.standard_error,
            values.join(" "),
        ))
    });
    write_table(&folder.join("settings.csv"), header, rows)
}
