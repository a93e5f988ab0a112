use super::interrupted::send;
use super::{
    assert_same_files, copy, folder, name, names, program, read, refuse, stdout, succeed, tsallis,
};
use std::fs;
use std::path::Path;
use std::process::{Child, Output, Stdio};

const TINY: &[&str] = &[
    "sweep",
    "--envs",
    "2",
    "--rollout-steps",
    "8",
    "--epochs",
    "1",
    "--minibatches",
    "1",
    "--hidden",
    "8",
    "--steps",
    "512",
];

/// Starts the program without output.
fn start(arguments: &[&str]) -> Child {
    let mut command = program();
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let started = command.args(arguments).spawn();
    started.expect("the program starts")
}

/// Runs the program again and again, and kills it after a longer time each, until it ends.
fn kill_until_done(arguments: &[&str]) {
    for kills in 0.. {
        let mut child = start(arguments);
        std::thread::sleep(std::time::Duration::from_millis(50 + 35 * kills));
        if let Some(status) = child.try_wait().expect("a process") {
            assert!(status.success());
            assert!(kills > 0, "it was never killed");
            return;
        }
        child.kill().expect("killed");
        child.wait().expect("ended");
    }
}

fn sweep(out: &Path, arguments: &[&str]) -> Output {
    tsallis(&[TINY, &["--out", name(out)], arguments].concat())
}

fn rows(out: &Path) -> Vec<String> {
    let text = String::from_utf8(read(out.join("results.csv"))).expect("UTF-8");
    text.lines().skip(1).map(str::to_owned).collect()
}

/// Returns the sorted rows without the columns that depend on the clock.
fn results(out: &Path) -> Vec<String> {
    let mut rows: Vec<_> = rows(out)
        .iter()
        .map(|row| row.rsplitn(3, ',').last().expect("columns").to_owned())
        .collect();
    rows.sort();
    rows
}

const GRID: &[&str] = &[
    "--alpha",
    "0.5",
    "1",
    "--noise-std",
    "0",
    "2",
    "--seeds",
    "0..2",
];

#[test]
fn a_sweep_leaves_a_table_and_a_figure() {
    let folder = folder("sweep");
    let out = folder.join("sweep");
    let output = sweep(&out, GRID);
    assert!(output.status.success(), "{}", super::stderr(&output));
    assert_eq!(
        names(&out),
        [
            "curves.csv",
            "curves.png",
            "curves.svg",
            "results.csv",
            "runs",
            "sweep.json",
            "table.md"
        ]
    );
    assert_eq!(rows(&out).len(), 8);
    let table = stdout(&output);
    assert_eq!(table.as_bytes(), read(out.join("table.md")));
    assert_eq!(table.lines().count(), 2 + 4, "{table}");
    // The best mean for each noise is bold.
    assert!(table.matches("**").count() >= 4, "{table}");
    let run = out.join("runs/cartpole-noise2-beta0.01-lr0.001-alpha1/seed-1");
    assert_eq!(names(&run), ["config.json", "metrics.csv", "summary.json"]);

    // Repeating the command trains nothing. With additional seeds, it trains only those.
    let before = rows(&out);
    assert!(sweep(&out, GRID).status.success());
    assert_eq!(before, rows(&out));
    let more = [&GRID[..GRID.len() - 1], &["0..3"]].concat();
    assert!(sweep(&out, &more).status.success());
    assert_eq!(rows(&out)[..8], before[..]);
    assert_eq!(rows(&out).len(), 12);

    // `tsallis plot` accepts the folder of a sweep.
    let stem = folder.join("drawn");
    let said = succeed(&["plot", name(&out), "--out", name(&stem)]);
    assert_eq!(said.matches("3 seeds").count(), 4, "{said}");

    // Each of the two sweep commands rejects a folder of the other one.
    let said = refuse(&["tabular", "--out", name(&out)]);
    assert!(
        said.contains("holds runs with the settings of another command"),
        "{said}"
    );
    let finite = folder.join("finite");
    let small = ["--iterations", "1", "--seeds", "1", "--out", name(&finite)];
    succeed(&[&["tabular"], &small[..]].concat());
    let said = refuse(&[TINY, &["--out", name(&finite)]].concat());
    assert!(said.contains("it was made by `tsallis tabular`"), "{said}");

    // The folder of a sweep with other settings is rejected.
    for (other, words) in [
        (&["--alpha", "0.5"][..], "which is not in this sweep"),
        (
            &["--alpha", "0.5", "1", "--gamma", "0.9"],
            "its gamma is 0.99, not 0.9",
        ),
    ] {
        let said = refuse(&[TINY, &["--out", name(&out)], other].concat());
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(rows(&out).len(), 12);
}

#[test]
fn an_interrupted_sweep_goes_on_where_it_stood() {
    let folder = folder("sweep-killed");
    let straight = folder.join("straight");
    assert!(
        sweep(&straight, &[GRID, &["--keep", "none"]].concat())
            .status
            .success()
    );
    assert_eq!(names(&straight), ["results.csv", "sweep.json", "table.md"]);
    let out = folder.join("sweep");
    kill_until_done(&[TINY, &["--out", name(&out)], GRID].concat());
    // A torn line does not count as a run.
    let table = out.join("results.csv");
    let mut bytes = read(&table);
    bytes.extend(b"cartpole,0.0,0.01,0.0");
    fs::write(&table, bytes).expect("torn");
    succeed(&[TINY, &["--out", name(&out)], GRID].concat());
    assert_eq!(results(&straight), results(&out));
}

#[cfg(unix)]
#[test]
fn a_stopped_sweep_goes_on_within_its_runs() {
    let folder = folder("sweep-stopped");
    let out = folder.join("sweep");
    let steps = ["--steps", "100000", "--alpha", "0.5", "--seeds", "1"];
    // Without the small number of steps.
    let tiny = &TINY[..TINY.len() - 2];
    let arguments = [tiny, &["--out", name(&out)], &steps].concat();
    let child = program()
        .args(&arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let run = out.join("runs/cartpole-noise0.5-beta0.01-lr0.001-alpha0.5/seed-0");
    let saved = || {
        let steps = fs::read_dir(run.join("checkpoints")).into_iter().flatten();
        let names = steps.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names
            .filter_map(|name| name.strip_prefix("step-")?.parse::<usize>().ok())
            .max()
    };
    while saved().is_none_or(|step| step == 0) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    send("TERM", &child);
    let ended = child.wait_with_output().expect("the program ends");
    assert_eq!(ended.status.code(), Some(130), "{}", super::stderr(&ended));
    assert!(stdout(&ended).contains("1 of 1 runs remain"));
    let reached = saved().expect("a checkpoint");
    assert!(0 < reached && reached < 100_000, "{reached}");

    let ended = tsallis(&arguments);
    assert!(ended.status.success(), "{}", super::stderr(&ended));
    assert_eq!(rows(&out).len(), 1);
    assert_eq!(names(&run), ["config.json", "metrics.csv", "summary.json"]);
}

/// A process that is killed after a run has ended, but before its row is in the table.
#[test]
fn a_missing_row_comes_from_the_run_or_from_training_again() {
    let folder = folder("sweep-row");
    let out = folder.join("sweep");
    let grid = ["--alpha", "0.5", "--seeds", "0..2"];
    let command = [TINY, &["--out", name(&out)], &grid].concat();
    succeed(&command);
    let table = out.join("results.csv");
    let run = out.join("runs/cartpole-noise0.5-beta0.01-lr0.001-alpha0.5/seed-1");
    let whole = rows(&out);
    let clockless = results(&out);
    let lose_row = || {
        let text = String::from_utf8(read(&table)).expect("UTF-8");
        let kept: Vec<&str> = text
            .lines()
            .filter(|line| !line.contains(",0.5,1,"))
            .collect();
        fs::write(&table, kept.join("\n") + "\n").expect("written");
        assert_eq!(rows(&out).len(), 1);
    };
    lose_row();
    // The row is that of the summary, also in its columns of the clock.
    succeed(&command);
    assert_eq!(sorted(rows(&out)), sorted(whole));
    assert_eq!(names(&run), ["config.json", "metrics.csv", "summary.json"]);

    for lost in ["summary.json", "metrics.csv"] {
        lose_row();
        fs::remove_file(run.join(lost)).expect("removed");
        succeed(&command);
        assert_eq!(results(&out), clockless, "{lost}");
        assert_eq!(names(&run), ["config.json", "metrics.csv", "summary.json"]);
    }

    // A folder with a configuration that cannot be read, or with another one, is kept.
    lose_row();
    let config = String::from_utf8(read(run.join("config.json"))).expect("UTF-8");
    for (content, words) in [
        ("{\"version\": ", "config.json cannot be read"),
        (
            &*config.replace("\"gamma\": 0.99", "\"gamma\": 0.9"),
            "holds a run with other settings",
        ),
    ] {
        fs::write(run.join("config.json"), content).expect("written");
        let kept = folder.join("kept");
        let _ = fs::remove_dir_all(&kept);
        copy(&run, &kept);
        let said = refuse(&[&command[..], &["--quiet"]].concat());
        assert!(said.contains(words), "{said}");
        assert_same_files(&kept, &run);
    }
    fs::remove_file(run.join("config.json")).expect("removed");
    let said = refuse(&[&command[..], &["--quiet"]].concat());
    assert!(said.contains("already holds files"), "{said}");
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

/// A stopped sweep resumes its runs with other files to keep.
#[cfg(unix)]
#[test]
fn the_files_to_keep_can_change() {
    let folder = folder("sweep-keep");
    let out = folder.join("sweep");
    let tiny = &TINY[..TINY.len() - 2];
    let command = |keep: &'static str| {
        let steps = [
            "--steps", "30000", "--alpha", "0.5", "--seeds", "1", "--keep", keep,
        ];
        [tiny, &["--out", name(&out)], &steps[..]].concat()
    };
    let child = program()
        .args(command("metrics"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let run = out.join("runs/cartpole-noise0.5-beta0.01-lr0.001-alpha0.5/seed-0");
    while !run.join("metrics.csv").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    send("TERM", &child);
    child.wait_with_output().expect("the program ends");
    let begun = read(run.join("metrics.csv"));
    assert!(!begun.is_empty());
    succeed(&command("all"));
    assert!(read(run.join("metrics.csv")).starts_with(&begun));
    assert!(names(&run).contains(&"timing.csv".to_owned()));
}

/// Returns the rows without the columns that depend on the clock.
fn ordered(out: &Path) -> Vec<String> {
    let rows = rows(out);
    let clockless = |row: &String| row.rsplitn(3, ',').last().expect("columns").to_owned();
    rows.iter().map(clockless).collect()
}

#[test]
fn merged_shards_equal_a_single_process() {
    let folder = folder("sweep-shards");
    let (single, out) = (folder.join("single"), folder.join("shards"));
    assert!(
        sweep(&single, &[GRID, &["--jobs", "1"]].concat())
            .status
            .success()
    );

    let shard = |shard: &str| sweep(&out, &[GRID, &["--shard", shard]].concat());
    // All at once: the shards do not lock each other out.
    std::thread::scope(|scope| {
        let shards = ["0/3", "2/3"].map(|name| scope.spawn(move || (name, shard(name))));
        for handle in shards {
            let (name, ended) = handle.join().expect("a thread");
            assert!(ended.status.success(), "{}", super::stderr(&ended));
            let said = stdout(&ended);
            assert!(
                said.contains(&format!("Shard {name} is complete")),
                "{said}"
            );
        }
    });

    // The runs that have ended can be plotted.
    let drawn = folder.join("drawn");
    let said = succeed(&["plot", name(&out), "--out", name(&drawn)]);
    assert!(said.contains("seed"), "{said}");

    // A missing shard.
    let merge = [TINY, GRID, &["--out", name(&out), "--merge"]].concat();
    let said = refuse(&merge);
    assert!(said.contains("lacks runs: 3 runs of shard 1/3;"), "{said}");
    assert!(!out.join("results.csv").exists());

    // A shard that is killed, with a torn last line, and continued.
    assert!(shard("1/3").status.success());
    let table = out.join("results.1-of-3.csv");
    let whole = read(&table);
    fs::write(&table, &whole[..whole.len() - 10]).expect("torn");
    let said = refuse(&merge);
    assert!(said.contains("lacks runs: 1 run of shard 1/3;"), "{said}");
    assert!(shard("1/3").status.success());
    assert_eq!(read(&table), whole);

    let before = names(&out);
    let said = succeed(&merge);
    assert_eq!(ordered(&out), ordered(&single));
    assert_same_files(&out.join("sweep.json"), &single.join("sweep.json"));
    assert_same_files(&out.join("curves.svg"), &single.join("curves.svg"));
    assert_eq!(said.as_bytes(), read(single.join("table.md")));
    assert!(before.iter().all(|name| out.join(name).exists()));

    // The merged table is that of a sweep, which trains nothing more.
    let merged = read(out.join("results.csv"));
    assert!(sweep(&out, GRID).status.success());
    assert_eq!(read(out.join("results.csv")), merged);
    succeed(&merge);
    assert_eq!(read(out.join("results.csv")), merged);

    // Shards of another sweep, and another number of shards.
    for (other, words) in [
        (
            &["--gamma", "0.9", "--merge"][..],
            "its gamma is 0.99, not 0.9",
        ),
        (
            &["--gamma", "0.9", "--shard", "0/3"],
            "its gamma is 0.99, not 0.9",
        ),
        (
            &["--shard", "0/2"],
            "is the table of one of 3 shards, not 2",
        ),
    ] {
        let said = refuse(&[TINY, GRID, &["--out", name(&out)], other].concat());
        assert!(said.contains(words), "{said}");
    }
    let fewer = [TINY, &["--out", name(&out), "--seeds", "1", "--merge"]].concat();
    let said = refuse(&fewer);
    assert!(
        said.contains("holds runs that are not in this sweep"),
        "{said}"
    );
    let other = out.join("results.0-of-4.csv");
    fs::write(&other, "").expect("written");
    let said = refuse(&merge);
    assert!(
        said.contains("is the table of one of 4 shards, not 3"),
        "{said}"
    );
    assert_eq!(read(out.join("results.csv")), merged);
}

/// A shard that is killed at any time continues, beside the other shard.
#[test]
fn an_interrupted_shard_goes_on_where_it_stood() {
    let folder = folder("sweep-shard-killed");
    let (single, out) = (folder.join("single"), folder.join("shards"));
    assert!(
        sweep(&single, &[GRID, &["--jobs", "1"]].concat())
            .status
            .success()
    );
    let arguments =
        |shard: &'static str| [TINY, &["--out", name(&out)], GRID, &["--shard", shard]].concat();
    let mut beside = start(&arguments("1/2"));
    kill_until_done(&arguments("0/2"));
    assert!(beside.wait().expect("ended").success());
    succeed(&[TINY, &["--out", name(&out)], GRID, &["--merge"]].concat());
    assert_eq!(ordered(&out), ordered(&single));
}

#[test]
fn an_invalid_shard_prints_one_line() {
    let out = folder("sweep-shard-refused").join("sweep");
    for command in ["sweep", "tabular"] {
        for shard in ["4/4", "a/b", "0/0", "1"] {
            let said = refuse(&[command, "--out", name(&out), "--shard", shard]);
            let words = format!(
                "invalid value '{shard}' for '--shard <I/N>': expected I/N with I from 0 to N - 1"
            );
            assert!(said.contains(&words), "{said}");
        }
        let said = refuse(&[command, "--out", name(&out), "--shard", "0/2", "--merge"]);
        assert!(
            said.contains("'--shard <I/N>' cannot be used with '--merge'"),
            "{said}"
        );
        let said = refuse(&[command, "--out", name(&out), "--merge"]);
        assert!(said.contains("holds no shard"), "{said}");
        assert!(!out.exists(), "{command} left a folder");
    }
}

#[test]
fn sweeps_are_compared_by_alpha() {
    let folder = folder("compare");
    let (one, two, out) = (folder.join("one"), folder.join("two"), folder.join("out"));
    let grid = |seeds| {
        [
            "--alpha", "0.5", "1", "--beta", "0.01", "1", "--seeds", seeds,
        ]
    };
    let quiet = ["--quiet", "--keep", "none"];
    for (path, seeds) in [(&one, "0..2"), (&two, "2..4")] {
        assert!(
            sweep(path, &[&grid(seeds)[..], &quiet].concat())
                .status
                .success()
        );
    }
    let compare = ["compare", name(&one), name(&two), "--out", name(&out)];
    let said = succeed(&compare);
    assert_eq!(said.matches("| CartPole").count(), 2 + 2, "{said}");
    assert!(said.contains("difference from alpha 1"), "{said}");
    assert!(said.contains("compare them on other seeds"), "{said}");
    let figures = ["heatmap", "profiles", "sensitivity"];
    let figures = figures
        .iter()
        .flat_map(|name| [format!("{name}.png"), format!("{name}.svg")]);
    let mut files: Vec<_> = figures.collect();
    files.extend(["comparison.csv", "settings.csv", "tables.md"].map(str::to_owned));
    files.sort();
    assert_eq!(names(&out), files);
    let lines = |file| {
        String::from_utf8(read(out.join(file)))
            .expect("UTF-8")
            .lines()
            .count()
    };
    assert_eq!(
        (lines("comparison.csv"), lines("settings.csv")),
        (1 + 2, 1 + 4)
    );

    // One setting of each alpha: nothing is left of the tables of the settings.
    let three = folder.join("three");
    let alphas = ["--alpha", "0.5", "1", "--seeds", "0..2"];
    assert!(
        sweep(&three, &[&alphas[..], &quiet].concat())
            .status
            .success()
    );
    let said = succeed(&["compare", name(&three), "--out", name(&out)]);
    assert!(!said.contains("other seeds"), "{said}");
    let files = [
        "comparison.csv",
        "profiles.png",
        "profiles.svg",
        "tables.md",
    ];
    assert_eq!(names(&out), files);

    // A table of an earlier version, which lacks a column, can be compared, and is continued.
    let table = one.join("results.csv");
    let earlier: String = String::from_utf8(read(&table))
        .expect("UTF-8")
        .lines()
        .map(|line| {
            let columns = line
                .split(',')
                .enumerate()
                .filter(|&(column, _)| column != 12);
            let columns: Vec<_> = columns.map(|(_, column)| column).collect();
            columns.join(",") + "\n"
        })
        .collect();
    assert!(!earlier.contains("late_return"), "{earlier}");
    fs::write(&table, earlier).expect("written");
    succeed(&[&compare[..], &["--score", "final"]].concat());
    assert!(
        sweep(&one, &[&grid("0..3")[..], &quiet].concat())
            .status
            .success()
    );
    assert_eq!(rows(&one).len(), 3 * 4);

    let said = refuse(&["compare", name(&one), name(&two), "--out", name(&out)]);
    assert!(said.contains("seed 2 is in the sweeps twice"), "{said}");
    let said = refuse(&[
        "compare",
        name(&one),
        "--baseline",
        "9",
        "--out",
        name(&out),
    ]);
    let words = "no run has the baseline alpha 9; the sweeps have alpha 0.5, 1";
    assert!(said.contains(words), "{said}");
    let said = refuse(&["compare", name(&folder), "--out", name(&out)]);
    assert!(said.contains("cannot read"), "{said}");
}
