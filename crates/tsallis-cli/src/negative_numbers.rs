use std::ffi::OsString;

/// Returns the arguments with negative numbers in digits only: `-0.001` for `-1e-3`, and `-0.5` for `-.5`.
///
/// Of the negative numbers, clap knows only those without a negative exponent that begin with a digit. It takes all
/// others for flags. Arguments after `--` are not changed.
pub(super) fn spelled_out(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut are_flags = true;
    arguments
        .into_iter()
        .map(|argument| {
            are_flags &= argument != "--";
            let number = argument.to_str().filter(|_| are_flags).and_then(digits);
            number.map_or(argument, OsString::from)
        })
        .collect()
}

/// Returns the digits of a finite negative number, or `None` for every other text.
fn digits(text: &str) -> Option<String> {
    let size = text.strip_prefix('-')?;
    // Not the words `-inf` and `-nan`.
    if !size.starts_with(|c: char| c == '.' || c.is_ascii_digit()) {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    // Whole numbers keep all their digits, which f64 may not have.
    let is_whole = size.bytes().all(|c| c.is_ascii_digit());
    (number.is_finite() && !is_whole).then(|| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(arguments: &[&str]) -> Vec<OsString> {
        spelled_out(arguments.iter().map(OsString::from))
    }

    #[test]
    fn negative_numbers_are_in_digits_and_the_rest_is_unchanged() {
        assert_eq!(
            spelled(&["--alpha", "-1e-3", "-.5", "-2.5E-1", "-1e2"]),
            ["--alpha", "-0.001", "-0.5", "-0.25", "-100"]
        );
        let others = [
            "tsallis",
            "-h",
            "--alpha=-1e-3",
            "1e-3",
            "-",
            "-.",
            "-1e",
            "-inf",
            "-NaN",
            "-1e999",
            "-12345678901234567890",
            "-1,2",
            "--",
            "-1e-3",
        ];
        assert_eq!(spelled(&others), others);
        let small = spelled(&["-1e-300"]);
        let digits = small[0].to_str().expect("UTF-8");
        assert_eq!(digits.parse::<f64>(), Ok(-1e-300));
    }
}
