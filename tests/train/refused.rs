use super::{TINY, folder, name, read, refuse, stderr, tsallis};
use std::fs;
use std::path::Path;

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
    let settings = folder.join("settings.toml");
    fs::write(&settings, "alhpa = 1\n").expect("a file");
    let fresh = folder.join("fresh");
    let [occupied, empty, file, settings, fresh] =
        [&occupied, &empty, &file, &settings, &fresh].map(|path| name(path).to_owned());

    let train: &[(&[&str], &str)] = &[
        (&["--alpha", "NaN"], "alpha is NaN"),
        (&["--alpha", "-51"], "alpha is -51"),
        (&["--beta", "-1"], "beta is -1"),
        (&["--steps", "0"], "total_steps is 0"),
        (&["--noise-std", "inf"], "noise_std is inf"),
        (&["--learning-rate", "0"], "learning_rate is 0"),
        (&["--gamma", "1.5"], "gamma is 1.5"),
        (&["--gae-lambda", "-1"], "gae_lambda is -1"),
        (&["--clip", "0"], "clip is 0"),
        (&["--value-clip", "0"], "value_clip is 0"),
        (&["--target-kl", "-1"], "target_kl is -1"),
        (&["--entropy-coefficient", "-1"], "entropy_coefficient is -1"),
        (&["--value-coefficient", "-1"], "value_coefficient is -1"),
        (&["--max-grad-norm", "0"], "max_grad_norm is 0"),
        (&["--adam-epsilon", "0"], "adam_epsilon is 0"),
        (&["--envs", "0"], "environments is 0"),
        (&["--rollout-steps", "0"], "rollout_steps is 0"),
        (&["--epochs", "0"], "epochs is 0"),
        (&["--minibatches", "7"], "minibatches is 7"),
        (&["--hidden", "64,0"], "hidden is 0"),
        (&["--regulariser-alpha", "0", "--alpha", "2"], "regulariser_alpha is 0"),
        (&["--jobs", "0"], "jobs is 0"),
        (&["--checkpoints", "0"], "checkpoints is 0"),
        (&["--checkpoint-every", "0"], "checkpoint_every is 0"),
        (&["--device", "tpu"], "no device \"tpu\" in this build"),
        (&["--config", &settings], "unknown field `alhpa`"),
        (&["--config", &fresh], "cannot read"),
    ];
    for (arguments, words) in train {
        let said = refuse(&[&["train", "--out", &fresh], *arguments].concat());
        assert!(said.contains(words), "{arguments:?}: {said}");
        assert!(!Path::new(&fresh).exists(), "{arguments:?} left a folder");
    }
    for (arguments, words) in [
        (&["train", "--out", &occupied][..], "already holds files"),
        (&["train", "--seeds", "0..2", "--out", &occupied], "already holds files"),
        (&["train", "--out", &file], "cannot create the folder"),
        (&["sweep", "--out", &occupied], "already holds files"),
        (&["sweep", "--beta", "0.1", "-1", "--out", &fresh], "beta is -1"),
        (&["eval", &empty], "is not a run folder: it has no config.json"),
        (&["eval", &fresh], "is not a run folder"),
        (&["plot", &fresh], "is not a run folder"),
    ] {
        let said = refuse(arguments);
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    assert!(!Path::new(&fresh).exists());
    let kept = fs::read_to_string(Path::new(&occupied).join("thesis.tex"));
    assert_eq!(kept.expect("still there"), "precious");

    // What clap reads itself it refuses in its own way, with the value.
    for (arguments, words) in [
        (&["train", "--alpha", "half"][..], "'half'"),
        (&["train", "--env", "pong"], "no environment \"pong\""),
        (&["train", "--seeds", "5..1"], "'5..1'"),
        (&["eval", &empty, "--episodes", "0"], "at least 1"),
        (&["eval", &empty, "--checkpoint", "worst"], "last, best, or a number"),
    ] {
        let output = tsallis(arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
}

#[test]
fn a_damaged_run_is_named() {
    let folder = folder("damaged-eval");
    let run = folder.join("run");
    super::train(&run, &["--quiet"]);
    let eval = |more: &[&str]| refuse(&[&["eval", name(&run)], more].concat());
    let said = eval(&["--checkpoint", "7"]);
    assert!(said.contains("has no checkpoint of 7 steps: it has those of"), "{said}");
    let said = eval(&["--checkpoint", "best"]);
    assert!(said.contains("has no checkpoint of 100 episodes yet"), "{said}");

    let model = run.join("checkpoints/step-1024/model.bpk");
    let bytes = read(&model);
    fs::write(&model, &bytes[..bytes.len() / 2]).expect("the model is truncated");
    let said = eval(&[]);
    assert!(said.contains("model.bpk cannot be read"), "{said}");

    fs::remove_dir_all(run.join("checkpoints")).expect("the checkpoints are removed");
    assert!(eval(&[]).contains("has no checkpoint yet"));
    fs::write(run.join("config.json"), "{}").expect("the configuration is damaged");
    assert!(eval(&[]).contains("config.json cannot be read"));
}

/// `/dev/full` refuses every write, as a full disk does.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_one_line_that_names_the_file() {
    let folder = folder("full");
    let run = folder.join("run");
    super::train(&run, &["--quiet"]);
    for table in ["metrics.csv", "timing.csv"] {
        let path = run.join(table);
        let rows = read(&path);
        fs::remove_file(&path).expect("removed");
        std::os::unix::fs::symlink("/dev/full", &path).expect("linked");
        let output = tsallis(&["train", "--resume", name(&run), "--steps", "2048"]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        let error = said.lines().filter(|line| line.starts_with("error")).count();
        assert_eq!(error, 1, "{said}");
        assert!(said.contains(table), "{said}");
        fs::remove_file(&path).expect("unlinked");
        fs::write(&path, rows).expect("as it was");
    }
    assert!(!TINY.is_empty());
}
