use super::axis::{Axis, Coordinate};
use super::contour::Grid;
use super::figure::{Area, Medium, PlotError};
use super::{AXIS_SIZE, FONT, LABEL_SIZE, PANEL_TITLE_SIZE};
use plotters::coord::ReverseCoordTranslate;
use plotters::prelude::*;

/// How a surface is colored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    /// Contours of this many even steps, interpolated between the values.
    Contours(usize),
    /// One square for each value. The axes are [`Axis::places`], so the coordinates are whole numbers.
    Cells,
}

/// A function of two variables as colors, with a color bar.
#[derive(Clone, Debug)]
pub(crate) struct Surface {
    title: Option<String>,
    x: Axis,
    y: Axis,
    /// The axis of the color bar.
    value: Axis,
    xs: Vec<f64>,
    ys: Vec<f64>,
    values: Vec<f64>,
    fill: Fill,
}

/// Pixels across the color bar with its labels.
const SCALE_WIDTH: i32 = 116;

impl Surface {
    /// Takes the values at `(xs[i], ys[j])` row by row: `values[j * xs.len() + i]`. NaN, and values that are not
    /// positive on a logarithmic scale, get the lowest color.
    ///
    /// # Panics
    ///
    /// If `values.len()` is not `xs.len() * ys.len()`.
    pub(crate) fn new(
        (x, xs): (Axis, Vec<f64>),
        (y, ys): (Axis, Vec<f64>),
        (value, values): (Axis, Vec<f64>),
    ) -> Self {
        assert_eq!(
            xs.len() * ys.len(),
            values.len(),
            "a surface of {} x {} points needs one value for each",
            xs.len(),
            ys.len()
        );
        Self {
            title: None,
            x,
            y,
            value,
            xs,
            ys,
            values,
            fill: Fill::Contours(18),
        }
    }

    pub(crate) fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    pub(crate) fn fill(mut self, fill: Fill) -> Self {
        self.fill = fill;
        self
    }

    pub(super) fn draw<B: DrawingBackend>(
        &self,
        area: &Area<B>,
        medium: Medium,
    ) -> Result<(), PlotError> {
        let scale = self.value.coordinate(self.values.iter().copied());
        let (width, _) = area.dim_in_pixel();
        let (picture, beside) = area.split_horizontally(width as i32 - SCALE_WIDTH);
        let titled = self.title.is_some();
        self.draw_picture(&picture, &scale, medium)?;
        self.draw_scale(&beside, &scale, titled)
    }

    fn draw_picture<B: DrawingBackend>(
        &self,
        area: &Area<B>,
        scale: &Coordinate,
        medium: Medium,
    ) -> Result<(), PlotError> {
        let x = self.x.coordinate(self.xs.iter().copied());
        let y = self.y.coordinate(self.ys.iter().copied());
        let mut builder = ChartBuilder::on(area);
        builder
            .margin(14)
            .margin_right(4)
            .x_label_area_size(50)
            .y_label_area_size(66);
        if let Some(title) = &self.title {
            builder.caption(title, (FONT, PANEL_TITLE_SIZE));
        }
        let mut chart = builder.build_cartesian_2d(x, y)?;
        match (self.fill, medium) {
            (Fill::Contours(steps), Medium::Vector) => {
                self.outline(&mut chart, scale, steps.max(1))?;
            }
            (Fill::Contours(steps), Medium::Raster) => {
                self.paint(&chart, scale, steps.max(1))?;
            }
            (Fill::Cells, _) => {
                let cells = (0..self.values.len()).map(|n| {
                    let (x, y) = (self.xs[n % self.xs.len()], self.ys[n / self.xs.len()]);
                    let corners = [(x - 0.5, y - 0.5), (x + 0.5, y + 0.5)];
                    let color = ViridisRGB::get_color(scale.share(self.values[n]));
                    Rectangle::new(corners, color.filled())
                });
                chart.draw_series(cells)?;
            }
        }
        chart
            .configure_mesh()
            .disable_mesh()
            .x_desc(&self.x.name)
            .y_desc(&self.y.name)
            .axis_desc_style((FONT, AXIS_SIZE))
            .label_style((FONT, LABEL_SIZE))
            .draw()?;
        Ok(())
    }

    fn grid<'a>(&'a self, shares: &'a [f64]) -> Grid<'a> {
        Grid {
            xs: &self.xs,
            ys: &self.ys,
            values: shares,
        }
    }

    fn shares(&self, scale: &Coordinate) -> Vec<f64> {
        self.values.iter().map(|&v| scale.share(v)).collect()
    }

    /// Draws the region above each level over the region above the level below it.
    fn outline<B: DrawingBackend>(
        &self,
        chart: &mut ChartContext<'_, B, Cartesian2d<Coordinate, Coordinate>>,
        scale: &Coordinate,
        steps: usize,
    ) -> Result<(), PlotError> {
        let shares = self.shares(scale);
        for step in 0..steps {
            // The lowest step covers the whole area.
            let level = if step == 0 {
                f64::MIN
            } else {
                step as f64 / steps as f64
            };
            let region = self.grid(&shares).region_above(level);
            if region.is_empty() {
                continue;
            }
            let color = step_color(step, steps);
            chart.draw_series([Polygon::new(region, color.filled())])?;
        }
        Ok(())
    }

    /// Colors pixel by pixel, because plotters leaves streaks when it fills a bitmap polygon of many corners.
    fn paint<B: DrawingBackend>(
        &self,
        chart: &ChartContext<'_, B, Cartesian2d<Coordinate, Coordinate>>,
        scale: &Coordinate,
        steps: usize,
    ) -> Result<(), PlotError> {
        let shares = self.shares(scale);
        let grid = self.grid(&shares);
        let area = chart.plotting_area();
        let (columns, rows) = area.get_pixel_range();
        let plain = area.strip_coord_spec();
        let (left, top) = (columns.start, rows.start);
        for row in rows.clone() {
            for column in columns.clone() {
                let Some(point) = chart.as_coord_spec().reverse_translate((column, row)) else {
                    continue;
                };
                let share = grid.interpolate(point);
                let step = (share * steps as f64).clamp(0.0, steps as f64 - 1.0) as usize;
                plain.draw_pixel((column - left, row - top), &step_color(step, steps))?;
            }
        }
        Ok(())
    }

    fn draw_scale<B: DrawingBackend>(
        &self,
        area: &Area<B>,
        scale: &Coordinate,
        titled: bool,
    ) -> Result<(), PlotError> {
        let top = if titled {
            14 + PANEL_TITLE_SIZE + 8
        } else {
            14
        };
        let mut chart = ChartBuilder::on(area)
            .margin_top(top)
            .margin_bottom(14 + 50)
            .margin_left(8)
            .margin_right(10)
            .right_y_label_area_size(SCALE_WIDTH - 8 - 10 - 18)
            .build_cartesian_2d(0.0..1.0, scale.clone())?;
        let steps = match self.fill {
            Fill::Contours(steps) => steps.max(1),
            Fill::Cells => 64,
        };
        let bars = (0..steps).map(|step| {
            let at = |n: usize| scale.at(n as f64 / steps as f64);
            let corners = [(0.0, at(step)), (1.0, at(step + 1))];
            Rectangle::new(corners, step_color(step, steps).filled())
        });
        chart.draw_series(bars)?;
        chart
            .configure_mesh()
            .disable_mesh()
            .disable_x_axis()
            // An en space between axis and label; SVG would drop a plain one.
            .y_label_formatter(&|value| format!("\u{2002}{}", scale.tick_label(*value)))
            .y_desc(&self.value.name)
            .axis_desc_style((FONT, AXIS_SIZE))
            .label_style((FONT, LABEL_SIZE))
            .draw()?;
        Ok(())
    }
}

fn step_color(step: usize, steps: usize) -> RGBColor {
    ViridisRGB::get_color((step as f64 + 0.5) / steps as f64)
}
