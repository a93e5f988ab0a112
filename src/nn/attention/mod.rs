//! Attention whose weights are a Tsallis softargmax.

mod cache;
mod function;
mod mha;

pub use cache::TsallisMhaCache;
pub use function::{tsallis_attention, tsallis_attention_weights};
pub use mha::{TsallisMhaInput, TsallisMultiHeadAttention, TsallisMultiHeadAttentionConfig};

// Its fields are open in Burn, so the output needs no type of its own.
pub use burn::nn::attention::MhaOutput;
