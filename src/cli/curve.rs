//! The learning curve of a run, as SVG and PNG.

use crate::rl::ppo::{PpoConfig, UpdateMetrics};
use crate::rl::run::{RunError, write_atomically};
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};
use std::path::Path;

const SIZE: (u32, u32) = (960, 600);
const FONT: &str = "sans-serif";
const MEAN: RGBColor = RGBColor(0, 90, 160);
const EPISODES: RGBColor = RGBColor(130, 160, 195);
const SOLVED: RGBColor = RGBColor(60, 140, 60);

/// A picture that could not be drawn or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum CurveError {
    #[error("cannot draw the learning curve: {0}")]
    Draw(String),
    #[error(transparent)]
    Write(#[from] RunError),
}

fn refused(error: impl std::fmt::Display) -> CurveError {
    CurveError::Draw(error.to_string())
}

/// A run in a few words.
pub(super) fn describe(config: &PpoConfig) -> String {
    let order = if config.alpha == config.regulariser_alpha {
        format!("alpha {}", config.alpha)
    } else {
        format!(
            "alpha {} (regulariser {})",
            config.alpha, config.regulariser_alpha
        )
    };
    format!(
        "{}, {order}, beta {}, noise {}, seed {}",
        config.environment.title(),
        config.beta,
        config.noise_std,
        config.seed
    )
}

/// Writes `learning_curve.svg` and `learning_curve.png` into the folder; nothing for a run without an
/// update.
pub(super) fn draw(
    folder: &Path,
    config: &PpoConfig,
    history: &[UpdateMetrics],
) -> Result<(), CurveError> {
    if history.is_empty() {
        return Ok(());
    }
    // The crate's own font, so that the picture is the same on a machine that has none.
    register_font(FONT, FontStyle::Normal, dejavu::sans::regular())
        .map_err(|_| refused("the built-in font cannot be read"))?;

    let mut svg = String::new();
    plot(
        &SVGBackend::with_string(&mut svg, SIZE).into_drawing_area(),
        config,
        history,
    )?;
    write_atomically(&folder.join("learning_curve.svg"), svg.as_bytes())?;

    let mut pixels = vec![0; (SIZE.0 * SIZE.1 * 3) as usize];
    plot(
        &BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area(),
        config,
        history,
    )?;
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, SIZE.0, SIZE.1);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().map_err(refused)?;
    writer.write_image_data(&pixels).map_err(refused)?;
    writer.finish().map_err(refused)?;
    write_atomically(&folder.join("learning_curve.png"), &file)?;
    Ok(())
}

fn plot<B: DrawingBackend>(
    area: &DrawingArea<B, plotters::coord::Shift>,
    config: &PpoConfig,
    history: &[UpdateMetrics],
) -> Result<(), CurveError> {
    let steps = config.updates() * config.batch();
    let environment = config.environment;
    let points = |value: fn(&UpdateMetrics) -> Option<f64>| {
        history
            .iter()
            .filter_map(move |m| value(m).map(|y| (m.global_step as f64, y)))
    };
    area.fill(&WHITE).map_err(refused)?;
    let mut chart = ChartBuilder::on(area)
        .caption(describe(config), (FONT, 22))
        .margin(16)
        .margin_right(32)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..steps as f64, 0.0..environment.best_return() * 1.04)
        .map_err(refused)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(225, 225, 225))
        .x_desc("environment steps")
        .y_desc("return of an episode, without noise")
        .axis_desc_style((FONT, 18))
        .label_style((FONT, 15))
        .x_label_formatter(&|x| super::thousands(*x as usize))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .draw()
        .map_err(refused)?;
    let legend = |style: ShapeStyle| {
        move |(x, y): (i32, i32)| PathElement::new(vec![(x, y), (x + 24, y)], style)
    };
    let mut line = |points: Vec<(f64, f64)>, label: &str, style: ShapeStyle| {
        chart
            .draw_series(LineSeries::new(points, style))
            .map_err(refused)
            .map(|series| {
                series.label(label).legend(legend(style));
            })
    };
    let each = points(|m| m.episodic_return).collect();
    line(
        each,
        "mean of the episodes of an update",
        EPISODES.stroke_width(1),
    )?;
    if let Some(solved) = environment.solved_return() {
        let threshold = vec![(0.0, solved), (steps as f64, solved)];
        line(
            threshold,
            &format!("solved: {solved}"),
            SOLVED.stroke_width(1),
        )?;
    }
    let mean = points(|m| m.recent_return).collect();
    line(mean, "mean of the last 100 episodes", MEAN.stroke_width(3))?;
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .margin(14)
        .legend_area_size(32)
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(200, 200, 200))
        .label_font((FONT, 15))
        .draw()
        .map_err(refused)?;
    area.present().map_err(refused)
}
