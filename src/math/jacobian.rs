/// Computes `J v` for the Jacobian `J = diag(k) - k k^T / sum k` of a softargmax into `out`.
///
/// The vector `v` is first centered on its entry at the largest `k`, and this entry of the product is minus the
/// sum of the others. Near a one-hot row the weighted mean of `v` equals this entry to rounding, and the plain
/// difference would lose the digits of the product.
///
/// # Panics
///
/// If the three slices differ in length, or are empty.
///
/// ```
/// use burn_tsallis::math::jacobian_product;
///
/// let mut product = [0.0; 2];
/// jacobian_product(&[0.25, 0.75], &[1.0, 0.0], &mut product);
/// assert_eq!(product, [0.1875, -0.1875]);
/// ```
pub fn jacobian_product(k: &[f64], v: &[f64], out: &mut [f64]) {
    assert!(
        k.len() == v.len() && k.len() == out.len() && !k.is_empty(),
        "k, v and out must have the same length, at least 1, not {}, {} and {}",
        k.len(),
        v.len(),
        out.len()
    );
    let largest = (1..k.len()).fold(0, |best, i| if k[i] > k[best] { i } else { best });
    let center = v[largest];
    let (mut total, mut mean) = (0.0, 0.0);
    for (&k, &v) in k.iter().zip(v) {
        total += k;
        if k > 0.0 {
            mean += k * (v - center);
        }
    }
    mean /= total;
    let mut others = 0.0;
    for i in 0..k.len() {
        if i != largest {
            out[i] = if k[i] > 0.0 {
                k[i] * (v[i] - center - mean)
            } else {
                0.0
            };
            others += out[i];
        }
    }
    out[largest] = -others;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::{FSoftargmax, JensenShannon};

    #[test]
    fn the_product_of_the_matrix() {
        let (x, q) = ([0.3, -1.2, 2.0, 0.7], [0.1, 0.4, 0.2, 0.3]);
        let solution = FSoftargmax::new(&JensenShannon, &x, &q).expect("finite inputs");
        let v = [1.0, -2.0, 0.5, 3.0];
        let mut product = [0.0; 4];
        jacobian_product(solution.weights(), &v, &mut product);
        for (row, got) in solution.jacobian().iter().zip(product) {
            let want: f64 = row.iter().zip(v).map(|(j, v)| j * v).sum();
            assert!((got - want).abs() < 1e-15);
        }
    }

    #[test]
    fn a_nearly_one_hot_row_keeps_its_digits() {
        let mut product = [0.0; 2];
        jacobian_product(&[1.0, 1e-30], &[1.0, 0.25], &mut product);
        assert!((product[0] / 0.75e-30 - 1.0).abs() < 1e-15 && product[1] == -product[0]);
        jacobian_product(&[1.0, 0.0], &[1.0, f64::NEG_INFINITY], &mut product);
        assert_eq!(product, [0.0, 0.0]);
    }
}
