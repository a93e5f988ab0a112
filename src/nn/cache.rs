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

    /// Returns the output for a sequence that has grown.
    ///
    /// The first call applies `layer` to the whole sequence. Later calls apply it to the new positions only and append
    /// the result along `dim`.
    ///
    /// # Panics
    ///
    /// If the sequence has no new position.
    pub fn append(
        &mut self,
        sequence: Tensor<3>,
        dim: usize,
        layer: impl Fn(Tensor<3>) -> Tensor<D>,
    ) -> Tensor<D> {
        let output = match self.cached.take() {
            Some(before) => {
                let (done, length) = (before.dims()[dim], sequence.dims()[1]);
                assert!(
                    length > done,
                    "the sequence has {length} positions, of which the cache has {done}"
                );
                let new = sequence.narrow(1, done, length - done);
                Tensor::cat(vec![before, layer(new)], dim)
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
