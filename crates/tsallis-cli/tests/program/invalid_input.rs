use super::resume::assert_same_run;
use super::{folder, name, program, read, refuse, stderr, succeed, tiny, train, tsallis};
use std::fs;
use std::path::Path;

/// An invalid value exits with code 2 and one line that names it.
#[test]
fn invalid_input_prints_one_line() {
    let folder = folder("refused");
    let occupied = folder.join("occupied");
    fs::create_dir(&occupied).expect("a folder");
    fs::write(occupied.join("thesis.tex"), "precious").expect("a file");
    let empty = folder.join("empty");
    fs::create_dir(&empty).expect("a folder");
    let file = folder.join("file");
    fs::write(&file, "").expect("a file");
    let settings = folder.join("settings.toml");
    fs::write(&settings, "alhpa = 1\n").expect("a file");
    let former = folder.join("former.toml");
    fs::write(&former, "normalise_advantages = true\n").expect("a file");
    let fresh = folder.join("fresh");
    let below = file.join("run");
    let [occupied, empty, file, below, settings, former, fresh] =
        [&occupied, &empty, &file, &below, &settings, &former, &fresh]
            .map(|path| name(path).to_owned());

    let flags: &[(&[&str], &str)] = &[
        (&["--alpha", "NaN"], "alpha is NaN"),
        (&["--alpha", "-51"], "alpha is -51"),
        (&["--beta", "-1"], "beta is -1"),
        (&["--alpha", "-1e-3", "--beta", "-1e-3"], "beta is -0.001"),
        (&["--beta", "-.5"], "beta is -0.5"),
        (&["--steps", "0"], "total_steps is 0"),
        (&["--noise-std", "inf"], "noise_std is inf"),
        (&["--learning-rate", "0"], "learning_rate is 0"),
        (&["--gamma", "1.5"], "gamma is 1.5"),
        (&["--gae-lambda", "-1"], "gae_lambda is -1"),
        (&["--clip", "0"], "clip is 0"),
        (&["--value-clip", "0"], "value_clip is 0"),
        (&["--target-kl", "-1"], "target_kl is -1"),
        (
            &["--entropy-coefficient", "-1"],
            "entropy_coefficient is -1",
        ),
        (&["--value-coefficient", "-1"], "value_coefficient is -1"),
        (&["--max-grad-norm", "0"], "max_grad_norm is 0"),
        (&["--adam-epsilon", "0"], "adam_epsilon is 0"),
        (&["--envs", "0"], "environments is 0"),
        (&["--rollout-steps", "0"], "rollout_steps is 0"),
        (&["--epochs", "0"], "epochs is 0"),
        (&["--minibatches", "7"], "minibatches is 7"),
        (&["--hidden", "64,0"], "hidden is 0"),
        (&["--policy-bias", "5"], "policy_bias is [5.0]"),
        (&["--policy-bias", "-5,inf"], "policy_bias is inf"),
        (&["--hidden", "65536,65536"], "hidden is [65536, 65536]"),
        (
            &["--adam-epsilon", "1e-50"],
            "adam_epsilon is 1e-50: it must be a number from 1.2e-38",
        ),
        (
            &["--clip", "inf"],
            "clip is inf: it must be a number from 1.2e-38 to 3.4e38",
        ),
        (
            &["--envs", "1", "--rollout-steps", "1", "--minibatches", "1"],
            "normalize_advantages is true: it must be false",
        ),
        (
            &["--regularizer-alpha", "0", "--alpha", "2"],
            "regularizer_alpha is 0",
        ),
        (&["--jobs", "0"], "jobs is 0"),
        (&["--checkpoints", "0"], "checkpoints is 0"),
        (&["--checkpoint-every", "0"], "checkpoint_every is 0"),
        (&["--device", "gpu9"], "no device \"gpu9\" in this build"),
        (&["--config", &settings], "unknown field `alhpa`"),
        (
            &["--config", &former],
            "`normalise_advantages` is now `normalize_advantages`",
        ),
        (&["--config", &fresh], "cannot read"),
    ];
    for (arguments, words) in flags {
        let said = refuse(&[&["train", "--out", &fresh], *arguments].concat());
        assert!(said.contains(words), "{arguments:?}: {said}");
        assert!(!Path::new(&fresh).exists(), "{arguments:?} left a folder");
    }
    for (arguments, words) in [
        (&["train", "--out", &occupied][..], "already holds files"),
        (
            &["train", "--seeds", "0..2", "--out", &occupied],
            "already holds files",
        ),
        (&["train", "--out", &file], "cannot create the folder"),
        // A folder below a file can never be created, even by root.
        (&["train", "--out", &below], "cannot create the folder"),
        (
            &["train", "--seeds", "0..2", "--out", &below],
            "cannot create the folder",
        ),
        (&["sweep", "--out", &below], "cannot create the folder"),
        (&["sweep", "--out", &occupied], "already holds files"),
        (
            &["sweep", "--beta", "0.1", "-1", "--out", &fresh],
            "beta is -1",
        ),
        (
            &["sweep", "--beta", "0.1", "-1e-3", "--out", &fresh],
            "beta is -0.001",
        ),
        (
            &["eval", &empty],
            "is not a run folder: it has no config.json",
        ),
        (&["eval", &fresh], "is not a run folder"),
        (&["plot", &fresh], "is not a run folder"),
        (&["train", "--resume", &fresh], "is not a run folder"),
        (&["eval", &file], "is not a run folder"),
    ] {
        let said = refuse(arguments);
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    assert!(!Path::new(&fresh).exists());
    let kept = fs::read_to_string(Path::new(&occupied).join("thesis.tex"));
    assert_eq!(kept.expect("still there"), "precious");
}

/// An error in the command line itself is also one line, with the invalid and the expected value.
#[test]
fn an_unparsable_command_line_prints_one_line() {
    for (arguments, words) in [
        (
            &["train", "--alhpa", "1"][..],
            "unexpected argument '--alhpa' found; tip: a similar argument exists: '--alpha'",
        ),
        (
            &["train", "--momentum", "0.9"],
            "unexpected argument '--momentum' found",
        ),
        (
            &["train", "--regulariser", "loss"],
            "`--regulariser` is now `--regularizer`",
        ),
        (
            &["sweep", "--normalise-advantages", "true"],
            "`--normalise-advantages` is now `--normalize-advantages`",
        ),
        (
            &["--alpha", "1", "train"],
            "unexpected argument '--alpha' found; tip: 'train --alpha' exists",
        ),
        (&["train", "fast"], "unexpected argument 'fast' found"),
        (
            &["trian"],
            "unrecognized subcommand 'trian'; tip: a similar subcommand exists: 'train'",
        ),
        (
            &["train", "--alpha", "abc"],
            "invalid value 'abc' for '--alpha <NUMBER>': invalid float literal",
        ),
        (
            &["train", "--alpha"],
            "a value is required for '--alpha <NUMBER>' but none was supplied",
        ),
        (
            &["train", "--alpha", "--seed", "1"],
            "a value is required for '--alpha <NUMBER>' but none was supplied",
        ),
        (
            &["train", "--steps", "-1e-3"],
            "invalid value '-0.001' for '--steps <COUNT>': invalid digit found in string",
        ),
        (
            &["train", "--alpha", "1", "--alpha", "2"],
            "the argument '--alpha <NUMBER>' cannot be used multiple times",
        ),
        (
            &["train", "--seed", "1", "--seeds", "0..2"],
            "the argument '--seed <NUMBER>' cannot be used with '--seeds <A..B>'",
        ),
        (
            &["train", "--steps", "1e5"],
            "invalid value '1e5' for '--steps <COUNT>': invalid digit found in string",
        ),
        (
            &["train", "--seeds", "5..1"],
            "invalid value '5..1' for '--seeds <A..B>': expected A..B with whole numbers A < B",
        ),
        (
            &["train", "--env", "cartpol"],
            "invalid value 'cartpol' for '--env <NAME>': invalid environment \"cartpol\"; expected cartpole, acrobot, mountaincar, deepsea:N",
        ),
        (
            &["train", "--regularizer", "sgd"],
            "invalid value 'sgd' for '--regularizer <TERM>' [possible values: reward, loss, both]",
        ),
        (
            &["train", "--value-clip", "off"],
            "invalid value 'off' for '--value-clip <NUMBER>': expected a number or none",
        ),
        (
            &["train", "--policy-bias", "5;0"],
            "invalid value '5;0' for '--policy-bias <NUMBERS>': expected comma-separated numbers",
        ),
        (
            &["train", "--hidden", "64;64"],
            "invalid value '64;64' for '--hidden <WIDTHS>': expected comma-separated whole numbers",
        ),
        (
            &["eval"],
            "the following required arguments were not provided: <RUN>",
        ),
        (
            &["eval", "runs", "--episodes", "0"],
            "invalid value '0' for '--episodes <COUNT>': expected at least 1",
        ),
        (
            &["eval", "runs", "--checkpoint", "worst"],
            "invalid value 'worst' for '--checkpoint <CHECKPOINT>': expected last, best or a number",
        ),
    ] {
        let said = refuse(arguments);
        let begin = format!("error: {words}");
        assert!(said.starts_with(&begin), "{arguments:?}: {said}");
    }
}

#[test]
fn help_and_version_print_to_stdout() {
    for arguments in [&["--help"][..], &["help"], &["train", "--help"]] {
        let said = succeed(arguments);
        assert!(said.contains("Usage: tsallis "), "{said}");
    }
    assert!(succeed(&["--version"]).starts_with("tsallis "));
    let nothing = tsallis(&[]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(stderr(&nothing).contains("Usage: tsallis "));
}

#[test]
fn a_damaged_run_is_named() {
    let folder = folder("damaged-eval");
    let run = folder.join("run");
    train(&run, &["--quiet"]);
    let eval = |more: &[&str]| refuse(&[&["eval", name(&run)], more].concat());
    let said = eval(&["--checkpoint", "7"]);
    assert!(
        said.contains("has no checkpoint after 7 steps: it has checkpoints after"),
        "{said}"
    );
    let said = eval(&["--checkpoint", "best"]);
    assert!(
        said.contains("has no checkpoint after 100 episodes, so there is no best one"),
        "{said}"
    );

    let model = run.join("checkpoints/step-1024/model.bpk");
    let bytes = read(&model);
    fs::write(&model, &bytes[..bytes.len() / 2]).expect("the model is truncated");
    let said = eval(&[]);
    assert!(said.contains("model.bpk cannot be read"), "{said}");

    fs::remove_file(&model).expect("the model is removed");
    assert!(eval(&[]).contains("cannot read "));
    fs::remove_dir_all(run.join("checkpoints")).expect("the checkpoints are removed");
    assert!(eval(&[]).contains("has no checkpoint any more: the run has ended"));
    let config = String::from_utf8(read(run.join("config.json"))).expect("UTF-8");
    let other = config.replace(env!("CARGO_PKG_VERSION"), "7.3.0");
    fs::write(run.join("config.json"), other).expect("the version is changed");
    assert!(eval(&[]).contains("is a run of version 7.3.0, but this is version"));
    assert!(refuse(&["plot", name(&run)]).contains("is a run of version 7.3.0"));
    fs::write(run.join("config.json"), "{}").expect("the configuration is damaged");
    assert!(eval(&[]).contains("config.json cannot be read"));
}

/// A path near a run gets a pointer to the run.
#[test]
fn a_path_near_a_run_names_the_run() {
    let folder = folder("near");
    let run = folder.join("run");
    train(&run, &["--quiet", "--steps", "16"]);
    let inside = format!("; the run is {}\n", name(&run));
    for path in [
        "checkpoints",
        "checkpoints/step-16",
        "metrics.csv",
        "nowhere",
    ] {
        let path = run.join(path);
        for command in [&["eval"][..], &["plot"], &["train", "--resume"]] {
            let said = refuse(&[command, &[name(&path)]].concat());
            assert!(
                said.contains("is not a run folder: it has no config.json"),
                "{said}"
            );
            assert!(said.ends_with(&inside), "{said}");
        }
    }
    let said = refuse(&["eval", name(&folder)]);
    let such = format!("; choose one of the runs in it, such as {}\n", name(&run));
    assert!(said.ends_with(&such), "{said}");

    let sweep = folder.join("sweep");
    let small = [
        "--envs",
        "2",
        "--rollout-steps",
        "8",
        "--minibatches",
        "2",
        "--steps",
        "16",
        "--hidden",
        "8",
    ];
    succeed(
        &[
            &["sweep", "--seeds", "1", "--out", name(&sweep)],
            &small[..],
        ]
        .concat(),
    );
    for command in [&["eval"][..], &["train", "--resume"]] {
        let said = refuse(&[command, &[name(&sweep)]].concat());
        let setting = "sweep/runs/cartpole-noise0.5-beta0.01-lr0.001-alpha0.5\n";
        assert!(said.ends_with(setting), "{said}");
    }

    // A file of a sweep, a setting that it does not have, and a seed that it does not have.
    let setting = sweep.join("runs/cartpole-noise0.5-beta0.01-lr0.001-alpha0.5");
    for (path, place, such) in [
        (sweep.join("results.csv"), &sweep, &setting),
        (sweep.join("runs/nope"), &sweep.join("runs"), &setting),
        (setting.join("seed-7"), &setting, &setting.join("seed-0")),
    ] {
        let said = refuse(&["eval", name(&path)]);
        let words = format!(
            "; choose one of the runs in {}, such as {}\n",
            name(place),
            name(such)
        );
        assert!(said.ends_with(&words), "{said}");
    }
    // Relative paths are shown relative to the current folder, unless the run is above it.
    for (here, path, words) in [
        (&folder, "run/nowhere", "; the run is run\n"),
        (&run, "checkpoints", "; the run is .\n"),
        (&run.join("checkpoints"), ".", "near/run\n"),
        (
            &sweep,
            "table.md",
            "; choose one of the runs in ., such as ",
        ),
    ] {
        let output = program().current_dir(here).args(["eval", path]).output();
        let said = stderr(&output.expect("the program starts"));
        assert!(said.contains("; ") && said.contains(words), "{said}");
    }
}

/// A limit on the file size interrupts a write in the middle, like a full disk.
#[cfg(unix)]
#[test]
fn a_failed_write_names_the_file_and_the_run_can_be_resumed() {
    let folder = folder("full");
    let straight = folder.join("straight");
    train(&straight, &["--quiet"]);
    let mut named = Vec::new();
    // In blocks of 512 bytes, or of 1024 bytes in some shells.
    for blocks in ["1", "4", "8", "16", "32"] {
        let run = folder.join(blocks);
        let limited = format!("ulimit -f {blocks}; trap '' XFSZ; exec \"$0\" \"$@\"");
        let program = program();
        let output = std::process::Command::new("sh")
            .args(["-c", &limited])
            .arg(program.get_program())
            .args(tiny(&run, &["--quiet"]))
            .output()
            .expect("a shell");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{blocks}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.starts_with("error: cannot write "), "{said}");
        assert!(said.contains(name(&run)), "{said}");
        named.push(said);
        if run.join("config.json").exists() {
            succeed(&["train", "--resume", name(&run), "--quiet"]);
            assert_same_run(&straight, &run);
        }
    }
    for file in ["config.json", "tensorboard"] {
        assert!(
            named.iter().any(|said| said.contains(file)),
            "{file}: {named:?}"
        );
    }
}
