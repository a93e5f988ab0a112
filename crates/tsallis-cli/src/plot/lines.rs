use super::axis::{Axis, Coordinate};
use super::figure::{Area, PlotError};
use super::{AXIS_SIZE, FONT, LABEL_SIZE, PANEL_TITLE_SIZE};
use plotters::element::DashedPathElement;
use plotters::prelude::*;

/// Pixels of a legend around its words, to the right and down; of a letter, and of a line.
const LEGEND_FRAME: (f64, f64) = (54.0, 18.0);
const LEGEND_LETTER: f64 = 7.0;
const LEGEND_LINE: f64 = 18.5;

/// Pixels of a line beside its name.
const LEGEND_STROKE: i32 = 24;

/// Steps of the lattice of places that a legend may have, along each side.
const LEGEND_PLACES: u32 = 8;

/// Points that stand for the way from one point of a line to the next.
const LEGEND_BETWEEN: u32 = 8;

/// A line, or points joined to one, with a band around it if there is one.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    points: Vec<(f64, f64)>,
    band: Vec<(f64, f64, f64)>,
    label: Option<String>,
    color: RGBColor,
    width: u32,
    /// Pixels of a dash and of a gap.
    dashes: Option<(u32, u32)>,
    dots: bool,
}

impl Line {
    /// A line through `(x, y)`; it is broken where a point is no number, or has no place on its axis.
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

    /// Names the line in the legend.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Shades from `low` to `high` at each `(x, low, high)`.
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

    /// Draws dashes of so many pixels and gaps of so many; without them, a line without gaps.
    pub(crate) fn dashes(mut self, dashes: Option<(u32, u32)>) -> Self {
        self.dashes = dashes;
        self
    }

    /// Marks each point.
    pub(crate) fn dots(mut self) -> Self {
        self.dots = true;
        self
    }
}

/// Room around a panel.
const MARGIN: u32 = 14;

/// Room for the names on the axis that goes up.
const NAMES: u32 = 76;

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

    /// Draws a line over those before it.
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
        // A line along the frame cannot be seen.
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
            .y_label_area_size(NAMES);
        if let Some(title) = &self.title {
            builder.caption(title, (FONT, PANEL_TITLE_SIZE));
        }
        let mut chart = builder
            .build_cartesian_2d(x.clone(), y.clone())
            .map_err(PlotError::refused)?;
        chart
            .configure_mesh()
            .bold_line_style(RGBColor(228, 228, 228))
            .x_desc(&self.x.name)
            .y_desc(&self.y.name)
            .axis_desc_style((FONT, AXIS_SIZE))
            .label_style((FONT, LABEL_SIZE))
            .draw()
            .map_err(PlotError::refused)?;
        // No band lies over a line.
        for line in &self.lines {
            self.draw_band(&mut chart, line, &x, &y)?;
        }
        for line in &self.lines {
            self.draw_line(&mut chart, line, &x, &y)?;
        }
        if self.lines.iter().all(|line| line.label.is_none()) {
            return Ok(());
        }
        let position = self.legend_position(chart.plotting_area().dim_in_pixel(), &x, &y);
        chart
            .configure_series_labels()
            .position(position)
            .margin(12)
            .legend_area_size(34)
            .background_style(WHITE.mix(0.85))
            .border_style(RGBColor(200, 200, 200))
            .label_font((FONT, LABEL_SIZE))
            .draw()
            .map_err(PlotError::refused)
    }

    /// The place of the legend, on a lattice over the picture, where it covers the fewest points of lines.
    fn legend_position(
        &self,
        (width, height): (u32, u32),
        x: &Coordinate,
        y: &Coordinate,
    ) -> SeriesLabelPosition {
        let labels = || self.lines.iter().filter_map(|line| line.label.as_deref());
        let longest = labels()
            .map(|label| label.chars().count())
            .max()
            .unwrap_or(0);
        let (wide, high) = (
            LEGEND_FRAME.0 + LEGEND_LETTER * longest as f64,
            LEGEND_FRAME.1 + LEGEND_LINE * labels().count() as f64,
        );
        let (width, height) = (f64::from(width), f64::from(height));
        let points: Vec<(f64, f64)> = self
            .lines
            .iter()
            .flat_map(|line| line.points.windows(2))
            .filter(|pair| {
                let shown = |&(a, b): &(f64, f64)| self.x.shows(a) && self.y.shows(b);
                pair.iter().all(shown)
            })
            .flat_map(|pair| {
                let place = |(a, b)| (x.share(a) * width, (1.0 - y.share(b)) * height);
                let (from, to) = (place(pair[0]), place(pair[1]));
                (0..LEGEND_BETWEEN).map(move |i| {
                    let share = f64::from(i) / f64::from(LEGEND_BETWEEN);
                    (
                        from.0 + share * (to.0 - from.0),
                        from.1 + share * (to.1 - from.1),
                    )
                })
            })
            .collect();
        let room = |whole: f64, part: f64| (whole - part - 10.0).max(0.0);
        let at = |i: u32, room: f64| 5.0 + room * f64::from(i) / f64::from(LEGEND_PLACES);
        // From the lower right corner, which is taken where all are alike.
        let places = (0..=LEGEND_PLACES).rev().flat_map(|i| {
            let left = at(i, room(width, wide));
            (0..=LEGEND_PLACES)
                .rev()
                .map(move |j| (left, at(j, room(height, high))))
        });
        let covered = |&(left, top): &(f64, f64)| {
            let inside = |&&(a, b): &&(f64, f64)| {
                (left..left + wide).contains(&a) && (top..top + high).contains(&b)
            };
            points.iter().filter(inside).count()
        };
        places
            .min_by_key(covered)
            .map_or(SeriesLabelPosition::LowerRight, |(left, top)| {
                SeriesLabelPosition::Coordinate(left as i32, top as i32)
            })
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
        chart
            .draw_series([Polygon::new(outline, line.color.mix(0.16).filled())])
            .map_err(PlotError::refused)?;
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
                chart.draw_series(dashes).map_err(PlotError::refused)?;
            } else {
                let solid = LineSeries::new(piece, style);
                chart.draw_series(solid).map_err(PlotError::refused)?;
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
            chart.draw_series(dots).map_err(PlotError::refused)?;
        }
        if let Some(label) = &line.label {
            // Drawn apart from the pieces, of which there may be none.
            let named = chart
                .draw_series(std::iter::empty::<PathElement<(f64, f64)>>())
                .map_err(PlotError::refused)?
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

/// How far the name of the last tick, whose middle stands below it, reaches beyond the axis.
fn right_overhang<B: DrawingBackend>(area: &Area<B>, x: &Coordinate) -> Result<u32, PlotError> {
    let Some(&last) = x.tick_values().last() else {
        return Ok(0);
    };
    let style = (FONT, LABEL_SIZE).into_text_style(area);
    let (width, _) = area
        .estimate_text_size(&x.tick_label(last), &style)
        .map_err(PlotError::refused)?;
    let axis = f64::from(area.dim_in_pixel().0.saturating_sub(2 * MARGIN + NAMES));
    let beyond = f64::from(width) / 2.0 - axis * (1.0 - x.share(last));
    Ok(beyond.max(0.0).ceil() as u32)
}
