use super::{DiscreteEnvironment, Transition};

/// Environments of one kind, stepped together. One whose episode ends begins the next at once, and
/// hands out the observation that its episode ended with.
pub struct VectorEnvironment {
    environments: Vec<Box<dyn DiscreteEnvironment>>,
    observation_size: usize,
    actions: usize,
}

/// What a step of all environments led to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// One transition for each environment.
    pub transitions: Vec<Transition>,
    /// For each environment that ended its episode, its index and the last observation of it.
    pub final_observations: Vec<(usize, Vec<f32>)>,
}

impl VectorEnvironment {
    /// The environments, each at the beginning of an episode.
    ///
    /// # Panics
    ///
    /// If there is none, or if their sizes differ.
    pub fn new(environments: Vec<Box<dyn DiscreteEnvironment>>) -> Self {
        let first = environments.first().expect("at least one environment");
        let (observation_size, actions) = (first.observation_size(), first.actions());
        for environment in &environments {
            assert_eq!(
                (environment.observation_size(), environment.actions()),
                (observation_size, actions),
                "environments that are stepped together have the same observations and actions"
            );
        }
        Self {
            environments,
            observation_size,
            actions,
        }
    }

    /// The number of environments.
    pub fn len(&self) -> usize {
        self.environments.len()
    }

    /// Whether there is no environment, which [`new`](Self::new) does not allow.
    pub fn is_empty(&self) -> bool {
        self.environments.is_empty()
    }

    /// The number of components of an observation.
    pub fn observation_size(&self) -> usize {
        self.observation_size
    }

    /// The number of actions.
    pub fn actions(&self) -> usize {
        self.actions
    }

    /// The observations of all environments, one after another.
    pub fn observe(&self) -> Vec<f32> {
        let mut observations = vec![0.0; self.len() * self.observation_size];
        for (environment, observation) in self
            .environments
            .iter()
            .zip(observations.chunks_exact_mut(self.observation_size))
        {
            environment.observe(observation);
        }
        observations
    }

    /// Takes one action in each environment.
    ///
    /// # Panics
    ///
    /// If there is not one action for each environment.
    pub fn step(&mut self, actions: &[usize]) -> Step {
        assert_eq!(actions.len(), self.len(), "one action for each environment");
        let mut step = Step::default();
        for (i, (environment, &action)) in self.environments.iter_mut().zip(actions).enumerate() {
            let transition = environment.step(action);
            if transition.done() {
                let mut last = vec![0.0; self.observation_size];
                environment.observe(&mut last);
                step.final_observations.push((i, last));
                environment.reset();
            }
            step.transitions.push(transition);
        }
        step
    }
}
