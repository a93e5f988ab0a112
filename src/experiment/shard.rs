use super::{FileError, read_table};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// One of several parts of an experiment, each of which another process or machine can run.
///
/// A shard writes files of its own, so that the shards of a folder do not lock each other out.
/// [`merge_shards`] combines their tables.
///
/// ```
/// use burn_tsallis::experiment::Shard;
///
/// let shard: Shard = "1/3".parse()?;
/// assert_eq!(shard.part(0..8).collect::<Vec<_>>(), [1, 4, 7]);
/// assert_eq!(shard.file_name("results.csv"), "results.1-of-3.csv");
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl FromStr for Shard {
    type Err = String;

    /// Parses `I/N`, the shard with index I (from 0) of N shards.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<usize>().ok();
        text.split_once('/')
            .and_then(|(index, count)| Some((number(index)?, number(count)?)))
            .filter(|(index, count)| index < count)
            .map(|(index, count)| Self { index, count })
            .ok_or_else(|| "expected I/N with I from 0 to N - 1, such as 0/4".to_owned())
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl Shard {
    /// Returns the runs of this shard, which are dealt out to the shards in turn.
    pub fn part<T>(self, runs: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
        runs.into_iter().skip(self.index).step_by(self.count)
    }

    /// Returns the name of the file that the shard writes instead of `file`.
    pub fn file_name(self, file: &str) -> String {
        let (stem, extension) = file.rsplit_once('.').unwrap_or((file, ""));
        format!("{stem}.{}-of-{}.{extension}", self.index, self.count)
    }

    /// Returns the shards with a file in the folder in place of `file`, ordered by index. Returns none if the
    /// folder does not exist.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub fn find(folder: &Path, file: &str) -> Result<Vec<Self>, FileError> {
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let refused = || FileError::io("read the folder", folder);
        let mut shards = Vec::new();
        for entry in fs::read_dir(folder).map_err(refused())? {
            let name = entry.map_err(refused())?.file_name();
            let shard = name.to_str().and_then(|name| {
                let shard: Self = name
                    .split('.')
                    .rev()
                    .nth(1)?
                    .replace("-of-", "/")
                    .parse()
                    .ok()?;
                (shard.file_name(file) == name).then_some(shard)
            });
            shards.extend(shard);
        }
        shards.sort_unstable();
        Ok(shards)
    }

    /// Checks that no table in the folder is that of a shard of another number of shards.
    ///
    /// # Errors
    ///
    /// If there is such a table, or if the folder cannot be read.
    pub fn check_count(self, folder: &Path, table: &str) -> Result<(), ShardError> {
        let shards = Self::find(folder, table)?;
        match shards.iter().find(|other| other.count != self.count) {
            None => Ok(()),
            Some(other) => Err(ShardError::Count {
                table: folder.join(other.file_name(table)),
                other: other.count,
                count: self.count,
            }),
        }
    }
}

/// Returns the rows of the shards' tables in the folder, ordered by the place of each run in the experiment.
///
/// `table` is the name of the table of the whole experiment, and `place` returns the place of a row's run, or
/// `None` if the run is not part of the experiment.
///
/// # Errors
///
/// If a run has no row, if a row is not part of the experiment, if the tables are those of different numbers of
/// shards, or if a table cannot be read.
pub fn merge_shards<R: DeserializeOwned>(
    folder: &Path,
    table: &str,
    runs: usize,
    place: impl Fn(&R) -> Option<usize>,
) -> Result<Vec<R>, ShardError> {
    let shards = Shard::find(folder, table)?;
    let Some(&first) = shards.first() else {
        return Err(ShardError::NoShard(folder.to_owned()));
    };
    first.check_count(folder, table)?;
    let mut rows = BTreeMap::new();
    for shard in shards {
        let table = folder.join(shard.file_name(table));
        for row in read_table(&table)? {
            let Some(place) = place(&row) else {
                return Err(ShardError::OtherRuns(table));
            };
            rows.entry(place).or_insert(row);
        }
    }
    let mut missing: BTreeMap<Shard, usize> = BTreeMap::new();
    for run in (0..runs).filter(|run| !rows.contains_key(run)) {
        let index = run % first.count;
        *missing.entry(Shard { index, ..first }).or_default() += 1;
    }
    if !missing.is_empty() {
        return Err(ShardError::Incomplete {
            folder: folder.to_owned(),
            missing,
        });
    }
    Ok(rows.into_values().collect())
}

/// An error of a shard, or of [`merge_shards`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShardError {
    /// A file or the folder cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder has no table of a shard.
    #[error("{} holds no shard: run each shard with --shard I/N first", .0.display())]
    NoShard(PathBuf),
    /// The folder holds shards of different numbers of shards.
    #[error(
        "{} is the table of one of {other} shards, not {count}: use another folder or the same number of shards",
        table.display()
    )]
    Count {
        /// The table of the other number of shards.
        table: PathBuf,
        /// Its number of shards.
        other: usize,
        /// The wanted number of shards.
        count: usize,
    },
    /// A table holds a run that is not part of the experiment.
    #[error("{} holds runs that are not in this sweep: repeat the settings of the shards", .0.display())]
    OtherRuns(PathBuf),
    /// Runs are missing.
    #[error("{} lacks runs: {}; complete these shards, then merge again", folder.display(), list(missing))]
    Incomplete {
        /// The folder.
        folder: PathBuf,
        /// The number of missing runs of each incomplete shard.
        missing: BTreeMap<Shard, usize>,
    },
}

fn list(missing: &BTreeMap<Shard, usize>) -> String {
    let each = missing.iter().map(|(shard, &count)| {
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} run{plural} of shard {shard}")
    });
    each.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(test: &str) -> PathBuf {
        let name = format!("tsallis-shard-{test}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    /// Writes a table with the runs of each shard.
    fn write(folder: &Path, shards: &[(&str, &[usize])]) {
        for (shard, runs) in shards {
            let lines = runs.iter().map(|run| format!("{run}\n"));
            let text = format!("run\n{}", lines.collect::<String>());
            fs::write(folder.join(format!("results.{shard}.csv")), text).expect("written");
        }
    }

    fn merged(folder: &Path, runs: usize) -> Result<Vec<usize>, String> {
        let place = |&run: &usize| (run < runs).then_some(run);
        merge_shards(folder, "results.csv", runs, place).map_err(|error| error.to_string())
    }

    #[test]
    fn every_run_is_in_one_shard() {
        for count in 1..6 {
            let shards = (0..count).map(|index| Shard { index, count });
            let mut runs: Vec<_> = shards.flat_map(|shard| shard.part(0..4)).collect();
            runs.sort_unstable();
            assert_eq!(runs, [0, 1, 2, 3], "{count} shards");
        }
        for text in ["4/4", "0/0", "a/b", "1", "1/2/3", "-1/2", "", "/"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_merge_has_every_run_in_order_or_names_what_is_missing() {
        let folder = folder("merge");
        let error = merged(&folder, 5).expect_err("no shard");
        assert!(error.contains("holds no shard"), "{error}");
        write(&folder, &[("0-of-2", &[4, 0])]);
        // These are not tables of shards.
        write(&folder, &[("2-of-2", &[9]), ("00-of-2", &[9])]);
        let error = merged(&folder, 5).expect_err("incomplete");
        let words = "lacks runs: 1 run of shard 0/2, 2 runs of shard 1/2; complete";
        assert!(error.contains(words), "{error}");
        write(&folder, &[("0-of-2", &[4, 0, 2]), ("1-of-2", &[3, 1])]);
        assert_eq!(merged(&folder, 5), Ok(vec![0, 1, 2, 3, 4]));
        let error = merged(&folder, 4).expect_err("run 4 is not in the experiment");
        assert!(
            error.contains("results.0-of-2.csv holds runs that"),
            "{error}"
        );
        write(&folder, &[("0-of-3", &[])]);
        let error = merged(&folder, 5).expect_err("two numbers of shards");
        assert!(error.contains("one of 3 shards, not 2"), "{error}");
        fs::remove_dir_all(&folder).expect("removed");
    }
}
