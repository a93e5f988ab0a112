use super::chain::DISCOUNT;
use super::{Mdp, MdpError, Outcome, check_size, start_in};

/// Changes of row and column of the four moves: up, right, down, left.
const MOVES: [(isize, isize); 4] = [(-1, 0), (0, 1), (1, 0), (0, -1)];

/// Creates an empty grid of `rows` by `columns` cells.
///
/// The goal is the last cell. An episode starts in any other cell with the same probability, and ends at the goal with
/// a reward of 1. The actions are up, right, down, left. With probability `slip` the direction of a move is instead
/// drawn uniformly from all four. A move into a wall stays in place.
///
/// # Errors
///
/// Returns an error if there are fewer than 2 cells or too many, or if `slip` is not from 0 to 1.
pub fn gridworld(rows: usize, columns: usize, slip: f64) -> Result<Mdp, MdpError> {
    let cells = rows.saturating_mul(columns);
    if cells < 2 {
        return Err(MdpError::Size {
            kind: "gridworld",
            needs: "at least 2 cells",
            got: format!("{rows} x {columns}"),
        });
    }
    if !(0.0..=1.0).contains(&slip) {
        return Err(MdpError::Size {
            kind: "gridworld",
            needs: "a slip probability from 0 to 1",
            got: slip.to_string(),
        });
    }
    check_size(cells, MOVES.len())?;
    let goal = cells - 1;
    let name = if slip == 0.0 {
        format!("gridworld:{rows},{columns}")
    } else {
        format!("gridworld:{rows},{columns},{slip}")
    };
    // The goal ends the episode, so it is not a state.
    let start = vec![1.0 / goal as f64; goal];
    Mdp::new(name, DISCOUNT, start, 4, |state, action| {
        let arrive = |way: usize, probability: f64| {
            let next = moved(state, way, rows, columns);
            let outcome = if next == goal {
                Outcome::certain(None, 1.0)
            } else {
                Outcome::certain(next, 0.0)
            };
            outcome.with_probability(probability)
        };
        (0..MOVES.len())
            .map(|way| {
                let straight = if way == action { 1.0 - slip } else { 0.0 };
                arrive(way, straight + slip / MOVES.len() as f64)
            })
            .filter(|outcome| outcome.probability > 0.0)
            .collect()
    })
}

/// Creates the cliff walk of Sutton and Barto: 4 rows of 12 cells, from the lower left corner to the lower right corner
/// along a cliff.
///
/// Each step costs 1. A step over the cliff costs 100 and leads back to the start. The actions are up, right, down,
/// left.
///
/// # Errors
///
/// Never returns an error: the process is valid.
pub fn cliff_walking() -> Result<Mdp, MdpError> {
    const ROWS: usize = 4;
    const COLUMNS: usize = 12;
    let start = (ROWS - 1) * COLUMNS;
    // No step ends on the cliff or at the goal, so the states are the three upper rows and the start.
    Mdp::new(
        "cliffwalking",
        DISCOUNT,
        start_in(start, start + 1),
        4,
        |state, action| {
            let next = moved(state, action, ROWS, COLUMNS);
            vec![if next <= start {
                Outcome::certain(next, -1.0)
            } else if next == ROWS * COLUMNS - 1 {
                Outcome::certain(None, -1.0)
            } else {
                Outcome::certain(start, -100.0)
            }]
        },
    )
}

fn moved(cell: usize, way: usize, rows: usize, columns: usize) -> usize {
    let (down, right) = MOVES[way];
    let row = (cell / columns).saturating_add_signed(down).min(rows - 1);
    let column = (cell % columns)
        .saturating_add_signed(right)
        .min(columns - 1);
    row * columns + column
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walls_goal_and_cliff() {
        let grid = gridworld(3, 4, 0.2).expect("a grid");
        assert_eq!(grid.states(), 11);
        // From the cell left of the goal, a move right mostly ends.
        let right: f64 = grid
            .outcomes(10, 1)
            .iter()
            .filter(|o| o.next.is_none())
            .map(|o| o.probability)
            .sum();
        assert!((right - 0.85).abs() < 1e-15);
        assert_eq!(
            gridworld(3, 4, 0.0).expect("a grid").outcomes(0, 0)[0].next,
            Some(0)
        );
        let cliff = cliff_walking().expect("valid");
        assert_eq!(cliff.states(), 37);
        assert_eq!(cliff.reward(36, 1), -100.0);
        assert_eq!(cliff.outcomes(35, 2)[0].next, None);
        assert!(gridworld(1, 1, 0.0).is_err() && gridworld(2, 2, 1.5).is_err());
    }
}
