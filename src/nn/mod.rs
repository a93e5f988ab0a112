//! Modules, losses and a distribution that use the Tsallis softargmax, with Burn's conventions:
//! `XConfig::new(..).with_y(..).init(&device)`, records, `Display`.
//!
//! | item | replaces |
//! |---|---|
//! | [`TsallisSoftargmax`] | a softmax, with a fixed or a learned alpha |
//! | [`attention::TsallisMultiHeadAttention`] | [`burn::nn::attention::MultiHeadAttention`] |
//! | [`attention::tsallis_attention`] | [`burn::tensor::module::attention`] |
//! | [`transformer::TsallisTransformerEncoder`] | [`burn::nn::transformer::TransformerEncoder`] |
//! | [`transformer::TsallisTransformerDecoder`] | [`burn::nn::transformer::TransformerDecoder`] |
//! | [`TsallisGate`] | the top-k gate of a mixture of experts |
//! | [`loss::FenchelYoungLoss`] | [`burn::nn::loss::CrossEntropyLoss`] |
//! | [`loss::TsallisDivergenceLoss`] | [`burn::nn::loss::KLDivLoss`] |
//! | [`TsallisCategorical`] | a categorical distribution |
//!
//! Attention, the transformers and the gate use the reference measure `q = 1`. [`TsallisSoftargmax`] and
//! [`loss::FenchelYoungLoss`] use it by default. With it, `alpha = 1.5` is 1.5-entmax for any number of entries. In the
//! divergence loss the predictions are the reference. The masks of the modules are `true` where an entry is masked,
//! like Burn's masks.
//!
//! [`TsallisCategorical`] takes the options of the operator, [`TsallisOptions`](crate::TsallisOptions). Its
//! reference is uniform by default, and its mask is `true` where an entry is allowed.
//!
//! `init` panics if the configuration is invalid, with the message of the [`ModuleConfigError`] that `try_init`
//! returns.
//!
//! ```
//! # #[cfg(feature = "flex")] {
//! use burn::tensor::{Device, Int, Tensor};
//! use burn_tsallis::nn::TsallisSoftargmaxConfig;
//! use burn_tsallis::nn::loss::FenchelYoungLossConfig;
//!
//! // Train with the 1.5-entmax loss, predict with 1.5-entmax.
//! let device = Device::flex();
//! let loss = FenchelYoungLossConfig::new(1.5).init(&device);
//! let entmax15 = TsallisSoftargmaxConfig::new(1.5.into()).init(&device);
//!
//! let logits = Tensor::<2>::from_data([[2.0, 1.0, 0.1]], &device);
//! let target = Tensor::<1, Int>::from_data([0], &device);
//! assert!(loss.forward(logits.clone(), target).into_scalar::<f32>() > 0.0);
//! let p = entmax15.forward(logits).into_data();
//! assert_eq!(p.as_slice::<f32>().unwrap()[2], 0.0);
//! # }
//! ```

pub mod attention;
pub mod loss;
pub mod transformer;

mod alpha;
mod cache;
mod display;
mod distribution;
mod empty;
mod error;
mod gate;
mod one_hot;
mod reference;
mod softargmax;

pub use alpha::{AlphaConfig, TsallisAlpha};
pub use distribution::TsallisCategorical;
pub use error::ModuleConfigError;
pub use gate::{TsallisGate, TsallisGateConfig, TsallisGateOutput};
pub use reference::ReferenceConfig;
pub use softargmax::{TsallisSoftargmax, TsallisSoftargmaxConfig};
