use crate::rl::UnknownName;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// An activation function of the hidden layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// The hyperbolic tangent.
    Tanh,
    /// `max(x, 0)`.
    Relu,
}

impl FromStr for Activation {
    type Err = UnknownName;

    /// Parses `tanh` or `relu`.
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "tanh" => Ok(Self::Tanh),
            "relu" => Ok(Self::Relu),
            _ => Err(UnknownName {
                what: "activation",
                name: name.to_owned(),
                expected: "tanh or relu",
            }),
        }
    }
}
