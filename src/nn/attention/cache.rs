use crate::nn::cache::TensorCache;
use burn::Tensor;

/// What a [`TsallisMultiHeadAttention`](super::TsallisMultiHeadAttention) keeps while tokens are decoded
/// one at a time, as Burn's [`MhaCache`](burn::nn::attention::MhaCache) does.
#[derive(Clone, Debug)]
pub struct TsallisMhaCache {
    pub(super) query: Projection<4>,
    pub(super) key: Projection<4>,
    pub(super) value: Projection<4>,
    pub(super) output: Projection<3>,
}

/// The output of one linear layer.
#[derive(Clone, Debug)]
pub(super) enum Projection<const D: usize> {
    /// Of a sequence that grows along this dimension of the output.
    Growing(TensorCache<D>, usize),
    /// Of a sequence that stays.
    Full(TensorCache<D>),
}

impl TsallisMhaCache {
    /// For self-attention: queries, keys and values grow.
    pub fn autoregressive() -> Self {
        Self {
            query: Projection::Growing(TensorCache::empty(), 2),
            key: Projection::Growing(TensorCache::empty(), 2),
            value: Projection::Growing(TensorCache::empty(), 2),
            output: Projection::Growing(TensorCache::empty(), 1),
        }
    }

    /// For cross-attention: queries grow, keys and values are those of the first call.
    pub fn autoregressive_cross_attention() -> Self {
        Self {
            key: Projection::Full(TensorCache::empty()),
            value: Projection::Full(TensorCache::empty()),
            ..Self::autoregressive()
        }
    }
}

impl<const D: usize> Projection<D> {
    pub fn forward(
        &mut self,
        sequence: Tensor<3>,
        layer: impl Fn(Tensor<3>) -> Tensor<D>,
    ) -> Tensor<D> {
        match self {
            Self::Growing(cache, dim) => cache.append(sequence, *dim, layer),
            Self::Full(cache) => cache.get_or_compute(sequence, layer),
        }
    }
}
