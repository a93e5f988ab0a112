/// A name that stands for nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} {name:?}: it must be {expected}")]
pub struct UnknownName {
    /// What the name should be of.
    pub what: &'static str,
    /// The name.
    pub name: String,
    /// The names there are.
    pub expected: &'static str,
}
