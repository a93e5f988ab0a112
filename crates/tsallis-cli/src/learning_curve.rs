//! The learning curve of a run, as SVG and PNG.

use super::describe::describe_config;
use super::plot::{Axis, CATEGORIES, Figure, GRAY, Line, LinePlot, PlotError};
use burn_tsallis::rl::ppo::{PpoConfig, UpdateMetrics};
use plotters::style::RGBColor;
use std::ops::Range;
use std::path::Path;

const SIZE: (u32, u32) = (960, 600);
const EPISODES: RGBColor = RGBColor(130, 160, 195);

/// Writes `learning_curve.svg` and `learning_curve.png` into the folder. Writes nothing if there is no update.
pub(super) fn draw(
    folder: &Path,
    config: &PpoConfig,
    history: &[UpdateMetrics],
    solved_return: Option<f64>,
) -> Result<(), PlotError> {
    if history.is_empty() {
        return Ok(());
    }
    let steps = (config.updates() * config.batch()) as f64;
    let environment = &config.environment;
    let points = |value: fn(&UpdateMetrics) -> Option<f64>| {
        history
            .iter()
            .filter_map(move |m| value(m).map(|y| (m.global_step as f64, y)))
    };
    let mut plot = LinePlot::new(
        Axis::linear("environment steps").range(0.0..steps),
        Axis::linear("episode return without noise")
            .range(returns(environment.best_return().unwrap_or(0.0), history)),
    )
    .line(
        Line::new(points(|m| m.episodic_return), EPISODES)
            .label("mean of the episodes in an update")
            .width(1),
    )
    .line(
        Line::new(points(|m| m.recent_return), CATEGORIES[0])
            .label("mean of the last 100 episodes")
            .width(3),
    );
    if let Some(solved) = solved_return {
        plot = plot.line(
            Line::new([(0.0, solved), (steps, solved)], GRAY)
                .label(format!("solved: {solved}"))
                .width(1)
                .dashed(),
        );
    }
    Figure::new(SIZE)
        .title(format!("{}, seed {}", describe_config(config), config.seed))
        .panel(plot)
        .save(&folder.join("learning_curve"))
}

/// Returns a range with a small margin that contains zero, the drawn returns and the largest expected return of any
/// policy, which is negative in some environments.
fn returns(best: f64, history: &[UpdateMetrics]) -> Range<f64> {
    let drawn = history
        .iter()
        .flat_map(|m| [m.episodic_return, m.recent_return])
        .flatten();
    let (lowest, highest) = drawn.fold((best.min(0.0), best.max(0.0)), |(low, high), mean| {
        (low.min(mean), high.max(mean))
    });
    let room = 0.04 * (highest - lowest).max(f64::MIN_POSITIVE);
    let below = if lowest < 0.0 { room } else { 0.0 };
    lowest - below..highest + room
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_of_returns_holds_zero_the_best_and_what_is_drawn() {
        let row = |mean| UpdateMetrics {
            episodic_return: Some(mean),
            ..UpdateMetrics::default()
        };
        assert_eq!(returns(500.0, &[row(20.0)]), 0.0..520.0);
        assert_eq!(returns(1.0, &[row(-1.0), row(0.5)]), -1.08..1.08);
        assert_eq!(returns(-1.0, &[row(-2.0)]), -2.08..0.08);
        assert_eq!(returns(-1.0, &[row(1.0)]), -1.08..1.08);
        let nothing = returns(0.0, &[]);
        assert!(nothing.start < nothing.end);
    }
}
