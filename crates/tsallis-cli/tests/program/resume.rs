use super::{
    assert_same_files, copy, folder, json, name, names, read, refuse, stderr, stdout, succeed,
    tiny, train, tsallis,
};
use std::fs;
use std::path::Path;

/// Checks the parts of a run that must not depend on interruptions.
pub(super) fn assert_same_run(one: &Path, other: &Path) {
    let last = names(one.join("checkpoints"))
        .into_iter()
        .filter_map(|step| step.strip_prefix("step-")?.parse::<usize>().ok())
        .max()
        .expect("a checkpoint");
    let checkpoint = format!("checkpoints/step-{last}");
    for file in ["metrics.csv".to_owned(), checkpoint] {
        assert_same_files(&one.join(&file), &other.join(&file));
    }
    for (table, rows) in [("timing.csv", 65), ("metrics.csv", 65)] {
        let text = String::from_utf8(read(other.join(table))).expect("UTF-8");
        assert_eq!(text.lines().count(), rows, "{table}");
    }
}

#[test]
fn a_resumed_run_equals_the_straight_one_from_any_checkpoint() {
    let folder = folder("resumed");
    for (which, arguments) in [
        ("cartpole", &[][..]),
        (
            "sparse",
            &["--alpha", "1.5", "--env", "deepsea-stochastic:5"][..],
        ),
        (
            "factored",
            &[
                "--env",
                "identity:4x3",
                "--normalize-observations",
                "--normalize-rewards",
            ][..],
        ),
        (
            "kl",
            &["--target-kl", "0.0001", "--shared", "--activation", "relu"][..],
        ),
    ] {
        let straight = folder.join(which);
        let every = ["--checkpoint-every", "16", "--checkpoints", "100"];
        train(&straight, &[&every[..], arguments].concat());
        for step in [0, 16, 320, 512, 1008] {
            let run = folder.join(format!("{which}-{step}"));
            copy(&straight, &run);
            for checkpoint in names(run.join("checkpoints")) {
                let later = checkpoint
                    .strip_prefix("step-")
                    .and_then(|s| s.parse::<usize>().ok())
                    .is_some_and(|other| other > step);
                if later {
                    fs::remove_dir_all(run.join("checkpoints").join(checkpoint)).expect("removed");
                }
            }
            succeed(&["train", "--resume", name(&run), "--quiet"]);
            assert_same_run(&straight, &run);
        }
    }
}

#[test]
fn a_finished_run_has_nothing_left_and_can_be_made_longer() {
    let folder = folder("longer");
    let run = folder.join("run");
    train(&run, &[]);
    let before = read(run.join("metrics.csv"));
    let said = succeed(&["train", "--resume", name(&run)]);
    assert!(said.contains("1,024 steps"), "{said}");
    assert_eq!(before, read(run.join("metrics.csv")));

    // A resumed run that differs from the original prints a note, even in quiet mode.
    let longer = |steps: &str, more: &[&str]| {
        let line = ["train", "--resume", name(&run), "--steps", steps];
        let output = tsallis(&[&line[..], more].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        let said = stderr(&output);
        let words = format!("the run differs from one with {steps} steps from the start");
        assert_eq!(said.matches(&words).count(), 1, "{said}");
        (stdout(&output), said)
    };
    longer("1040", &[]);
    let (printed, said) = longer("1056", &["--quiet"]);
    assert_eq!(printed, "");
    assert_eq!(said.lines().count(), 1, "{said}");
    let after = read(run.join("metrics.csv"));
    assert!(after.starts_with(&before) && after.len() > before.len());
    assert_eq!(json(run.join("config.json"))["config"]["total_steps"], 1056);

    let said = refuse(&["train", "--resume", name(&run), "--steps", "512"]);
    assert!(
        said.contains("at least 1056, the steps already made"),
        "{said}"
    );
    assert_eq!(after, read(run.join("metrics.csv")));
}

#[test]
fn a_damaged_checkpoint_falls_back_to_the_one_before() {
    let folder = folder("damaged");
    let straight = folder.join("straight");
    train(&straight, &[]);
    for file in ["model.bpk", "optimizer.bpk", "state.json"] {
        for length in [0, 10, 200] {
            let run = folder.join(format!("{file}-{length}"));
            copy(&straight, &run);
            let damaged = run.join("checkpoints/step-1024").join(file);
            let bytes = read(&damaged);
            fs::write(&damaged, &bytes[..length.min(bytes.len() - 1)]).expect("truncated");
            let output = tsallis(&["train", "--resume", name(&run)]);
            let said = stderr(&output);
            assert!(output.status.success(), "{said}");
            assert!(
                said.contains(file) && said.contains("cannot be read"),
                "{said}"
            );
            assert!(
                said.contains("continuing from the checkpoint after 960 steps"),
                "{said}"
            );
            assert_same_run(&straight, &run);
        }
    }
}

/// A failed resume prints one line, exits with code 2, and does not change a byte of the folder.
#[test]
fn a_failed_resume_changes_nothing() {
    let folder = folder("left");
    let straight = folder.join("straight");
    train(&straight, &[]);
    let attempt = |which: &str, harm: &dyn Fn(&Path), words: &str| {
        let run = folder.join(which);
        copy(&straight, &run);
        harm(&run);
        let harmed = folder.join(format!("{which}-harmed"));
        copy(&run, &harmed);
        let said = refuse(&["train", "--resume", name(&run)]);
        assert!(said.contains(words), "{which}: {said}");
        assert_same_files(&harmed, &run);
    };
    attempt(
        "none",
        &|run| fs::remove_dir_all(run.join("checkpoints")).expect("removed"),
        "has no checkpoint to continue from",
    );
    attempt(
        "all-truncated",
        &|run| {
            for checkpoint in names(run.join("checkpoints")) {
                let state = run.join("checkpoints").join(checkpoint).join("state.json");
                fs::write(state, "{\"updates\": 1").expect("truncated");
            }
        },
        "state.json cannot be read",
    );
    attempt(
        "foreign",
        &|run| {
            replace(
                &run.join("config.json"),
                "[\n        8\n      ]",
                "[\n        9\n      ]",
            );
        },
        "config.json has network.hidden [9], but the run has been trained with [8]",
    );
    attempt(
        "edited",
        &|run| {
            replace(
                &run.join("config.json"),
                "\"gamma\": 0.99",
                "\"gamma\": 0.9",
            );
        },
        "config.json has gamma 0.9, but the run has been trained with 0.99",
    );
    attempt(
        "version",
        &|run| {
            replace(
                &run.join("config.json"),
                "\"version\": \"0.1.",
                "\"version\": \"7.3.",
            );
        },
        "is a run of version 7.3.0, but this is version 0.1.0",
    );
    attempt(
        "metrics",
        &|run| fs::write(run.join("metrics.csv"), "").expect("emptied"),
        "it has 0 rows up to the checkpoint",
    );
    // The metrics after the checkpoint are cut only once every file has been checked.
    attempt(
        "timing",
        &|run| {
            fs::remove_dir_all(run.join("checkpoints/step-1024")).expect("removed");
            replace(&run.join("timing.csv"), "\n3,", "\nthree,");
        },
        "timing.csv cannot be read",
    );
    attempt(
        "table",
        &|run| replace(&run.join("metrics.csv"), "\n3,", "\nthree,"),
        "metrics.csv cannot be read",
    );
    for flag in [
        &["--alpha", "1"][..],
        &["--seed", "3"],
        &["--out", "x"],
        &["--shared"],
        &["--env", "cartpole"],
        &["--envs", "2"],
        &["--hidden", "8"],
        &["--config", "x.toml"],
        &["--checkpoints", "5"],
    ] {
        let said = refuse(&[&["train", "--resume", name(&straight)], flag].concat());
        assert!(
            said.contains(&format!("'{}' cannot be used with '--resume'", flag[0])),
            "{said}"
        );
    }
    let said = refuse(&["train", "--resume", name(&folder.join("nowhere"))]);
    assert!(said.contains("is not a run folder"), "{said}");
}

/// The configuration in the folder is that of the next checkpoints, so a changed number of steps is a note.
#[test]
fn an_edited_configuration_is_noticed() {
    let folder = folder("edited");
    let run = folder.join("run");
    train(&run, &["--quiet"]);
    let config = run.join("config.json");
    replace(&config, "\"total_steps\": 1024", "\"total_steps\": 1040");
    let resumed = tsallis(&["train", "--resume", name(&run), "--quiet"]);
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    let said = stderr(&resumed);
    assert!(said.contains("1040 steps instead of 1024"), "{said}");
    let resumed = tsallis(&["train", "--resume", name(&run), "--quiet"]);
    assert_eq!(stderr(&resumed), "");
    replace(&config, "\"alpha\": 0.5", "\"alpha\": 0.7");
    let said = refuse(&["eval", name(&run)]);
    assert!(
        said.contains("has alpha 0.7, but the run has been trained with 0.5"),
        "{said}"
    );
    // The curve would have the wrong label. Without a checkpoint, the configuration in the folder is the only one.
    let curves = folder.join("curves");
    let plot = ["plot", name(&run), "--out", name(&curves)];
    assert_eq!(refuse(&plot), said);
    fs::remove_dir_all(run.join("checkpoints")).expect("removed");
    succeed(&plot);
}

/// A seed that cannot resume is reported once, and the others resume.
#[test]
fn a_damaged_seed_does_not_stop_the_others() {
    let folder = folder("one-damaged");
    let run = folder.join("run");
    train(&run, &["--seeds", "0..3", "--quiet"]);
    for seed in ["seed-0", "seed-2"] {
        let checkpoints = run.join(seed).join("checkpoints");
        fs::remove_dir_all(checkpoints.join("step-1024")).expect("removed");
    }
    fs::remove_dir_all(run.join("seed-1/checkpoints")).expect("removed");
    let output = tsallis(&["train", "--resume", name(&run), "--quiet"]);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.starts_with("error: seed 1: ") && said.contains("has no checkpoint to continue from"),
        "{said}"
    );
    for seed in ["seed-0", "seed-2"] {
        let summary = json(run.join(seed).join("summary.json"));
        assert_eq!(
            (&summary["status"], &summary["steps"]),
            (&"finished".into(), &1024.into())
        );
    }
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = String::from_utf8(read(file)).expect("UTF-8");
    assert!(text.contains(from), "{from:?} in {text}");
    fs::write(file, text.replacen(from, to, 1)).expect("written");
}

#[test]
fn another_process_keeps_its_run() {
    let folder = folder("kept");
    let run = folder.join("run");
    let long = tiny(&run, &["--steps", "100000000"]);
    let mut child = super::program()
        .args(long)
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("the program starts");
    while !run.join("checkpoints/step-0").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let said = refuse(&["train", "--resume", name(&run)]);
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert!(
        said.contains("is being written by another process"),
        "{said}"
    );
}
