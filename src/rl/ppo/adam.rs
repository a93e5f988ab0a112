//! Adam on the host in one pass over the parameters.

use super::optimizer::{BETA_1, BETA_2};
use crate::op::cpu::vector::{lanes, load_row, splat, store_row};
use macerator::{AutoArch, Simd, WithSimd};

/// The parameters and their moments on the host.
#[derive(Debug)]
pub(super) struct HostAdam {
    pub parameters: Vec<f32>,
    /// Decaying mean of the gradients.
    pub first: Vec<f32>,
    /// Decaying mean of the squared gradients.
    pub second: Vec<f32>,
    /// The number of steps made.
    pub steps: usize,
    pub epsilon: f32,
    pub max_grad_norm: f32,
}

impl HostAdam {
    /// Steps the parameters along their gradient, clipped by its norm. Returns the norm before clipping.
    pub fn step(&mut self, learning_rate: f64, gradient: &[f32]) -> f32 {
        self.steps += 1;
        let norm = AutoArch::new().dispatch(SquareSum(gradient)).sqrt();
        // The corrections of the moments as Burn's Adam computes them.
        let steps = self.steps as i32;
        let correction = (1.0 - BETA_2.powi(steps)).sqrt();
        AutoArch::new().dispatch(Step {
            factor: (self.max_grad_norm / (norm + 1e-6)).min(1.0),
            rate: learning_rate as f32 * (correction / (1.0 - BETA_1.powi(steps))),
            epsilon: self.epsilon * correction,
            adam: self,
            gradient,
        });
        norm
    }
}

/// Adds the squares of all entries.
struct SquareSum<'a>(&'a [f32]);

impl WithSimd for SquareSum<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self) -> f32 {
        // Several sums, because each addition waits for the one before it.
        let mut sums = [splat::<S>(0.0); 4];
        for block in self.0.chunks(4 * lanes::<S>()) {
            for (i, sum) in sums.iter_mut().enumerate() {
                let x = load_row::<S>(block, (i * lanes::<S>()).min(block.len()));
                *sum = x.mul_add(x, *sum);
            }
        }
        let [a, b, c, d] = sums;
        ((a + b) + (c + d)).reduce_add()
    }
}

/// One step of all parameters.
struct Step<'a> {
    adam: &'a mut HostAdam,
    gradient: &'a [f32],
    factor: f32,
    rate: f32,
    epsilon: f32,
}

impl WithSimd for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        let HostAdam {
            parameters,
            first,
            second,
            ..
        } = self.adam;
        let c = splat::<S>;
        for i in (0..parameters.len()).step_by(lanes::<S>()) {
            let gradient = load_row::<S>(self.gradient, i) * c(self.factor);
            let m = load_row::<S>(first, i) * c(BETA_1) + gradient * c(1.0 - BETA_1);
            let v = load_row::<S>(second, i) * c(BETA_2) + gradient * gradient * c(1.0 - BETA_2);
            let step = m * c(self.rate) / (v.sqrt() + c(self.epsilon));
            store_row::<S>(first, i, m);
            store_row::<S>(second, i, v);
            let parameter = load_row::<S>(parameters, i) - step;
            store_row::<S>(parameters, i, parameter);
        }
    }
}
