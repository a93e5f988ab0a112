use super::axis::{Axis, Coordinate};
use super::figure::{Area, PlotError};
use super::{AXIS_SIZE, FONT, LABEL_SIZE, PANEL_TITLE_SIZE};
use plotters::element::DashedPathElement;
use plotters::prelude::*;

/// The padding around the labels of a legend in pixels, including the distance to the edge.
const LEGEND_FRAME: (u32, u32) = (64, 28);

/// Pixels of a legend per label, from top to bottom.
const LEGEND_LINE: f64 = 18.5;

/// Length in pixels of the sample of a line in the legend.
const LEGEND_STROKE: i32 = 24;

/// The positions of a legend, in order of preference, and how far to the right and how far up they are, from 0 to 1.
const LEGEND_POSITIONS: [(SeriesLabelPosition, f64, f64); 9] = [
    (SeriesLabelPosition::LowerRight, 1.0, 0.0),
    (SeriesLabelPosition::UpperRight, 1.0, 1.0),
    (SeriesLabelPosition::UpperLeft, 0.0, 1.0),
    (SeriesLabelPosition::LowerLeft, 0.0, 0.0),
    (SeriesLabelPosition::MiddleRight, 1.0, 0.5),
    (SeriesLabelPosition::LowerMiddle, 0.5, 0.0),
    (SeriesLabelPosition::UpperMiddle, 0.5, 1.0),
    (SeriesLabelPosition::MiddleLeft, 0.0, 0.5),
    (SeriesLabelPosition::MiddleMiddle, 0.5, 0.5),
];

/// Samples per segment of a line when the points under a legend are counted.
const SEGMENT_SAMPLES: u32 = 8;

/// A line through points, with an optional band around it.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    points: Vec<(f64, f64)>,
    band: Vec<(f64, f64, f64)>,
    label: Option<String>,
    color: RGBColor,
    width: u32,
    /// Pixels of a dash and of a gap; `None` for a solid line.
    dashes: Option<(u32, u32)>,
    dots: bool,
}

impl Line {
    /// A line through the points `(x, y)`. Points that an axis cannot show (not finite, or not positive on a
    /// logarithmic axis) break the line.
    pub(crate) fn new(points: impl IntoIterator<Item = (f64, f64)>, color: RGBColor) -> Self {
        Self {
            points: points.into_iter().collect(),
            band: Vec::new(),
            label: None,
            color,
            width: 2,
            dashes: None,
            dots: false,
        }
    }

    /// A line through the points `(x, mean)` of `(x, mean, deviation)`, with a band of one deviation on either side.
    pub(crate) fn mean(points: &[(f64, f64, f64)], color: RGBColor) -> Self {
        let band = points.iter().map(|&(x, mean, d)| (x, mean - d, mean + d));
        Self::new(points.iter().map(|&(x, mean, _)| (x, mean)), color).band(band)
    }

    /// Sets the label of the line in the legend.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Shades the band from `low` to `high` at each `(x, low, high)`.
    pub(crate) fn band(mut self, band: impl IntoIterator<Item = (f64, f64, f64)>) -> Self {
        self.band = band.into_iter().collect();
        self
    }

    pub(crate) fn width(mut self, width: u32) -> Self {
        self.width = width;
        self
    }

    pub(crate) fn dashed(self) -> Self {
        self.dashes(Some((7, 5)))
    }

    /// Sets the pixels of a dash and of a gap; `None` draws a solid line.
    pub(crate) fn dashes(mut self, dashes: Option<(u32, u32)>) -> Self {
        self.dashes = dashes;
        self
    }

    /// Marks each point with a dot.
    pub(crate) fn dots(mut self) -> Self {
        self.dots = true;
        self
    }
}

/// Pixels around a panel.
const MARGIN: u32 = 14;

/// Pixels for the labels of the vertical axis.
const Y_LABELS: u32 = 76;

/// Lines over two axes.
#[derive(Clone, Debug)]
pub(crate) struct LinePlot {
    title: Option<String>,
    x: Axis,
    y: Axis,
    lines: Vec<Line>,
}

impl LinePlot {
    pub(crate) fn new(x: Axis, y: Axis) -> Self {
        Self {
            title: None,
            x,
            y,
            lines: Vec::new(),
        }
    }

    pub(crate) fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Adds a line, drawn over the earlier ones.
    pub(crate) fn line(mut self, line: Line) -> Self {
        self.lines.push(line);
        self
    }

    pub(super) fn draw<B: DrawingBackend>(&self, area: &Area<B>) -> Result<(), PlotError> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let band = || self.lines.iter().flat_map(|line| &line.band);
        let xs = points().map(|p| p.0).chain(band().map(|b| b.0));
        let ys = points().map(|p| p.1).chain(band().flat_map(|b| [b.1, b.2]));
        let x = self.x.coordinate(xs);
        let y = self.y.coordinate(ys);
        // A line on the frame would be invisible.
        let y = if self.y.is_auto() {
            y.with_room(0.03, 0.05)
        } else {
            y
        };

        let mut builder = ChartBuilder::on(area);
        builder
            .margin(MARGIN)
            .margin_right(MARGIN + right_overhang(area, &x)?)
            .x_label_area_size(50)
            .y_label_area_size(Y_LABELS);
        if let Some(title) = &self.title {
            builder.caption(title, (FONT, PANEL_TITLE_SIZE));
        }
        let mut chart = builder.build_cartesian_2d(x.clone(), y.clone())?;
        chart
            .configure_mesh()
            .bold_line_style(RGBColor(228, 228, 228))
            .x_desc(&self.x.name)
            .y_desc(&self.y.name)
            .axis_desc_style((FONT, AXIS_SIZE))
            .label_style((FONT, LABEL_SIZE))
            .draw()?;
        // Bands first, so that none covers a line.
        for line in &self.lines {
            self.draw_band(&mut chart, line, &x, &y)?;
        }
        for line in &self.lines {
            self.draw_line(&mut chart, line, &x, &y)?;
        }
        let mut widths = Vec::new();
        for label in self.lines.iter().filter_map(|line| line.label.as_deref()) {
            widths.push(label_width(area, label)?);
        }
        let Some(&widest) = widths.iter().max() else {
            return Ok(());
        };
        let (width, height) = chart.plotting_area().dim_in_pixel();
        let legend = (
            f64::from(LEGEND_FRAME.0 + widest) / f64::from(width),
            (f64::from(LEGEND_FRAME.1) + LEGEND_LINE * widths.len() as f64) / f64::from(height),
        );
        let position = self.legend_position(legend, &x, &y);
        chart
            .configure_series_labels()
            .position(position)
            .margin(12)
            .legend_area_size(34)
            .background_style(WHITE.mix(0.85))
            .border_style(RGBColor(200, 200, 200))
            .label_font((FONT, LABEL_SIZE))
            .draw()?;
        Ok(())
    }

    /// The position at which a legend of this size covers the fewest points of the lines. The size is given in shares
    /// of the plotting area.
    fn legend_position(
        &self,
        (width, height): (f64, f64),
        x: &Coordinate,
        y: &Coordinate,
    ) -> SeriesLabelPosition {
        let points: Vec<(f64, f64)> = self
            .lines
            .iter()
            .flat_map(|line| line.points.windows(2))
            .filter(|pair| {
                pair.iter()
                    .all(|&(a, b)| self.x.shows(a) && self.y.shows(b))
            })
            .flat_map(|pair| {
                let [from, to] = [pair[0], pair[1]].map(|(a, b)| (x.share(a), y.share(b)));
                (0..=SEGMENT_SAMPLES).map(move |i| {
                    let t = f64::from(i) / f64::from(SEGMENT_SAMPLES);
                    (from.0 + t * (to.0 - from.0), from.1 + t * (to.1 - from.1))
                })
            })
            .collect();
        let covered = |&(_, right, up): &(SeriesLabelPosition, f64, f64)| {
            let (left, bottom) = (right * (1.0 - width), up * (1.0 - height));
            let inside = |&&(a, b): &&(f64, f64)| {
                (left..=left + width).contains(&a) && (bottom..=bottom + height).contains(&b)
            };
            points.iter().filter(inside).count()
        };
        LEGEND_POSITIONS
            .into_iter()
            .min_by_key(covered)
            .map_or(SeriesLabelPosition::LowerRight, |(position, ..)| position)
    }

    fn draw_band<B: DrawingBackend>(
        &self,
        chart: &mut ChartContext<'_, B, Cartesian2d<Coordinate, Coordinate>>,
        line: &Line,
        x: &Coordinate,
        y: &Coordinate,
    ) -> Result<(), PlotError> {
        let place = |a: f64, b: f64| (x.clamp(a), y.clamp(b));
        let band = || {
            line.band
                .iter()
                .filter(|&&(a, low, high)| self.x.shows(a) && low.is_finite() && self.y.shows(high))
        };
        let upper = band().map(|&(a, _, high)| place(a, high));
        let lower = band().rev().map(|&(a, low, _)| place(a, low));
        let outline: Vec<_> = upper.chain(lower).collect();
        if outline.is_empty() {
            return Ok(());
        }
        chart.draw_series([Polygon::new(outline, line.color.mix(0.16).filled())])?;
        Ok(())
    }

    fn draw_line<B: DrawingBackend>(
        &self,
        chart: &mut ChartContext<'_, B, Cartesian2d<Coordinate, Coordinate>>,
        line: &Line,
        x: &Coordinate,
        y: &Coordinate,
    ) -> Result<(), PlotError> {
        let style = line.color.stroke_width(line.width);
        let place = |a: f64, b: f64| (x.clamp(a), y.clamp(b));
        let shown = |&&(a, b): &&(f64, f64)| self.x.shows(a) && self.y.shows(b);
        let pieces = line
            .points
            .split(|&(a, b)| !(self.x.shows(a) && self.y.shows(b)))
            .map(|piece| piece.iter().map(|&(a, b)| place(a, b)).collect::<Vec<_>>());
        for piece in pieces.filter(|piece| piece.len() > 1) {
            if let Some((dash, gap)) = line.dashes {
                let dashes = DashedLineSeries::new(piece, dash, gap, style);
                chart.draw_series(dashes)?;
            } else {
                let solid = LineSeries::new(piece, style);
                chart.draw_series(solid)?;
            }
        }
        let lone = line.points.len() == 1;
        if line.dots || lone {
            let radius = line.width as i32 + 1;
            let dots = line
                .points
                .iter()
                .filter(shown)
                .map(|&(a, b)| Circle::new(place(a, b), radius, line.color.filled()));
            chart.draw_series(dots)?;
        }
        if let Some(label) = &line.label {
            // An empty series, because the line may have no visible piece.
            let named = chart
                .draw_series(std::iter::empty::<PathElement<(f64, f64)>>())?
                .label(label);
            let ends = |(x, y)| [(x, y), (x + LEGEND_STROKE, y)];
            match line.dashes {
                Some((dash, gap)) => {
                    named.legend(move |at| DashedPathElement::new(ends(at), dash, gap, style))
                }
                None => named.legend(move |at| PathElement::new(ends(at), style)),
            };
        }
        Ok(())
    }
}

/// The pixels by which the label of the last tick, centered below it, exceeds the axis.
fn right_overhang<B: DrawingBackend>(area: &Area<B>, x: &Coordinate) -> Result<u32, PlotError> {
    let Some(&last) = x.tick_values().last() else {
        return Ok(0);
    };
    let width = label_width(area, &x.tick_label(last))?;
    let axis = f64::from(area.dim_in_pixel().0.saturating_sub(2 * MARGIN + Y_LABELS));
    let beyond = f64::from(width) / 2.0 - axis * (1.0 - x.share(last));
    Ok(beyond.max(0.0).ceil() as u32)
}

fn label_width<B: DrawingBackend>(area: &Area<B>, label: &str) -> Result<u32, PlotError> {
    let style = (FONT, LABEL_SIZE).into_text_style(area);
    let size = area.estimate_text_size(label, &style);
    Ok(size?.0)
}
