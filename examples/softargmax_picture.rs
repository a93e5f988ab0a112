//! Draws the picture of the README: the probability of one of three entries against its logit, for several alphas.
//!
//! `cargo run --example softargmax_picture -- docs`

use burn_tsallis::math::{Row, RowReference, Solver};
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

const SIZE: (u32, u32) = (960, 540);
const FONT: &str = "sans-serif";
const LOGITS: f64 = 8.0;
/// The alphas and their colors, from heavy-tailed to sparse.
const ALPHAS: [(f64, RGBColor); 5] = [
    (0.0, RGBColor(165, 30, 60)),
    (0.5, RGBColor(225, 120, 30)),
    (1.0, RGBColor(40, 40, 40)),
    (1.5, RGBColor(40, 130, 170)),
    (2.0, RGBColor(50, 70, 170)),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    register_font(FONT, FontStyle::Normal, dejavu::sans::regular())
        .map_err(|_| "the built-in font cannot be read")?;
    let svg = format!("{folder}/softargmax.svg");
    draw(&SVGBackend::new(&svg, SIZE).into_drawing_area())?;
    let png = format!("{folder}/softargmax.png");
    let mut pixels = vec![0; (SIZE.0 * SIZE.1 * 3) as usize];
    draw(&BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area())?;
    let mut encoder = png::Encoder::new(std::fs::File::create(&png)?, SIZE.0, SIZE.1);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    println!("{svg}\n{png}");
    Ok(())
}

/// Computes the probability of the first of three entries with logits `x`, 0 and 0, with the reference measure
/// `q = 1`.
fn probability(alpha: f64, x: f64) -> f64 {
    let logits = [x, 0.0, 0.0];
    let row = Row::new(&logits, RowReference::Ones, alpha);
    let mut p = [0.0; 3];
    row.softargmax(&row.solve(Solver::Newton), &mut p);
    p[0]
}

fn draw<B: DrawingBackend>(
    area: &DrawingArea<B, plotters::coord::Shift>,
) -> Result<(), Box<dyn std::error::Error>>
where
    B::ErrorType: 'static,
{
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(area)
        .margin(16)
        .margin_right(32)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d(-LOGITS..LOGITS, 0.0..1.02)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(225, 225, 225))
        .x_desc("logit x of one entry; the other two are 0")
        .y_desc("its probability")
        .axis_desc_style((FONT, 18))
        .label_style((FONT, 15))
        .y_label_formatter(&|p| format!("{p:.1}"))
        .draw()?;
    for (alpha, color) in ALPHAS {
        let points = (0..=800).map(|i| {
            let x = LOGITS * (f64::from(i) / 400.0 - 1.0);
            (x, probability(alpha, x))
        });
        let name = match alpha {
            1.0 => "α = 1 (softmax)".to_owned(),
            2.0 => "α = 2 (sparsemax)".to_owned(),
            _ => format!("α = {alpha}"),
        };
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(3)))?
            .label(name)
            .legend(move |(x, y)| {
                PathElement::new(vec![(x, y), (x + 24, y)], color.stroke_width(3))
            });
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .margin(14)
        .legend_area_size(32)
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(200, 200, 200))
        .label_font((FONT, 15))
        .draw()?;
    area.present()?;
    Ok(())
}
