use crate::TsallisError;
use crate::math::MAX_ALPHA;

/// A configuration that no module can be made of.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ModuleConfigError {
    /// A number that the operator cannot work with.
    #[error(transparent)]
    Operator(#[from] TsallisError),

    /// The interval of a learned `alpha` is empty, or wider than the orders that are computed.
    #[error(
        "a learned alpha has the interval ({min}, {max}): it needs two numbers from -{MAX_ALPHA} to \
         {MAX_ALPHA}, the smaller one first"
    )]
    Interval {
        /// The lower end.
        min: f64,
        /// The upper end.
        max: f64,
    },

    /// A learned `alpha` starts outside its interval, or on its edge, which no gradient leaves.
    #[error("a learned alpha starts at {value}: it must lie inside ({min}, {max})")]
    Start {
        /// Where it starts.
        value: f64,
        /// The lower end of the interval.
        min: f64,
        /// The upper end of the interval.
        max: f64,
    },

    /// There are neither one `alpha` for all nor one for each.
    #[error("alpha has {given} values: give one, or one for each of {wanted}")]
    AlphaCount {
        /// How many were given.
        given: usize,
        /// How many there is room for.
        wanted: usize,
    },

    /// The features of a model do not divide into its heads.
    #[error(
        "d_model is {d_model} and n_heads is {n_heads}: d_model must be a positive multiple of n_heads"
    )]
    Heads {
        /// The features of the model.
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

    /// A rate is not in its range.
    #[error("{name} is {value}: it must be a number from 0 to {max}")]
    Rate {
        /// The field of the configuration.
        name: &'static str,
        /// The number.
        value: f64,
        /// The largest number that is accepted, as it is written.
        max: &'static str,
    },

    /// The weight of a class is negative or not finite.
    #[error("weights[{index}] is {value}: it must be a finite number that is not negative")]
    Weight {
        /// The class.
        index: usize,
        /// The number.
        value: f32,
    },
}

/// The answer of a `try_init`, or a panic with the words of its error, as Burn's `init` has.
pub(super) fn or_panic<M>(module: Result<M, ModuleConfigError>) -> M {
    module.unwrap_or_else(|error| panic!("{error}"))
}

/// Whether dropout can work at this rate.
pub(super) fn check_dropout(value: f64) -> Result<(), ModuleConfigError> {
    if (0.0..1.0).contains(&value) {
        Ok(())
    } else {
        Err(ModuleConfigError::Rate {
            name: "dropout",
            value,
            max: "1, which is excluded",
        })
    }
}
