use crate::TsallisError;
use crate::math::MAX_ALPHA;

/// An invalid configuration of a module or a loss.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::Device;
/// use burn_tsallis::nn::ModuleConfigError;
/// use burn_tsallis::nn::attention::TsallisMultiHeadAttentionConfig;
///
/// let config = TsallisMultiHeadAttentionConfig::new(10, 3);
/// let error = config.try_init(&Device::flex()).unwrap_err();
/// assert_eq!(error, ModuleConfigError::Heads { d_model: 10, n_heads: 3 });
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ModuleConfigError {
    /// A value that the operator rejects.
    #[error(transparent)]
    Operator(#[from] TsallisError),

    /// The interval of a learned alpha is empty or extends beyond the supported values.
    #[error(
        "a learned alpha has the interval ({min}, {max}): its ends must be numbers from -{MAX_ALPHA} to \
         {MAX_ALPHA}, the smaller one first"
    )]
    Interval {
        /// The lower end.
        min: f64,
        /// The upper end.
        max: f64,
    },

    /// A learned alpha starts outside its interval, or on one of its ends, where its gradient is zero.
    #[error("a learned alpha starts at {value}: it must start inside the interval ({min}, {max})")]
    Start {
        /// The start.
        value: f64,
        /// The lower end of the interval.
        min: f64,
        /// The upper end of the interval.
        max: f64,
    },

    /// The number of alpha values is neither one nor the number of heads or rows.
    #[error("alpha has {given} values: it must have 1, or one for each head or row ({wanted})")]
    AlphaCount {
        /// The number of values in the configuration.
        given: usize,
        /// The number of heads or rows.
        wanted: usize,
    },

    /// The model width is not a positive multiple of the number of heads.
    #[error(
        "d_model is {d_model} and n_heads is {n_heads}: d_model must be a positive multiple of n_heads"
    )]
    Heads {
        /// The model width.
        d_model: usize,
        /// The number of heads.
        n_heads: usize,
    },

    /// A size that must be positive is zero.
    #[error("{name} is 0: it must be at least 1")]
    Zero {
        /// The field of the configuration.
        name: &'static str,
    },

    /// A rate is outside its range.
    #[error("{name} is {value}: it must be a number from 0 to {max}")]
    Rate {
        /// The field of the configuration.
        name: &'static str,
        /// The invalid value.
        value: f64,
        /// The upper end of the range, as it is printed.
        max: &'static str,
    },

    /// A class weight is negative or not finite.
    #[error("weights[{index}] is {value}: it must be a finite number that is not negative")]
    Weight {
        /// The class.
        index: usize,
        /// The invalid value.
        value: f32,
    },
}

/// Returns the module, or panics with the message of the error, as Burn's `init` functions do.
pub(super) fn or_panic<M>(module: Result<M, ModuleConfigError>) -> M {
    module.unwrap_or_else(|error| panic!("{error}"))
}

/// Checks that the dropout rate is at least 0 and less than 1.
pub(super) fn check_dropout(value: f64) -> Result<(), ModuleConfigError> {
    if (0.0..1.0).contains(&value) {
        Ok(())
    } else {
        Err(ModuleConfigError::Rate {
            name: "dropout",
            value,
            max: "1, excluding 1",
        })
    }
}
