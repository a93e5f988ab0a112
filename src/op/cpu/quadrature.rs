//! The start of the root finder: a few gaps that stand for those of a row.

use super::summary::Summary;
use super::vector::{M, V, splat};
use macerator::Simd;

/// Nodes of the normal distribution besides its mean, in standard deviations: the Gauss-Hermite quadrature.
const NODE: f32 = 1.732_050_8;

/// The weight of each of these nodes, of the distribution without the entry of the largest logit.
const NODE_WEIGHT: f32 = 1.0 / 6.0;

/// Largest variance of the gaps, divided by the square of their mean, at which the quadrature is used. With a few outliers,
/// the gaps are not like those of a gamma distribution.
const MAX_SPREAD: f32 = 2.0;

/// Weights and gaps over which a smooth function of the gap has about the sum that it has over a row: the entry of the
/// largest logit, whose gap is zero, and three gaps of a gamma distribution with the mean `m` and the variance `v` of the
/// others. Its quantiles are those of Wilson and Hilferty, `m (1 - s^2/9 + s z/3)^3` with `s^2 = v / m^2`, at the nodes
/// `z` of the normal distribution.
pub(super) struct Quadrature<S: Simd> {
    pub nodes: [Node<S>; 4],
    /// The rows with a moderate variance.
    pub is_reliable: M<S>,
}

/// A gap and its weight.
pub(super) struct Node<S: Simd> {
    pub gap: V<S>,
    pub weight: V<S>,
}

impl<S: Simd> Quadrature<S> {
    #[inline(always)]
    pub fn new(summary: &Summary<S>) -> Self {
        let (total, largest) = (summary.total.high, summary.q_at_max);
        let (zero, one) = (splat::<S>(0.0), splat::<S>(1.0));
        let least = splat::<S>(f32::MIN_POSITIVE);
        let others = (total - largest).max(zero);
        let per_other = total / others.max(least);
        let mean = summary.mean_gap * per_other;
        let square = summary.mean_square * per_other;
        let spread = square / (mean * mean).max(least) - one;
        // NaN fails the comparison.
        let is_reliable = spread.le(splat::<S>(MAX_SPREAD));
        let spread = spread.max(zero);
        let center = one - spread * splat::<S>(1.0 / 9.0);
        let distance = spread.sqrt() * splat::<S>(NODE / 3.0);
        let (weight, center_weight) =
            (splat::<S>(NODE_WEIGHT), splat::<S>(1.0 - 2.0 * NODE_WEIGHT));
        Self {
            nodes: [
                Node {
                    gap: zero,
                    weight: largest,
                },
                Node::new(mean, center - distance, others * weight),
                Node::new(mean, center, others * center_weight),
                Node::new(mean, center + distance, others * weight),
            ],
            is_reliable,
        }
    }
}

impl<S: Simd> Node<S> {
    #[inline(always)]
    fn new(mean: V<S>, cube_root: V<S>, weight: V<S>) -> Self {
        let root = cube_root.max(splat::<S>(0.0));
        Self {
            gap: mean * (root * root * root),
            weight,
        }
    }
}
