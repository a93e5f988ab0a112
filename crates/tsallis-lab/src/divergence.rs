//! The divergence that defines both a parameterization and its regularizer.

use burn_tsallis::math::{Generator, Hellinger, JensenShannon, LeCam, Tsallis, is_valid_alpha};
use std::fmt;
use std::str::FromStr;

/// A named f-divergence: the Tsallis divergence of any alpha, or one of three others.
///
/// ```
/// use tsallis_lab::Divergence;
///
/// assert_eq!("0.5".parse(), Ok(Divergence::Tsallis(0.5)));
/// assert_eq!("kl".parse(), Ok(Divergence::Tsallis(1.0)));
/// assert_eq!("jensen-shannon".parse(), Ok(Divergence::JensenShannon));
/// assert!("0.5x".parse::<Divergence>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Divergence {
    /// The Tsallis divergence with this alpha: Kullback-Leibler at 1, reverse Kullback-Leibler at 0.
    Tsallis(f64),
    /// The squared Hellinger distance, half the Tsallis divergence with alpha 1/2.
    Hellinger,
    /// Twice the Jensen-Shannon divergence.
    JensenShannon,
    /// The Le Cam divergence, whose policies are sparse.
    LeCam,
}

impl Divergence {
    /// Returns alpha for a Tsallis divergence or a multiple of one, and `None` for the others.
    pub fn alpha(&self) -> Option<f64> {
        match *self {
            Self::Tsallis(alpha) => Some(alpha),
            Self::Hellinger => Some(0.5),
            Self::JensenShannon | Self::LeCam => None,
        }
    }

    /// Returns `true` if a policy can assign probability zero to an action.
    pub fn is_sparse(&self) -> bool {
        self.derivative_at_zero().is_finite()
    }

    /// Calls `f` with the generator.
    fn with<R>(&self, f: impl FnOnce(&dyn Generator<f64>) -> R) -> R {
        match *self {
            Self::Tsallis(alpha) => f(&Tsallis::new(alpha)),
            Self::Hellinger => f(&Hellinger),
            Self::JensenShannon => f(&JensenShannon),
            Self::LeCam => f(&LeCam),
        }
    }
}

impl Generator<f64> for Divergence {
    fn value(&self, u: f64) -> f64 {
        self.with(|f| f.value(u))
    }

    fn derivative(&self, u: f64) -> f64 {
        self.with(|f| f.derivative(u))
    }

    fn second_derivative(&self, u: f64) -> f64 {
        self.with(|f| f.second_derivative(u))
    }

    fn inverse_derivative(&self, y: f64) -> f64 {
        self.with(|f| f.inverse_derivative(y))
    }

    fn derivative_at_zero(&self) -> f64 {
        self.with(|f| f.derivative_at_zero())
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tsallis(alpha) => write!(f, "{alpha}"),
            Self::Hellinger => f.write_str("hellinger"),
            Self::JensenShannon => f.write_str("jensen-shannon"),
            Self::LeCam => f.write_str("le-cam"),
        }
    }
}

/// An error for text that is not the name of a divergence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown divergence \"{0}\": it must be an alpha from -50 to 50, kl, reverse-kl, pearson, neyman, hellinger, \
     jensen-shannon or le-cam"
)]
pub struct UnknownDivergence(String);

impl FromStr for Divergence {
    type Err = UnknownDivergence;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "kl" => Self::Tsallis(1.0),
            "reverse-kl" => Self::Tsallis(0.0),
            "pearson" => Self::Tsallis(2.0),
            "neyman" => Self::Tsallis(-1.0),
            "hellinger" => Self::Hellinger,
            "jensen-shannon" => Self::JensenShannon,
            "le-cam" => Self::LeCam,
            _ => match text.parse() {
                Ok(alpha) if is_valid_alpha(alpha) => Self::Tsallis(alpha),
                _ => return Err(UnknownDivergence(text.to_owned())),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in ["0.1", "-1", "1.5", "hellinger", "jensen-shannon", "le-cam"] {
            let divergence: Divergence = text.parse().expect(text);
            assert_eq!(divergence.to_string(), text);
        }
        for text in ["", "NaN", "51", "tsallis", "inf"] {
            assert!(text.parse::<Divergence>().is_err(), "{text}");
        }
    }

    #[test]
    fn sparse_where_the_generator_is() {
        assert!(Divergence::LeCam.is_sparse() && Divergence::Tsallis(1.5).is_sparse());
        assert!(!Divergence::Tsallis(1.0).is_sparse() && !Divergence::JensenShannon.is_sparse());
    }
}
