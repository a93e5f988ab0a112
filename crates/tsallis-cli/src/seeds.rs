use std::ops::Range;

/// The maximum number of seeds of a command; larger numbers are likely typing errors.
const MAX_SEEDS: u64 = 100_000;

/// Seeds on the command line: `A..B`, which excludes B, or `N` for the first N.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seeds(pub(super) Range<u64>);

impl std::str::FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wanted = "expected A..B with whole numbers A < B, such as 0..5 for the seeds 0 to 4, or 5 \
                      for the same seeds";
        let (from, to) = text.split_once("..").unwrap_or(("0", text));
        let number = |text: &str| text.parse::<u64>().map_err(|_| wanted.to_owned());
        let (from, to) = (number(from)?, number(to)?);
        if from >= to {
            return Err(wanted.to_owned());
        }
        if to - from > MAX_SEEDS {
            return Err(format!("expected at most {MAX_SEEDS} seeds"));
        }
        Ok(Self(from..to))
    }
}

/// Parses the number of seeds of a command whose first seed is always 0.
pub(super) fn seed_count(text: &str) -> Result<u64, String> {
    let count = text.strip_prefix("0..").unwrap_or(text);
    count.parse().map_err(|_| {
        "expected a number of seeds, such as 16; the first seed is always 0".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_ranges() {
        assert_eq!("0..5".parse(), Ok(Seeds(0..5)));
        assert_eq!("7..8".parse(), Ok(Seeds(7..8)));
        assert_eq!("5".parse(), Ok(Seeds(0..5)));
        assert_eq!((seed_count("16"), seed_count("0..16")), (Ok(16), Ok(16)));
        assert!(seed_count("1..16").is_err());
        for text in [
            "0",
            "5..5",
            "5..0",
            "a..b",
            "..",
            "-1..2",
            "0..=5",
            "0..10000000",
        ] {
            assert!(text.parse::<Seeds>().is_err(), "{text}");
        }
    }
}
