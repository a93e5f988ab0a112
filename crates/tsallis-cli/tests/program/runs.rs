use super::{
    assert_same_files, folder, json, name, names, read, stderr, stdout, succeed, tiny, train,
    tsallis,
};
use std::fs;
use std::path::Path;

#[test]
fn a_run_leaves_its_folder_and_eval_plays_it() {
    let folder = folder("leaves");
    let run = folder.join("run");
    let said = train(&run, &["--noise-std", "2"]);
    assert!(said.contains("CartPole is not solved yet"), "{said}");
    assert_eq!(
        names(&run),
        [
            "checkpoints",
            "config.json",
            "learning_curve.png",
            "learning_curve.svg",
            "metrics.csv",
            "summary.json",
            "tensorboard",
            "timing.csv",
        ]
    );
    assert!(read(run.join("learning_curve.png")).starts_with(b"\x89PNG"));
    assert!(read(run.join("learning_curve.svg")).starts_with(b"<svg"));
    assert_eq!(
        names(run.join("checkpoints")),
        ["step-1024", "step-896", "step-960"],
        "no best checkpoint before 100 episodes"
    );
    let rows = |table: &str| {
        let text = String::from_utf8(read(run.join(table))).expect("UTF-8");
        let header = text.lines().next().expect("a header").to_owned();
        (header, text.lines().count() - 1)
    };
    assert_eq!(rows("metrics.csv").1, 64);
    let (header, count) = rows("timing.csv");
    assert_eq!(count, 64);
    assert_eq!(
        header,
        "update,global_step,seconds,charts/SPS,rollout_seconds,forward_seconds,backward_seconds,\
         optimizer_seconds,total_seconds"
    );
    let summary = json(run.join("summary.json"));
    assert_eq!(summary["status"], "finished");
    assert_eq!(summary["verdict"], "unsolved");
    assert_eq!(summary["steps"], 1024);
    assert_eq!(summary["updates"], 64);
    assert!(summary["final_return"].as_f64().expect("a return") > 5.0);
    assert!(summary["seconds"].as_f64().expect("seconds") > 0.0);

    let run = name(&run);
    let play = |more: &[&str]| succeed(&[&["eval", run, "--episodes", "20"], more].concat());
    let played = play(&[]);
    assert!(played.contains("after 1,024 steps"), "{played}");
    assert!(played.contains("over 20 episodes"), "{played}");
    assert_eq!(played, play(&[]));
    assert_ne!(played, play(&["--deterministic"]));
    assert_ne!(played, play(&["--seed", "1"]));
    let earlier = play(&["--checkpoint", "960"]);
    assert!(earlier.contains("after 960 steps"), "{earlier}");
    let line: serde_json::Value = serde_json::from_str(&play(&["--json"])).expect("JSON");
    assert_eq!(line["episodes"], 20);
    assert_eq!(line["steps"], 1024);
}

#[test]
fn the_best_checkpoint_is_that_of_the_highest_return() {
    let folder = folder("best");
    let run = folder.join("run");
    train(
        &run,
        &[
            "--env",
            "identity:3",
            "--checkpoint-every",
            "16",
            "--steps",
            "4096",
        ],
    );
    let best = names(run.join("checkpoints/best"));
    assert_eq!(best.len(), 1, "{best:?}");
    let step: usize = best[0]
        .strip_prefix("step-")
        .and_then(|s| s.parse().ok())
        .expect("a step");
    let text = String::from_utf8(read(run.join("metrics.csv"))).expect("UTF-8");
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().expect("a header");
    let column = |name| {
        header
            .iter()
            .position(|&column| column == name)
            .expect(name)
    };
    let [at, episodes, recent] = [
        "global_step",
        "charts/episodes",
        "charts/episodic_return_100",
    ]
    .map(column);
    let mut found = (0, f64::NEG_INFINITY);
    for row in lines.filter(|row| row[episodes].parse::<usize>().expect("a count") >= 100) {
        let mean = row[recent].parse().expect("a return");
        if mean > found.1 {
            found = (row[at].parse().expect("a step"), mean);
        }
    }
    assert_eq!(step, found.0);
    let summary = json(run.join("summary.json"));
    assert_eq!(summary["best_return"], found.1);
    assert_eq!(summary["best_return_step"], found.0);
    let said = succeed(&[
        "eval",
        name(&run),
        "--checkpoint",
        "best",
        "--episodes",
        "1",
    ]);
    assert!(said.contains("identity of 3 actions"), "{said}");
}

/// The same seed gives equal rows, checkpoints and figures. Only the other files depend on the clock.
#[test]
fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
    let folder = folder("same");
    let make = |run: String, seed: &str, alpha: &str| {
        let out = folder.join(run);
        train(&out, &["--seed", seed, "--alpha", alpha]);
        out
    };
    for alpha in ["0.5", "1", "1.5"] {
        let first = make(format!("a{alpha}"), "3", alpha);
        let second = make(format!("b{alpha}"), "3", alpha);
        for same in [
            "config.json",
            "metrics.csv",
            "checkpoints",
            "learning_curve.svg",
            "learning_curve.png",
        ] {
            assert_same_files(&first.join(same), &second.join(same));
        }
        let other = make(format!("c{alpha}"), "4", alpha);
        for differs in ["metrics.csv", "checkpoints/step-1024/model.bpk"] {
            assert!(
                read(first.join(differs)) != read(other.join(differs)),
                "{differs}"
            );
        }
    }
}

#[test]
fn flags_override_file_overrides_preset() {
    let folder = folder("settings");
    let file = folder.join("settings.toml");
    fs::write(
        &file,
        "alpha = 1.5\nbeta = 0.1\ngamma = 0.9\n[network]\nhidden = [4]\n",
    )
    .expect("a file");
    let run = folder.join("run");
    let flags = [
        "--config",
        name(&file),
        "--preset",
        "paper",
        "--env",
        "bandit:3",
    ];
    let values = [
        "--steps",
        "32",
        "--envs",
        "4",
        "--rollout-steps",
        "8",
        "--beta",
        "0.2",
    ];
    let others = [
        "--target-kl",
        "0.5",
        "--value-clip",
        "none",
        "--shared",
        "--out",
        name(&run),
    ];
    succeed(&[&["train"], &flags[..], &values[..], &others[..]].concat());
    let config = &json(run.join("config.json"))["config"];
    assert_eq!(config["alpha"], 1.5);
    assert_eq!(
        config["regularizer_alpha"], 1.5,
        "the alphas are coupled by default"
    );
    assert_eq!(config["beta"], 0.2);
    assert_eq!(config["gamma"], 0.9);
    assert_eq!(config["environment"], "bandit:3");
    assert_eq!(
        config["bootstrap_on_truncation"], false,
        "the value of the preset"
    );
    assert_eq!(config["network"]["hidden"], serde_json::json!([4]));
    assert_eq!(config["network"]["shared"], true);
    assert_eq!(config["target_kl"], 0.5);
    assert_eq!(config["value_clip"], serde_json::Value::Null);

    // The config.json of a run reproduces the run.
    let again = folder.join("again");
    let config = run.join("config.json");
    succeed(&["train", "--config", name(&config), "--out", name(&again)]);
    assert_eq!(
        read(run.join("metrics.csv")),
        read(again.join("metrics.csv"))
    );
}

#[test]
fn decoupled_alphas_print_a_note() {
    let folder = folder("coupling");
    let run = |arguments: &[&str]| {
        let out = folder.join(format!("run{}", arguments.len()));
        stderr(&tsallis(&tiny(&out, arguments)))
    };
    let said = run(&["--regularizer-alpha", "1", "--steps", "32"]);
    assert!(
        said.contains("the paper's guarantee does not hold"),
        "{said}"
    );
    assert!(!run(&["--alpha", "0.7", "--steps", "32", "--device", "flex"]).contains("guarantee"));
}

#[test]
fn json_is_one_object_a_line() {
    let folder = folder("json");
    let run = folder.join("run");
    let printed = train(&run, &["--json", "--regularizer-alpha", "1"]);
    let lines: Vec<serde_json::Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).count();
    assert_eq!(
        (of("begin"), of("note"), of("update"), of("end")),
        (1, 1, 64, 1)
    );
    assert_eq!(lines.len(), 67);
    let end = &lines[66];
    assert_eq!(end["summary"], json(run.join("summary.json")));
    assert_eq!(lines[65]["metrics"]["global_step"], 1024);
    let several = train(&folder.join("several"), &["--seeds", "0..2", "--json"]);
    for line in several.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert!(line["seed"] == 0 || line["seed"] == 1, "{line}");
    }
}

/// A path that is not UTF-8 is part of the output, with a replacement character.
#[cfg(target_os = "linux")]
#[test]
fn json_names_any_path() {
    use std::os::unix::ffi::OsStrExt;
    let folder = folder("bytes");
    let run = folder.join(std::ffi::OsStr::from_bytes(b"x\xff"));
    let lines = |command: &mut std::process::Command| -> Vec<serde_json::Value> {
        let output = command.output().expect("the program starts");
        assert!(output.status.success(), "{}", stderr(&output));
        let text = stdout(&output);
        text.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    };
    let small = [
        "--json",
        "--steps",
        "16",
        "--envs",
        "2",
        "--rollout-steps",
        "8",
        "--minibatches",
        "2",
    ];
    let events = lines(
        super::program()
            .args(["train", "--out"])
            .arg(&run)
            .args(small),
    );
    let names: Vec<_> = events.iter().map(|event| &event["event"]).collect();
    assert_eq!(names, ["begin", "update", "end"]);
    let played = lines(
        super::program()
            .arg("eval")
            .arg(&run)
            .args(["--json", "--episodes", "1"]),
    );
    assert_eq!(played.len(), 1);
    for event in [&events[0], &events[2], &played[0]] {
        let run = event["run"].as_str().expect("a path");
        assert!(run.ends_with("x\u{fffd}"), "{run}");
    }
}

/// The default folder of a run has a name that any file system accepts.
#[test]
fn a_small_alpha_has_a_short_name() {
    let folder = folder("short");
    let small = [
        "--steps",
        "16",
        "--envs",
        "2",
        "--rollout-steps",
        "8",
        "--minibatches",
        "2",
        "--quiet",
    ];
    let trained = super::program()
        .current_dir(&folder)
        .args(["train", "--alpha", "1e-300"])
        .args(small)
        .output()
        .expect("the program starts");
    assert!(trained.status.success(), "{}", stderr(&trained));
    assert_eq!(
        names(folder.join("runs")),
        ["cartpole-alpha1e-300-noise0.5-seed0"]
    );
}

/// A closed reader or a full disk must not cause a panic.
#[cfg(unix)]
#[test]
fn output_that_cannot_be_written() {
    let folder = folder("output");
    let run = folder.join("run");
    let program = super::program();
    let shell = |script: &str, arguments: &[&str]| {
        std::process::Command::new("sh")
            .args(["-c", script])
            .arg(program.get_program())
            .args(arguments)
            .output()
            .expect("a shell")
    };
    if Path::new("/dev/full").exists() {
        let full = folder.join("full");
        let output = shell("exec \"$0\" \"$@\" >/dev/full", &tiny(&full, &["--json"]));
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("cannot write to standard output"), "{said}");
        assert_eq!(json(full.join("summary.json"))["status"], "finished");
    }
    // The reader exits before the first line.
    let gone = "{ \"$0\" \"$@\"; echo $? >&3; } 3>&2 | true";
    let output = shell(gone, &tiny(&run, &["--json"]));
    assert_eq!(json(run.join("summary.json"))["status"], "finished");
    assert!(stderr(&output).ends_with("0\n"), "{}", stderr(&output));
    for arguments in [&["eval", name(&run), "--episodes", "1"][..], &["devices"]] {
        let output = shell(gone, arguments);
        assert_eq!(stderr(&output), "0\n", "{arguments:?}");
        if Path::new("/dev/full").exists() {
            let output = shell("exec \"$0\" \"$@\" >/dev/full", arguments);
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
            assert!(said.contains("cannot write to standard output"), "{said}");
        }
    }
}

#[test]
fn a_quiet_run_prints_nothing() {
    let folder = folder("quiet");
    for (run, arguments) in [
        ("one", &["--quiet", "--regularizer-alpha", "1"][..]),
        ("several", &["--quiet", "--seeds", "0..2"]),
    ] {
        let quiet = tsallis(&tiny(&folder.join(run), arguments));
        assert!(quiet.status.success());
        assert_eq!((stdout(&quiet), stderr(&quiet)), Default::default());
    }
}

#[test]
fn a_diverged_run_keeps_its_last_checkpoint() {
    let folder = folder("diverges");
    let run = folder.join("run");
    let output = tsallis(&tiny(&run, &["--learning-rate", "1e30"]));
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("training has diverged"), "{said}");
    let summary = json(run.join("summary.json"));
    assert_eq!(summary["status"], "failed");
    assert!(
        summary["reason"]
            .as_str()
            .expect("a reason")
            .contains("diverged")
    );
    assert!(!names(run.join("checkpoints")).is_empty());
    let played = succeed(&["eval", name(&run), "--episodes", "1"]);
    assert!(played.contains("mean return"), "{played}");
}

/// config.json contains both alphas. If they are equal, `--alpha` sets both.
#[test]
fn alpha_flag_keeps_a_coupled_config_coupled() {
    let folder = folder("coupled");
    let alphas = |run: &Path| {
        let config = json(run.join("config.json"));
        let of = |name: &str| config["config"][name].as_f64().expect("a number");
        (of("alpha"), of("regularizer_alpha"))
    };
    let (coupled, apart) = (folder.join("coupled"), folder.join("apart"));
    train(&coupled, &["--quiet", "--steps", "64"]);
    let alphas_of_next = |from: &Path, name: &str| {
        let config = from.join("config.json");
        let next = folder.join(name);
        let config = config.to_str().expect("UTF-8");
        train(
            &next,
            &[
                "--config", config, "--alpha", "1", "--quiet", "--steps", "64",
            ],
        );
        alphas(&next)
    };
    assert_eq!(alphas_of_next(&coupled, "next"), (1.0, 1.0));
    train(
        &apart,
        &["--regularizer-alpha", "0.9", "--quiet", "--steps", "64"],
    );
    assert_eq!(alphas_of_next(&apart, "other"), (1.0, 0.9));
}

/// The policy plays with the statistics of its checkpoint, and the metrics have the joint divergence.
#[test]
fn a_factored_policy_learns_from_normalized_observations() {
    let folder = folder("factored");
    let run = folder.join("run");
    let factored = ["--env", "identity:4x3", "--normalize-observations", "true"];
    let said = train(
        &run,
        &[&factored[..], &["--normalize-rewards", "--noise-std", "0"]].concat(),
    );
    assert!(
        said.contains("identity of 4 x 3 actions: mean return"),
        "{said}"
    );
    let text = String::from_utf8(read(run.join("metrics.csv"))).expect("UTF-8");
    let header = text.lines().next().expect("a header");
    assert!(header.contains("policy/joint_divergence"), "{header}");

    let play = |run: &Path| {
        let played = succeed(&["eval", name(run), "--deterministic", "--json"]);
        let played: serde_json::Value = serde_json::from_str(&played).expect("JSON");
        played["mean_return"].as_f64().expect("a return")
    };
    // Uniform actions earn 2.9 of 10.
    let mean = play(&run);
    assert!(mean > 4.0, "{mean}");
    assert_eq!(play(&run), mean);

    let config = json(run.join("config.json"));
    assert_eq!(config["config"]["normalize_observations"], true);
    let checkpoint = run.join("checkpoints/step-1024/state.json");
    let state = json(checkpoint.clone());
    assert_eq!(state["spaces"]["actions"], serde_json::json!([4, 3]));
    let mut damaged = state.clone();
    damaged["normalization"]["observations"]["mean"] = serde_json::json!([0.0]);
    fs::write(&checkpoint, damaged.to_string()).expect("written");
    let output = tsallis(&["eval", name(&run)]);
    assert!(!output.status.success());
    assert!(
        stderr(&output).contains("of 7 components"),
        "{}",
        stderr(&output)
    );
}

/// The state of a checkpoint of an earlier version has neither spaces nor statistics, and its configuration no bins and no
/// normalization.
#[test]
fn a_run_of_an_earlier_version_is_read() {
    let folder = folder("earlier");
    let run = folder.join("run");
    train(&run, &["--env", "identity:3"]);
    let played = succeed(&["eval", name(&run)]);
    let without = |file: &Path, path: &[&str], names: &[&str]| {
        let mut value = json(file);
        let mut object = &mut value;
        for name in path {
            object = &mut object[*name];
        }
        let object = object.as_object_mut().expect("an object");
        for name in names {
            object.remove(*name);
        }
        fs::write(file, value.to_string()).expect("written");
    };
    let added = ["bins", "normalize_observations", "normalize_rewards"];
    without(&run.join("config.json"), &["config"], &added);
    for checkpoint in fs::read_dir(run.join("checkpoints")).expect("checkpoints") {
        let checkpoint = checkpoint.expect("an entry").path();
        if checkpoint.join("state.json").exists() {
            without(&checkpoint.join("settings.json"), &["config"], &added);
            without(&checkpoint.join("state.json"), &[], &["spaces"]);
        }
    }
    assert_eq!(succeed(&["eval", name(&run)]), played);
    succeed(&[
        "train",
        "--resume",
        name(&run),
        "--steps",
        "1056",
        "--quiet",
    ]);
}
