use super::exact::backtrack;
use crate::SoftargmaxPolicy;
use crate::exact::{Evaluator, dot};
use burn_tsallis::experiment::{Purpose, Stream, stream};
use rand_distr::{Distribution, StandardNormal};

/// A network with one hidden layer that computes the logits of a policy from features `x(s)` of the state:
///
/// ```text
/// theta(s, .) = W2 tanh(W1 x(s) + b1) + b2
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LogitNetwork {
    /// The features of each state, state by state.
    features: Vec<f64>,
    inputs: usize,
    width: usize,
    actions: usize,
    /// `W1` row by row, `b1`, `W2` row by row, `b2`.
    parameters: Vec<f64>,
}

/// The features that a [`LogitNetwork`] sees of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Features {
    /// One feature for each state, which is 1 in this state and 0 in the others.
    OneHot,
    /// This many independent Gaussian features of mean zero, with an expected squared norm of 1.
    Gaussian(usize),
}

/// The initial scale of the output layer, as in PPO: the first policy is close to the reference.
const OUTPUT_SCALE: f64 = 0.01;

impl LogitNetwork {
    /// Creates a network whose features and parameters are drawn from streams of the seed. The output layer is small.
    pub fn new(states: usize, actions: usize, features: Features, width: usize, seed: u64) -> Self {
        let mut problem = stream(seed, Purpose::Problem, 0);
        let (inputs, features) = match features {
            Features::OneHot => {
                let entries = 0..states * states;
                let entry = |i| f64::from(u8::from(i / states == i % states));
                (states, entries.map(entry).collect())
            }
            Features::Gaussian(count) => {
                let scale = 1.0 / (count as f64).sqrt();
                (count, normal(&mut problem, states * count, scale))
            }
        };
        let mut network = Self {
            features,
            inputs,
            width,
            actions,
            parameters: Vec::new(),
        };
        network.draw(
            OUTPUT_SCALE,
            &mut stream(seed, Purpose::TabularParameters, 0),
        );
        network
    }

    /// Draws the parameters again. The output layer has weights of standard deviation `output_scale / sqrt(width)`;
    /// biases are zero.
    pub fn draw(&mut self, output_scale: f64, random: &mut Stream) {
        let scale = output_scale / (self.width as f64).sqrt();
        let mut parameters = normal(random, self.width * self.inputs, 1.0);
        parameters.extend(vec![0.0; self.width]);
        parameters.extend(normal(random, self.actions * self.width, scale));
        parameters.extend(vec![0.0; self.actions]);
        self.parameters = parameters;
    }

    /// Returns the number of parameters.
    pub fn size(&self) -> usize {
        self.parameters.len()
    }

    /// Returns the logits of all states, state by state.
    pub fn logits(&self) -> Vec<f64> {
        let (_, b1, w2, b2) = self.layers();
        let mut logits = Vec::new();
        for x in self.features.chunks(self.inputs) {
            let hidden = self.hidden(x, b1);
            let rows = w2.chunks(self.width).zip(b2);
            logits.extend(rows.map(|(row, bias)| dot(row, &hidden) + bias));
        }
        logits
    }

    /// Returns the gradient in the parameters of a function with this gradient in the logits.
    pub fn gradient(&self, logits: &[f64]) -> Vec<f64> {
        let (_, b1, w2, _) = self.layers();
        let (inputs, width) = (self.inputs, self.width);
        let mut gradient = vec![0.0; self.size()];
        let (first, second) = gradient.split_at_mut(width * (inputs + 1));
        let (dw1, db1) = first.split_at_mut(width * inputs);
        let (dw2, db2) = second.split_at_mut(self.actions * width);
        let states = self
            .features
            .chunks(inputs)
            .zip(logits.chunks(self.actions));
        for (x, outputs) in states {
            let hidden = self.hidden(x, b1);
            let mut back = vec![0.0; width];
            for (action, &output) in outputs.iter().enumerate() {
                let row = action * width..(action + 1) * width;
                add(&mut dw2[row.clone()], output, &hidden);
                add(&mut back, output, &w2[row]);
                db2[action] += output;
            }
            for (unit, (back, h)) in back.into_iter().zip(hidden).enumerate() {
                let slope = back * (1.0 - h * h);
                add(&mut dw1[unit * inputs..(unit + 1) * inputs], slope, x);
                db1[unit] += slope;
            }
        }
        gradient
    }

    fn layers(&self) -> (&[f64], &[f64], &[f64], &[f64]) {
        let (w1, rest) = self.parameters.split_at(self.width * self.inputs);
        let (b1, rest) = rest.split_at(self.width);
        let (w2, b2) = rest.split_at(self.actions * self.width);
        (w1, b1, w2, b2)
    }

    fn hidden(&self, x: &[f64], b1: &[f64]) -> Vec<f64> {
        let rows = self.parameters.chunks(self.inputs).zip(b1);
        rows.map(|(row, bias)| (dot(row, x) + bias).tanh())
            .collect()
    }
}

fn normal(random: &mut Stream, count: usize, scale: f64) -> Vec<f64> {
    let draw = |_| -> f64 { StandardNormal.sample(random) };
    (0..count).map(draw).map(|x| scale * x).collect()
}

/// Adds `factor * from` to `to`.
fn add(to: &mut [f64], factor: f64, from: &[f64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += factor * from;
    }
}

/// f-PG with exact gradients through a network: gradient ascent of `V(rho)` in the parameters of a [`LogitNetwork`],
/// with a backtracking line search ([`StepRule::Armijo`](super::StepRule::Armijo)).
///
/// ```
/// use tsallis_lab::algorithms::{Features, LogitNetwork, NetworkAscent};
/// use tsallis_lab::exact::Evaluator;
/// use tsallis_lab::{Divergence, SoftargmaxPolicy, mdp::garnet};
///
/// let mdp = garnet(4, 3, 2, 0.8, 1)?;
/// let evaluator = Evaluator::new(&mdp);
/// let policy = SoftargmaxPolicy::uniform(Divergence::Tsallis(0.5), 4, 3);
/// let network = LogitNetwork::new(4, 3, Features::OneHot, 8, 0);
/// let mut ascent = NetworkAscent::new(&evaluator, policy, network, 0.1, 1.0);
/// let first = ascent.step();
/// assert!(ascent.step().objective > first.objective);
/// # Ok::<(), tsallis_lab::MdpError>(())
/// ```
#[derive(Clone, Debug)]
pub struct NetworkAscent<'a> {
    evaluator: &'a Evaluator<'a>,
    policy: SoftargmaxPolicy,
    network: LogitNetwork,
    temperature: f64,
    max_step_size: f64,
}

/// What [`NetworkAscent`] knows at a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NetworkPoint {
    /// The objective `V(rho)`.
    pub objective: f64,
    /// The squared norm of its gradient in the logits.
    pub logits_norm_squared: f64,
    /// The squared norm of its gradient in the parameters.
    pub norm_squared: f64,
    /// The smallest `k = q / f''(pi / q)` of the policy.
    pub smallest_weight: f64,
}

impl<'a> NetworkAscent<'a> {
    /// Creates an ascent of the logits of `network` for the divergence and the reference of `policy`. `first` is the
    /// step size at which the first search starts.
    pub fn new(
        evaluator: &'a Evaluator<'a>,
        mut policy: SoftargmaxPolicy,
        network: LogitNetwork,
        temperature: f64,
        first: f64,
    ) -> Self {
        policy.set_logits(&network.logits());
        Self {
            evaluator,
            policy,
            network,
            temperature,
            max_step_size: first,
        }
    }

    /// Returns the policy after the last step.
    pub fn policy(&self) -> &SoftargmaxPolicy {
        &self.policy
    }

    /// Returns the network after the last step.
    pub fn network(&self) -> &LogitNetwork {
        &self.network
    }

    /// Returns the present point without a step.
    pub fn point(&self) -> NetworkPoint {
        self.differentiate().0
    }

    /// Takes one step and returns the point before it. Does not move if no step size raises the objective.
    pub fn step(&mut self) -> NetworkPoint {
        let (point, gradient) = self.differentiate();
        let moved = |eta: f64| {
            let mut network = self.network.clone();
            add(&mut network.parameters, eta, &gradient);
            let mut policy = self.policy.clone();
            policy.set_logits(&network.logits());
            let value = self.evaluator.objective(&policy, self.temperature);
            (value, (network, policy))
        };
        let slope = point.norm_squared;
        if let Some((eta, (network, policy))) =
            backtrack(self.max_step_size, point.objective, slope, moved)
        {
            self.network = network;
            self.policy = policy;
            self.max_step_size = 2.0 * eta;
        }
        point
    }

    fn differentiate(&self) -> (NetworkPoint, Vec<f64>) {
        let in_logits = self.evaluator.gradient(&self.policy, self.temperature);
        let gradient = self.network.gradient(&in_logits.logits);
        let point = NetworkPoint {
            objective: dot(self.evaluator.mdp().start(), &in_logits.values.states),
            logits_norm_squared: in_logits.norm_squared(),
            norm_squared: dot(&gradient, &gradient),
            smallest_weight: self.policy.smallest_weight(),
        };
        (point, gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Divergence;
    use crate::exact::optimum;
    use crate::mdp::garnet;

    #[test]
    fn gradient_is_that_of_central_differences() {
        let mdp = garnet(4, 3, 4, 0.8, 10).expect("sizes");
        let evaluator = Evaluator::new(&mdp);
        for (alpha, features) in [(0.5, Features::OneHot), (1.0, Features::Gaussian(2))] {
            let policy = SoftargmaxPolicy::uniform(Divergence::Tsallis(alpha), 4, 3);
            let mut network = LogitNetwork::new(4, 3, features, 5, 1);
            network.draw(1.0, &mut stream(3, Purpose::TabularParameters, 0));
            let value = |network: &LogitNetwork| {
                let mut policy = policy.clone();
                policy.set_logits(&network.logits());
                evaluator.objective(&policy, 0.1)
            };
            let ascent = NetworkAscent::new(&evaluator, policy.clone(), network.clone(), 0.1, 1.0);
            let (point, gradient) = ascent.differentiate();
            assert_eq!(point.objective, value(&network));
            let step = 1e-5;
            for (i, ours) in gradient.iter().enumerate() {
                let [above, below] = [step, -step].map(|step| {
                    let mut moved = network.clone();
                    moved.parameters[i] += step;
                    value(&moved)
                });
                let theirs = (above - below) / (2.0 * step);
                assert!((ours - theirs).abs() < 1e-9, "{i}: {ours} {theirs}");
            }
        }
    }

    /// A wide network can represent every table of logits.
    #[test]
    fn a_wide_network_reaches_the_optimum() {
        let mdp = garnet(4, 3, 4, 0.8, 10).expect("sizes");
        let evaluator = Evaluator::new(&mdp);
        let policy = SoftargmaxPolicy::uniform(Divergence::Tsallis(0.5), 4, 3);
        let best = optimum(&evaluator, &policy, 0.1).objective;
        let network = LogitNetwork::new(4, 3, Features::OneHot, 16, 0);
        let mut ascent = NetworkAscent::new(&evaluator, policy, network, 0.1, 1.0);
        let gaps: Vec<f64> = (0..2000).map(|_| best - ascent.step().objective).collect();
        assert!(gaps.windows(2).all(|pair| pair[1] <= pair[0]));
        assert!(gaps[1999] < 1e-6, "{}", gaps[1999]);
    }
}
