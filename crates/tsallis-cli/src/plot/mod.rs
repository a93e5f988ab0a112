//! The figures of the commands, each written as SVG and as PNG.
//!
//! | file | contents |
//! |---|---|
//! | `figure` | panels, and their export to files |
//! | `lines` | line plots with bands and a legend |
//! | `surface` | functions of two variables, as filled contours or cells |
//! | `axis` | names, scales, ranges, ticks and their labels |
//! | `contour` | the region where a function is above a level |
//! | `palette` | colors |

mod axis;
mod contour;
mod figure;
mod lines;
mod palette;
mod surface;

pub(super) use axis::{Axis, decade_above};
pub(super) use figure::{Figure, Panel, PlotError, with_extension};
pub(super) use lines::{Line, LinePlot};
pub(super) use palette::{CATEGORIES, GRAY, alpha_color, category, divergence_color};
pub(super) use surface::{Fill, Surface};

/// The font family under which the embedded font is registered with plotters.
const FONT: &str = "sans-serif";
const TITLE_SIZE: i32 = 22;
const PANEL_TITLE_SIZE: i32 = 18;
const AXIS_SIZE: i32 = 17;
const LABEL_SIZE: i32 = 14;
