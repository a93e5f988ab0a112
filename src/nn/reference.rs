use super::ModuleConfigError;
use crate::{Reference, TsallisOptions};
use burn::config::Config;

/// The reference measure `q` of a module or a loss.
#[derive(Config, Debug, PartialEq)]
pub enum ReferenceConfig {
    /// One for every entry, the convention of entmax: `alpha = 1.5` is 1.5-entmax, whatever the number of
    /// entries.
    Ones,
    /// One over the number of allowed entries, the convention of arXiv 2601.12604: entmax of
    /// `K^(1 - alpha) x` over `K` entries.
    Uniform,
    /// One number for each entry, positive, or zero where it is never allowed. They need not sum to one.
    Values(Vec<f64>),
}

impl ReferenceConfig {
    /// The options of the operator with this reference.
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
