use super::unregularized::Parameterization;

/// The Hadamard parameterization `pi(a) = theta_a^2`, with the `theta` of each state on the unit sphere. A step follows
/// the tangential part of the gradient and then normalizes `theta`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hadamard;

impl Parameterization for Hadamard {
    const INITIAL_STD: f64 = 1.0;

    fn refresh(&self, parameters: &mut [f64], probabilities: &mut [f64]) {
        let squares: f64 = parameters.iter().map(|theta| theta * theta).sum();
        let length = squares.sqrt();
        parameters.iter_mut().for_each(|theta| *theta /= length);
        for (p, theta) in probabilities.iter_mut().zip(&*parameters) {
            *p = theta * theta;
        }
    }

    fn ascend(&self, parameters: &mut [f64], _: &[f64], credit: &[f64], eta: f64) {
        // c d ln theta^2 / dtheta. An action that was not taken has no credit, and its theta may be zero.
        let slope = |credit: f64, theta: f64| {
            if credit == 0.0 {
                0.0
            } else {
                2.0 * credit / theta
            }
        };
        let along: f64 = parameters
            .iter()
            .zip(credit)
            .map(|(&theta, &credit)| slope(credit, theta) * theta)
            .sum();
        for (theta, &credit) in parameters.iter_mut().zip(credit) {
            *theta += eta * (slope(credit, *theta) - along * *theta);
        }
    }
}
