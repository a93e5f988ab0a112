use crate::math::MAX_ALPHA;

/// A host value that the operator cannot work with.
///
/// Values inside tensors are never read back: a bad one gives `NaN` in the rows that it touches.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TsallisError {
    /// The order is not a number within the range that the operator is computed for.
    #[error("alpha is {0}: it must be a number from -{MAX_ALPHA} to {MAX_ALPHA}")]
    Alpha(f64),

    /// The temperature is not a positive normal number of `f32`.
    #[error(
        "temperature is {0}: it must be a number from {least:e} to {most:e}",
        least = f32::MIN_POSITIVE,
        most = f32::MAX
    )]
    Temperature(f64),

    /// A host number of the reference is negative or not finite.
    #[error("reference[{index}] is {value}: it must be a finite number that is not negative")]
    Reference {
        /// Where it stands.
        index: usize,
        /// The number.
        value: f64,
    },
}
