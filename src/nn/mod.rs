//! Modules, losses and a distribution for other people's models, in Burn's own idiom:
//! `XConfig::new(..).with_y(..).init(&device)`, records, display.
//!
//! | module | in the place of |
//! |---|---|
//! | [`TsallisSoftargmax`] | a softmax, with an order that is fixed or learned |
//! | [`attention::TsallisMultiHeadAttention`] | [`burn::nn::attention::MultiHeadAttention`] |
//! | [`attention::tsallis_attention`] | [`burn::tensor::module::attention`] |
//! | [`transformer::TsallisTransformerEncoder`] | [`burn::nn::transformer::TransformerEncoder`] |
//! | [`transformer::TsallisTransformerDecoder`] | [`burn::nn::transformer::TransformerDecoder`] |
//! | [`TsallisGate`] | the top-k gate of a mixture of experts |
//! | [`loss::FenchelYoungLoss`] | [`burn::nn::loss::CrossEntropyLoss`] |
//! | [`loss::TsallisDivergenceLoss`] | [`burn::nn::loss::KLDivLoss`] |
//! | [`TsallisCategorical`] | a categorical distribution |
//!
//! Modules and the Fenchel-Young loss have the reference `ones`, so that `alpha = 1.5` is 1.5-entmax whatever
//! the number of entries; in the divergence loss the predictions are the reference. Their masks are
//! `true` where an entry is masked, as Burn's are. [`TsallisCategorical`] takes the options of the
//! operator: a uniform reference unless one is given, and a mask that is `true` where an entry is allowed.
//!
//! A configuration that cannot be made panics in `init`, with the words of the [`ModuleConfigError`] that
//! `try_init` returns.

pub mod attention;
pub mod loss;
pub mod transformer;

mod alpha;
mod cache;
mod distribution;
mod error;
mod gate;
mod reference;
mod softargmax;

pub use alpha::{AlphaConfig, TsallisAlpha};
pub use distribution::TsallisCategorical;
pub use error::ModuleConfigError;
pub use gate::{TsallisGate, TsallisGateConfig, TsallisGateOutput};
pub use reference::ReferenceConfig;
pub use softargmax::{TsallisSoftargmax, TsallisSoftargmaxConfig};
