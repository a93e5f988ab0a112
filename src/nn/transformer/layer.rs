//! Components shared by the layers of the encoder and the decoder.

use super::encoder::TsallisTransformerEncoderConfig;
use crate::nn::ModuleConfigError;
use crate::nn::attention::{TsallisMultiHeadAttention, TsallisMultiHeadAttentionConfig};
use burn::Tensor;
use burn::nn::transformer::{PositionWiseFeedForward, PositionWiseFeedForwardConfig};
use burn::nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig};
use burn::tensor::Device;

/// The components of a layer.
impl TsallisTransformerEncoderConfig {
    pub(super) fn attention(
        &self,
        device: &Device,
    ) -> Result<TsallisMultiHeadAttention, ModuleConfigError> {
        TsallisMultiHeadAttentionConfig::new(self.d_model, self.n_heads)
            .with_alpha(self.alpha.clone())
            .with_initializer(self.initializer.clone())
            .with_dropout(self.dropout)
            .with_quiet_softmax(self.quiet_softmax)
            .try_init(device)
    }

    pub(super) fn feed_forward(&self, device: &Device) -> PositionWiseFeedForward {
        PositionWiseFeedForwardConfig::new(self.d_model, self.d_ff)
            .with_initializer(self.initializer.clone())
            .with_dropout(self.dropout)
            .with_activation(self.activation.clone())
            .init(device)
    }

    pub(super) fn norm(&self, device: &Device) -> LayerNorm {
        LayerNormConfig::new(self.d_model)
            .with_epsilon(self.layer_norm_eps)
            .init(device)
    }

    pub(super) fn layer_dropout(&self) -> Dropout {
        DropoutConfig::new(self.dropout).init()
    }
}

/// A component of a layer, which may store its outputs in a cache.
pub(super) type Sublayer<'a> = &'a mut dyn FnMut(Tensor<3>) -> Tensor<3>;

/// Applies the sublayers in order, each with a residual connection.
///
/// The normalizations are at the same positions as in Burn's layers. Without `norm_first`, the `i`-th follows the
/// `i`-th sublayer. With `norm_first`, the `i`-th precedes sublayer `i + 1`, and the last one precedes the first
/// sublayer.
pub(super) fn residual<const N: usize>(
    input: Tensor<3>,
    norm_first: bool,
    dropout: &Dropout,
    sublayers: [Sublayer<'_>; N],
    norms: [Sublayer<'_>; N],
) -> Tensor<3> {
    let mut x = input;
    if x.dims().contains(&0) {
        // Burn's product of matrices without rows is not defined on every backend.
        return x;
    }
    for (i, sublayer) in sublayers.into_iter().enumerate() {
        x = if norm_first {
            let normalized = norms[(i + N - 1) % N](x.clone());
            x + dropout.forward(sublayer(normalized))
        } else {
            norms[i](x.clone() + dropout.forward(sublayer(x)))
        };
    }
    x
}

/// Pairs each layer with its cache.
///
/// # Panics
/// If the number of caches differs from the number of layers.
pub(super) fn with_caches<'a, L, C>(
    layers: &'a [L],
    caches: &'a mut [C],
) -> impl Iterator<Item = (&'a L, &'a mut C)> {
    assert_eq!(
        caches.len(),
        layers.len(),
        "the cache must have as many layers as the model"
    );
    layers.iter().zip(caches)
}
