use super::random::Random;
use burn::tensor::Tensor;
use burn::tensor::kind::Basic;

/// Numbers for the logits' shape, with a size of one along each dimension in which they do not vary.
#[derive(Clone, Debug)]
pub struct Field {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

impl Field {
    /// Fills a shape with the numbers that `value` returns for each index.
    pub fn new(shape: Vec<usize>, mut value: impl FnMut(&[usize]) -> f64) -> Self {
        let mut values = Vec::new();
        for_each_index(&shape, |index| values.push(value(index)));
        Self { shape, values }
    }

    /// Returns the number at an index of the logits.
    pub fn at(&self, index: &[usize]) -> f64 {
        self.values[offset(&self.shape, index)]
    }

    /// Creates a tensor of this shape whose memory is arranged in some layout. Numbers outside the field are `NaN`.
    pub fn place<const D: usize, K: Basic>(
        &self,
        random: &mut Random,
        create: impl Fn(Vec<f64>, Vec<usize>) -> Tensor<D, K>,
    ) -> Tensor<D, K> {
        let contiguous = || create(self.values.clone(), self.shape.clone());
        if self.values.is_empty() || random.chance(0.4) {
            return contiguous();
        }
        let (i, j) = (random.below(D), random.below(D));
        let mut shape = self.shape.clone();
        let length = shape[i];
        let within = |index: usize, start: usize, step: usize| {
            let distance = index.checked_sub(start)?;
            (distance.is_multiple_of(step) && distance / step < length).then_some(distance / step)
        };
        let stored = |shape: Vec<usize>, start: usize, step: usize| {
            let field = Self::new(shape, |index| {
                let mut index = index.to_vec();
                let Some(inside) = within(index[i], start, step) else {
                    return f64::NAN;
                };
                index[i] = inside;
                self.at(&index)
            });
            create(field.values, field.shape)
        };
        match random.below(4) {
            0 => {
                shape.swap(i, j);
                let field = Self::new(shape, |index| {
                    let mut index = index.to_vec();
                    index.swap(i, j);
                    self.at(&index)
                });
                create(field.values, field.shape).swap_dims(i, j)
            }
            1 => {
                let (before, after) = (random.below(3), random.below(3));
                shape[i] += before + after;
                stored(shape, before, 1).narrow(i, before, length)
            }
            2 => {
                let step = 2 + random.below(2);
                shape[i] = (length - 1) * step + 1;
                let slice = burn::tensor::Slice::new(0, None, step as isize);
                stored(shape, 0, step).slice_dim(i, slice)
            }
            _ => {
                let field = Self::new(shape, |index| {
                    let mut index = index.to_vec();
                    index[i] = length - 1 - index[i];
                    self.at(&index)
                });
                create(field.values, field.shape).flip([i as isize])
            }
        }
    }
}

/// Calls `f` with every index of a shape, in the order of the elements.
pub fn for_each_index(shape: &[usize], mut f: impl FnMut(&[usize])) {
    if shape.contains(&0) {
        return;
    }
    let mut index = vec![0; shape.len()];
    loop {
        f(&index);
        let Some(dim) = (0..shape.len()).rev().find(|&d| index[d] + 1 < shape[d]) else {
            return;
        };
        index[dim] += 1;
        index[dim + 1..].fill(0);
    }
}

/// Returns the position of an index in the elements of a shape that broadcasts to the shape of the index.
pub fn offset(shape: &[usize], index: &[usize]) -> usize {
    let digits = shape.iter().zip(index);
    digits.fold(0, |offset, (&n, &i)| {
        offset * n + if n == 1 { 0 } else { i }
    })
}
