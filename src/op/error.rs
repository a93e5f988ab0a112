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
    #[error("alpha is {0}: it must be a number from -{MAX_ALPHA} to {MAX_ALPHA}")]
    Alpha(f64),

    /// The temperature is not a positive normal number of `f32`.
    #[error(
        "temperature is {0}: it must be a number from {least:e} to {most:e}",
        least = f32::MIN_POSITIVE,
        most = f32::MAX
    )]
    Temperature(f64),

    /// A number of [`Reference::Values`](crate::Reference::Values) is negative or not finite.
    #[error("reference[{index}] is {value}: it must be a finite number that is not negative")]
    Reference {
        /// The index of the number.
        index: usize,
        /// The number.
        value: f64,
    },
}
