//! Attention whose weights are a Tsallis softargmax.

mod cache;
mod function;
mod mha;

pub use cache::TsallisMhaCache;
pub use function::{tsallis_attention, tsallis_attention_weights};
pub use mha::{TsallisMhaInput, TsallisMultiHeadAttention, TsallisMultiHeadAttentionConfig};

// Burn's output type has public fields, so no new type is needed.
pub use burn::nn::attention::MhaOutput;
