//! Tests of the program with environments of Gymnasium. They need `TSALLIS_PYTHON`, a Python that has it.

use super::interrupted::send;
use super::{folder, json, name, names, program, read, refuse, stderr, succeed, tiny, tsallis};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/gymnasium");
const FAULTY: &str = "gym:tsallis_environments:Faulty-v0";

/// Returns the Python of the tests, or `None` with a note if there is no Python with Gymnasium.
fn python() -> Option<String> {
    let required = std::env::var_os("TSALLIS_REQUIRE_GYMNASIUM").is_some_and(|value| value == "1");
    let found = std::env::var_os("TSALLIS_PYTHON").is_some();
    assert!(found || !required, "TSALLIS_PYTHON names no Python");
    if !found {
        println!("SKIPPED: TSALLIS_PYTHON names no Python with Gymnasium");
    }
    found.then(|| format!("{FOLDER}/python"))
}

fn line<'a>(out: &'a Path, python: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
    tiny(out, &[&["--python", python][..], arguments].concat())
}

#[test]
fn cartpole_of_gymnasium_trains_resumes_and_is_evaluated() {
    let Some(python) = python() else { return };
    let folder = folder("gymnasium");
    let env = ["--env", "gym:CartPole-v1"];
    let [one, other] = ["one", "other"].map(|run| folder.join(run));
    for run in [&one, &other] {
        succeed(&line(run, &python, &env));
    }
    assert!(read(one.join("metrics.csv")) == read(other.join("metrics.csv")));
    let config = json(one.join("config.json"));
    assert_eq!(config["config"]["environment"], "gym:CartPole-v1");
    for package in ["python", "gymnasium", "numpy"] {
        assert!(
            config["environment_versions"][package].is_string(),
            "{config}"
        );
    }
    let summary = json(one.join("summary.json"));
    assert_eq!(summary["status"], "finished");
    assert!(summary["episodes"].as_u64().expect("a count") > 5);

    let resumed = tsallis(&[
        "train",
        "--resume",
        name(&one),
        "--steps",
        "2048",
        "--python",
        &python,
    ]);
    let said = stderr(&resumed);
    assert!(resumed.status.success(), "{said}");
    assert!(said.contains("they begin new episodes"), "{said}");
    assert_eq!(json(one.join("summary.json"))["steps"], 2048);

    let said = succeed(&["eval", name(&one), "--episodes", "5", "--python", &python]);
    assert!(said.contains("over 5 episodes"), "{said}");
}

/// The settings of the machine may change, and other versions are told.
#[test]
fn a_resumed_run_names_other_versions() {
    let Some(python) = python() else { return };
    let folder = folder("versions");
    let run = folder.join("run");
    succeed(&line(&run, &python, &["--env", "gym:CartPole-v1"]));
    let config = run.join("config.json");
    let text = fs::read_to_string(&config).expect("a file");
    let version = json(&config)["environment_versions"]["gymnasium"].clone();
    let version = version.as_str().expect("a version");
    let text = text.replace(
        &format!("\"gymnasium\": \"{version}\""),
        "\"gymnasium\": \"0.0.1\"",
    );
    fs::write(&config, text).expect("written");
    let resumed = tsallis(&[
        "train",
        "--resume",
        name(&run),
        "--steps",
        "2048",
        "--env-timeout",
        "30",
    ]);
    let said = stderr(&resumed);
    assert!(resumed.status.success(), "{said}");
    assert!(said.contains("instead of gymnasium 0.0.1"), "{said}");
    let config = json(&config);
    assert_eq!(config["environment_versions"]["gymnasium"], version);
    assert_eq!(config["config"]["gymnasium"]["timeout"], 30.0);
}

#[test]
fn a_sweep_serves_gymnasium() {
    let Some(python) = python() else { return };
    let folder = folder("gymnasium-sweep");
    let sweep = folder.join("sweep");
    let arguments = [
        "--env",
        "gym:CartPole-v1",
        "gym:phys2d_free/Nope-v0",
        "--seeds",
        "0..2",
    ];
    let mut bad = line(&sweep, &python, &arguments);
    bad[0] = "sweep";
    let said = refuse(&bad);
    assert!(said.contains("phys2d_free"), "{said}");
    assert!(!sweep.exists());
    let arguments = ["--env", "gym:CartPole-v1", "cartpole", "--seeds", "0..2"];
    let mut good = line(&sweep, &python, &arguments);
    good[0] = "sweep";
    let said = succeed(&good);
    assert!(said.contains("CartPole-v1"), "{said}");
    assert_eq!(names(sweep.join("runs")).len(), 2);
    assert!(names(sweep.join("runs"))[1].starts_with("gym-CartPole-v1-noise"));
}

/// The default timeout of an invalid environment plays no role, and no folder is left.
#[test]
fn what_cannot_be_made_is_refused_in_one_line() {
    let folder = folder("gymnasium-refused");
    let run = folder.join("run");
    let said = refuse(&line(
        &run,
        "/no/such/python",
        &["--env", "gym:CartPole-v1"],
    ));
    assert!(said.contains("cannot start \"/no/such/python\""), "{said}");
    assert!(said.contains("pip install \"gymnasium[mujoco]\""), "{said}");
    for (arguments, words) in [
        (&["--env", "gym:"][..], "invalid environment \"gym:\""),
        (
            &["--env", "gym:CartPole-v1", "--env-arg", "mass"],
            "invalid value 'mass' for '--env-arg <KEY=VALUE>': expected KEY=VALUE",
        ),
        (
            &["--env", "gym:CartPole-v1", "--env-timeout", "0"],
            "timeout is 0",
        ),
        (
            &["--env", "gym:CartPole-v1", "--env-timeout", "nan"],
            "timeout is NaN",
        ),
        (&["--env-arg", "mass=2"], "arguments"),
    ] {
        let said = refuse(&line(&run, "python3", arguments));
        assert!(said.contains(words), "{said}");
    }
    let Some(python) = python() else { return };
    for (arguments, words) in [
        (
            &["--env", "gym:Nope-v0"][..],
            "Environment `Nope` doesn't exist",
        ),
        (&["--env", "gym:nope:Nope-v0"], "No module named 'nope'"),
        (
            &[
                "--env",
                "gym:CartPole-v1",
                "--env-arg",
                "mass=2",
                "--env-arg",
                "name=x y",
            ],
            "with {\"mass\": 2, \"name\": \"x y\"}: TypeError",
        ),
        (
            &[
                "--env",
                "gym:tsallis_environments:Spaces-v0",
                "--env-arg",
                "observation=dict",
            ],
            "its observations are Dict",
        ),
    ] {
        let said = refuse(&line(&run, &python, arguments));
        assert!(said.contains(words), "{said}");
    }
    assert!(!run.exists());
}

/// The run ends with the cause and a checkpoint, and can be resumed.
#[test]
fn a_run_whose_environment_fails_ends_with_the_cause_and_a_checkpoint() {
    let Some(python) = python() else { return };
    let folder = folder("gymnasium-fails");
    for (fault, words) in [
        ("raises", "ValueError: the car left the road\nTraceback"),
        (
            "hangs",
            "gave no answer for 6 s (--env-timeout); its last lines:\n  thinking\n",
        ),
        ("dies", "its last lines:\n  a last word\n"),
    ] {
        let run = folder.join(fault);
        let fault = format!("fault={fault}");
        // Each environment fails at its 300th step, in the 38th update.
        let arguments = [
            "--env",
            FAULTY,
            "--env-arg",
            &fault,
            "--env-arg",
            "at=300",
            "--env-timeout",
            "6",
        ];
        let failed = tsallis(&line(&run, &python, &arguments));
        let said = stderr(&failed);
        assert_eq!(failed.status.code(), Some(1), "{said}");
        assert!(
            said.contains("error: after 598 environment steps, "),
            "{said}"
        );
        assert!(said.contains(words), "{said}");
        assert!(names(run.join("checkpoints")).contains(&"step-592".to_owned()));
        assert_eq!(json(run.join("summary.json"))["status"], "interrupted");
        let again = tsallis(&["train", "--resume", name(&run), "--steps", "2048"]);
        let said = stderr(&again);
        assert!(said.contains("after 1190 environment steps, "), "{said}");
    }
}

/// Starts a run whose environments write the id of their process to a file at their 40th step, and waits for it.
fn start(run: &Path, python: &str, fault: &str, more: &[&str]) -> (Child, String) {
    let file = run.with_extension("pid");
    let arguments = [format!("fault={fault}"), format!("file={}", file.display())];
    let arguments = [
        "--env",
        FAULTY,
        "--env-arg",
        &arguments[0],
        "--env-arg",
        &arguments[1],
    ];
    let child = program()
        .args(line(
            run,
            python,
            &[&arguments[..], &["--steps", "100000000"], more].concat(),
        ))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let pid = wait_for(Duration::from_secs(60), || fs::read_to_string(&file).ok());
    (child, pid)
}

/// Returns the first value of a function that is called again and again.
fn wait_for<T>(most: Duration, mut value: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = value() {
            return value;
        }
        assert!(started.elapsed() < most, "still waiting after {most:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until a process has ended. A container may have nobody who asks for the exit code of an orphan.
fn wait_for_end(pid: &str) {
    wait_for(Duration::from_secs(10), || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.chars().next());
        matches!(state, None | Some('Z')).then_some(())
    });
}

/// An environment that sleeps, one that computes, and one that also holds Python's lock.
#[cfg(target_os = "linux")]
#[test]
fn a_killed_program_leaves_no_process() {
    let Some(python) = python() else { return };
    let folder = folder("gymnasium-killed");
    for fault in ["nothing", "hangs", "spins", "holds"] {
        let (mut child, pid) = start(&folder.join(fault), &python, fault, &[]);
        child.kill().expect("killed");
        child.wait().expect("ended");
        wait_for_end(&pid);
    }
}

/// A signal to the whole job, such as that of Slurm, reaches Python too.
#[cfg(target_os = "linux")]
#[test]
fn an_interrupted_run_is_saved_and_ends_its_process() {
    let Some(python) = python() else { return };
    let folder = folder("gymnasium-interrupted");
    for signal in ["INT", "TERM", "HUP"] {
        let run = folder.join(signal);
        let (mut child, pid) = start(&run, &python, "nothing", &[]);
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &pid])
            .status();
        assert!(sent.expect("kill runs").success());
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(child.try_wait().expect("a process"), None, "{signal}");
        send("TERM", &child);
        let ended = child.wait().expect("the program ends");
        assert_eq!(ended.code(), Some(130), "{signal}");
        assert_eq!(json(run.join("summary.json"))["status"], "stopped");
        wait_for_end(&pid);
    }
}

/// A command that was suspended, as with Ctrl-Z, does not take the pause for a process that hangs.
#[cfg(unix)]
#[test]
fn a_suspended_run_goes_on() {
    let Some(python) = python() else { return };
    let run = folder("gymnasium-suspended").join("run");
    let timeout = Duration::from_secs(4);
    let (child, _) = start(&run, &python, "pauses", &["--env-timeout", "4"]);
    send("STOP", &child);
    std::thread::sleep(timeout + Duration::from_secs(1));
    send("CONT", &child);
    std::thread::sleep(Duration::from_secs(1));
    send("TERM", &child);
    let output = child.wait_with_output().expect("the program ends");
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert_eq!(json(run.join("summary.json"))["status"], "stopped");
}

/// A run whose environments failed has no row, so the same command trains it again.
#[test]
fn a_sweep_resumes_a_run_whose_environment_failed() {
    let Some(python) = python() else { return };
    let sweep = folder("gymnasium-sweep-fails").join("sweep");
    let file = format!("file={}", sweep.with_extension("pid").display());
    let arguments = [
        "--env",
        FAULTY,
        "--env-arg",
        "fault=once",
        "--env-arg",
        &file,
    ];
    let more = ["--seeds", "0..2", "--jobs", "1"];
    let mut command = line(&sweep, &python, &[&arguments[..], &more].concat());
    command[0] = "sweep";
    let failed = tsallis(&command);
    let said = stderr(&failed);
    assert_eq!(failed.status.code(), Some(1), "{said}");
    assert!(said.contains("seed 0: after "), "{said}");
    assert!(said.contains("the car left the road"), "{said}");
    assert!(
        said.ends_with("the same command resumes the sweep with this run\n"),
        "{said}"
    );
    let rows = || fs::read_to_string(sweep.join("results.csv")).expect("a table");
    assert_eq!(rows().lines().count(), 2, "{}", rows());
    succeed(&command);
    assert_eq!(rows().lines().count(), 3, "{}", rows());
    assert_eq!(rows().matches(",finished,").count(), 2, "{}", rows());
}

/// Uniform actions have a return of 22.
#[test]
fn cartpole_of_gymnasium_is_learned() {
    let Some(python) = python() else { return };
    let run = folder("gymnasium-learns").join("run");
    let arguments = [
        "train",
        "--env",
        "gym:CartPole-v1",
        "--noise-std",
        "0",
        "--steps",
        "20480",
    ];
    let more = [
        "--hidden",
        "32",
        "--epochs",
        "8",
        "--quiet",
        "--python",
        &python,
        "--out",
        name(&run),
    ];
    succeed(&[&arguments[..], &more].concat());
    let summary = json(run.join("summary.json"));
    let mean = summary["final_return"].as_f64().expect("episodes");
    assert!(mean > 60.0, "{mean}");
    // The threshold that Gymnasium registers.
    assert_eq!(summary["solved_return"], 475.0);
    assert!(summary["verdict"].is_string(), "{summary}");
}

/// Six components of continuous actions, with running statistics.
#[test]
fn halfcheetah_trains_with_a_policy_over_bins() {
    let Some(python) = python() else { return };
    let run = folder("gymnasium-cheetah").join("run");
    let arguments = [
        "--preset",
        "mujoco",
        "--env",
        "gym:HalfCheetah-v5",
        "--steps",
        "256",
    ];
    succeed(&line(&run, &python, &arguments));
    let config = json(run.join("config.json"));
    assert!(
        config["environment_versions"]["mujoco"].is_string(),
        "{config}"
    );
    let metrics = fs::read_to_string(run.join("metrics.csv")).expect("a table");
    assert_eq!(metrics.lines().count(), 17);
    let summary = json(run.join("summary.json"));
    assert_eq!(summary["status"], "finished");
    assert_eq!(summary["best_possible_return"], serde_json::Value::Null);
}
