use super::ModuleConfigError;
use crate::{Reference, TsallisOptions};
use burn::config::Config;

/// The reference measure `q` of a module or a loss.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::Device;
/// use burn_tsallis::nn::{ReferenceConfig, TsallisSoftargmaxConfig};
///
/// // The third entry has probability zero for any logits.
/// let reference = ReferenceConfig::Values(vec![0.5, 1.0, 0.0]);
/// let module = TsallisSoftargmaxConfig::new(0.5.into())
///     .with_reference(reference)
///     .init(&Device::flex());
/// # let _ = module;
/// # }
/// ```
#[derive(Config, Debug, PartialEq)]
pub enum ReferenceConfig {
    /// `q = 1` for every entry, the convention of entmax: `alpha = 1.5` is 1.5-entmax for any number of entries.
    Ones,
    /// One over the number of allowed entries, the convention of arXiv 2601.12604. With `K` entries the softargmax is
    /// entmax of `K^(1 - alpha) x`.
    Uniform,
    /// One value for each entry: positive, or zero to forbid the entry. The values need not sum to one.
    Values(Vec<f64>),
}

impl ReferenceConfig {
    /// Sets this reference in the options of the operator.
    pub(super) fn apply<const D: usize>(
        &self,
        options: TsallisOptions<D>,
    ) -> Result<TsallisOptions<D>, ModuleConfigError> {
        let reference = match self {
            Self::Ones => Reference::Ones,
            Self::Uniform => Reference::Uniform,
            Self::Values(values) => Reference::Values(values.clone()),
        };
        Ok(options.try_with_reference(reference)?)
    }
}
