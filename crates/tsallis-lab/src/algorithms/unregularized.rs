use super::reinforce::{Batch, Credit, TabularLearner};
use crate::Policy;
use burn_tsallis::experiment::Stream;
use rand_distr::{Distribution, StandardNormal};

/// A parameterization of the policy of each state, without regularization.
pub trait Parameterization {
    /// The standard deviation of the initial parameters, which are normal with mean zero.
    const INITIAL_STD: f64;

    /// Normalizes the parameters of a state, if the parameterization constrains them, and writes their probabilities to
    /// `probabilities`.
    fn refresh(&self, parameters: &mut [f64], probabilities: &mut [f64]);

    /// Takes a step of size `eta` along `sum_a c_a d ln pi(a)`, with the credit `c` of each action.
    fn ascend(&self, parameters: &mut [f64], probabilities: &[f64], credit: &[f64], eta: f64);
}

/// A tabular policy that ascends the unregularized return along the gradient of its parameterization:
/// [`Escort`](super::Escort) or [`Hadamard`](super::Hadamard).
#[derive(Clone, Debug)]
pub struct Unregularized<P> {
    parameterization: P,
    actions: usize,
    parameters: Vec<f64>,
    probabilities: Vec<f64>,
}

impl<P: Parameterization> Unregularized<P> {
    /// Creates a policy with random initial parameters.
    pub fn new(parameterization: P, states: usize, actions: usize, random: &mut Stream) -> Self {
        let draw = |_| {
            let normal: f64 = StandardNormal.sample(random);
            P::INITIAL_STD * normal
        };
        let mut this = Self {
            parameterization,
            actions,
            parameters: (0..states * actions).map(draw).collect(),
            probabilities: vec![0.0; states * actions],
        };
        (0..states).for_each(|state| this.refresh(state));
        this
    }

    fn refresh(&mut self, state: usize) {
        let range = state * self.actions..(state + 1) * self.actions;
        let parameters = &mut self.parameters[range.clone()];
        self.parameterization
            .refresh(parameters, &mut self.probabilities[range]);
    }
}

impl<P> Policy for Unregularized<P> {
    fn actions(&self) -> usize {
        self.actions
    }

    fn probabilities(&self) -> &[f64] {
        &self.probabilities
    }
}

impl<P: Parameterization> TabularLearner for Unregularized<P> {
    const CREDIT: Credit = Credit::ToGo;

    fn temperature(&self) -> f64 {
        0.0
    }

    fn ascend(&mut self, batch: &Batch, eta: f64) {
        for &state in batch.visited() {
            let range = state * self.actions..(state + 1) * self.actions;
            let parameters = &mut self.parameters[range.clone()];
            let probabilities = &self.probabilities[range];
            self.parameterization
                .ascend(parameters, probabilities, batch.credit(state), eta);
            self.refresh(state);
        }
    }
}
