//! The learning curve of a run, as SVG and PNG.

use super::plot::{Axis, CATEGORIES, Figure, GREY, Legend, Line, LinePlot, PlotError};
use super::words::describe;
use crate::rl::ppo::{PpoConfig, UpdateMetrics};
use plotters::style::RGBColor;
use std::path::Path;

const SIZE: (u32, u32) = (960, 600);
const EPISODES: RGBColor = RGBColor(130, 160, 195);

/// Writes `learning_curve.svg` and `learning_curve.png` into the folder; nothing for a run without an
/// update.
pub(super) fn draw(
    folder: &Path,
    config: &PpoConfig,
    history: &[UpdateMetrics],
) -> Result<(), PlotError> {
    if history.is_empty() {
        return Ok(());
    }
    let steps = (config.updates() * config.batch()) as f64;
    let environment = config.environment;
    let points = |value: fn(&UpdateMetrics) -> Option<f64>| {
        history
            .iter()
            .filter_map(move |m| value(m).map(|y| (m.global_step as f64, y)))
    };
    let mut plot = LinePlot::new(
        Axis::linear("environment steps").range(0.0..steps),
        Axis::linear("return of an episode, without noise")
            .range(0.0..environment.best_return() * 1.04),
    )
    .legend(Legend::LowerRight)
    .line(
        Line::new(points(|m| m.episodic_return), EPISODES)
            .label("mean of the episodes of an update")
            .width(1),
    )
    .line(
        Line::new(points(|m| m.recent_return), CATEGORIES[0])
            .label("mean of the last 100 episodes")
            .width(3),
    );
    if let Some(solved) = environment.solved_return() {
        plot = plot.line(
            Line::new([(0.0, solved), (steps, solved)], GREY)
                .label(format!("solved: {solved}"))
                .width(1)
                .dashed(),
        );
    }
    Figure::new(SIZE)
        .title(format!("{}, seed {}", describe(config), config.seed))
        .panel(plot)
        .save(&folder.join("learning_curve"))
}
