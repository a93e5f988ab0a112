//! The program from the outside: what it prints, writes and refuses.
#![cfg(feature = "cli")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn tsallis(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tsallis"))
        .args(arguments)
        .output()
        .expect("the program starts")
}

/// An empty folder for a test.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("what an earlier run left is removed");
    }
    fs::create_dir_all(&folder).expect("the folder is made");
    folder
}

/// Two updates: a build of the tests is not optimised below this crate.
fn train(out: &Path, arguments: &[&str]) -> Output {
    let out = out.to_str().expect("a UTF-8 path");
    tsallis(&[&["train", "--steps", "1024", "--out", out], arguments].concat())
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_run_leaves_its_folder_and_eval_plays_it() {
    let folder = folder("leaves");
    let run = folder.join("run");
    let trained = train(&run, &["--noise-std", "2"]);
    assert!(trained.status.success(), "{}", stderr(&trained));
    assert!(
        stdout(&trained).contains("CartPole is not solved yet"),
        "{}",
        stdout(&trained)
    );
    for file in [
        "config.json",
        "metrics.csv",
        "timing.csv",
        "learning_curve.svg",
    ] {
        assert!(
            fs::metadata(run.join(file)).expect(file).len() > 0,
            "{file}"
        );
    }
    let png = fs::read(run.join("learning_curve.png")).expect("the curve");
    assert!(png.starts_with(b"\x89PNG"));
    let checkpoints: Vec<_> = fs::read_dir(run.join("checkpoints"))
        .expect("checkpoints")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert!(checkpoints.iter().any(|name| name == "step-1024"));
    let metrics = fs::read_to_string(run.join("metrics.csv")).expect("metrics");
    assert_eq!(metrics.lines().count(), 1 + 2);

    let run = run.to_str().expect("a UTF-8 path");
    let played = tsallis(&["eval", run, "--episodes", "20"]);
    assert!(played.status.success(), "{}", stderr(&played));
    assert!(
        stdout(&played).contains("after 1 024 steps"),
        "{}",
        stdout(&played)
    );
    assert!(
        stdout(&played).contains("over 20 episodes"),
        "{}",
        stdout(&played)
    );
    let again = tsallis(&["eval", run, "--episodes", "20"]);
    assert_eq!(stdout(&played), stdout(&again));
    let greedy = tsallis(&["eval", run, "--episodes", "20", "--deterministic"]);
    assert_ne!(stdout(&played), stdout(&greedy));
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
    let folder = folder("seeds");
    let metrics = |name: &str, seed: &str, alpha: &str| {
        let out = folder.join(name);
        let trained = train(&out, &["--seed", seed, "--alpha", alpha]);
        assert!(trained.status.success(), "{}", stderr(&trained));
        fs::read(out.join("metrics.csv")).expect("metrics")
    };
    for alpha in ["0.5", "1", "1.5"] {
        let first = metrics(&format!("a{alpha}"), "3", alpha);
        assert_eq!(first, metrics(&format!("b{alpha}"), "3", alpha));
        assert_ne!(first, metrics(&format!("c{alpha}"), "4", alpha));
    }
}

/// Exit code 2 and one line that names the value.
#[test]
fn bad_input_is_refused_in_one_line() {
    let folder = folder("refused");
    let occupied = folder.join("occupied");
    fs::create_dir(&occupied).expect("a folder");
    fs::write(occupied.join("thesis.tex"), "precious").expect("a file");
    let empty = folder.join("empty");
    fs::create_dir(&empty).expect("a folder");
    let file = folder.join("file");
    fs::write(&file, "").expect("a file");
    let path = |path: &Path| path.to_str().expect("a UTF-8 path").to_owned();
    let (occupied, empty, file) = (path(&occupied), path(&empty), path(&file));
    let fresh = path(&folder.join("fresh"));

    let cases: [(&[&str], &str); 9] = [
        (
            &["train", "--alpha", "NaN", "--out", &fresh],
            "alpha is NaN",
        ),
        (
            &["train", "--alpha", "-51", "--out", &fresh],
            "alpha is -51",
        ),
        (&["train", "--beta", "-1", "--out", &fresh], "beta is -1"),
        (
            &["train", "--steps", "0", "--out", &fresh],
            "total_steps is 0",
        ),
        (
            &["train", "--device", "tpu", "--out", &fresh],
            "no device \"tpu\" in this build",
        ),
        (&["train", "--out", &occupied], "already holds files"),
        (&["train", "--out", &file], "cannot create the folder"),
        (
            &["eval", &empty],
            "is not a run folder: it has no config.json",
        ),
        (&["eval", &fresh], "is not a run folder"),
    ];
    for (arguments, words) in cases {
        let output = tsallis(arguments);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(words), "{arguments:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{arguments:?}: {text}");
        assert!(!Path::new(&fresh).exists(), "{arguments:?} left a folder");
    }
    let kept = fs::read_to_string(Path::new(&occupied).join("thesis.tex"));
    assert_eq!(kept.expect("still there"), "precious");
}

#[test]
fn a_damaged_run_is_named() {
    let folder = folder("damaged");
    let run = folder.join("run");
    assert!(train(&run, &[]).status.success());
    let name = run.to_str().expect("a UTF-8 path");
    let model = run.join("checkpoints/step-1024/model.bpk");
    let bytes = fs::read(&model).expect("the model");
    fs::write(&model, &bytes[..bytes.len() / 2]).expect("the model is truncated");
    let output = tsallis(&["eval", name]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("model.bpk cannot be read"),
        "{}",
        stderr(&output)
    );

    fs::remove_dir_all(run.join("checkpoints")).expect("the checkpoints are removed");
    let output = tsallis(&["eval", name]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("has no checkpoint yet"),
        "{}",
        stderr(&output)
    );

    fs::write(run.join("config.json"), "{}").expect("the configuration is damaged");
    let output = tsallis(&["eval", name]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("config.json cannot be read"),
        "{}",
        stderr(&output)
    );
}
