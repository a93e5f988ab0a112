//! A transformer encoder and decoder with Tsallis attention.

mod decoder;
mod encoder;
mod layer;

pub use decoder::{
    TsallisTransformerDecoder, TsallisTransformerDecoderAutoregressiveCache,
    TsallisTransformerDecoderConfig, TsallisTransformerDecoderInput,
    TsallisTransformerDecoderLayer, TsallisTransformerDecoderLayerAutoregressiveCache,
};
pub use encoder::{
    TsallisTransformerEncoder, TsallisTransformerEncoderAutoregressiveCache,
    TsallisTransformerEncoderConfig, TsallisTransformerEncoderInput,
    TsallisTransformerEncoderLayer, TsallisTransformerEncoderLayerAutoregressiveCache,
};
