use burn::Tensor;

/// Cached output of a layer while a sequence is decoded one position at a time. Works like Burn's
/// [`TensorCache`](burn::nn::cache::TensorCache).
#[derive(Clone, Debug)]
pub(super) struct TensorCache<const D: usize> {
    cached: Option<Tensor<D>>,
}

impl<const D: usize> TensorCache<D> {
    /// Creates an empty cache.
    pub fn empty() -> Self {
        Self { cached: None }
    }

    /// Returns the output for a sequence whose last position is new.
    ///
    /// The first call applies `layer` to the whole sequence. Later calls apply it to the last position only and append
    /// the result along `dim`.
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

    /// Returns the output for the sequence of the first call.
    pub fn get_or_compute(
        &mut self,
        sequence: Tensor<3>,
        layer: impl Fn(Tensor<3>) -> Tensor<D>,
    ) -> Tensor<D> {
        self.cached.get_or_insert_with(|| layer(sequence)).clone()
    }
}
