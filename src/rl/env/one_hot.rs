/// Writes 1 at `index` and 0 elsewhere, or only zeros if there is no index.
pub(super) fn one_hot(index: Option<usize>, observation: &mut [f32]) {
    observation.fill(0.0);
    if let Some(index) = index {
        observation[index] = 1.0;
    }
}
