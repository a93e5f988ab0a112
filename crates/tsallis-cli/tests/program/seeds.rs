use super::{
    folder, json, name, names, program, read, refuse, stderr, succeed, tiny, train, tsallis,
};

#[test]
fn parallel_seeds_match_single_runs() {
    let folder = folder("beside");
    let all = folder.join("all");
    let said = train(&all, &["--seeds", "3..6", "--jobs", "3"]);
    assert_eq!(
        said.lines()
            .filter(|line| line.starts_with("seed "))
            .count(),
        3,
        "{said}"
    );
    assert!(said.contains("CartPole, 3 seeds: 0 of 3 solved"), "{said}");
    assert_eq!(names(&all), ["seed-3", "seed-4", "seed-5"]);
    for seed in ["3", "4", "5"] {
        let alone = folder.join(seed);
        train(&alone, &["--seed", seed, "--quiet"]);
        let beside = all.join(format!("seed-{seed}"));
        assert_eq!(
            read(alone.join("metrics.csv")),
            read(beside.join("metrics.csv"))
        );
    }
    let played = succeed(&["eval", name(&all), "--episodes", "2"]);
    assert_eq!(played.lines().count(), 4, "{played}");
    assert!(played.contains("3 seeds: mean return"), "{played}");
}

/// Runs with equal names that start at the same time without `--out`.
#[test]
fn runs_that_begin_together_have_a_folder_each() {
    let folder = folder("together");
    let arguments = tiny(&folder, &["--quiet", "--steps", "64"]);
    let begun: Vec<_> = ["0.01", "0.02", "0.03", "0.04", "0.05", "0.06"]
        .into_iter()
        .map(|beta| {
            let run = program()
                // Without --out and its folder.
                .args(
                    arguments
                        .iter()
                        .filter(|a| !["--out", name(&folder)].contains(a)),
                )
                .args(["--beta", beta])
                .current_dir(&folder)
                .spawn();
            run.expect("the program starts")
        })
        .collect();
    for mut run in begun {
        assert!(run.wait().expect("the program ends").success());
    }
    let mut betas: Vec<String> = names(folder.join("runs"))
        .iter()
        .map(|run| json(folder.join("runs").join(run).join("config.json")))
        .map(|config| config["config"]["beta"].to_string())
        .collect();
    betas.sort();
    assert_eq!(betas, ["0.01", "0.02", "0.03", "0.04", "0.05", "0.06"]);
}

#[test]
fn seeds_that_differ_do_not_go_on_together() {
    let folder = folder("differ");
    let run = folder.join("run");
    train(&run, &["--seeds", "0..2", "--steps", "256", "--quiet"]);
    let one = run.join("seed-1");
    succeed(&["train", "--resume", name(&one), "--steps", "512", "--quiet"]);
    let said = refuse(&["train", "--resume", name(&run)]);
    assert!(
        said.contains("the total_steps of")
            && said.contains("seed-1 is 512, but 256 in the first run: pass --steps"),
        "{said}"
    );
    succeed(&["train", "--resume", name(&run), "--steps", "512", "--quiet"]);
    assert_eq!(json(run.join("seed-0/summary.json"))["steps"], 512);
}

#[test]
fn one_seed_that_diverges_does_not_stop_the_others() {
    let folder = folder("one");
    let run = folder.join("run");
    train(&run, &["--seeds", "0..2", "--jobs", "1", "--quiet"]);
    // The first seed starts again, with a learning rate at which training diverges.
    let config = run.join("seed-0/config.json");
    let text = String::from_utf8(read(&config)).expect("UTF-8");
    for rest in ["checkpoints", "tensorboard"] {
        std::fs::remove_dir_all(run.join("seed-0").join(rest)).expect("removed");
    }
    for rest in ["metrics.csv", "timing.csv", "summary.json"] {
        std::fs::remove_file(run.join("seed-0").join(rest)).expect("removed");
    }
    std::fs::write(
        &config,
        text.replace("\"learning_rate\": 0.001", "\"learning_rate\": 1e30"),
    )
    .expect("written");
    let output = tsallis(&["train", "--resume", name(&run)]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains("seed 0: the") && said.contains("diverged"),
        "{said}"
    );
    assert_eq!(json(run.join("seed-0/summary.json"))["status"], "failed");
    assert_eq!(json(run.join("seed-1/summary.json"))["status"], "finished");
}
