use indicatif::HumanCount;
use plotters::coord::ranged1d::{
    KeyPointHint, NoDefaultFormatting, Ranged, ReversibleRanged, ValueFormatter,
};
use std::ops::Range;

/// An axis: what it shows, from where to where, and on which scale.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(super) name: String,
    range: Option<Range<f64>>,
    scale: Scale,
    ticks: Ticks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    Linear,
    Log,
}

#[derive(Clone, Debug)]
enum Ticks {
    /// At round numbers, about as many.
    About(usize),
    /// One at each whole number from 0, with these words.
    Named(Vec<String>),
}

impl Axis {
    /// An axis on which equal distances are equal differences, as wide as what is drawn.
    pub(crate) fn linear(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            range: None,
            scale: Scale::Linear,
            ticks: Ticks::About(8),
        }
    }

    /// An axis of places that only have names: the first at 0, the next at 1.
    pub(crate) fn places(
        name: impl Into<String>,
        places: impl IntoIterator<Item = String>,
    ) -> Self {
        let places: Vec<String> = places.into_iter().collect();
        Self {
            range: Some(-0.5..places.len() as f64 - 0.5),
            ticks: Ticks::Named(places),
            ..Self::linear(name)
        }
    }

    /// An axis on which equal distances are equal ratios. What is not positive is left out.
    pub(crate) fn log(name: impl Into<String>) -> Self {
        Self {
            scale: Scale::Log,
            ..Self::linear(name)
        }
    }

    /// Shows this range, whatever is drawn; lines beyond it run along its edge.
    pub(crate) fn range(mut self, range: Range<f64>) -> Self {
        self.range = Some(range);
        self
    }

    /// Shows at most about this many ticks.
    pub(crate) fn ticks(mut self, ticks: usize) -> Self {
        self.ticks = Ticks::About(ticks);
        self
    }

    /// Whether the range is that of what is drawn.
    pub(super) fn is_auto(&self) -> bool {
        self.range.is_none()
    }

    pub(super) fn shows(&self, value: f64) -> bool {
        value.is_finite() && (self.scale == Scale::Linear || value > 0.0)
    }

    /// The coordinate of the axis, wide enough for these values.
    pub(super) fn coordinate(&self, values: impl Iterator<Item = f64>) -> Coordinate {
        let range = self.range.clone().unwrap_or_else(|| {
            let (lo, hi) = values
                .filter(|&value| self.shows(value))
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), value| {
                    (lo.min(value), hi.max(value))
                });
            match self.scale {
                _ if lo > hi => 1.0..10.0,
                Scale::Log if lo == hi => lo / 2.0..lo * 2.0,
                Scale::Linear if lo == hi => lo - 0.5..lo + 0.5,
                _ => lo..hi,
            }
        });
        Coordinate {
            range,
            scale: self.scale,
            ticks: self.ticks.clone(),
        }
    }
}

/// The smallest power of ten from a positive number on, where a logarithmic axis ends.
pub(crate) fn decade_above(value: f64) -> f64 {
    10_f64.powi(value.log10().ceil().min(f64::from(f64::MAX_10_EXP)) as i32)
}

/// An axis with a range, as the drawing library wants it.
#[derive(Clone, Debug)]
pub(super) struct Coordinate {
    range: Range<f64>,
    scale: Scale,
    ticks: Ticks,
}

impl Coordinate {
    /// The value, or the end of the axis that it lies beyond.
    pub(super) fn clamp(&self, value: f64) -> f64 {
        value.clamp(self.range.start, self.range.end)
    }

    /// How far along the axis a value lies, from 0 to 1; 0 where it has no place.
    pub(super) fn share(&self, value: f64) -> f64 {
        let Range { start, end } = self.range;
        let value = self.clamp(value);
        let share = match self.scale {
            Scale::Linear => (value - start) / (end - start),
            Scale::Log => (value / start).ln() / (end / start).ln(),
        };
        if share.is_nan() { 0.0 } else { share }
    }

    /// The value that lies so far along the axis.
    pub(super) fn at(&self, share: f64) -> f64 {
        let Range { start, end } = self.range;
        match self.scale {
            Scale::Linear => start + share * (end - start),
            Scale::Log => start * (end / start).powf(share),
        }
    }

    /// Leaves room above the largest value, and below the smallest.
    pub(super) fn with_room(mut self, below: f64, above: f64) -> Self {
        let Range { start, end } = self.range;
        self.range = match self.scale {
            Scale::Linear => start - below * (end - start)..end + above * (end - start),
            Scale::Log => {
                let ratio = end / start;
                start / ratio.powf(below)..end * ratio.powf(above)
            }
        };
        self
    }

    pub(super) fn tick_values(&self) -> Vec<f64> {
        let Range { start, end } = self.range;
        match (&self.ticks, self.scale) {
            (Ticks::Named(places), _) => (0..places.len()).map(|place| place as f64).collect(),
            (&Ticks::About(count), Scale::Linear) => linear_ticks(start, end, count),
            (&Ticks::About(count), Scale::Log) => log_ticks(start, end, count),
        }
    }

    pub(super) fn tick_label(&self, value: f64) -> String {
        let Range { start, end } = self.range;
        match (&self.ticks, self.scale) {
            (Ticks::Named(places), _) => places
                .get(value.round() as usize)
                .cloned()
                .unwrap_or_default(),
            (&Ticks::About(count), Scale::Linear) => {
                let step = linear_step(start, end, count);
                let decimals = (-step.log10().floor()).clamp(0.0, 12.0) as usize;
                // A tick at zero may be a rounding away from it.
                let value = if value.abs() < step * 1e-6 {
                    0.0
                } else {
                    value
                };
                if value.abs() >= 1000.0 && decimals == 0 {
                    let sign = if value < 0.0 { "−" } else { "" };
                    return format!("{sign}{}", HumanCount(value.abs().round() as u64));
                }
                minus(format!("{value:.decimals$}"))
            }
            (_, Scale::Log) => {
                let exponent = value.log10();
                let far = start.log10().abs().max(end.log10().abs()) > 4.0;
                if far && (exponent - exponent.round()).abs() < 1e-9 {
                    format!("10{}", superscript(exponent.round() as i32))
                } else {
                    format!("{}", (value * 1e9).round() / 1e9)
                }
            }
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

/// The step of about `count` ticks: 1, 2 or 5 times a power of ten.
fn linear_step(start: f64, end: f64, count: usize) -> f64 {
    let rough = (end - start) / count.max(1) as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|factor| factor * power >= rough * (1.0 - 1e-9))
        .unwrap_or(10.0);
    factor * power
}

fn linear_ticks(start: f64, end: f64, count: usize) -> Vec<f64> {
    let step = linear_step(start, end, count);
    if !(step > 0.0 && step.is_finite()) {
        return vec![start];
    }
    let room = step * 1e-9;
    let first = ((start - room) / step).ceil() as i64;
    let last = ((end + room) / step).floor() as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

fn log_ticks(start: f64, end: f64, count: usize) -> Vec<f64> {
    let first = (start.log10() - 1e-9).ceil() as i32;
    let last = (end.log10() + 1e-9).floor() as i32;
    let decades = (last - first + 1).max(0) as usize;
    if decades >= 3 {
        let every = decades.div_ceil(count.max(1)) as i32;
        return (first..=last)
            .filter(|exponent| exponent.rem_euclid(every) == 0)
            .map(|exponent| 10_f64.powi(exponent))
            .collect();
    }
    (first - 1..=last)
        .flat_map(|exponent| [1.0, 2.0, 5.0].map(|factor| factor * 10_f64.powi(exponent)))
        .filter(|&tick| tick >= start * (1.0 - 1e-9) && tick <= end * (1.0 + 1e-9))
        .collect()
}

fn minus(text: String) -> String {
    text.replace('-', "−")
}

fn superscript(exponent: i32) -> String {
    exponent
        .to_string()
        .chars()
        .map(|digit| match digit {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            other => char::from_u32('⁰' as u32 + other as u32 - '0' as u32).unwrap_or(other),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_within_the_range() {
        assert_eq!(
            linear_ticks(0.0, 1.0, 5),
            [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]
        );
        assert_eq!(
            linear_ticks(-50.0, 50.0, 5),
            [-40.0, -20.0, 0.0, 20.0, 40.0]
        );
        assert_eq!(log_ticks(1e-12, 1.0, 4), [1e-12, 1e-8, 1e-4, 1.0]);
        assert_eq!(log_ticks(1.0, 30.0, 8), [1.0, 2.0, 5.0, 10.0, 20.0]);
    }

    #[test]
    fn a_decade_ends_above_what_it_holds() {
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
        assert_eq!(linear.tick_label(1e-12), "0");
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
