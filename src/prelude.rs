//! What a model that embeds the operator needs: `use burn_tsallis::prelude::*;`.

pub use crate::nn::attention::{
    TsallisMhaCache, TsallisMhaInput, TsallisMultiHeadAttention, TsallisMultiHeadAttentionConfig,
    tsallis_attention, tsallis_attention_weights,
};
pub use crate::nn::loss::{
    FenchelYoungLoss, FenchelYoungLossConfig, TsallisDivergenceLoss, TsallisDivergenceLossConfig,
};
pub use crate::nn::transformer::{
    TsallisTransformerEncoder, TsallisTransformerEncoderConfig, TsallisTransformerEncoderInput,
};
pub use crate::nn::{
    AlphaConfig, ReferenceConfig, TsallisAlpha, TsallisCategorical, TsallisGate, TsallisGateConfig,
    TsallisGateOutput, TsallisSoftargmax, TsallisSoftargmaxConfig,
};
pub use crate::{
    Alpha, EmptyRow, FDivergence, FSoftargmaxOptions, Reference, Solver, TsallisError,
    TsallisOptions, f_softargmax, tsallis_divergence, tsallis_divergence_from_probabilities,
    tsallis_log_softargmax, tsallis_softargmax, tsallis_value,
};
