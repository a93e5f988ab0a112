/// A name that is not one of the expected names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} {name:?}: it must be {expected}")]
pub struct UnknownName {
    /// The kind of name, such as `activation`.
    pub what: &'static str,
    /// The name.
    pub name: String,
    /// The valid names.
    pub expected: &'static str,
}
