//! Grids of stochastic runs on all cores, and the table of their results.

mod best;
mod grid;
mod table;

pub use best::{BestSetting, Setting, best_settings, mean_and_std, settings};
pub use grid::{Grid, GridError, PlannedRun};
pub use table::{RunKey, RunRow, SettingKey, SixDigits, Table, TableError};

use super::Mdp;
use super::algorithms::run;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;

/// Executes every run of a grid, or of the table's shard, that `table` does not contain yet, on rayon's thread pool.
///
/// Each run is appended to `table` when it ends, and `each` is called with its row. After `stop` is set, no further run
/// starts.
///
/// # Errors
///
/// Returns an error if the table cannot be written or the settings of a run are invalid. Runs in progress finish first,
/// and `stop` is set.
pub fn sweep(
    processes: &[Mdp],
    grid: &Grid,
    table: &mut Table,
    stop: &AtomicBool,
    mut each: impl FnMut(&RunRow),
) -> Result<(), TableError> {
    let by_name: BTreeMap<&str, &Mdp> = processes.iter().map(|mdp| (mdp.name(), mdp)).collect();
    let mut planned = grid.runs(processes);
    if let Some(shard) = table.shard() {
        planned = shard.part(planned).collect();
    }
    planned.retain(|planned| !table.contains(planned));
    let (send, receive) = channel();
    let mut failed = None;
    rayon::in_place_scope(|scope| {
        scope.spawn(|_| {
            // In order, so that a stopped sweep leaves complete settings rather than parts of all settings.
            planned
                .into_iter()
                .par_bridge()
                .for_each_with(send, |send, planned| {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let curve = run(by_name[planned.process.as_str()], &planned.settings);
                    // Sending fails only if the receiver has been dropped, in which case the row is not needed.
                    let _ = send.send(curve.map(|curve| RunRow::new(&planned, &curve)));
                });
        });
        for row in receive {
            if failed.is_some() {
                continue;
            }
            match row
                .map_err(TableError::from)
                .and_then(|row| table.append(row))
            {
                Ok(row) => each(row),
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    failed = Some(error);
                }
            }
        }
    });
    match failed {
        Some(error) => Err(error),
        None => table.sync(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Divergence;
    use crate::algorithms::{Algorithm, Curve, Sampling};
    use crate::mdp::nchain;
    use std::path::{Path, PathBuf};

    fn grid() -> Grid {
        Grid {
            algorithms: vec![
                Algorithm::FPg(Divergence::Tsallis(0.5)),
                Algorithm::FPg(Divergence::Tsallis(1.0)),
                Algorithm::Hadamard,
            ],
            step_sizes: vec![0.1, 1.0],
            temperatures: vec![0.01],
            seeds: 0..3,
            iterations: 200,
            sampling: Sampling::new(2, 10),
            every: 50,
            project: false,
            only: None,
        }
    }

    fn folder(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("tsallis-sweep-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        folder
    }

    /// Runs the grid in a new table.
    fn swept(folder: &Path, grid: &Grid, processes: &[Mdp]) -> Table {
        let mut table = Table::open(folder, grid, processes).expect("a new table");
        let never = AtomicBool::new(false);
        sweep(processes, grid, &mut table, &never, |_| ()).expect("swept");
        table
    }

    fn refused(folder: &Path, grid: &Grid, processes: &[Mdp]) -> String {
        let table = Table::open(folder, grid, processes);
        table.expect_err("the folder is refused").to_string()
    }

    #[test]
    fn a_stopped_sweep_goes_on_where_it_was_and_gives_the_same_table() {
        let processes = [nchain(4).expect("a length"), nchain(5).expect("a length")];
        let grid = grid();
        let whole = folder("whole");
        let table = swept(&whole, &grid, &processes);
        assert_eq!(table.rows().len(), 2 * (2 + 1) * 2 * 3);

        let parts = folder("parts");
        let mut table = Table::open(&parts, &grid, &processes).expect("a new table");
        let stop = AtomicBool::new(false);
        let mut count = 0;
        sweep(&processes, &grid, &mut table, &stop, |_| {
            count += 1;
            stop.store(count >= 5, Ordering::Relaxed);
        })
        .expect("stopped");
        assert!((5..36).contains(&table.rows().len()));
        drop(table);
        // A partial line, as a killed process leaves it.
        let path = parts.join("results.csv");
        let mut text = std::fs::read_to_string(&path).expect("the table");
        text.push_str("nchain:4,fpg,0.5,0.1,0.0");
        std::fs::write(&path, text).expect("the table");
        drop(swept(&parts, &grid, &processes));

        let lines = |folder: &PathBuf| {
            let text = std::fs::read_to_string(folder.join("results.csv")).expect("the table");
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(lines(&whole), lines(&parts));

        let mut other = grid.clone();
        other.iterations = 300;
        let error = refused(&whole, &other, &processes);
        assert!(error.contains("iterations 200, not 300"), "{error}");
        let longer = nchain(4).expect("a length").with_episode_steps(Some(30));
        let error = refused(&parts, &grid, &[longer.expect("steps")]);
        let wanted = "a different process \"nchain:4\"";
        assert!(error.contains(wanted), "{error}");
        for folder in [whole, parts] {
            std::fs::remove_dir_all(folder).expect("removed");
        }
    }

    #[test]
    fn a_table_has_one_writer_and_one_row_of_each_run() {
        let processes = [nchain(4).expect("a length")];
        let grid = grid();
        let folder = folder("twice");
        let table = swept(&folder, &grid, &processes);
        let error = refused(&folder, &grid, &processes);
        assert!(error.contains("another process"), "{error}");
        let rows = table.rows().to_vec();
        drop(table);
        // Every run twice, as two writers left the table before it had a lock.
        let path = folder.join("results.csv");
        let text = std::fs::read_to_string(&path).expect("the table");
        let (_, again) = text.split_once('\n').expect("a header");
        std::fs::write(&path, text.clone() + again).expect("the table");
        let table = Table::open(&folder, &grid, &processes).expect("the table");
        assert_eq!(table.rows(), rows);
        std::fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn a_table_without_its_settings_is_not_gone_on_with() {
        let processes = [nchain(4).expect("a length")];
        let folder = folder("unknown");
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("results.csv");
        // An empty table, as left by a process that was killed at its start.
        std::fs::write(&path, "").expect("a file");
        let table = Table::open(&folder, &grid(), &processes).expect("a new table");
        drop(table);
        std::fs::remove_file(folder.join("sweep.json")).expect("removed");
        std::fs::write(&path, "mdp,algorithm\ntorn").expect("a file");
        let error = refused(&folder, &grid(), &processes);
        assert!(error.contains("results.csv holds runs"), "{error}");
        assert!(error.contains("sweep.json"), "{error}");
        let kept = std::fs::read_to_string(&path).expect("the file");
        assert_eq!(kept, "mdp,algorithm\ntorn");
        std::fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn a_few_lucky_seeds_are_not_the_best() {
        let processes = [nchain(4).expect("a length")];
        let grid = grid();
        let row = |planned: &PlannedRun, value| {
            let curve = Curve {
                iterations: vec![0],
                values: vec![value],
                returns: vec![value],
            };
            RunRow::new(planned, &curve)
        };
        // The three seeds of the first step size earn 1 each, and the only seed of the second earns 9.
        let planned = grid.runs(&processes);
        let rows: Vec<RunRow> = planned[..4]
            .iter()
            .zip([1.0, 1.0, 1.0, 9.0])
            .map(|(planned, value)| row(planned, value))
            .collect();
        assert_ne!(rows[0].step_size, rows[3].step_size);
        let best = best_settings(&rows);
        assert_eq!((best[0].final_value, best[0].seeds), (1.0, 3));
    }

    #[test]
    fn a_run_that_cannot_be_made_ends_the_sweep_with_its_reason() {
        // A process with a single action has no projection. Validating the grid alone does not detect this.
        let processes = [crate::mdp::bandit(&[1.0], 0.0).expect("an arm")];
        let mut grid = grid();
        grid.project = true;
        let folder = folder("refused");
        let mut table = Table::open(&folder, &grid, &processes).expect("a new table");
        let stop = AtomicBool::new(false);
        let error = sweep(&processes, &grid, &mut table, &stop, |_| ()).expect_err("no reference");
        assert!(error.to_string().contains("at most 1/2, not 1"), "{error}");
        std::fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn the_best_setting_is_that_of_the_largest_mean() {
        let processes = [nchain(4).expect("a length")];
        let grid = grid();
        let folder = folder("best");
        let table = swept(&folder, &grid, &processes);
        let best = best_settings(table.rows());
        assert_eq!(best.len(), 3);
        for best in &best {
            assert_eq!(
                (best.seeds, best.iterations.len(), best.settings),
                (3, 5, 2)
            );
            let same = |row: &&RunRow| row.algorithm == best.algorithm && row.alpha == best.alpha;
            let of = |eta: f64| {
                let rows = table
                    .rows()
                    .iter()
                    .filter(same)
                    .filter(|row| row.step_size == eta);
                rows.map(|row| row.final_value).sum::<f64>() / 3.0
            };
            assert!((best.final_value - of(0.1).max(of(1.0))).abs() < 1e-12);
        }
        std::fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn an_empty_grid_and_a_bad_number_are_named() {
        let error = |change: fn(&mut Grid)| {
            let mut grid = grid();
            change(&mut grid);
            grid.validate().expect_err("not valid").to_string()
        };
        assert_eq!(error(|g| g.step_sizes.clear()), "the grid has no step size");
        assert_eq!(error(|g| g.seeds = 3..3), "the grid has no seed");
        assert_eq!(error(|g| g.algorithms.clear()), "the grid has no method");
        let sparse = error(|g| {
            g.algorithms = vec![Algorithm::FPg(Divergence::Tsallis(2.0))];
            g.project = true;
        });
        assert!(
            sparse.starts_with("no projection: the theory covers"),
            "{sparse}"
        );
        assert_eq!(
            error(|g| g.temperatures = vec![0.0]),
            "the temperature must be positive and finite, not 0"
        );
        assert_eq!(
            error(|g| {
                g.algorithms = vec![Algorithm::Hadamard];
                g.project = true;
            }),
            "only fpg supports projection, not hadamard"
        );
        let endless = error(|g| g.seeds = 0..u64::MAX);
        assert!(
            endless.ends_with("a table can have at most 10000000"),
            "{endless}"
        );
        // The runs of all processes and those that the table has already count.
        let mut many = grid();
        many.algorithms = vec![Algorithm::Hadamard];
        many.step_sizes = vec![0.1];
        many.seeds = 0..5_000_000;
        let processes = [nchain(3).expect("a length"), nchain(4).expect("a length")];
        let key = |seed| {
            let one_seed = Grid {
                seeds: 0..1,
                ..many.clone()
            };
            RunKey {
                seed,
                ..one_seed.runs(&processes)[0].key()
            }
        };
        let count = |rows: &[RunKey]| many.check_table(&processes, rows);
        assert_eq!(count(&[key(0), key(4_999_999)]), Ok(()));
        assert_eq!(
            count(&[key(5_000_000)]),
            Err(GridError::TooLarge(10_000_001))
        );
        many.step_sizes.push(1.0);
        assert_eq!(
            many.check_table(&processes, &[]),
            Err(GridError::TooLarge(20_000_000))
        );
        // A repeated value is run once.
        let mut twice = grid();
        twice.step_sizes.push(0.1);
        twice.algorithms.push(Algorithm::Hadamard);
        let processes = [nchain(3).expect("a length")];
        assert_eq!(twice.runs(&processes), grid().runs(&processes));
        // Hadamard has no temperature and no alpha, so these do not multiply its runs.
        let hadamard = grid().runs(&[nchain(3).expect("a length")]);
        let count = hadamard
            .iter()
            .filter(|p| p.settings.algorithm == Algorithm::Hadamard)
            .count();
        assert_eq!(count, 6);
    }
}
