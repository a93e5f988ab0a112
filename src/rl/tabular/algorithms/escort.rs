use super::reinforce::{Batch, Credit, Learner};
use crate::rl::random::Stream;
use crate::rl::tabular::Policy;
use rand_distr::{Distribution, StandardNormal};

/// The escort transform `pi(a) = |theta_a|^p / sum_b |theta_b|^p`, unregularised.
#[derive(Clone, Debug)]
pub struct Escort {
    power: f64,
    actions: usize,
    parameters: Vec<f64>,
    probabilities: Vec<f64>,
    free: Vec<f64>,
}

/// The standard deviation of the initial parameters.
const SPREAD: f64 = 1e-3;

/// Parameters closer to zero than this have the slope of one this far.
const NEAREST: f64 = 1e-12;

impl Escort {
    /// Begins at parameters that are normal with a standard deviation of 0.001.
    pub fn new(states: usize, actions: usize, power: f64, random: &mut Stream) -> Self {
        let draw = |_| {
            let normal: f64 = StandardNormal.sample(random);
            SPREAD * normal
        };
        let mut escort = Self {
            power,
            actions,
            parameters: (0..states * actions).map(draw).collect(),
            probabilities: vec![0.0; states * actions],
            free: vec![0.0; states],
        };
        (0..states).for_each(|state| escort.refresh(state));
        escort
    }

    fn refresh(&mut self, state: usize) {
        let range = state * self.actions..(state + 1) * self.actions;
        let row = &self.parameters[range.clone()];
        // Relative to the largest, whose power may underflow.
        let largest = row.iter().fold(0.0_f64, |max, theta| max.max(theta.abs()));
        let p = &mut self.probabilities[range];
        for (p, theta) in p.iter_mut().zip(row) {
            *p = if largest > 0.0 {
                (theta.abs() / largest).powf(self.power)
            } else {
                1.0
            };
        }
        let total: f64 = p.iter().sum();
        p.iter_mut().for_each(|p| *p /= total);
    }
}

impl Policy for Escort {
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

impl Learner for Escort {
    const CREDIT: Credit = Credit::ToGo;

    fn temperature(&self) -> f64 {
        0.0
    }

    fn ascend(&mut self, batch: &Batch, eta: f64) {
        for &state in batch.touched() {
            let credit = batch.credit(state);
            let total: f64 = credit.iter().sum();
            for (a, credit) in credit.iter().enumerate() {
                let i = state * self.actions + a;
                let theta = self.parameters[i];
                let slope = self.power / theta.abs().max(NEAREST) * 1_f64.copysign(theta);
                self.parameters[i] += eta * slope * (credit - total * self.probabilities[i]);
            }
            self.refresh(state);
        }
    }
}
