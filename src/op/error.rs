use super::MAX_ALPHA;

/// A host value that the operator cannot work with.
///
/// Values inside tensors are never read back: a bad one gives `NaN` in the rows that it touches.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TsallisError {
    /// The order is not a number within the range that the operator is computed for.
    #[error("alpha is {0}: it must be a number from -{MAX_ALPHA} to {MAX_ALPHA}")]
    Alpha(f64),

    /// The dimension does not exist in the logits.
    #[error("dim is {dim}: logits of rank {rank} have the dimensions -{rank} to {}", rank - 1)]
    Dim {
        /// The dimension asked for.
        dim: isize,
        /// The rank of the logits.
        rank: usize,
    },
}
