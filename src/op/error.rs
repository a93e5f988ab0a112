use crate::math::MAX_ALPHA;

/// An invalid argument of [`TsallisOptions`](crate::TsallisOptions) that is a number on the host.
///
/// Numbers inside tensors are never read back. An invalid one gives `NaN` in its rows.
///
/// ```
/// use burn_tsallis::{TsallisError, TsallisOptions};
///
/// let error = TsallisOptions::<2>::try_new(51.0).unwrap_err();
/// assert_eq!(error, TsallisError::Alpha(51.0));
/// assert_eq!(error.to_string(), "alpha is 51: it must be a number from -50 to 50");
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TsallisError {
    /// Alpha is outside `-50..=50`, or `NaN`.
    #[error("alpha is {}: it must be a number from -{MAX_ALPHA} to {MAX_ALPHA}", short(.0))]
    Alpha(f64),

    /// The temperature is not a positive normal number of `f32`.
    #[error(
        "temperature is {}: it must be a number from {least:e} to {most:e}",
        short(.0),
        least = f32::MIN_POSITIVE,
        most = f32::MAX
    )]
    Temperature(f64),

    /// A number of [`Reference::Values`](crate::Reference::Values) is negative or not finite.
    #[error(
        "reference[{index}] is {}: it must be a finite number that is not negative",
        short(.value)
    )]
    Reference {
        /// The index of the number.
        index: usize,
        /// The number.
        value: f64,
    },
}

/// Formats a number, with a power of ten if it has many digits otherwise.
fn short(value: &f64) -> String {
    let digits = value.to_string();
    if digits.len() > 24 {
        format!("{value:e}")
    } else {
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_no_long_number() {
        for (error, begin) in [
            (TsallisError::Alpha(1e300), "alpha is 1e300: "),
            (TsallisError::Alpha(-50.5), "alpha is -50.5: "),
            (TsallisError::Temperature(1e-300), "temperature is 1e-300: "),
            (TsallisError::Temperature(f64::NAN), "temperature is NaN: "),
            (
                TsallisError::Reference {
                    index: 3,
                    value: -2.5e-300,
                },
                "reference[3] is -2.5e-300: ",
            ),
        ] {
            let message = error.to_string();
            assert!(message.starts_with(begin), "{message}");
        }
    }
}
