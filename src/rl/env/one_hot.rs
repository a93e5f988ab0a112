/// Writes 1 at an index and 0 elsewhere; zeros only where there is no index.
pub(super) fn one_hot(index: Option<usize>, observation: &mut [f32]) {
    observation.fill(0.0);
    if let Some(index) = index {
        observation[index] = 1.0;
    }
}
