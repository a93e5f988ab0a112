use std::fmt;

/// Formats a number for a table: short, and with a power of ten if it is far from one.
pub(super) struct Compact(pub(super) f64);

impl fmt::Display for Compact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.abs();
        let text = if size == 0.0 {
            "0".to_owned()
        } else if (1e-3..1e5).contains(&size) {
            let digits = (4 - size.log10().floor() as i32).min(5) as usize;
            format!("{:.digits$}", self.0)
        } else {
            format!("{:.3e}", self.0)
        };
        f.pad(&text)
    }
}

/// Formats a number with this many decimals. Zero has no sign.
pub(super) struct Decimals(pub(super) f64, pub(super) usize);

impl fmt::Display for Decimals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.*}", self.1, self.0);
        let is_zero = text.parse() == Ok(0.0);
        f.pad(if is_zero {
            text.trim_start_matches('-')
        } else {
            &text
        })
    }
}

/// The maximum length of a setting that is written without a power of ten.
const LONGEST: usize = 8;

/// Formats a setting with all its digits.
pub(super) struct FullPrecision(pub(super) f64);

impl fmt::Display for FullPrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        if text.len() <= LONGEST {
            f.pad(&text)
        } else {
            f.pad(&format!("{:e}", self.0))
        }
    }
}

/// Formats a number that may not exist.
pub(super) fn or_dash(value: Option<impl fmt::Display>) -> String {
    value.map_or("-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.5, "0.50000"),
            (0.0042, "0.00420"),
            (8.39067, "8.3907"),
            (540.24, "540.24"),
            (91964.0, "91964"),
            (1.177e17, "1.177e17"),
            (2.5e-9, "2.500e-9"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(Compact(value).to_string(), text);
        }
        assert_eq!(format!("{:>8}", Compact(0.5)), " 0.50000");
    }

    #[test]
    fn a_zero_has_no_sign() {
        for (value, text) in [
            (-0.04, "0.0"),
            (-0.06, "-0.1"),
            (-0.0, "0.0"),
            (99.96, "100.0"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(Decimals(value, 1).to_string(), text);
        }
        assert_eq!(Compact(-0.0).to_string(), "0");
    }

    #[test]
    fn settings_keep_their_digits() {
        for (value, text) in [
            (1.0, "1"),
            (0.0001, "0.0001"),
            (1e308, "1e308"),
            (0.123_456_789, "1.23456789e-1"),
        ] {
            assert_eq!(FullPrecision(value).to_string(), text);
        }
    }
}
