//! Imports for models that use the operator: `use burn_tsallis::prelude::*;`.

pub use crate::nn::attention::{
    MhaOutput, TsallisAttentionOptions, TsallisAttentionOutput, TsallisMhaCache, TsallisMhaInput,
    TsallisMultiHeadAttention, TsallisMultiHeadAttentionConfig, tsallis_attention,
    tsallis_attention_weights, tsallis_attention_with, tsallis_attention_with_statistics,
};
pub use crate::nn::loss::{
    FenchelYoungLoss, FenchelYoungLossConfig, Reduction, TsallisDivergenceLoss,
    TsallisDivergenceLossConfig,
};
pub use crate::nn::transformer::{
    TsallisTransformerDecoder, TsallisTransformerDecoderAutoregressiveCache,
    TsallisTransformerDecoderConfig, TsallisTransformerDecoderInput,
    TsallisTransformerDecoderLayer, TsallisTransformerDecoderLayerAutoregressiveCache,
    TsallisTransformerEncoder, TsallisTransformerEncoderAutoregressiveCache,
    TsallisTransformerEncoderConfig, TsallisTransformerEncoderInput,
    TsallisTransformerEncoderLayer, TsallisTransformerEncoderLayerAutoregressiveCache,
};
pub use crate::nn::{
    AlphaConfig, ModuleConfigError, ReferenceConfig, TsallisAlpha, TsallisCategorical, TsallisGate,
    TsallisGateConfig, TsallisGateOutput, TsallisSoftargmax, TsallisSoftargmaxConfig,
};
pub use crate::{
    Alpha, EmptyRow, FDivergence, FSoftargmaxOptions, Reference, Solver, TsallisError,
    TsallisOptions, f_softargmax, tsallis_divergence, tsallis_divergence_from_probabilities,
    tsallis_log_softargmax, tsallis_softargmax, tsallis_value,
};
