use super::super::{duration, thousands};

/// Widths of a bar, the widest that there is room for.
const BARS: [usize; 4] = [40, 24, 16, 8];

/// Columns of a name that says something although it is cut.
const SHORTEST_NAME: usize = 5;

/// What is said of a run that is being made.
pub(super) struct RunLine<'a> {
    pub(super) name: &'a str,
    /// How much of it is done, from 0 to 1.
    pub(super) share: f64,
    pub(super) recent_return: Option<f64>,
    /// Environment steps per second.
    pub(super) speed: f64,
    pub(super) seconds_left: f64,
}

impl RunLine<'_> {
    /// The return, the speed and the time left.
    pub(super) fn words(&self) -> String {
        let [all, ..] = self.details();
        all
    }

    /// The words, the longest first.
    fn details(&self) -> [String; 4] {
        let mean = self.recent_return.map_or("-".to_owned(), four_digits);
        let speed = thousands(self.speed as usize);
        let left = duration(self.seconds_left);
        [
            format!("return {mean}, {speed} steps/s, {left} left"),
            format!("return {mean}, {left} left"),
            format!("return {mean}"),
            mean,
        ]
    }

    /// Name, bar, percentage and words in at most so many columns: the words are shortened first, then the
    /// name, from its beginning.
    pub(super) fn fit(&self, width: usize) -> String {
        fit(self.name, self.share, &self.details(), width)
    }
}

/// A run that has not made an update yet.
pub(super) fn format_starting(name: &str, width: usize) -> String {
    fit(name, 0.0, &["begins".to_owned(), String::new()], width)
}

fn fit(name: &str, share: f64, details: &[String], width: usize) -> String {
    let share = share.clamp(0.0, 1.0);
    let percent = format!("{:3.0}%", share * 100.0);
    let line = |name: &str, bar: &str, words: &str| {
        let parts = [name, bar, &percent, words];
        parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    };
    for words in details {
        let bare = line(name, "", words);
        if columns(&bare) <= width {
            let room = width - columns(&bare);
            let bar = BARS.into_iter().find(|&bar| bar < room);
            return bar.map_or(bare, |bar| line(name, &draw(share, bar), words));
        }
    }
    // Names of runs differ in their ends.
    let mut shortest = String::new();
    for words in &details[details.len().saturating_sub(2)..] {
        shortest = line("", "", words);
        let room = width.saturating_sub(columns(&shortest) + 1);
        if room >= SHORTEST_NAME {
            let cut = columns(name).saturating_sub(room - 1);
            let end: String = name.chars().skip(cut).collect();
            return line(&format!("…{end}"), "", words);
        }
    }
    shortest
}

fn draw(share: f64, width: usize) -> String {
    let full = (share * width as f64) as usize;
    format!("{}{}", "█".repeat(full), "░".repeat(width - full))
}

fn columns(text: &str) -> usize {
    text.chars().count()
}

/// The first of some lines that fits, or else the last.
pub(super) fn first_that_fits<const N: usize>(lines: [String; N], width: usize) -> String {
    let mut last = String::new();
    for line in lines {
        last = line;
        if columns(&last) <= width {
            break;
        }
    }
    last
}

/// As many digits as say something: 473.2, 0.991.
fn four_digits(number: f64) -> String {
    let whole = number.abs().max(1.0).log10().floor() as usize + 1;
    let decimals = 4_usize.saturating_sub(whole).max(1);
    format!("{number:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_four_digits() {
        assert_eq!(four_digits(473.1987), "473.2");
        assert_eq!(four_digits(0.9912), "0.991");
        assert_eq!(four_digits(-12.3456), "-12.35");
        assert_eq!(four_digits(12345.6789), "12345.7");
        assert_eq!(four_digits(f64::NAN), "NaN");
    }

    fn row(name: &str) -> RunLine<'_> {
        RunLine {
            name,
            share: 0.5,
            recent_return: Some(473.21),
            speed: 12_345.0,
            seconds_left: 65.0,
        }
    }

    #[test]
    fn a_row_shortens_to_fit_the_width() {
        let seed = row("seed 3");
        assert_eq!(seed.fit(20), "seed 3  50% 473.2");
        assert_eq!(seed.fit(40), "seed 3  50% return 473.2, 1 min 5 s left");
        assert_eq!(
            seed.fit(80),
            "seed 3 ████████░░░░░░░░  50% return 473.2, 12 345 steps/s, 1 min 5 s left"
        );
        let wide = seed.fit(200);
        assert!(
            wide.contains(&"█".repeat(20)) && wide.ends_with(" left"),
            "{wide}"
        );
        let long = row("cartpole-noise2-beta0.01-lr0.001-alpha1, seed 1");
        assert_eq!(long.fit(40), "…r0.001-alpha1, seed 1  50% return 473.2");
        assert_eq!(long.fit(20), "…, seed 1  50% 473.2");
        assert_eq!(
            long.fit(80),
            "cartpole-noise2-beta0.01-lr0.001-alpha1, seed 1 ████░░░░  50% return 473.2"
        );
    }

    #[test]
    fn no_row_is_wider_than_the_terminal() {
        let names = [
            "",
            "seed 3",
            "cartpole-noise2-beta0.01-lr0.001-alpha1, seed 1",
        ];
        for name in names {
            for width in 11..300 {
                for line in [row(name).fit(width), format_starting(name, width)] {
                    assert!(columns(&line) <= width, "{width}: {line:?}");
                }
            }
            row(name).fit(0);
            format_starting(name, 0);
        }
    }
}
