use burn_tsallis::experiment::Stream;
use rand::RngExt;

/// Draws an index with these probabilities. Returns `None` if their sum is below 1 by rounding and the draw is above it.
pub fn draw(probabilities: impl IntoIterator<Item = f64>, random: &mut Stream) -> Option<usize> {
    let mut left: f64 = random.random();
    probabilities.into_iter().position(|p| {
        left -= p;
        left < 0.0
    })
}
