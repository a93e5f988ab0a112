use burn::Tensor;

/// What decoding one token at a time keeps of a layer's outputs, as Burn's
/// [`TensorCache`](burn::nn::cache::TensorCache) does.
#[derive(Clone, Debug)]
pub(super) struct TensorCache<const D: usize> {
    cached: Option<Tensor<D>>,
}

impl<const D: usize> TensorCache<D> {
    /// A cache that holds nothing yet.
    pub fn empty() -> Self {
        Self { cached: None }
    }

    /// The output for a sequence whose last position is new: `layer` sees the whole sequence the first
    /// time and then only that position, whose output is appended along `dim`.
    pub fn append(
        &mut self,
        sequence: Tensor<3>,
        dim: usize,
        layer: impl Fn(Tensor<3>) -> Tensor<D>,
    ) -> Tensor<D> {
        let output = match self.cached.take() {
            Some(before) => {
                let length = sequence.dims()[1];
                let last = sequence.narrow(1, length - 1, 1);
                Tensor::cat(vec![before, layer(last)], dim)
            }
            None => layer(sequence),
        };
        self.cached.insert(output).clone()
    }

    /// The output for the sequence that was seen first.
    pub fn get_or_compute(
        &mut self,
        sequence: Tensor<3>,
        layer: impl Fn(Tensor<3>) -> Tensor<D>,
    ) -> Tensor<D> {
        self.cached.get_or_insert_with(|| layer(sequence)).clone()
    }
}
