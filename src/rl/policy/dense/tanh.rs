//! The hyperbolic tangent of a layer, with its bias, in one pass; its gradients in another.

use crate::op::cpu::vector::{V, lanes, load, load_row, splat, store, store_row};
use macerator::{AutoArch, Simd, WithSimd};
use rayon::prelude::*;

/// Entries of a task: some ten microseconds of work, the cost of waking rayon's workers. Tasks depend on the
/// shape alone, so the sums of [`bias_tanh_backward`] do not depend on the number of threads.
const TASK_ENTRIES: usize = 32 * 1024;

/// Computes `x <- tanh(x + b)`. Each row of `x` has as many entries as the bias.
///
/// The relative error of each entry is at most 3e-7. The function is odd to the last bit and preserves NaN.
///
/// # Panics
///
/// If `x` is not whole rows.
pub(super) fn bias_tanh(x: &mut [f32], bias: &[f32]) {
    let features = bias.len();
    assert_whole_rows(x.len(), features);
    if x.is_empty() {
        return;
    }
    let task = |x: &mut [f32]| AutoArch::new().dispatch(Forward { x, bias });
    let entries = task_rows(features) * features;
    if x.len() <= entries {
        task(x);
    } else {
        x.par_chunks_mut(entries).for_each(task);
    }
}

/// Computes the gradients of `y = tanh(x + b)`. `grad`, the cotangent of `y`, becomes that of `x`, `grad (1 -
/// y^2)`. `bias_grad` becomes its sum over the rows.
///
/// # Panics
///
/// If `y` and `grad` do not have the same number of whole rows.
pub(super) fn bias_tanh_backward(y: &[f32], grad: &mut [f32], bias_grad: &mut [f32]) {
    let features = bias_grad.len();
    assert_whole_rows(y.len(), features);
    assert_eq!(y.len(), grad.len(), "`y` and `grad` must be equally long");
    bias_grad.fill(0.0);
    if y.is_empty() {
        return;
    }
    let task = |y: &[f32], grad: &mut [f32], sums: &mut [f32]| {
        AutoArch::new().dispatch(Backward { y, grad, sums });
    };
    let entries = task_rows(features) * features;
    if y.len() <= entries {
        return task(y, grad, bias_grad);
    }
    let mut sums = vec![0.0; y.len().div_ceil(entries) * features];
    grad.par_chunks_mut(entries)
        .zip(y.par_chunks(entries))
        .zip(sums.par_chunks_mut(features))
        .for_each(|((grad, y), sums)| task(y, grad, sums));
    for sums in sums.chunks_exact(features) {
        for (total, sum) in bias_grad.iter_mut().zip(sums) {
            *total += sum;
        }
    }
}

fn task_rows(features: usize) -> usize {
    TASK_ENTRIES.div_ceil(features)
}

fn assert_whole_rows(entries: usize, features: usize) {
    assert!(
        if features == 0 {
            entries == 0
        } else {
            entries.is_multiple_of(features)
        },
        "{entries} entries are not whole rows of {features}"
    );
}

struct Forward<'a> {
    x: &'a mut [f32],
    bias: &'a [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        let features = self.bias.len();
        for row in self.x.chunks_exact_mut(features) {
            let mut i = 0;
            while i + lanes::<S>() <= features {
                store::<S>(
                    row,
                    i,
                    tanh::<S>(load::<S>(row, i) + load::<S>(self.bias, i)),
                );
                i += lanes::<S>();
            }
            if i < features {
                let y = tanh::<S>(load_row::<S>(row, i) + load_row::<S>(self.bias, i));
                store_row::<S>(row, i, y);
            }
        }
    }
}

struct Backward<'a> {
    y: &'a [f32],
    grad: &'a mut [f32],
    /// The sums of the gradients over the rows, initially zero.
    sums: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        let Self { y, grad, sums } = self;
        let features = sums.len();
        let one = splat::<S>(1.0);
        // By columns, so that a sum stays in a register.
        for i in (0..features).step_by(lanes::<S>()) {
            let mut sum = splat::<S>(0.0);
            let rows = grad.chunks_exact_mut(features);
            for (grad, y) in rows.zip(y.chunks_exact(features)) {
                let y = load_row::<S>(y, i);
                // The factored form keeps its accuracy if y is almost one.
                let dx = load_row::<S>(grad, i) * ((one - y) * (one + y));
                store_row::<S>(grad, i, dx);
                sum += dx;
            }
            store_row::<S>(sums, i, sum);
        }
    }
}

/// Above this argument, `tanh` is one.
const TANH_MAX: f32 = 7.998_811_7;

/// Below this argument, `tanh x` is `x` to within half a rounding.
const TANH_LINEAR: f32 = 4e-4;

/// Computes `tanh x` to within 2.5 roundings, odd to the last bit: the rational function of Eigen's
/// `generic_fast_tanh_float`. With an exponential function, a layer took half as long again.
#[inline(always)]
fn tanh<S: Simd>(x: V<S>) -> V<S> {
    let c = splat::<S>;
    let a = x.max(c(-TANH_MAX)).min(c(TANH_MAX));
    let t = a * a;
    let p = t.mul_add(c(-2.760_768_5e-16), c(2.000_188e-13));
    let p = t.mul_add(p, c(-8.604_672e-11));
    let p = t.mul_add(p, c(5.122_297_1e-8));
    let p = t.mul_add(p, c(1.485_722_4e-5));
    let p = t.mul_add(p, c(6.372_619_3e-4));
    let p = t.mul_add(p, c(4.893_524_6e-3));
    let q = t.mul_add(c(1.198_258_4e-6), c(1.185_347_1e-4));
    let q = t.mul_add(q, c(2.268_434_6e-3));
    let q = t.mul_add(q, c(4.893_525e-3));
    let y = (a * p / q).max(c(-1.0)).min(c(1.0));
    // False for NaN, too.
    x.abs().ge(c(TANH_LINEAR)).select(y, x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computes `tanh(x + b)` with one entry per row.
    fn tanh_of(mut x: Vec<f32>) -> Vec<f32> {
        // Adding -0.0 preserves negative zero, too.
        bias_tanh(&mut x, &[-0.0]);
        x
    }

    fn spread(count: usize) -> impl Iterator<Item = f32> {
        // Every exponent down to the smallest numbers, and numbers that saturate.
        (0..count).map(move |i| {
            let t = i as f32 / count as f32;
            (t * 115.0 - 110.0).exp2()
        })
    }

    #[test]
    fn within_three_roundings_of_the_exact_value() {
        let x: Vec<f32> = spread(200_000).collect();
        let mut worst = (0.0, 0.0);
        for (x, y) in x.iter().zip(tanh_of(x.clone())) {
            let exact = f64::from(*x).tanh();
            let error = (f64::from(y) - exact).abs() / exact;
            if error > worst.0 {
                worst = (error, *x);
            }
        }
        assert!(worst.0 <= 3e-7, "{:e} at {}", worst.0, worst.1);
    }

    #[test]
    fn odd_to_the_last_bit() {
        let x: Vec<f32> = spread(10_000).collect();
        let y = tanh_of(x.clone());
        for (y, minus) in y.iter().zip(tanh_of(x.iter().map(|x| -x).collect())) {
            assert_eq!(y.to_bits(), (-minus).to_bits());
        }
    }

    #[test]
    fn nan_infinities_and_signed_zeros() {
        let y = tanh_of(vec![
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::MAX,
            0.0,
            -0.0,
            f32::from_bits(1),
        ]);
        assert!(y[0].is_nan());
        assert_eq!(y[1..4], [1.0, -1.0, 1.0]);
        assert_eq!(y[4].to_bits(), 0.0_f32.to_bits());
        assert_eq!(y[5].to_bits(), (-0.0_f32).to_bits());
        assert_eq!(y[6], f32::from_bits(1));
    }

    /// Rows that end within a SIMD vector, and rows for more than one task.
    const SHAPES: [(usize, usize); 7] = [
        (0, 5),
        (1, 1),
        (3, 2),
        (128, 64),
        (33, 67),
        (2_000, 50),
        (70_001, 1),
    ];

    fn wave(count: usize, step: f32) -> Vec<f32> {
        (0..count).map(|i| 2.5 * (i as f32 * step).sin()).collect()
    }

    #[test]
    fn adds_the_bias_to_every_row() {
        for (rows, features) in SHAPES {
            let x = wave(rows * features, 0.37);
            let bias = wave(features, 1.1);
            let mut y = x.clone();
            bias_tanh(&mut y, &bias);
            for (i, (x, y)) in x.iter().zip(&y).enumerate() {
                let exact = f64::from(x + bias[i % features]).tanh();
                assert!((f64::from(*y) - exact).abs() <= 3e-7 * exact.abs());
            }
        }
    }

    #[test]
    fn gradients_and_their_sums() {
        for (rows, features) in SHAPES {
            let y = tanh_of(wave(rows * features, 0.37));
            let cotangent = wave(rows * features, 0.11);
            let mut grad = cotangent.clone();
            let mut sums = vec![f32::NAN; features];
            bias_tanh_backward(&y, &mut grad, &mut sums);
            let mut exact = vec![0.0; features];
            let mut sizes = vec![0.0; features];
            for (i, &y) in y.iter().enumerate() {
                let y = f64::from(y);
                let dx = f64::from(cotangent[i]) * ((1.0 - y) * (1.0 + y));
                assert!((f64::from(grad[i]) - dx).abs() <= 3e-7 * dx.abs());
                exact[i % features] += dx;
                sizes[i % features] += dx.abs();
            }
            for ((sum, exact), size) in sums.iter().zip(exact).zip(sizes) {
                assert!((f64::from(*sum) - exact).abs() <= 1e-5 * size);
            }
        }
    }

    #[test]
    fn the_same_bits_for_any_number_of_threads() {
        let (rows, features) = (3_000, 67);
        let y = tanh_of(wave(rows * features, 0.37));
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("a pool");
            let mut grad = wave(rows * features, 0.11);
            let mut sums = vec![0.0; features];
            pool.install(|| bias_tanh_backward(&y, &mut grad, &mut sums));
            (grad, sums)
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    #[should_panic(expected = "7 entries are not whole rows of 3")]
    fn rows_must_be_whole() {
        bias_tanh(&mut [0.0; 7], &[0.0; 3]);
    }
}
