//! Tests of runs whose process is killed or interrupted at any time.

use super::resume::assert_same_run;
use super::{
    assert_same_files, copy, folder, json, name, names, program, read, refuse, stderr, stdout,
    succeed, tiny, train,
};
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

fn start(arguments: &[&str]) -> Child {
    program()
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts")
}

/// Sends a signal. The tests stop commands by TERM, because a shell without job control ignores INT for the jobs in its
/// background, and their children inherit that.
#[cfg(unix)]
pub(super) fn send(signal: &str, child: &Child) {
    let sent = std::process::Command::new("kill")
        .args([&format!("-{signal}"), &child.id().to_string()])
        .status();
    assert!(sent.expect("kill runs").success());
}

/// Returns delays from a fixed sequence, so that a failure can be reproduced.
fn delays() -> impl Iterator<Item = Duration> {
    let mut state: u64 = 42;
    std::iter::from_fn(move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        Some(Duration::from_millis(10 + (state >> 33) % 90))
    })
}

/// A checkpoint after every update makes the process spend most of its time writing them.
#[test]
fn a_killed_run_resumes_bit_for_bit() {
    let folder = folder("killed");
    let every = ["--checkpoint-every", "16"];
    let straight = folder.join("straight");
    train(&straight, &every);
    let run = folder.join("run");
    let mut child = start(&tiny(&run, &every));
    let mut kills = 0;
    for delay in delays().take(500) {
        // A run can be resumed as soon as it has its configuration.
        while kills == 0 && !run.join("config.json").exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        // Longer after each kill, so that every machine is fast enough in the end.
        std::thread::sleep(delay + Duration::from_millis(kills));
        if let Some(status) = child.try_wait().expect("a process") {
            assert!(status.success(), "after {kills} kills: {status}");
            break;
        }
        child.kill().expect("killed");
        child.wait().expect("ended");
        kills += 1;
        assert_no_torn_file(&run);
        child = start(&["train", "--resume", name(&run)]);
    }
    assert!(kills >= 3, "the run was killed only {kills} times");
    assert_same_run(&straight, &run);
    assert_eq!(json(run.join("summary.json"))["status"], "finished");
    assert_eq!(
        names(run.join("checkpoints")),
        ["step-1008", "step-1024", "step-992"],
        "the leftovers of a killed process are removed"
    );
}

/// A run resumes from the previous checkpoint if a killed process left any part of one.
#[test]
fn partial_checkpoints_are_removed_on_resume() {
    let folder = folder("middle");
    let straight = folder.join("straight");
    let every = ["--checkpoint-every", "16", "--checkpoints", "100"];
    train(&straight, &every);
    let whole = straight.join("checkpoints/step-528");
    let files = names(&whole);
    assert_eq!(
        files,
        ["model.bpk", "optimizer.bpk", "settings.json", "state.json"]
    );
    let attempt = |which: &str, harm: &dyn Fn(&Path)| {
        let run = folder.join(which);
        copy(&straight, &run);
        let checkpoints = run.join("checkpoints");
        for step in (528..=1024).step_by(16) {
            fs::remove_dir_all(checkpoints.join(format!("step-{step}"))).expect("removed");
        }
        harm(&checkpoints);
        succeed(&["train", "--resume", name(&run), "--quiet"]);
        assert_same_run(&straight, &run);
        assert_same_files(&whole, &checkpoints.join("step-528"));
        let left = names(&checkpoints);
        assert!(
            left.iter().all(|name| name.starts_with("step-")),
            "{which}: {left:?}"
        );
        for name in names(&run) {
            assert!(!name.ends_with(".partial"), "{which}: {name}");
        }
    };
    for (written, torn) in files.iter().enumerate() {
        for half in [false, true] {
            attempt(&format!("partial-{torn}-{half}"), &|checkpoints| {
                let partial = checkpoints.join(".partial");
                fs::create_dir(&partial).expect("made");
                for file in &files[..written] {
                    fs::copy(whole.join(file), partial.join(file)).expect("copied");
                }
                let bytes = read(whole.join(torn));
                let bytes = if half {
                    &bytes[..bytes.len() / 2]
                } else {
                    &bytes
                };
                fs::write(partial.join(torn), bytes).expect("written");
            });
        }
    }
    attempt("removed", &|checkpoints| {
        copy(&whole, &checkpoints.join(".removed"));
        fs::remove_file(checkpoints.join(".removed/state.json")).expect("removed");
    });
    attempt("summary", &|checkpoints| {
        fs::write(checkpoints.join("../summary.json.partial"), "{\"env").expect("written");
    });
    // The tables already have rows after the checkpoint, and the last row is torn.
    attempt("torn", &|checkpoints| {
        for table in ["metrics.csv", "timing.csv"] {
            let table = checkpoints.join("..").join(table);
            let bytes = read(&table);
            fs::write(&table, &bytes[..bytes.len() - 20]).expect("torn");
        }
    });
}

/// Checks that every file under its final name is complete.
fn assert_no_torn_file(run: &Path) {
    json(run.join("config.json"));
    if !run.join("checkpoints").exists() {
        return;
    }
    for checkpoint in names(run.join("checkpoints")) {
        if checkpoint.starts_with("step-") {
            let folder = run.join("checkpoints").join(checkpoint);
            json(folder.join("state.json"));
            assert!(!read(folder.join("model.bpk")).is_empty());
        }
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_saves_and_stops_all_seeds() {
    let folder = folder("interrupted");
    let run = folder.join("run");
    let arguments = [
        "train",
        "--seeds",
        "0..3",
        "--jobs",
        "2",
        "--hidden",
        "8",
        "--out",
        name(&run),
    ];
    let child = program()
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let begun = |seed: &str| run.join(seed).join("checkpoints/step-0").exists();
    while !(begun("seed-0") && begun("seed-1")) {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(100));
    send("TERM", &child);
    let ended = child.wait_with_output().expect("the program ends");
    assert_eq!(ended.status.code(), Some(130), "{}", stderr(&ended));
    let said = stdout(&ended);
    assert!(said.contains("\n1 seed did not start.\n"), "{said}");
    assert!(
        said.contains(&format!(
            "Resume with: tsallis train --resume {}",
            name(&run)
        )),
        "{said}"
    );
    let mut most = 0;
    for seed in ["seed-0", "seed-1"] {
        let summary = json(run.join(seed).join("summary.json"));
        assert_eq!(summary["status"], "stopped", "{seed}");
        let step = format!("checkpoints/step-{}", summary["steps"]);
        assert!(run.join(seed).join(step).is_dir(), "{seed}");
        most = most.max(summary["steps"].as_u64().expect("steps"));
    }
    assert_eq!(names(run.join("seed-2")), ["config.json"]);
    // The seed that never started is trained now.
    let steps = (most + 512).to_string();
    let said = succeed(&["train", "--resume", name(&run), "--steps", &steps]);
    assert!(said.contains("3 seeds: 0 of 3 solved"), "{said}");
    assert_eq!(json(run.join("seed-2/summary.json"))["steps"], most + 512);
}

/// `nohup` ignores hang-ups, and a shell without job control ignores Ctrl-C for background jobs.
#[cfg(unix)]
#[test]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    let folder = folder("ignored");
    for ignored in ["HUP", "INT"] {
        let run = folder.join(ignored);
        let program = program();
        let script = format!("trap '' {ignored}; exec \"$0\" \"$@\"");
        let mut child = std::process::Command::new("sh")
            .args(["-c", &script])
            .arg(program.get_program())
            .args(tiny(&run, &["--steps", "100000000", "--json"]))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        while !run.join("checkpoints/step-0").exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        send(ignored, &child);
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(child.try_wait().expect("a process"), None, "{ignored}");
        send("TERM", &child);
        let ended = child.wait().expect("the program ends");
        assert_eq!(ended.code(), Some(130), "{ignored}");
        assert_eq!(json(run.join("summary.json"))["status"], "stopped");
    }
}

/// The initialization of wide networks takes minutes, and the run has not made an update yet.
#[cfg(unix)]
#[test]
fn networks_that_are_initialized_can_be_stopped() {
    let folder = folder("wide");
    let run = folder.join("run");
    let config = run.join("config.json");
    let wide = ["--hidden", "8192,8192", "--out", name(&run)];
    for arguments in [
        [&["train"], &wide[..]].concat(),
        vec!["train", "--resume", name(&run)],
    ] {
        let child = program()
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        while !config.exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(700));
        let sent = Instant::now();
        send("TERM", &child);
        let ended = child.wait_with_output().expect("the program ends");
        assert!(
            sent.elapsed() < Duration::from_secs(5),
            "{:?}",
            sent.elapsed()
        );
        assert_eq!(ended.status.code(), Some(130), "{}", stderr(&ended));
        let said = stdout(&ended);
        assert!(said.contains("Stopped before the first update."), "{said}");
        assert_eq!(names(&run), ["config.json"]);
    }
}

/// A run that keeps one checkpoint removes it as soon as it has the next one.
#[test]
fn a_run_in_progress_can_be_evaluated() {
    let folder = folder("beside");
    let run = folder.join("run");
    let often = [
        "--checkpoint-every",
        "16",
        "--checkpoints",
        "1",
        "--steps",
        "100000000",
    ];
    let mut child = start(&tiny(&run, &often));
    // The first checkpoint is written before the first row.
    let begun = || fs::metadata(run.join("metrics.csv")).is_ok_and(|table| table.len() > 0);
    while !begun() {
        std::thread::sleep(Duration::from_millis(5));
    }
    for _ in 0..40 {
        succeed(&["eval", name(&run), "--episodes", "1"]);
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
}

/// A process that is killed before training begins leaves a partial file.
#[test]
fn a_command_that_was_killed_before_it_began_can_be_repeated() {
    let folder = folder("unbegun");
    let run = folder.join("run");
    fs::create_dir(&run).expect("made");
    fs::write(run.join("config.json.partial"), "{\"ver").expect("written");
    train(&run, &["--steps", "16"]);
    assert_eq!(json(run.join("summary.json"))["steps"], 16);

    let sweep = folder.join("sweep");
    fs::create_dir(&sweep).expect("made");
    fs::write(sweep.join("sweep.json.partial"), "").expect("written");
    let mut arguments = tiny(&sweep, &["--steps", "16", "--seeds", "0..1"]);
    arguments[0] = "sweep";
    succeed(&arguments);

    // Of three seeds, the second one was being prepared.
    let seeds = folder.join("seeds");
    let arguments = ["--steps", "16", "--seeds", "0..3", "--quiet"];
    train(&seeds, &arguments);
    for gone in ["seed-0/metrics.csv", "seed-1/config.json"] {
        fs::remove_file(seeds.join(gone)).expect("removed");
    }
    fs::remove_dir_all(seeds.join("seed-2")).expect("removed");
    fs::write(seeds.join("seeds.partial"), "").expect("written");
    let said = refuse(&["train", "--resume", name(&seeds)]);
    assert!(said.contains("repeat the command that began it"), "{said}");
    train(&seeds, &arguments);
    assert_eq!(names(&seeds), ["seed-0", "seed-1", "seed-2"]);
}

/// Waits until a file has at least this many lines.
fn wait_for_lines(file: &Path, count: usize) {
    while fs::read_to_string(file).map_or(0, |text| text.lines().count()) < count {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The rest of the run must not go to a new folder of the same name.
#[cfg(unix)]
#[test]
fn a_run_whose_folder_is_moved_ends_with_an_error_and_can_go_on() {
    let folder = folder("moved");
    let straight = folder.join("straight");
    let every = ["--checkpoint-every", "16"];
    train(&straight, &every);
    let mut line = tiny(Path::new("sweep"), &["--steps", "1024", "--seeds", "0..8"]);
    line[0] = "sweep";
    let sweep = &line[..];
    let train = &tiny(Path::new("train"), &every)[..];
    for (arguments, file, resume) in [
        (train, "metrics.csv", &["train", "--resume", "train"][..]),
        (sweep, "results.csv", sweep),
    ] {
        let run = folder.join(arguments[2]);
        let child = program()
            .args(arguments)
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        wait_for_lines(&run.join(file), 2);
        fs::rename(&run, folder.join("elsewhere")).expect("moved");
        let ended = child.wait_with_output().expect("the program ends");
        let said = stderr(&ended);
        assert_eq!(ended.status.code(), Some(2), "{said}");
        assert!(said.contains("No such file"), "{said}");
        assert_eq!(said.matches("error: ").count(), 1, "{said}");
        assert!(!run.exists(), "{said}");
        fs::rename(folder.join("elsewhere"), &run).expect("moved back");
        let resumed = program().args(resume).current_dir(&folder).output();
        let resumed = resumed.expect("the program starts");
        assert!(resumed.status.success(), "{}", stderr(&resumed));
    }
    assert_same_run(&straight, &folder.join("train"));
}

/// A table in which half a row stays would be unreadable once the next row follows it.
#[cfg(unix)]
#[test]
fn a_row_that_does_not_fit_on_the_disk_is_not_written_in_part() {
    let folder = folder("full");
    let out = folder.join("out");
    let arguments = [
        "tabular",
        "--mdp",
        "nchain:3",
        "--algorithm",
        "fpg",
        "--iterations",
        "100",
        "--out",
        name(&out),
    ];
    // Without the trap, the signal ends the process.
    let limited = "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\"";
    let ended = std::process::Command::new("sh")
        .args(["-c", limited, env!("CARGO_BIN_EXE_tsallis")])
        .args(arguments)
        .output()
        .expect("a shell");
    let said = stderr(&ended);
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("results.csv: File too large"), "{said}");
    let rows = read(out.join("results.csv"));
    assert!(rows.ends_with(b"\n"), "{rows:?}");
    let output = super::tsallis(&arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(read(out.join("results.csv")).starts_with(&rows));
}

/// A sweep that is killed goes on with the runs that have no row, so the row of a run is its last file.
#[test]
fn a_run_of_a_sweep_has_no_row_before_it_is_complete() {
    let folder = folder("swept");
    for (keep, in_the_way) in [
        // A folder at the path of a partial file makes the write fail, and a file has no checkpoints to remove.
        ("all", "learning_curve.png.partial"),
        ("metrics", "checkpoints"),
    ] {
        let out = folder.join(keep);
        let mut arguments = tiny(&out, &["--steps", "64", "--seeds", "0..2", "--keep", keep]);
        arguments[0] = "sweep";
        succeed(&arguments);
        let run = out.join("runs/cartpole-noise0.5-beta0.01-lr0.001-alpha0.5/seed-1");
        let straight = names(&run);
        let rows = || String::from_utf8(read(out.join("results.csv"))).expect("UTF-8");
        let mut others: Vec<_> = rows().lines().map(str::to_owned).collect();
        others.retain(|row| !row.contains(",0.5,1,"));
        let others = others.join("\n") + "\n";
        fs::write(out.join("results.csv"), &others).expect("written");
        let in_the_way = run.join(in_the_way);
        if keep == "all" {
            fs::remove_file(run.join("learning_curve.png")).expect("removed");
            fs::create_dir(&in_the_way).expect("made");
        } else {
            fs::write(&in_the_way, "").expect("written");
        }
        refuse(&[&arguments[..], &["--quiet"]].concat());
        assert_eq!(rows(), others, "{keep}");
        if keep == "all" {
            fs::remove_dir(&in_the_way).expect("removed");
        } else {
            fs::remove_file(&in_the_way).expect("removed");
        }
        succeed(&arguments);
        assert_eq!(rows().lines().count(), 3, "{keep}");
        assert_eq!(names(&run), straight, "{keep}");
    }
}

#[cfg(unix)]
#[test]
fn the_seconds_of_a_stopped_run_of_a_sweep_count() {
    let folder = folder("seconds");
    let out = folder.join("out");
    let mut arguments = tiny(&out, &["--steps", "3200", "--seeds", "0..1"]);
    arguments[0] = "sweep";
    let child = start(&arguments);
    let run = out.join("runs/cartpole-noise0.5-beta0.01-lr0.001-alpha0.5/seed-0");
    wait_for_lines(&run.join("metrics.csv"), 3);
    // The clock of the run does not stand still meanwhile.
    send("STOP", &child);
    std::thread::sleep(Duration::from_secs(4));
    send("INT", &child);
    send("CONT", &child);
    let ended = child.wait_with_output().expect("the program ends");
    assert_eq!(ended.status.code(), Some(130));
    succeed(&arguments);
    assert!(json(run.join("summary.json"))["seconds"].as_f64() > Some(4.0));
    assert_eq!(names(&run), ["config.json", "metrics.csv", "summary.json"]);
}
