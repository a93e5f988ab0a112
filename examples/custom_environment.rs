//! Trains a policy on an environment that implements only Burn's own trait: a maze in which the exit is worth
//! 1 and every step costs 0.01.
//!
//! ```text
//! cargo run --release --example custom_environment
//! ```

use burn::rl::{Environment, StepResult};
use burn::tensor::Device;
use burn_tsallis::rl::env::{EpisodeStatistics, FromBurnEnvironment, VectorEnvironment};
use burn_tsallis::rl::ppo::{Learner, PpoConfig};
use burn_tsallis::rl::{Evaluation, evaluate_in};
use std::error::Error;

const MAZE: [&[u8; 7]; 5] = [b"S..#...", b".#.#.#.", b".#...#.", b".####.#", b"......E"];
const ROWS: usize = MAZE.len();
const COLUMNS: usize = MAZE[0].len();

/// A position in the maze, as row and column.
struct Maze {
    at: (usize, usize),
}

#[derive(Clone, Copy)]
enum Move {
    Up,
    Down,
    Left,
    Right,
}

const MOVES: [Move; 4] = [Move::Up, Move::Down, Move::Left, Move::Right];

impl Environment for Maze {
    type State = (usize, usize);
    type Action = Move;

    const MAX_STEPS: usize = 100;

    fn state(&self) -> Self::State {
        self.at
    }

    fn step(&mut self, action: Move) -> StepResult<Self::State> {
        let (row, column) = self.at;
        let next = match action {
            Move::Up => (row.saturating_sub(1), column),
            Move::Down => ((row + 1).min(ROWS - 1), column),
            Move::Left => (row, column.saturating_sub(1)),
            Move::Right => (row, (column + 1).min(COLUMNS - 1)),
        };
        if MAZE[next.0][next.1] != b'#' {
            self.at = next;
        }
        let done = MAZE[self.at.0][self.at.1] == b'E';
        StepResult {
            next_state: self.at,
            reward: if done { 0.99 } else { -0.01 },
            done,
            truncated: false,
        }
    }

    fn reset(&mut self) {
        self.at = (0, 0);
    }
}

/// Returns the cell, one-hot.
fn observe((row, column): (usize, usize)) -> [f32; ROWS * COLUMNS] {
    let mut cells = [0.0; ROWS * COLUMNS];
    cells[row * COLUMNS + column] = 1.0;
    cells
}

fn main() -> Result<(), Box<dyn Error>> {
    let config = PpoConfig {
        total_steps: 50_000,
        ..PpoConfig::default()
    };
    // The adapter takes the properties that Burn's trait does not define: the sizes, the observation and the actions.
    let maze = || {
        let maze = Maze { at: (0, 0) };
        FromBurnEnvironment::new(maze, ROWS * COLUMNS, MOVES.len(), observe, |i| MOVES[i])
    };
    let environments = VectorEnvironment::seeded(config.environments, config.seed, || {
        EpisodeStatistics::new(maze())
    })?;
    let device = Device::flex();
    let mut learner = Learner::with_environments(config, environments, &device)?;
    while !learner.is_finished() {
        let metrics = learner.update()?;
        if metrics.update % 10 == 0
            && let Some(mean) = metrics.recent_return
        {
            println!(
                "{:>6} steps: mean return {mean:>6.3} over the last 100 episodes (0.9 is the shortest path)",
                metrics.global_step,
            );
        }
    }
    let evaluation = Evaluation {
        episodes: 10,
        deterministic: true,
        seed: 1,
    };
    let episodes = evaluate_in(learner.model(), maze, None, evaluation, &device)?;
    let steps: usize = episodes.iter().map(|episode| episode.length).sum();
    println!(
        "The most probable actions reach the exit in {} steps.",
        steps / episodes.len()
    );
    Ok(())
}
