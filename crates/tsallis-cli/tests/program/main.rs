//! Tests of the program: its output, files and error messages.

mod gymnasium;
mod interrupted;
mod invalid_input;
mod plots;
mod resume;
mod runs;
mod seeds;
mod sweep;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_tsallis"))
}

fn tsallis(arguments: &[&str]) -> Output {
    program()
        .args(arguments)
        .output()
        .expect("the program starts")
}

/// Runs a command that must succeed, and returns its standard output.
fn succeed(arguments: &[&str]) -> String {
    let output = tsallis(arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        stderr(&output)
    );
    stdout(&output)
}

/// Runs a command that must fail with exit code 2, and returns its error line.
fn refuse(arguments: &[&str]) -> String {
    let output = tsallis(arguments);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
    assert_eq!(text.lines().count(), 1, "{arguments:?}: {text}");
    text
}

/// Creates an empty folder for a test.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("the folder of an earlier run is removed");
    }
    fs::create_dir_all(&folder).expect("the folder is created");
    folder
}

fn name(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}

/// Returns the command line of a run of 64 updates, unless `arguments` change that. The updates are small because test
/// builds do not optimize the dependencies.
fn tiny<'a>(out: &'a Path, arguments: &[&'a str]) -> Vec<&'a str> {
    const SMALL: &[&str] = &[
        "--envs",
        "2",
        "--rollout-steps",
        "8",
        "--epochs",
        "2",
        "--minibatches",
        "2",
        "--hidden",
        "8",
    ];
    let mut line = [&["train", "--out", name(out)], SMALL, arguments].concat();
    if !arguments.contains(&"--steps") {
        line.extend(["--steps", "1024"]);
    }
    line
}

/// Trains a [`tiny`] run.
fn train(out: &Path, arguments: &[&str]) -> String {
    succeed(&tiny(out, arguments))
}

fn read(path: impl AsRef<Path>) -> Vec<u8> {
    let path = path.as_ref();
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the sorted names in a folder.
fn names(folder: impl AsRef<Path>) -> Vec<String> {
    let entries = fs::read_dir(folder.as_ref()).expect("the folder");
    let mut names: Vec<_> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .collect();
    names.sort();
    names
}

fn json(path: impl AsRef<Path>) -> serde_json::Value {
    serde_json::from_slice(&read(path)).expect("JSON")
}

/// Copies a run folder.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the folder is created");
    for name in names(from) {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).expect("copied");
        }
    }
}

/// Asserts that two files, or all files of two folders, are equal.
fn assert_same_files(one: &Path, other: &Path) {
    if one.is_dir() {
        assert_eq!(names(one), names(other));
        for name in names(one) {
            assert_same_files(&one.join(&name), &other.join(&name));
        }
    } else {
        assert!(
            read(one) == read(other),
            "{} differs from {}",
            other.display(),
            one.display()
        );
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Returns the standard error, without the line that Mesa's drivers print if there is no login session.
fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr)
        .split_inclusive('\n')
        .filter(|line| !line.contains("XDG_RUNTIME_DIR"))
        .collect()
}
