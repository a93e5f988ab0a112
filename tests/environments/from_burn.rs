use burn::rl::{Environment, StepResult};
use burn_tsallis::rl::env::{
    CartPole, DiscreteEnvironment, EpisodeStatistics, FromBurnEnvironment, RestoreError,
    RewardNoise, VectorEnvironment, VectorStep,
};

/// Counts up by one or two and ends at 5 or above. Only the adapter truncates its episodes.
struct Counter {
    count: u32,
    start: u32,
}

enum Move {
    One,
    Two,
}

impl Environment for Counter {
    type State = Vec<f32>;
    type Action = Move;
    const MAX_STEPS: usize = 4;

    fn state(&self) -> Vec<f32> {
        // One component too many at 3.
        vec![self.count as f32; if self.count == 3 { 2 } else { 1 }]
    }

    fn step(&mut self, action: Move) -> StepResult<Vec<f32>> {
        self.count += match action {
            Move::One => 1,
            Move::Two => 2,
        };
        StepResult {
            next_state: self.state(),
            reward: f64::from(self.count),
            done: self.count >= 5,
            truncated: false,
        }
    }

    fn reset(&mut self) {
        self.count = self.start;
    }
}

fn counter(start: u32) -> impl DiscreteEnvironment + 'static {
    let counter = Counter { count: 99, start };
    FromBurnEnvironment::new(
        counter,
        1,
        2,
        |state| state,
        |action| if action == 0 { Move::One } else { Move::Two },
    )
    .with_seed(|counter, seed, index| counter.start = seed as u32 + index)
}

#[test]
fn it_steps_ends_and_is_cut_short() {
    let mut environment = counter(0);
    let mut observation = [9.0];
    environment
        .observe(&mut observation)
        .expect("an observation");
    assert_eq!(observation, [0.0]);
    let rewards = [1, 1, 1].map(|action| environment.step(action));
    assert_eq!(rewards.map(|t| t.reward), [2.0, 4.0, 6.0]);
    assert_eq!(rewards.map(|t| t.terminated), [false, false, true]);
    assert!(!rewards[2].truncated);

    environment.reset();
    let truncated = [0, 0, 0, 0].map(|action| environment.step(action).truncated);
    assert_eq!(truncated, [false, false, false, true]);
}

#[test]
fn a_wrong_observation_size_is_named() {
    let mut environments = VectorEnvironment::seeded(2, 0, || counter(0)).expect("two");
    let mut step = VectorStep::default();
    environments.step(&[0, 1], &mut step).expect("a step");
    let error = environments
        .observe_into(&mut [0.0; 2])
        .expect_err("at three");
    assert_eq!(
        error.to_string(),
        "environment 1 returned an observation of 2 components instead of 1"
    );
}

#[test]
fn it_takes_a_seed_where_it_is_told_how_and_cannot_be_saved() {
    let mut environment = counter(0);
    environment.seed(1, 1);
    let mut observation = [9.0];
    environment
        .observe(&mut observation)
        .expect("an observation");
    assert_eq!(observation, [2.0]);
    assert_eq!(environment.save(), None);
    assert_eq!(
        environment.restore(&serde_json::Value::Null),
        Err(RestoreError::Unsupported)
    );
    let noisy = RewardNoise::new(EpisodeStatistics::new(environment), 1.0);
    assert_eq!(noisy.save(), None);
}

/// An environment of this crate is unchanged by a round trip through Burn's trait.
#[test]
fn round_trip_through_burn_environment() {
    let mut direct: Box<dyn DiscreteEnvironment> = Box::new(CartPole::new());
    let adapted = FromBurnEnvironment::new(
        CartPole::new(),
        4,
        2,
        |state: [f64; 4]| state.map(|x| x as f32),
        |action| action,
    );
    let mut adapted = adapted.with_seed(DiscreteEnvironment::seed);
    direct.seed(3, 0);
    direct.reset();
    adapted.seed(3, 0);
    for i in 0..100 {
        let (a, b) = (direct.step(i % 2), adapted.step(i % 2));
        assert_eq!(a, b);
        let (mut x, mut y) = ([0.0; 4], [0.0; 4]);
        direct.observe(&mut x).expect("an observation");
        adapted.observe(&mut y).expect("an observation");
        assert_eq!(x, y);
        if a.done() {
            direct.reset();
            adapted.reset();
        }
    }
}
