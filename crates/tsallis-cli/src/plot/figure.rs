use super::{FONT, LinePlot, Surface, TITLE_SIZE};
use burn_tsallis::experiment::{FileError, write_atomically};
use plotters::coord::Shift;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};
use std::path::Path;

/// The error of a figure that could not be drawn or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlotError {
    #[error("cannot draw the figure: {0}")]
    Draw(String),
    #[error(transparent)]
    Write(#[from] FileError),
}

impl PlotError {
    fn refused(error: impl std::fmt::Display) -> Self {
        Self::Draw(error.to_string())
    }
}

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for PlotError {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        Self::refused(error)
    }
}

/// The kind of image that is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Medium {
    /// SVG.
    Vector,
    /// PNG.
    Raster,
}

/// A part of the page, in pixel coordinates.
pub(super) type Area<B> = DrawingArea<B, Shift>;

/// A figure: panels in rows under an optional title.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    title: Option<String>,
    size: (u32, u32),
    columns: usize,
    panels: Vec<Panel>,
}

/// One chart of a figure.
#[derive(Clone, Debug)]
pub(crate) enum Panel {
    Lines(LinePlot),
    Surface(Surface),
}

impl From<LinePlot> for Panel {
    fn from(lines: LinePlot) -> Self {
        Self::Lines(lines)
    }
}

impl From<Surface> for Panel {
    fn from(surface: Surface) -> Self {
        Self::Surface(surface)
    }
}

impl Figure {
    /// An empty figure of this width and height in pixels.
    pub(crate) fn new(size: (u32, u32)) -> Self {
        Self {
            title: None,
            size,
            columns: 1,
            panels: Vec::new(),
        }
    }

    pub(crate) fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets the number of panels per row.
    pub(crate) fn columns(mut self, columns: usize) -> Self {
        self.columns = columns.max(1);
        self
    }

    pub(crate) fn panel(mut self, panel: impl Into<Panel>) -> Self {
        self.panels.push(panel.into());
        self
    }

    /// Writes `stem.svg` and `stem.png`, each atomically.
    pub(crate) fn save(&self, stem: &Path) -> Result<(), PlotError> {
        // An embedded font, so that figures are the same on every machine, also without fonts.
        register_font(FONT, FontStyle::Normal, dejavu::sans::regular())
            .map_err(|_| PlotError::refused("the built-in font cannot be read"))?;

        let mut svg = String::new();
        let vector = SVGBackend::with_string(&mut svg, self.size).into_drawing_area();
        self.draw(&vector, Medium::Vector)?;
        drop(vector);
        write_atomically(&with_extension(stem, "svg"), svg.as_bytes())?;

        let (width, height) = self.size;
        let mut pixels = vec![0; (width * height * 3) as usize];
        let raster = BitMapBackend::with_buffer(&mut pixels, self.size).into_drawing_area();
        self.draw(&raster, Medium::Raster)?;
        drop(raster);
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(png::ColorType::Rgb);
        let mut writer = encoder.write_header().map_err(PlotError::refused)?;
        writer
            .write_image_data(&pixels)
            .map_err(PlotError::refused)?;
        writer.finish().map_err(PlotError::refused)?;
        write_atomically(&with_extension(stem, "png"), &file)?;
        Ok(())
    }

    fn draw<B: DrawingBackend>(&self, page: &Area<B>, medium: Medium) -> Result<(), PlotError> {
        page.fill(&WHITE)?;
        let below_title = match &self.title {
            Some(title) => page
                .margin(10, 0, 0, 0)
                .titled(title, (FONT, title_size(title, self.size.0)))?,
            None => page.clone(),
        };
        let rows = self.panels.len().div_ceil(self.columns).max(1);
        let areas = below_title.split_evenly((rows, self.columns));
        for (panel, area) in self.panels.iter().zip(&areas) {
            match panel {
                Panel::Lines(lines) => lines.draw(area)?,
                Panel::Surface(surface) => surface.draw(area, medium)?,
            }
        }
        Ok(page.present()?)
    }
}

/// The font size of a title that fits into this width in pixels. A letter is about half as wide as it is high.
fn title_size(title: &str, width: u32) -> i32 {
    let letters = title.chars().count().max(1) as u32;
    TITLE_SIZE.min((2 * width / letters) as i32).max(1)
}

/// Appends the extension. `Path::with_extension` would cut a stem such as `alpha0.5` at its dot.
pub(crate) fn with_extension(stem: &Path, extension: &str) -> std::path::PathBuf {
    let mut name = stem.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}
