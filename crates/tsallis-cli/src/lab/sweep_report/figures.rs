use super::super::number_format::{Decimals, FullPrecision};
use super::super::{LabError, mean_of_seeds};
use super::Process;
use crate::plot::{
    Axis, CATEGORIES, Figure, Fill, GRAY, Line, LinePlot, Surface, category, divergence_color,
};
use plotters::style::RGBColor;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tsallis_lab::sweep::{BestSetting, Setting};

/// Draws the curve of each best setting of a process to files of this name.
pub(super) fn draw_curves(
    folder: &Path,
    process: &Process,
    name: &str,
    best_settings: &[&BestSetting],
    seeds: usize,
) -> Result<(), LabError> {
    let &Process {
        steps, best_value, ..
    } = process;
    let last = best_settings
        .iter()
        .filter_map(|best| best.iterations.last())
        .max()
        .copied()
        .unwrap_or(1) as f64;
    let mut plot = LinePlot::new(
        Axis::linear("iteration").range(0.0..last),
        Axis::linear(format!("mean return over {steps} steps, discounted")),
    )
    .line(
        Line::new([(0.0, best_value), (last, best_value)], GRAY)
            .dashed()
            .width(1)
            .label(format!("best possible: {}", Decimals(best_value, 3))),
    );
    for best in best_settings {
        let points = best.iterations.iter().zip(&best.values);
        let points: Vec<_> = points
            .map(|(&n, &(mean, std))| (n as f64, mean, std))
            .collect();
        let line = Line::mean(&points, color(best)).dashes(dashes(best));
        plot = plot.line(line.label(label(best, seeds)));
    }
    Figure::new((1000, 640))
        .title(format!(
            "{}: best step size and temperature of each, {}",
            process.name(),
            mean_of_seeds(seeds)
        ))
        .panel(plot)
        .save(&folder.join(name))?;
    Ok(())
}

/// Draws the share of the best possible return that each alpha reaches with its best setting, if that was run with all
/// seeds.
pub(super) fn draw_alphas(
    folder: &Path,
    processes: &[Process],
    best_settings: &[BestSetting],
    seeds: usize,
) -> Result<(), LabError> {
    let mut plot = LinePlot::new(
        Axis::linear("α"),
        Axis::linear("mean return, % of the best possible").range(0.0..102.0),
    );
    let mut any = false;
    for (index, process) in processes.iter().enumerate() {
        let mut points: Vec<(f64, f64, f64)> = best_settings
            .iter()
            .filter(|best| best.mdp == process.name() && best.algorithm == "fpg")
            .filter(|best| best.seeds == seeds)
            .filter_map(|best| {
                let alpha = best.alpha.as_deref()?.parse().ok()?;
                let mean = process.share(best.final_value)?;
                Some((alpha, mean, process.share(best.standard_error)?))
            })
            .collect();
        if points.is_empty() {
            continue;
        }
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        any |= points.len() > 1;
        let (color, dashes) = category(index);
        let line = Line::mean(&points, color).dashes(dashes);
        plot = plot.line(line.dots().label(process.name()));
    }
    if !any {
        return Ok(());
    }
    Figure::new((900, 600))
        .title("The best step size and temperature of each α, mean ± 1 standard error")
        .panel(plot)
        .save(&folder.join("alphas"))?;
    Ok(())
}

/// Draws the mean return of f-PG for each alpha and temperature, at the best step size among those that were run with
/// all seeds.
pub(super) fn draw_temperatures(
    folder: &Path,
    processes: &[Process],
    settings: &[Vec<Setting<'_>>],
    seeds: usize,
) -> Result<(), LabError> {
    let mut panels = Vec::new();
    for process in processes {
        let mut cells: BTreeMap<(u64, u64), f64> = BTreeMap::new();
        let whole = |setting: &&Setting<'_>| setting.rows.len() == seeds;
        for setting in settings.iter().flatten().filter(whole) {
            let row = setting.rows[0];
            let alpha = row
                .alpha
                .as_deref()
                .and_then(|alpha| alpha.parse::<f64>().ok());
            if row.mdp != process.name() || row.algorithm != "fpg" {
                continue;
            }
            if let (Some(alpha), Some(temperature)) = (alpha.filter(|a| *a >= 0.0), row.temperature)
            {
                // Non-negative floats have the same order as their bits.
                let cell = cells
                    .entry((temperature.to_bits(), alpha.to_bits()))
                    .or_insert(f64::NAN);
                *cell = cell.max(setting.final_value);
            }
        }
        let side = |of: fn(&(u64, u64)) -> u64| -> Vec<f64> {
            let side: BTreeSet<u64> = cells.keys().map(of).collect();
            side.into_iter().map(f64::from_bits).collect()
        };
        let (temperatures, alphas) = (side(|key| key.0), side(|key| key.1));
        // A stopped sweep has missing cells.
        if temperatures.len() < 2
            || alphas.len() < 2
            || cells.len() < temperatures.len() * alphas.len()
        {
            continue;
        }
        let places = |name: &str, values: &[f64]| {
            let words = values.iter().map(|&value| FullPrecision(value).to_string());
            let at = (0..values.len()).map(|place| place as f64).collect();
            (Axis::places(name, words), at)
        };
        // The title of the figure explains the colors. The scale ends at the best possible return, so that cells in
        // which nothing was learned share one color.
        let mut values = Axis::linear("");
        if process.best_value > 0.0 {
            values = values.range(0.0..process.best_value);
        }
        let surface = Surface::new(
            places("α", &alphas),
            places("temperature λ", &temperatures),
            (values, cells.into_values().collect()),
        );
        panels.push(surface.title(process.name()).fill(Fill::Cells));
    }
    if panels.is_empty() {
        return Ok(());
    }
    let columns = panels.len().min(3);
    let lines = panels.len().div_ceil(columns) as u32;
    let mut figure = Figure::new((90 + 430 * columns as u32, 50 + 370 * lines))
        .title("Mean return by α and temperature, at the best step size of each")
        .columns(columns);
    for panel in panels {
        figure = figure.panel(panel);
    }
    Ok(figure.save(&folder.join("temperatures"))?)
}

/// Returns the label of a line, with its number of seeds if that differs from the title.
fn label(best: &BestSetting, seeds: usize) -> String {
    let name = match (best.algorithm.as_str(), best.alpha.as_deref()) {
        ("fpg", Some("1")) => "α = 1: softmax + entropy".to_owned(),
        ("fpg", Some(alpha)) if alpha.parse::<f64>().is_ok() => format!("α = {alpha}"),
        ("fpg", Some(alpha)) => alpha.to_owned(),
        (algorithm, Some(alpha)) => format!("{algorithm} {alpha}"),
        (algorithm, None) => algorithm.to_owned(),
    };
    match best.seeds {
        all if all == seeds => name,
        1 => format!("{name}, one seed"),
        some => format!("{name}, {some} seeds"),
    }
}

fn color(best: &BestSetting) -> RGBColor {
    // The power of an escort transform has the color of the equal alpha.
    let divergence = best.alpha.as_deref().and_then(|alpha| alpha.parse().ok());
    match (divergence, best.algorithm.as_str()) {
        (Some(divergence), _) => divergence_color(divergence),
        (None, "log-barrier") => CATEGORIES[3],
        (None, "hadamard") => CATEGORIES[4],
        (None, "adaptive") => CATEGORIES[2],
        (None, _) => CATEGORIES[5],
    }
}

/// Returns the lengths in pixels of a dash and a gap, which distinguish methods with the same alpha. Returns `None` for
/// a solid line.
fn dashes(best: &BestSetting) -> Option<(u32, u32)> {
    match best.algorithm.as_str() {
        "fpg" => None,
        "natural" => Some((14, 4)),
        "log-barrier" => Some((7, 5)),
        "escort" => Some((2, 4)),
        "hadamard" => Some((10, 10)),
        _ => Some((4, 3)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(algorithm: &str, alpha: Option<&str>) -> BestSetting {
        BestSetting {
            mdp: "nchain:4".to_owned(),
            algorithm: algorithm.to_owned(),
            alpha: alpha.map(str::to_owned),
            step_size: 0.1,
            temperature: None,
            settings: 1,
            seeds: 7,
            final_value: 1.0,
            standard_error: 0.0,
            final_return: 1.0,
            iterations: vec![0],
            values: vec![(1.0, 0.0)],
        }
    }

    #[test]
    fn no_two_lines_look_alike() {
        let lines = [
            best("fpg", Some("0.5")),
            best("fpg", Some("hellinger")),
            best("fpg", Some("jensen-shannon")),
            best("fpg", Some("le-cam")),
            best("natural", Some("0.5")),
            best("natural", Some("hellinger")),
            best("escort", Some("0.5")),
            best("log-barrier", None),
            best("hadamard", None),
            best("adaptive", None),
        ];
        let looks = lines.iter().map(|best| {
            let RGBColor(r, g, b) = color(best);
            (r, g, b, dashes(best))
        });
        assert_eq!(looks.collect::<BTreeSet<_>>().len(), lines.len());
        let dashes = lines[4..].iter().map(dashes);
        assert_eq!(dashes.collect::<BTreeSet<_>>().len(), 5);
    }

    #[test]
    fn labels_show_a_smaller_seed_count() {
        assert_eq!(label(&best("fpg", Some("0.5")), 7), "α = 0.5");
        assert_eq!(label(&best("fpg", Some("0.5")), 16), "α = 0.5, 7 seeds");
        assert_eq!(label(&best("fpg", Some("le-cam")), 7), "le-cam");
        assert_eq!(label(&best("hadamard", None), 16), "hadamard, 7 seeds");
    }
}
