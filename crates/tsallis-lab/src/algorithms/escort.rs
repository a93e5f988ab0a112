use super::unregularized::Parameterization;

/// The escort transform `pi(a) = |theta_a|^p / sum_b |theta_b|^p`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Escort {
    /// The power `p`.
    pub power: f64,
}

/// Smallest distance of a parameter from zero at which its slope is evaluated.
const MIN_ABS_PARAMETER: f64 = 1e-12;

impl Parameterization for Escort {
    const INITIAL_STD: f64 = 1e-3;

    fn refresh(&self, parameters: &mut [f64], probabilities: &mut [f64]) {
        // Relative to the largest, since powers of small parameters may underflow.
        let largest = parameters
            .iter()
            .fold(0.0_f64, |max, theta| max.max(theta.abs()));
        for (p, theta) in probabilities.iter_mut().zip(&*parameters) {
            *p = if largest > 0.0 {
                (theta.abs() / largest).powf(self.power)
            } else {
                1.0
            };
        }
        let total: f64 = probabilities.iter().sum();
        probabilities.iter_mut().for_each(|p| *p /= total);
    }

    fn ascend(&self, parameters: &mut [f64], probabilities: &[f64], credit: &[f64], eta: f64) {
        let total: f64 = credit.iter().sum();
        for ((theta, p), credit) in parameters.iter_mut().zip(probabilities).zip(credit) {
            let slope = self.power / theta.abs().max(MIN_ABS_PARAMETER) * 1_f64.copysign(*theta);
            *theta += eta * slope * (credit - total * p);
        }
    }
}
