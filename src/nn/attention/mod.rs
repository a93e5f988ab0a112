//! Attention whose weights are a Tsallis softargmax.

mod cache;
mod function;
mod mha;
mod options;

pub use cache::TsallisMhaCache;
pub use function::{
    tsallis_attention, tsallis_attention_weights, tsallis_attention_with,
    tsallis_attention_with_statistics,
};
pub use mha::{TsallisMhaInput, TsallisMultiHeadAttention, TsallisMultiHeadAttentionConfig};

pub use options::{TsallisAttentionOptions, TsallisAttentionOutput};

// Burn's output type has public fields, so no new type is needed.
pub use burn::nn::attention::MhaOutput;
