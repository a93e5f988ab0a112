use super::environment::check_action;
use super::{DiscreteEnvironment, ObservationSizeError, Transition};
use burn::rl::Environment;

/// Adapts an environment that implements [`burn::rl::Environment`] to [`DiscreteEnvironment`].
///
/// The constructor takes the properties that the trait does not define: the size of an observation, the
/// number of actions, and the functions that map a state to an observation and an index to an action. An
/// episode that has not ended after [`MAX_STEPS`](Environment::MAX_STEPS) steps is truncated.
///
/// The adapted environment has no action mask, and its state cannot be saved: a resumed run begins new
/// episodes in it. A seed has no effect unless [`with_seed`](Self::with_seed) has set a seeding function.
///
/// ```
/// use burn::rl::{Environment, StepResult};
/// use burn_tsallis::rl::env::{FromBurnEnvironment, DiscreteEnvironment};
///
/// /// Counts up or down from zero; up to three is rewarded.
/// struct Counter(i32);
///
/// impl Environment for Counter {
///     type State = i32;
///     type Action = i32;
///     const MAX_STEPS: usize = 10;
///
///     fn state(&self) -> i32 {
///         self.0
///     }
///
///     fn step(&mut self, action: i32) -> StepResult<i32> {
///         self.0 += action;
///         let done = self.0 == 3;
///         StepResult { next_state: self.0, reward: f64::from(done), done, truncated: false }
///     }
///
///     fn reset(&mut self) {
///         self.0 = 0;
///     }
/// }
///
/// let mut counter = FromBurnEnvironment::new(
///     Counter(0),
///     1,
///     2,
///     |state| [state as f32],
///     |action| if action == 1 { 1 } else { -1 },
/// );
/// counter.step(1);
/// counter.step(1);
/// assert!(counter.step(1).terminated);
/// ```
pub struct FromBurnEnvironment<E, O, A> {
    environment: E,
    observation_size: usize,
    actions: usize,
    observe: O,
    action: A,
    seed: Option<Seed<E>>,
    observation: Vec<f32>,
    steps: usize,
}

type Seed<E> = Box<dyn FnMut(&mut E, u64, u32) + Send>;

impl<E, O, A, V> FromBurnEnvironment<E, O, A>
where
    E: Environment,
    O: Fn(E::State) -> V,
    A: Fn(usize) -> E::Action,
    V: AsRef<[f32]>,
{
    /// Adapts `environment` and begins an episode in it.
    ///
    /// # Arguments
    /// - environment: the environment.
    /// - observation_size: the number of components of an observation.
    /// - actions: the number of actions.
    /// - observe: returns the observation of a state.
    /// - action: returns the action at an index below `actions`.
    pub fn new(
        environment: E,
        observation_size: usize,
        actions: usize,
        observe: O,
        action: A,
    ) -> Self {
        let mut adapted = Self {
            environment,
            observation_size,
            actions,
            observe,
            action,
            seed: None,
            observation: Vec::new(),
            steps: 0,
        };
        adapted.start_episode();
        adapted
    }

    /// Sets the function that seeds the environment. It is called with the environment, the seed and the
    /// index of the environment among those that are stepped together. An episode begins after each call.
    pub fn with_seed(mut self, seed: impl FnMut(&mut E, u64, u32) + Send + 'static) -> Self {
        self.seed = Some(Box::new(seed));
        self
    }

    fn start_episode(&mut self) {
        self.environment.reset();
        self.steps = 0;
        self.update_observation(self.environment.state());
    }

    fn update_observation(&mut self, state: E::State) {
        self.observation.clear();
        self.observation
            .extend_from_slice((self.observe)(state).as_ref());
    }
}

impl<E, O, A, V> DiscreteEnvironment for FromBurnEnvironment<E, O, A>
where
    E: Environment + Send,
    O: Fn(E::State) -> V + Send,
    A: Fn(usize) -> E::Action + Send,
    V: AsRef<[f32]>,
{
    fn observation_size(&self) -> usize {
        self.observation_size
    }

    fn actions(&self) -> usize {
        self.actions
    }

    fn seed(&mut self, seed: u64, index: u32) {
        if let Some(set) = &mut self.seed {
            set(&mut self.environment, seed, index);
        }
        self.start_episode();
    }

    fn reset(&mut self) {
        self.start_episode();
    }

    fn step(&mut self, action: usize) -> Transition {
        check_action(action, self.actions);
        let result = self.environment.step((self.action)(action));
        self.update_observation(result.next_state);
        self.steps += 1;
        Transition {
            terminated: result.done,
            truncated: result.truncated || self.steps >= E::MAX_STEPS,
            ..Transition::ongoing(result.reward)
        }
    }

    fn observe(&self, observation: &mut [f32]) -> Result<(), ObservationSizeError> {
        if self.observation.len() != self.observation_size {
            return Err(ObservationSizeError {
                size: self.observation.len(),
                expected: self.observation_size,
            });
        }
        observation.copy_from_slice(&self.observation);
        Ok(())
    }
}
