//! The networks on the host, with all parameters in one vector and without a graph.

use super::Activation;
use super::dense::{
    Matrix, activate, activate_backward, is_narrow, multiply, multiply_by_rows, transpose,
};
use std::ops::Range;

/// A linear layer and its activation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer {
    /// The number of its input: zero is the observations, and `i` is the output of the `i`-th layer.
    pub input: usize,
    pub inputs: usize,
    pub outputs: usize,
    pub activation: Option<Activation>,
}

impl Layer {
    /// The number of weights, which the biases follow.
    fn weights(&self) -> usize {
        self.inputs * self.outputs
    }

    /// Computes `y = x W`. `buffer` has as many entries as the weights of a narrow layer, here and below.
    fn product(&self, x: &[f32], weight: &[f32], y: &mut [f32], buffer: &mut [f32]) {
        if is_narrow(self.outputs) {
            let transposed = &mut buffer[..self.weights()];
            transpose(weight, self.outputs, transposed);
            return multiply_by_rows(x, transposed, self.inputs, y);
        }
        let weight = Matrix::of_rows(weight, self.outputs);
        multiply(Matrix::of_rows(x, self.inputs), weight, false, y);
    }

    /// Computes the gradient of the weights from that of the product.
    fn weight_gradient(
        &self,
        x: &[f32],
        gradient: &[f32],
        weight_gradient: &mut [f32],
        buffer: &mut [f32],
    ) {
        let x = Matrix::of_rows(x, self.inputs);
        let gradient = Matrix::of_rows(gradient, self.outputs);
        if is_narrow(self.outputs) {
            let transposed = &mut buffer[..self.weights()];
            multiply(gradient.transposed(), x, false, transposed);
            return transpose(transposed, self.inputs, weight_gradient);
        }
        multiply(x.transposed(), gradient, false, weight_gradient);
    }

    /// Computes the gradient of `x`, or adds it.
    fn input_gradient(
        &self,
        gradient: &[f32],
        weight: &[f32],
        accumulate: bool,
        x_gradient: &mut [f32],
        buffer: &mut [f32],
    ) {
        let gradient = Matrix::of_rows(gradient, self.outputs);
        let transposed = if is_narrow(self.outputs) {
            let transposed = &mut buffer[..self.weights()];
            transpose(weight, self.outputs, transposed);
            Matrix::of_rows(transposed, self.inputs)
        } else {
            Matrix::of_rows(weight, self.outputs).transposed()
        };
        multiply(gradient, transposed, accumulate, x_gradient);
    }
}

/// The layers of an [`ActorCritic`](super::ActorCritic) in the order of its parameters, with their buffers.
/// Every function takes the parameters, or their gradient, as one vector in the order of Burn's
/// visitors.
pub(in crate::rl) struct FlatActorCritic {
    layers: Vec<Layer>,
    /// The parameters of each layer.
    ranges: Vec<Range<usize>>,
    /// The observations, and then the output of each layer.
    activations: Vec<Vec<f32>>,
    /// Their gradients. Those of the observations are not computed.
    gradients: Vec<Vec<f32>>,
    /// The number of the logits among them. The last ones are the values.
    logits: usize,
    /// As many entries as the weights of the largest narrow layer.
    buffer: Vec<f32>,
}

/// The outputs of the networks, and the buffers for their gradients.
pub(in crate::rl) struct Outputs<'a> {
    /// `[rows, logits]`.
    pub logits: &'a mut [f32],
    /// `[rows, 1]`.
    pub values: &'a [f32],
    pub logits_gradient: &'a mut [f32],
    pub values_gradient: &'a mut [f32],
}

impl FlatActorCritic {
    /// Creates the networks for `rows` states. The layer `logits` computes the logits, and the
    /// last layer the values.
    pub(super) fn new(layers: Vec<Layer>, logits: usize, rows: usize) -> Self {
        let mut end = 0;
        let ranges = layers.iter().map(|layer| {
            let begin = end;
            end += layer.weights() + layer.outputs;
            begin..end
        });
        let observations = layers.first().map_or(0, |layer| layer.inputs);
        let sizes = layers.iter().map(|layer| layer.outputs);
        let activations = std::iter::once(observations).chain(sizes);
        let activations: Vec<_> = activations.map(|size| vec![0.0; rows * size]).collect();
        let narrow = layers.iter().filter(|layer| is_narrow(layer.outputs));
        let largest = narrow.map(Layer::weights).max().unwrap_or(0);
        Self {
            ranges: ranges.collect(),
            gradients: activations.clone(),
            activations,
            buffer: vec![0.0; largest],
            layers,
            logits,
        }
    }

    /// Returns the buffer of the observations, `[rows, observation_size]`.
    pub fn observations(&mut self) -> &mut [f32] {
        &mut self.activations[0]
    }

    /// Computes the first layers.
    fn compute(&mut self, parameters: &[f32], layers: usize) {
        for (i, layer) in self.layers[..layers].iter().enumerate() {
            let (weight, bias) = parameters[self.ranges[i].clone()].split_at(layer.weights());
            let (before, after) = self.activations.split_at_mut(i + 1);
            let y = &mut after[0];
            layer.product(&before[layer.input], weight, y, &mut self.buffer);
            activate(y, bias, layer.activation);
        }
    }

    /// Computes the logits of the observations, `[rows, logits]`.
    pub fn logits(&mut self, parameters: &[f32]) -> &mut [f32] {
        self.compute(parameters, self.logits);
        &mut self.activations[self.logits]
    }

    /// Computes the outputs for the observations.
    pub fn forward(&mut self, parameters: &[f32]) -> Outputs<'_> {
        let values = self.layers.len();
        self.compute(parameters, values);
        let [logits_gradient, values_gradient] = self
            .gradients
            .get_disjoint_mut([self.logits, values])
            .expect("two layers");
        let [logits, values] = self
            .activations
            .get_disjoint_mut([self.logits, values])
            .expect("two layers");
        Outputs {
            logits,
            values,
            logits_gradient,
            values_gradient,
        }
    }

    /// Computes the gradient of the parameters from the gradients in the [outputs](Self::forward).
    pub fn backward(&mut self, parameters: &[f32], gradient: &mut [f32]) {
        for (i, layer) in self.layers.iter().enumerate().rev() {
            let range = self.ranges[i].clone();
            let (weight_gradient, bias_gradient) =
                gradient[range.clone()].split_at_mut(layer.weights());
            let (before, after) = self.gradients.split_at_mut(i + 1);
            let gradient = &mut after[0];
            let y = &self.activations[i + 1];
            activate_backward(y, gradient, bias_gradient, layer.activation);
            let x = &self.activations[layer.input];
            let buffer = &mut self.buffer;
            layer.weight_gradient(x, gradient, weight_gradient, buffer);
            if layer.input > 0 {
                let weight = &parameters[range][..layer.weights()];
                // A later layer with the same input has already written its share.
                let is_shared = self.layers[i + 1..].iter().any(|l| l.input == layer.input);
                let x_gradient = &mut before[layer.input];
                layer.input_gradient(gradient, weight, is_shared, x_gradient, buffer);
            }
        }
    }
}
