use super::EnvironmentError;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The actions of an environment: an index in each of one or more dimensions.
///
/// The policy sees every space as `[dimensions, K]`, with `K` the [largest](Self::largest) number of actions of a
/// dimension. Logits and masks have this layout, one dimension after another. A dimension with fewer than `K` actions
/// is padded, and the padding is never allowed.
///
/// ```
/// use burn_tsallis::rl::env::ActionSpace;
///
/// let space = ActionSpace::MultiDiscrete(vec![4, 3]);
/// assert_eq!((space.dimensions(), space.largest(), space.logits()), (2, 4, 8));
/// assert!(space.is_ragged());
/// let mut allowed = vec![true; 8];
/// space.forbid_padding(&mut allowed);
/// assert_eq!(allowed, [true, true, true, true, true, true, true, false]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<usize>", from = "Vec<usize>")]
pub enum ActionSpace {
    /// One dimension with the actions `0..n`.
    Discrete(usize),
    /// Several dimensions, each with its number of actions.
    MultiDiscrete(Vec<usize>),
}

impl ActionSpace {
    /// Returns the number of actions of each dimension.
    pub fn sizes(&self) -> &[usize] {
        match self {
            Self::Discrete(size) => std::slice::from_ref(size),
            Self::MultiDiscrete(sizes) => sizes,
        }
    }

    /// Returns the number of dimensions.
    pub fn dimensions(&self) -> usize {
        self.sizes().len()
    }

    /// Returns the largest number of actions of a dimension, `K`.
    pub fn largest(&self) -> usize {
        self.sizes().iter().copied().max().unwrap_or(0)
    }

    /// Returns the number of logits of a state, `dimensions * K`. A mask has as many entries.
    pub fn logits(&self) -> usize {
        self.dimensions().saturating_mul(self.largest())
    }

    /// Returns whether the dimensions have different numbers of actions.
    pub fn is_ragged(&self) -> bool {
        self.sizes().iter().any(|&size| size != self.largest())
    }

    /// Forbids the padding in masks of one or more states.
    pub fn forbid_padding(&self, allowed: &mut [bool]) {
        if self.is_ragged() {
            let rows = allowed.chunks_exact_mut(self.largest());
            for (row, &size) in rows.zip(self.sizes().iter().cycle()) {
                row[size..].fill(false);
            }
        }
    }

    /// Returns the positions of actions, `[states, dimensions]`, among the logits of their state.
    pub(in crate::rl) fn flat_indices<'a>(
        &'a self,
        actions: &'a [usize],
    ) -> impl Iterator<Item = usize> + 'a {
        let (dimensions, columns) = (self.dimensions(), self.largest());
        let starts = (0..dimensions).map(move |dimension| dimension * columns);
        actions
            .iter()
            .zip(starts.cycle())
            .map(|(action, start)| action + start)
    }

    /// Returns whether there is no action.
    pub(super) fn is_empty(&self) -> bool {
        self.sizes().is_empty() || self.sizes().contains(&0)
    }
}

impl From<usize> for ActionSpace {
    fn from(size: usize) -> Self {
        Self::Discrete(size)
    }
}

impl From<Vec<usize>> for ActionSpace {
    /// Creates a space of these sizes. A single one is discrete.
    fn from(sizes: Vec<usize>) -> Self {
        match sizes[..] {
            [size] => Self::Discrete(size),
            _ => Self::MultiDiscrete(sizes),
        }
    }
}

impl From<ActionSpace> for Vec<usize> {
    fn from(space: ActionSpace) -> Self {
        space.sizes().to_vec()
    }
}

/// The observations and the actions of an environment, which determine the shape of the networks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spaces {
    /// The number of components of an observation.
    pub observation_size: usize,
    /// The actions.
    pub actions: ActionSpace,
}

impl Spaces {
    /// Creates spaces with `observation_size` components and these actions.
    pub fn new(observation_size: usize, actions: impl Into<ActionSpace>) -> Self {
        Self {
            observation_size,
            actions: actions.into(),
        }
    }
}

/// Writes the sizes as part of a sentence.
impl fmt::Display for Spaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (size, actions) = (self.observation_size, self.actions.sizes());
        write!(f, "{size} observation components and {actions:?} actions")
    }
}

/// Continuous actions in a box, with each component discretized into bins (Tang and Agrawal 2020).
///
/// The value of bin `i` is `low + i (high - low) / (bins - 1)`, so that the bins are uniform and include both ends.
///
/// ```
/// use burn_tsallis::rl::env::{ActionSpace, BinnedBox};
///
/// let binned = BinnedBox::new(&[-1.0, 0.0], &[1.0, 3.0], 5)?;
/// assert_eq!(binned.action_space(), ActionSpace::MultiDiscrete(vec![5, 5]));
/// let mut values = [0.0; 2];
/// binned.write_values(&[4, 1], &mut values);
/// assert_eq!(values, [1.0, 0.75]);
/// # Ok::<(), burn_tsallis::rl::env::EnvironmentError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct BinnedBox {
    low: Vec<f32>,
    high: Vec<f32>,
    bins: usize,
}

impl BinnedBox {
    /// Creates a box with the bounds `low` and `high` of each component, and `bins` bins of each.
    ///
    /// # Errors
    ///
    /// If there are fewer than two bins, if the numbers of bounds differ or are zero, or if a component does not have
    /// finite bounds with `low < high`.
    pub fn new(low: &[f32], high: &[f32], bins: usize) -> Result<Self, EnvironmentError> {
        let refused = |reason: String| Err(EnvironmentError::ActionSpace(reason));
        if bins < 2 {
            return refused(format!(
                "a box of actions has {bins} bins: at least 2 are needed"
            ));
        }
        if low.is_empty() || low.len() != high.len() {
            return refused(format!(
                "a box of actions has {} lower and {} upper bounds: it needs one of each for every component",
                low.len(),
                high.len()
            ));
        }
        for (component, (low, high)) in low.iter().zip(high).enumerate() {
            if !(low.is_finite() && high.is_finite() && low < high) {
                return refused(format!(
                    "component {component} of the actions is from {low} to {high}: the bounds must be finite, and the \
                     lower one smaller"
                ));
            }
        }
        Ok(Self {
            low: low.to_vec(),
            high: high.to_vec(),
            bins,
        })
    }

    /// Returns the space of the bins.
    pub fn action_space(&self) -> ActionSpace {
        vec![self.bins; self.low.len()].into()
    }

    /// Writes the value of a bin in each component.
    pub fn write_values(&self, bins: &[usize], values: &mut [f32]) {
        let last = (self.bins - 1) as f64;
        for (component, (value, &bin)) in values.iter_mut().zip(bins).enumerate() {
            let (low, high) = (self.low[component], self.high[component]);
            let share = bin as f64 / last;
            let between = f64::from(low) * (1.0 - share) + f64::from(high) * share;
            *value = (between as f32).clamp(low, high);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_size_is_discrete_and_sizes_are_read_and_written() {
        assert_eq!(ActionSpace::from(vec![4]), ActionSpace::Discrete(4));
        for (space, json) in [
            (ActionSpace::Discrete(4), "[4]"),
            (ActionSpace::MultiDiscrete(vec![4, 3]), "[4,3]"),
        ] {
            assert_eq!(serde_json::to_string(&space).expect("JSON"), json);
            let read: ActionSpace = serde_json::from_str(json).expect("a space");
            assert_eq!(read, space);
        }
        let mut allowed = [true; 6];
        ActionSpace::from(vec![1, 2, 2]).forbid_padding(&mut allowed);
        assert_eq!(allowed, [true, false, true, true, true, true]);
    }

    #[test]
    fn bins_are_uniform_and_include_both_ends() {
        let binned = BinnedBox::new(&[-0.3, f32::MIN], &[0.9, f32::MAX], 11).expect("a box");
        let values: Vec<[f32; 2]> = (0..11)
            .map(|bin| {
                let mut values = [0.0; 2];
                binned.write_values(&[bin, bin], &mut values);
                values
            })
            .collect();
        assert_eq!(values[0], [-0.3, f32::MIN]);
        assert_eq!(values[10], [0.9, f32::MAX]);
        assert_eq!(values[5][1], 0.0);
        for pair in values.windows(2) {
            assert!((pair[1][0] - pair[0][0] - 0.12).abs() < 1e-6);
        }
    }

    #[test]
    fn a_bad_box_is_refused() {
        for (low, high, bins, words) in [
            (&[0.0][..], &[1.0][..], 1, "a box of actions has 1 bins"),
            (&[], &[], 3, "0 lower and 0 upper bounds"),
            (&[0.0], &[1.0, 2.0], 3, "1 lower and 2 upper bounds"),
            (
                &[0.0, 1.0],
                &[1.0, 1.0],
                3,
                "component 1 of the actions is from 1 to 1",
            ),
            (&[f32::NEG_INFINITY], &[1.0], 3, "from -inf to 1"),
            (&[0.0], &[f32::NAN], 3, "from 0 to NaN"),
        ] {
            let error = BinnedBox::new(low, high, bins)
                .expect_err(words)
                .to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
