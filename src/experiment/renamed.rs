/// Former names of settings, columns and files, each with its present name.
const RENAMED: [(&str, &str); 5] = [
    ("regulariser", "regularizer"),
    ("regulariser_alpha", "regularizer_alpha"),
    ("normalise_advantages", "normalize_advantages"),
    ("optimiser_seconds", "optimizer_seconds"),
    ("order", "alpha"),
];

/// Returns "`old` is now `new`" if `old` is the former name of a setting, a column or, with leading dashes, a
/// command-line flag.
///
/// ```
/// use burn_tsallis::experiment::renamed;
///
/// let hint = renamed("--normalise-advantages");
/// assert_eq!(hint.as_deref(), Some("`--normalise-advantages` is now `--normalize-advantages`"));
/// assert_eq!(renamed("alpha"), None);
/// ```
pub fn renamed(old: &str) -> Option<String> {
    let key = old.trim_start_matches('-').replace('-', "_");
    let (_, new) = RENAMED.iter().find(|(former, _)| *former == key)?;
    let new = if old.starts_with("--") {
        format!("--{}", new.replace('_', "-"))
    } else {
        (*new).to_owned()
    };
    Some(format!("`{old}` is now `{new}`"))
}
