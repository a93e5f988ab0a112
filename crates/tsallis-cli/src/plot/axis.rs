use indicatif::HumanCount;
use plotters::coord::ranged1d::{
    KeyPointHint, NoDefaultFormatting, Ranged, ReversibleRanged, ValueFormatter,
};
use plotters::coord::types::{RangedCoordf64, RangedCoordi32};
use std::ops::Range;

/// The most ticks of an axis, unless [`Axis::ticks`] sets another number.
const MAX_TICKS: usize = 10;

/// An axis: its name, range and scale.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(super) name: String,
    range: Option<Range<f64>>,
    scale: Scale,
    max_ticks: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Scale {
    Linear,
    Log,
    /// One tick at each whole number from 0, with these labels.
    Places(Vec<String>),
}

impl Axis {
    /// A linear axis. Its default range is that of the data.
    pub(crate) fn linear(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            range: None,
            scale: Scale::Linear,
            max_ticks: MAX_TICKS,
        }
    }

    /// An axis of named places: the first at 0, the next at 1.
    pub(crate) fn places(
        name: impl Into<String>,
        places: impl IntoIterator<Item = String>,
    ) -> Self {
        let places: Vec<String> = places.into_iter().collect();
        Self {
            range: Some(-0.5..places.len() as f64 - 0.5),
            scale: Scale::Places(places),
            ..Self::linear(name)
        }
    }

    /// A logarithmic axis. Values that are not positive are left out.
    pub(crate) fn log(name: impl Into<String>) -> Self {
        Self {
            scale: Scale::Log,
            ..Self::linear(name)
        }
    }

    /// Sets the range; lines beyond it run along its edge.
    pub(crate) fn range(mut self, range: Range<f64>) -> Self {
        self.range = Some(range);
        self
    }

    /// Sets the largest number of ticks.
    pub(crate) fn ticks(mut self, max_ticks: usize) -> Self {
        self.max_ticks = max_ticks;
        self
    }

    /// Whether the range is that of the data.
    pub(super) fn is_auto(&self) -> bool {
        self.range.is_none()
    }

    pub(super) fn shows(&self, value: f64) -> bool {
        value.is_finite() && (self.scale != Scale::Log || value > 0.0)
    }

    /// The plotters coordinate of the axis, wide enough for these values.
    pub(super) fn coordinate(&self, values: impl Iterator<Item = f64>) -> Coordinate {
        let range = self.range.clone().unwrap_or_else(|| {
            let (lo, hi) = values
                .filter(|&value| self.shows(value))
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), value| {
                    (lo.min(value), hi.max(value))
                });
            match self.scale {
                _ if lo > hi => 1.0..10.0,
                _ if lo < hi => lo..hi,
                Scale::Log => lo / 2.0..lo * 2.0,
                _ => lo - 0.5..lo + 0.5,
            }
        });
        Coordinate {
            range,
            scale: self.scale.clone(),
            max_ticks: self.max_ticks,
        }
    }
}

/// The smallest power of ten that is at least `value`, the end of a logarithmic axis.
pub(crate) fn decade_above(value: f64) -> f64 {
    10_f64.powi(value.log10().ceil().min(f64::from(f64::MAX_10_EXP)) as i32)
}

/// An axis with a range, as plotters needs it.
///
/// plotters' own `LogCoord` is not used: its key points leave out the first decade of 1e-15..10 and of 0.1..1e5 through
/// rounding, and 2..8 has none.
#[derive(Clone, Debug)]
pub(super) struct Coordinate {
    range: Range<f64>,
    scale: Scale,
    max_ticks: usize,
}

impl Coordinate {
    /// The nearest value within the range.
    pub(super) fn clamp(&self, value: f64) -> f64 {
        value.clamp(self.range.start, self.range.end)
    }

    /// The position of a value along the axis, from 0 to 1; 0 if the axis cannot show it.
    pub(super) fn share(&self, value: f64) -> f64 {
        let Range { start, end } = self.range;
        let value = self.clamp(value);
        let share = match self.scale {
            Scale::Log => (value / start).ln() / (end / start).ln(),
            _ => (value - start) / (end - start),
        };
        if share.is_nan() { 0.0 } else { share }
    }

    /// The value at a position along the axis, from 0 to 1.
    pub(super) fn at(&self, share: f64) -> f64 {
        let Range { start, end } = self.range;
        match self.scale {
            Scale::Log => start * (end / start).powf(share),
            _ => start + share * (end - start),
        }
    }

    /// Extends the range by these shares of its length.
    pub(super) fn with_room(mut self, below: f64, above: f64) -> Self {
        self.range = self.at(-below)..self.at(1.0 + above);
        self
    }

    pub(super) fn tick_values(&self) -> Vec<f64> {
        match &self.scale {
            Scale::Places(places) => (0..places.len()).map(|place| place as f64).collect(),
            Scale::Linear => {
                let Range { start, end } = self.range;
                // A tick that rounding puts just beyond an end is still shown.
                let room = 1e-9 * (end - start);
                RangedCoordf64::from(start - room..end + room).key_points(self.max_ticks)
            }
            Scale::Log => log_ticks(&self.range, self.max_ticks),
        }
    }

    pub(super) fn tick_label(&self, value: f64) -> String {
        match &self.scale {
            Scale::Places(places) => places
                .get(value.round() as usize)
                .cloned()
                .unwrap_or_default(),
            Scale::Linear => self.linear_label(value),
            Scale::Log => {
                let exponent = value.log10();
                let Range { start, end } = self.range;
                let far = start.log10().abs().max(end.log10().abs()) > 4.0;
                if far && (exponent - exponent.round()).abs() < 1e-9 {
                    format!("10{}", superscript(exponent.round() as i32))
                } else {
                    format!("{}", (value * 1e9).round() / 1e9)
                }
            }
        }
    }

    /// plotters prints `20000.0` and a hyphen; this prints `20 000` and a minus sign.
    fn linear_label(&self, value: f64) -> String {
        let step = match self.tick_values()[..] {
            [first, second, ..] => second - first,
            _ => self.range.end - self.range.start,
        };
        // The difference of two ticks may be just below a power of ten.
        let decimals = (-(step * (1.0 + 1e-6)).log10().floor()).clamp(0.0, 12.0) as usize;
        let size = value.abs();
        // Rounding may leave a tick just below zero.
        let sign = if value < -1e-6 * step { "−" } else { "" };
        if size >= 1000.0 && decimals == 0 {
            format!("{sign}{}", HumanCount(size.round() as u64))
        } else {
            format!("{sign}{size:.decimals$}")
        }
    }
}

impl Ranged for Coordinate {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, &value: &f64, (from, to): (i32, i32)) -> i32 {
        from + (self.share(value) * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            return Vec::new();
        }
        self.tick_values()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ReversibleRanged for Coordinate {
    fn unmap(&self, pixel: i32, (from, to): (i32, i32)) -> Option<f64> {
        (from != to).then(|| self.at(f64::from(pixel - from) / f64::from(to - from)))
    }
}

impl ValueFormatter<f64> for Coordinate {
    fn format_ext(&self, value: &f64) -> String {
        self.tick_label(*value)
    }
}

/// Powers of ten; over fewer than three of them, also their 2 and 5 multiples.
fn log_ticks(&Range { start, end }: &Range<f64>, max_ticks: usize) -> Vec<f64> {
    let first = (start.log10() - 1e-9).ceil() as i32;
    let last = (end.log10() + 1e-9).floor() as i32;
    if last - first >= 2 {
        return RangedCoordi32::from(first..last)
            .key_points(max_ticks)
            .into_iter()
            // For a negative end, plotters adds a tick beyond it.
            .filter(|&exponent| exponent <= last)
            .map(|exponent| 10_f64.powi(exponent))
            .collect();
    }
    (first - 1..=last)
        .flat_map(|exponent| [1.0, 2.0, 5.0].map(|factor| factor * 10_f64.powi(exponent)))
        .filter(|&tick| tick >= start * (1.0 - 1e-9) && tick <= end * (1.0 + 1e-9))
        .collect()
}

fn superscript(exponent: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    exponent
        .to_string()
        .chars()
        .map(|c| c.to_digit(10).map_or('⁻', |digit| DIGITS[digit as usize]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_ticks_are_decades_within_the_range() {
        assert_eq!(log_ticks(&(1e-12..1.0), 4), [1e-10, 1e-5, 1.0]);
        assert_eq!(log_ticks(&(1e-13..1e-3), 4), [1e-10, 1e-5]);
        assert_eq!(log_ticks(&(0.1..100.0), 4), [0.1, 1.0, 10.0, 100.0]);
        assert_eq!(log_ticks(&(1.0..30.0), 8), [1.0, 2.0, 5.0, 10.0, 20.0]);
    }

    #[test]
    fn decade_above_rounds_up_to_a_power_of_ten() {
        for (value, above) in [(35.0, 100.0), (1.0, 1.0), (1.1, 10.0), (2e-12, 1e-11)] {
            assert_eq!(decade_above(value), above);
        }
        assert_eq!(decade_above(f64::MAX), 1e308);
    }

    #[test]
    fn tick_labels() {
        let log = Axis::log("").coordinate([1e-9, 1.0].into_iter());
        assert_eq!(log.tick_label(1e-6), "10⁻⁶");
        let near = Axis::log("").coordinate([0.01, 10.0].into_iter());
        assert_eq!(near.tick_label(0.1), "0.1");
        let linear = Axis::linear("").coordinate([-20_000.0, 0.0].into_iter());
        assert_eq!(linear.tick_label(-20_000.0), "−20,000");
        assert_eq!(linear.tick_label(-1e-12), "0");
        let above_zero = Axis::linear("").coordinate([1e-20, 1.3].into_iter());
        assert_eq!(above_zero.tick_label(above_zero.tick_values()[0]), "0.0");
        let tenths = Axis::linear("").coordinate([0.5, 1.0].into_iter());
        assert_eq!(tenths.tick_label(tenths.tick_values()[1]), "0.6");
        let places = Axis::places("", ["0.1", "1"].map(str::to_owned)).coordinate([].into_iter());
        assert_eq!(places.tick_values(), [0.0, 1.0]);
        assert_eq!(
            (places.tick_label(1.0), places.share(0.5)),
            ("1".to_owned(), 0.5)
        );
    }

    #[test]
    fn an_axis_without_values_and_one_with_a_single_value_have_a_width() {
        for axis in [Axis::linear(""), Axis::log("")] {
            for values in [vec![], vec![3.0], vec![f64::NAN]] {
                let coordinate = axis.coordinate(values.into_iter());
                assert!(coordinate.range.start < coordinate.range.end);
                assert!(!coordinate.tick_values().is_empty());
            }
        }
        assert_eq!(
            Axis::log("").coordinate([-1.0, 0.0].into_iter()).range,
            1.0..10.0
        );
    }
}
