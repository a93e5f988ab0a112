/// Computes the generalized advantage estimates (Schulman et al. 2016) of one environment:
///
/// ```text
/// delta_t = r_t + gamma v'_t - v_t,    A_t = delta_t + gamma lambda (1 - done_t) A_(t+1)
/// ```
///
/// # Arguments
/// - rewards: the reward of each step.
/// - values: the value of the state in which each step began.
/// - next_values: `v'_t`, the value of the state after each step. It is zero if the episode terminated. If
///   the episode was truncated, it is the value of its last state, or zero without bootstrapping.
/// - done: whether an episode ended with the step. No estimate extends past the end of an episode.
/// - gamma: the discount factor of a step.
/// - lambda: the decay of the estimate.
///
/// # Panics
///
/// If the four slices are not equally long.
///
/// ```
/// use burn_tsallis::rl::ppo::generalized_advantages;
/// // With lambda = 1 the estimate is the discounted return minus the value.
/// let a = generalized_advantages(&[1.0, 1.0], &[0.5, 0.5], &[0.5, 0.0], &[false, true], 0.9, 1.0);
/// assert!((a[0] - (1.0 + 0.9 - 0.5)).abs() < 1e-12);
/// ```
pub fn generalized_advantages(
    rewards: &[f64],
    values: &[f64],
    next_values: &[f64],
    done: &[bool],
    gamma: f64,
    lambda: f64,
) -> Vec<f64> {
    assert!(
        [values.len(), next_values.len(), done.len()] == [rewards.len(); 3],
        "{} rewards, {} values, {} next values and {} ends of episodes: the numbers must be equal",
        rewards.len(),
        values.len(),
        next_values.len(),
        done.len()
    );
    let mut advantages = vec![0.0; rewards.len()];
    let mut next = 0.0;
    for t in (0..rewards.len()).rev() {
        let delta = rewards[t] + gamma * next_values[t] - values[t];
        let carried = if done[t] { 0.0 } else { gamma * lambda * next };
        next = delta + carried;
        advantages[t] = next;
    }
    advantages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Purpose, stream};
    use rand::RngExt;

    /// Compares with the sum of (gamma lambda)^k delta_(t+k) up to the end of the episode, term by term.
    #[test]
    fn the_recursion_is_the_sum() {
        let mut random = stream(1, Purpose::Evaluation, 0);
        for _ in 0..100 {
            let n = 40;
            let mut draw =
                || -> Vec<f64> { (0..n).map(|_| random.random_range(-1.0..1.0)).collect() };
            let (rewards, values, next_values) = (draw(), draw(), draw());
            let done: Vec<bool> = (0..n).map(|_| random.random_bool(0.2)).collect();
            let (gamma, lambda) = (0.97, 0.9);
            let got = generalized_advantages(&rewards, &values, &next_values, &done, gamma, lambda);
            for (t, got) in got.into_iter().enumerate() {
                let mut want = 0.0;
                for k in t..n {
                    let delta = rewards[k] + gamma * next_values[k] - values[k];
                    want += (gamma * lambda).powi((k - t) as i32) * delta;
                    if done[k] {
                        break;
                    }
                }
                assert!((got - want).abs() < 1e-12);
            }
        }
    }
}
