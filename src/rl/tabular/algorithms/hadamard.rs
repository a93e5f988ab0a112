use super::reinforce::{Batch, Credit, Learner};
use crate::rl::random::Stream;
use crate::rl::tabular::Policy;
use rand_distr::{Distribution, StandardNormal};

/// The Hadamard parameterisation `pi(a) = theta_a^2` with `theta` on the unit sphere of each state: steps
/// along the part of the gradient that is tangent to it, and back onto it. Unregularised.
#[derive(Clone, Debug)]
pub struct Hadamard {
    actions: usize,
    parameters: Vec<f64>,
    probabilities: Vec<f64>,
    free: Vec<f64>,
    gradient: Vec<f64>,
}

impl Hadamard {
    /// Begins at normal parameters, put onto the sphere.
    pub fn new(states: usize, actions: usize, random: &mut Stream) -> Self {
        let mut hadamard = Self {
            actions,
            parameters: (0..states * actions)
                .map(|_| StandardNormal.sample(random))
                .collect(),
            probabilities: vec![0.0; states * actions],
            free: vec![0.0; states],
            gradient: vec![0.0; actions],
        };
        (0..states).for_each(|state| hadamard.refresh(state));
        hadamard
    }

    fn refresh(&mut self, state: usize) {
        let range = state * self.actions..(state + 1) * self.actions;
        let row = &mut self.parameters[range.clone()];
        let length = row.iter().map(|theta| theta * theta).sum::<f64>().sqrt();
        row.iter_mut().for_each(|theta| *theta /= length);
        for (p, theta) in self.probabilities[range].iter_mut().zip(row) {
            *p = *theta * *theta;
        }
    }
}

impl Policy for Hadamard {
    fn actions(&self) -> usize {
        self.actions
    }

    fn probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    fn divergences(&self) -> &[f64] {
        &self.free
    }
}

impl Learner for Hadamard {
    const CREDIT: Credit = Credit::ToGo;

    fn temperature(&self) -> f64 {
        0.0
    }

    fn ascend(&mut self, batch: &Batch, eta: f64) {
        for &state in batch.touched() {
            let range = state * self.actions..(state + 1) * self.actions;
            let theta = &mut self.parameters[range];
            let gradient = &mut self.gradient;
            for ((g, credit), theta) in gradient.iter_mut().zip(batch.credit(state)).zip(&*theta) {
                // d ln theta^2 / dtheta, where the action was taken.
                *g = if *credit == 0.0 {
                    0.0
                } else {
                    2.0 * credit / theta
                };
            }
            let along: f64 = gradient
                .iter()
                .zip(&*theta)
                .map(|(g, theta)| g * theta)
                .sum();
            for (theta, g) in theta.iter_mut().zip(&*gradient) {
                *theta += eta * (g - along * *theta);
            }
            self.refresh(state);
        }
    }
}
