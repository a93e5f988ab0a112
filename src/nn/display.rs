use burn::module::DisplaySettings;

/// The display settings of a module whose attributes are printed in one line.
pub(super) fn one_line() -> Option<DisplaySettings> {
    DisplaySettings::new()
        .with_new_line_after_attribute(false)
        .optional()
}
