//! Pictures of the commands, each written as SVG and as PNG from one description.
//!
//! | file | what it holds |
//! |---|---|
//! | `figure` | panels side by side, and how they become files |
//! | `lines` | lines with bands over linear or logarithmic axes |
//! | `surface` | a function of two variables, as filled contours or cell by cell |
//! | `axis` | names, ranges, ticks and their words |
//! | `contour` | the outline of where a function is above a level |
//! | `palette` | colors |

mod axis;
mod contour;
mod figure;
mod lines;
mod palette;
mod surface;

pub(super) use axis::{Axis, decade_above};
pub(super) use figure::{Figure, PlotError};
pub(super) use lines::{Line, LinePlot};
pub(super) use palette::{CATEGORIES, GRAY, alpha_color, divergence_color};
pub(super) use surface::{Fill, Surface};

/// The family under which the crate's own font is known to the drawing library.
const FONT: &str = "sans-serif";
const TITLE_SIZE: i32 = 22;
const PANEL_TITLE_SIZE: i32 = 18;
const AXIS_SIZE: i32 = 17;
const LABEL_SIZE: i32 = 14;
