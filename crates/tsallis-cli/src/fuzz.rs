//! Mutated files for the readers of every file that the program reads. A reader returns a value or an error: it does
//! not panic, and its time and memory are bounded by the size of the file.
//!
//! `TSALLIS_FUZZ_FILES` sets the number of files for each reader, and `TSALLIS_FUZZ_SEED` the seed of the first file.
//! File `n` has the seed of the first file plus `n`.

use burn_tsallis::experiment::{Purpose, Stream, stream};
use rand::RngExt;
use std::alloc::{GlobalAlloc, Layout, System};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, process, ptr};

/// The number of files for each reader in a short test.
const FILES: u64 = 300;

/// The longest time for a file of a few kilobytes, on a busy machine.
const MAX_TIME: Duration = Duration::from_secs(20);

/// The largest allocation in this test binary.
const MAX_ALLOCATION: usize = 1 << 30;

/// An allocator that refuses large allocations, so that a length from a file that is used unchecked ends the tests.
struct Limited;

// SAFETY: every call is forwarded to the allocator of the system, or returns null, which means failure.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > MAX_ALLOCATION {
            return ptr::null_mut();
        }
        // SAFETY: the caller upholds the contract of this function, which is that of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer comes from `alloc` above, which is the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Limited = Limited;

fn variable(name: &str, default: u64) -> u64 {
    match env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is {text:?}: it must be a whole number")),
        Err(_) => default,
    }
}

/// A folder that is removed at the end of a test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        // Tests of one process run at the same time.
        static FOLDERS: AtomicUsize = AtomicUsize::new(0);
        let n = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("tsallis-fuzz-{name}-{}-{n}", process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Passes mutations of valid files to a reader, which receives the bytes. A panic fails the test after all files.
pub(crate) fn fuzz(reader: &str, valid: &[Vec<u8>], mut read: impl FnMut(&[u8])) {
    fuzz_some(reader, valid, 1, |bytes, _| read(bytes));
}

/// Like [`fuzz`] for a slow reader: one in `share` files is passed to it. The reader also receives a random stream.
pub(crate) fn fuzz_some(
    reader: &str,
    valid: &[Vec<u8>],
    share: u64,
    mut read: impl FnMut(&[u8], &mut Stream),
) {
    let (files, seed) = (
        variable("TSALLIS_FUZZ_FILES", FILES).div_ceil(share),
        variable("TSALLIS_FUZZ_SEED", 1),
    );
    let mut failures = Vec::new();
    for file in 0..files {
        let seed = seed.wrapping_add(file);
        let mut random = stream(seed, Purpose::Problem, 0);
        let bytes = mutated(valid, &mut random);
        let started = Instant::now();
        if catch_unwind(AssertUnwindSafe(|| read(&bytes, &mut random))).is_err() {
            failures.push(seed);
        }
        let time = started.elapsed();
        assert!(time < MAX_TIME, "{reader}, seed {seed}: took {time:?}");
        if failures.len() >= 10 {
            break;
        }
    }
    eprintln!("{reader}: {files} files from seed {seed}");
    assert!(
        failures.is_empty(),
        "{reader}: panics with the seeds {failures:?}"
    );
}

/// Numbers that overflow, are not finite, or are not what they seem.
const NUMBERS: [&str; 22] = [
    "0",
    "-1",
    "-0.0",
    "1e999",
    "-1e999",
    "1e308",
    "-1e308",
    "1e-400",
    "5e-324",
    "0.1e",
    "NaN",
    "nan",
    "inf",
    "-inf",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999",
    "1e6",
    "1e300",
    "null",
];

/// Bytes that a reader may not expect.
const PIECES: [&[u8]; 14] = [
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"\n",
    b"\"",
    b"\\u0000",
    b"\x1b[31m",
    b",",
    b"{}",
    b"[]",
    b"null",
    b"true",
    b"\xf0\x9f\x98\x80",
];

/// Returns one of the files with one to four mutations.
fn mutated(valid: &[Vec<u8>], random: &mut Stream) -> Vec<u8> {
    let mut bytes = valid[random.random_range(0..valid.len())].clone();
    for _ in 0..random.random_range(1..=4) {
        let at = random.random_range(0..=bytes.len());
        let length = random.random_range(0..=64).min(bytes.len() - at);
        let range = at..at + length;
        match random.random_range(0..13) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            2 if at < bytes.len() => bytes[at] = random.random(),
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(range)),
            5 => {
                let copy = bytes[range].to_vec();
                let to = random.random_range(0..=bytes.len());
                bytes.splice(to..to, copy);
            }
            6 => {
                // The end of another file.
                let other = &valid[random.random_range(0..valid.len())];
                let from = random.random_range(0..=other.len());
                bytes.truncate(at);
                bytes.extend(&other[from..]);
            }
            7 => replace_number(&mut bytes, at, random),
            8 => {
                // A length or a count in a binary header.
                let end = (at + [1, 2, 4, 8][random.random_range(0..4)]).min(bytes.len());
                bytes[at..end].fill([0, 0x7f, 0x80, 0xff][random.random_range(0..4)]);
            }
            9 => {
                let piece = PIECES[random.random_range(0..PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            10 => {
                let opening: &[u8] =
                    [&b"["[..], b"{\"a\":", b"a = [", b"[["][random.random_range(0..4)];
                let depth = [10, 200, 50_000][random.random_range(0..3)];
                bytes.splice(at..at, opening.repeat(depth));
            }
            11 => repeat_line(&mut bytes, at, random),
            _ => replace_number(&mut bytes, at, random),
        }
    }
    bytes
}

/// Replaces the first number at or after an offset.
fn replace_number(bytes: &mut Vec<u8>, at: usize, random: &mut Stream) {
    let is_digit = |b: &u8| b.is_ascii_digit();
    let Some(start) = bytes[at..].iter().position(is_digit).map(|i| at + i) else {
        return;
    };
    let rest = &bytes[start..];
    let length = rest
        .iter()
        .position(|b| !(b.is_ascii_digit() || b".eE+-".contains(b)))
        .unwrap_or(rest.len());
    let number = NUMBERS[random.random_range(0..NUMBERS.len())];
    bytes.splice(start..start + length, number.bytes());
}

/// Largest number of bytes that a repeated line adds. Binary files have long lines.
const MAX_REPEATED: usize = 1 << 20;

/// Repeats the line at an offset, here or at another line, once or many times.
fn repeat_line(bytes: &mut Vec<u8>, at: usize, random: &mut Stream) {
    let start = bytes[..at]
        .iter()
        .rposition(|&b| b == b'\n')
        .map_or(0, |i| i + 1);
    let end = bytes[at..]
        .iter()
        .position(|&b| b == b'\n')
        .map_or(bytes.len(), |i| at + i + 1);
    let times = [1, 1, 100][random.random_range(0..3)];
    let to = if random.random() { start } else { 0 };
    if (end - start) * times <= MAX_REPEATED {
        let line = bytes[start..end].repeat(times);
        bytes.splice(to..to, line);
    }
}

mod runs {
    use super::{Folder, fuzz, fuzz_some};
    use burn::tensor::Device;
    use burn_tsallis::rl::ppo::{EnvironmentKind, PpoConfig};
    use burn_tsallis::rl::run::{
        CheckpointChoice, Recording, ResumeOptions, RunConfig, SavedRun, Trainer,
    };
    use rand::RngExt;
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::{Path, PathBuf};

    const ENVIRONMENTS: [&str; 7] = [
        "cartpole",
        "deepsea:3",
        "deepsea-stochastic:3",
        "nchain:4",
        "bandit:3",
        "identity:3",
        "identity:3x2",
    ];

    fn config(environment: &str) -> PpoConfig {
        let mut config = PpoConfig {
            environment: environment.parse::<EnvironmentKind>().expect("a name"),
            environments: 2,
            rollout_steps: 4,
            minibatches: 2,
            epochs: 1,
            total_steps: 32,
            ..PpoConfig::paper()
        };
        config.network.hidden = vec![3];
        config
    }

    /// The files of a run after two of four updates, by their path within its folder.
    pub(super) type Files = BTreeMap<PathBuf, Vec<u8>>;

    pub(super) fn files(environment: &str) -> Files {
        let folder = Folder::new(&environment.replace(':', "-"));
        let path = folder.path().join("run");
        let config = RunConfig::new("flex", config(environment), Recording::default());
        let mut run = Trainer::create(&path, config, &Device::flex()).expect("a run");
        let mut updates = 0;
        let stop = || {
            updates += 1;
            updates > 2
        };
        run.train(stop, |_, _| ()).expect("trained");
        drop(run);
        let mut files = Files::new();
        collect(&path, &path, &mut files);
        files
    }

    fn collect(root: &Path, folder: &Path, files: &mut Files) {
        for entry in fs::read_dir(folder).expect("the folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                collect(root, &path, files);
            } else {
                let name = path.strip_prefix(root).expect("within the folder");
                files.insert(name.to_owned(), fs::read(&path).expect("the file"));
            }
        }
    }

    pub(super) fn write(folder: &Path, files: &Files) {
        let _ = fs::remove_dir_all(folder);
        for (name, bytes) in files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, bytes).expect("written");
        }
    }

    pub(super) fn valid(runs: &[Files], name: &str) -> Vec<Vec<u8>> {
        let found = runs.iter().filter_map(|run| run.get(Path::new(name)));
        found.cloned().collect()
    }

    #[test]
    fn tables_and_summaries() {
        let runs = ENVIRONMENTS.map(files);
        let folder = Folder::new("tables");
        write(folder.path(), &runs[0]);
        let run = SavedRun::open(folder.path()).expect("a run");
        for name in ["metrics.csv", "timing.csv", "summary.json"] {
            let file = folder.path().join(name);
            fuzz(name, &valid(&runs, name), |bytes| {
                fs::write(&file, bytes).expect("written");
                let _ = (run.metrics(), run.timing(), run.summary());
            });
            fs::write(&file, &runs[0][Path::new(name)]).expect("written");
        }
    }

    #[test]
    fn configurations_of_runs() {
        let runs = ENVIRONMENTS.map(files);
        let folder = Folder::new("config");
        fuzz("config.json", &valid(&runs, "config.json"), |bytes| {
            fs::write(folder.path().join("config.json"), bytes).expect("written");
            if let Ok(run) = SavedRun::open(folder.path()) {
                // A configuration that was read can be written and read again.
                run.config().write(folder.path()).expect("written");
                let again = SavedRun::open(folder.path()).expect("read again");
                assert_eq!(again.config(), run.config());
            }
        });
    }

    #[test]
    fn networks() {
        let runs = ENVIRONMENTS.map(files);
        let folder = Folder::new("networks");
        write(folder.path(), &runs[0]);
        let run = SavedRun::open(folder.path()).expect("a run");
        let name = "checkpoints/step-16/model.bpk";
        let file = folder.path().join(name);
        fuzz("model.bpk", &valid(&runs, name), |bytes| {
            fs::write(&file, bytes).expect("written");
            let _ = run.model(CheckpointChoice::Last, &Device::flex());
        });
    }

    /// One damaged file in the folder of a run that is then resumed and trained.
    #[test]
    fn resumed_runs() {
        let runs = ENVIRONMENTS.map(files);
        let folder = Folder::new("resumed");
        let path = folder.path().join("run");
        let names: Vec<_> = runs[0].keys().cloned().collect();
        for name in names {
            let label = name.display().to_string();
            if label == "config.json" {
                // A valid configuration of another size is not an error.
                continue;
            }
            let share = if label.ends_with("state.json") { 2 } else { 10 };
            // The file belongs to the environment of the run.
            for (run, environment) in runs.iter().zip(ENVIRONMENTS) {
                let Some(valid) = run.get(&name) else {
                    continue;
                };
                let label = format!("{label} of {environment}");
                fuzz_some(
                    &label,
                    std::slice::from_ref(valid),
                    6 * share,
                    |bytes, random| {
                        let mut files = run.clone();
                        files.insert(name.clone(), bytes.to_vec());
                        write(&path, &files);
                        let resumed = Trainer::resume(
                            &path,
                            &ResumeOptions::default(),
                            &Device::flex(),
                            || false,
                        );
                        if let Ok((mut run, _)) = resumed
                            && random.random_ratio(1, 2)
                        {
                            let mut updates = 0;
                            let stop = || {
                                updates += 1;
                                updates > 2
                            };
                            let _ = run.train(stop, |_, _| ());
                        }
                    },
                );
            }
        }
    }
}

/// A figure of damaged metrics.
#[test]
fn plots() {
    use clap::Parser;

    let runs = ["cartpole", "deepsea:3"].map(runs::files);
    let folder = Folder::new("plots");
    runs::write(folder.path(), &runs[0]);
    let name = "metrics.csv";
    let (run, out) = (folder.path().display(), folder.path().join("curves"));
    let arguments = [
        "tsallis",
        "plot",
        &run.to_string(),
        "--out",
        &out.display().to_string(),
    ]
    .map(str::to_owned);
    fuzz_some("tsallis plot", &runs::valid(&runs, name), 50, |bytes, _| {
        fs::write(folder.path().join(name), bytes).expect("written");
        let parsed = crate::Arguments::try_parse_from(&arguments).expect("valid arguments");
        if let crate::Command::Plot(plot) = parsed.command {
            let _ = plot.run();
        }
    });
}

mod processes {
    use super::{Folder, fuzz};
    use std::fs;
    use tsallis_lab::Mdp;
    use tsallis_lab::algorithms::{Algorithm, Sampling};
    use tsallis_lab::mdp::{MdpFile, read};
    use tsallis_lab::sweep::{Grid, Table, sweep};

    #[test]
    fn files_of_processes() {
        let valid: Vec<Vec<u8>> = ["nchain:3", "deepsea:2", "garnet:3,2,2,1", "bandit:0,1"]
            .into_iter()
            .map(|name| {
                let mdp = Mdp::from_name(name).expect("a process");
                serde_json::to_vec_pretty(&MdpFile::from(mdp)).expect("JSON")
            })
            .collect();
        let folder = Folder::new("processes");
        let file = folder.path().join("mdp.json");
        fuzz("a process", &valid, |bytes| {
            fs::write(&file, bytes).expect("written");
            let _ = read(&file);
        });
    }

    #[test]
    fn tables_of_tabular_runs() {
        let processes = [Mdp::from_name("nchain:3").expect("a process")];
        let grid = Grid {
            algorithms: vec![Algorithm::FPg("0.5".parse().expect("an alpha"))],
            step_sizes: vec![0.1],
            temperatures: vec![0.1],
            seeds: 0..3,
            iterations: 4,
            sampling: Sampling {
                batch: 2,
                horizon: 3,
            },
            every: 2,
            project: false,
            only: None,
        };
        let folder = Folder::new("tabular");
        let mut table = Table::open(folder.path(), &grid, &processes).expect("a new table");
        let never = std::sync::atomic::AtomicBool::new(false);
        sweep(&processes, &grid, &mut table, &never, |_| ()).expect("swept");
        drop(table);
        let names = ["results.csv", "sweep.json"];
        let files = names.map(|name| fs::read(folder.path().join(name)).expect("the file"));
        for (name, valid) in names.iter().zip(&files) {
            fuzz(name, std::slice::from_ref(valid), |bytes| {
                for (name, valid) in names.iter().zip(&files) {
                    fs::write(folder.path().join(name), valid).expect("written");
                }
                fs::write(folder.path().join(name), bytes).expect("written");
                if let Ok(table) = Table::open(folder.path(), &grid, &processes) {
                    for row in table.rows() {
                        let _ = (row.iterations(), row.values(), row.returns());
                    }
                }
            });
        }
    }
}

#[test]
fn files_of_reference_values() {
    let path = "../../tests/vectors/tsallis_softargmax.jsonl";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = fs::read_to_string(path).expect("the file of the workspace");
    let valid: Vec<Vec<u8>> = text
        .lines()
        .filter(|line| line.len() < 4000)
        .step_by(7)
        .map(|line| format!("{line}\n").into_bytes())
        .collect();
    let folder = Folder::new("vectors");
    let file = folder.path().join("cases.jsonl");
    fuzz("cases", &valid, |bytes| {
        fs::write(&file, bytes).expect("written");
        let _ = burn_tsallis::conformance::read(&file, burn::tensor::DType::F32);
    });
}
