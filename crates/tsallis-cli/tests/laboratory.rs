//! Tests of the laboratory's commands: their files, resumption and error messages.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn tsallis(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tsallis"));
    command.args(arguments);
    command
}

/// Runs a command that must succeed, and returns its output.
fn run(arguments: &[&str], out: &Path) -> String {
    let output = output(tsallis(arguments).arg("--out").arg(out));
    let error = text(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    text(&output.stdout) + &error
}

/// Runs a command that must fail with exit code 2, and returns its error line.
fn refusal(arguments: &[&str]) -> String {
    let output = output(&mut tsallis(arguments));
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
    assert!(error.starts_with("error: "), "{arguments:?}: {error}");
    assert_eq!(text(&output.stdout), "", "{arguments:?}");
    error.trim_end().to_owned()
}

fn output(command: &mut Command) -> Output {
    command.output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Creates an empty folder for a test.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("laboratory-{test}"));
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("the folder of an earlier run is removed");
    }
    fs::create_dir_all(&folder).expect("the folder is created");
    folder
}

fn written(folder: &Path, files: &[&str]) {
    for file in files {
        let bytes = fs::read(folder.join(file)).expect(file);
        assert!(bytes.len() > 80, "{file} holds {} bytes", bytes.len());
        match Path::new(file).extension().and_then(|end| end.to_str()) {
            Some("svg") => assert!(text(&bytes).trim_end().ends_with("</svg>"), "{file}"),
            Some("png") => assert_eq!(bytes[..8], *b"\x89PNG\r\n\x1a\n", "{file}"),
            _ => {}
        }
    }
}

/// Reads the rows of a CSV file, with values by column name.
fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).expect("a table");
    reader
        .deserialize()
        .collect::<Result<_, _>>()
        .expect("whole rows")
}

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().expect("a number")
}

#[test]
fn landscape_writes_figures_and_a_table() {
    let out = folder("landscape");
    let options = "landscape --points 9 --alpha 0.5 --temperature 2 --rewards 1 4 --range 8";
    let said = run(&options.split(' ').collect::<Vec<_>>(), &out);
    assert!(said.contains("a gradient norm below 1e-6"), "{said}");
    written(
        &out,
        &[
            "landscape.svg",
            "landscape.png",
            "landscape-gradient.svg",
            "landscape-gradient.png",
        ],
    );
    let rows = table(&out.join("landscape.csv"));
    assert_eq!(rows.len(), 81);
    assert_eq!(number(&rows[0], "theta_1"), -8.0);
    // At equal logits both policies are (1/2, 1/2); the measure is 1 for each arm.
    let middle = &rows[40];
    let entropy = 2.5 + 2.0 * 2_f64.ln();
    let tsallis = 2.5 - 2.0 * 2.0 * (0.5_f64.sqrt() - 0.25 - 0.5) / -0.25;
    for policy in ["softmax", "Tsallis"] {
        let value = number(middle, &format!("objective_{policy}_entropy"));
        assert!((value - entropy).abs() < 1e-9, "{value} {entropy}");
        let value = number(middle, &format!("objective_{policy}_Tsallis_regularizer"));
        assert!((value - tsallis).abs() < 1e-9, "{value} {tsallis}");
    }
}

#[test]
fn converge_measures_its_rates_on_any_process() {
    let out = folder("converge");
    let options = "converge --iterations 400 --alpha 0.5 1 0.5 jensen-shannon";
    let said = run(&options.split(' ').collect::<Vec<_>>(), &out);
    // The exponent for alpha 1/2, measured and by the theory.
    let ends = |line: &str| line.split_whitespace().rev().take(2).eq(["4.000", "4.000"]);
    assert!(said.lines().any(ends), "{said}");
    written(
        &out,
        &[
            "suboptimality.svg",
            "suboptimality.png",
            "escape.svg",
            "escape.png",
        ],
    );
    let gaps = table(&out.join("suboptimality.csv"));
    for alpha in ["0.5", "1", "jensen-shannon"] {
        let gap = |row| number(row, &format!("fpg_{alpha}"));
        assert!(gaps.windows(2).all(|rows| gap(&rows[1]) < gap(&rows[0])));
        assert!(gap(&gaps[gaps.len() - 1]) < 0.01);
    }
    let rates = table(&out.join("rates.csv"));
    assert_eq!(rates.len(), 3);
    for row in &rates {
        assert!(number(row, "measured_rate") > number(row, "pl_bound"));
        assert!(number(row, "pl_bound") > 0.0);
        // The bound is far below the step size in use.
        let bound = number(row, "step_bound");
        assert!(bound > 0.0 && bound < 0.1, "{bound}");
    }
    assert!(
        said.contains("PL bound") && said.contains("a guarantee for eta up to 1 / (2 L)"),
        "{said}"
    );
    let escapes = table(&out.join("escape.csv"));
    let row = escapes
        .iter()
        .find(|row| row["alpha"] == "1.0" && row["gap"] == "10.0")
        .expect("the softmax");
    assert!((number(row, "time") / (10.0 + 10_f64.sinh()) - 1.0).abs() < 1e-9);

    // With a horizon, a given reference, an Armijo search and the projection onto the floor.
    let out = folder("converge-options");
    let options = "converge --mdp nchain:4 --horizon 6 --reference 0.25 0.75 --armijo --project \
                   --alpha 0.5 --iterations 60";
    run(&options.split_whitespace().collect::<Vec<_>>(), &out);
    let gaps = table(&out.join("suboptimality.csv"));
    let last = number(&gaps[gaps.len() - 1], "fpg_0.5");
    assert!((-1e-12..1e-3).contains(&last), "{last}");
    let svg = fs::read_to_string(out.join("suboptimality.svg")).expect("the picture");
    assert!(svg.contains("nchain:4, 6 steps") && svg.contains("Armijo"));

    // The floor takes the span of the rewards into account, so the ascent still reaches its optimum.
    let out = folder("converge-span");
    let options = "converge --mdp bandit:0,50 --project --alpha 0.5 --temperature 10 --step-size 0.1 \
                   --iterations 2000";
    run(&options.split_whitespace().collect::<Vec<_>>(), &out);
    let gaps = table(&out.join("suboptimality.csv"));
    let last = number(&gaps[gaps.len() - 1], "fpg_0.5");
    assert!(last < 1e-6, "{last}");
}

#[test]
fn network_compares_the_gradient_with_the_bound_for_tables() {
    let out = folder("network");
    let options = "network --alpha 0.5 1 --width 1 16 --iterations 200 --points 30 --seeds 2";
    let said = run(&options.split(' ').collect::<Vec<_>>(), &out);
    // Two alphas, each with a table and two widths.
    assert_eq!(said.matches(" %").count(), 2 * 6, "{said}");
    written(&out, &["ratio.svg", "ratio.png"]);
    let rows = table(&out.join("network.csv"));
    assert_eq!(rows.len(), 2 * (1 + 2 * 2));
    for row in rows.iter().filter(|row| row["width"] == "0") {
        // The inequality holds for tables.
        for share in ["share_below_constant", "random_share_below_constant"] {
            assert_eq!(number(row, share), 0.0);
        }
        assert_eq!(number(row, "smallest_transfer"), 1.0);
        assert_eq!(number(row, "parameters"), 12.0);
    }
    let gap = |width: &str| {
        let of = rows.iter().filter(|row| row["width"] == width);
        of.map(|row| number(row, "final_gap")).fold(0.0, f64::max)
    };
    assert!(gap("16") < 1e-3 && gap("1") > 1e-3);
    let curves = table(&out.join("curves.csv"));
    assert!(curves.len() >= 10 * 50 && number(&curves[0], "ratio") > 0.0);
    for (flag, value, words) in [
        ("--width", "0", "--width must be from 1 to 4096, not 0"),
        (
            "--features",
            "0",
            "--features must be from 1 to 4096, not 0",
        ),
        ("--temperature", "0", "--temperature must be positive"),
    ] {
        let said = refusal(&["network", flag, value]);
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn trajectories_escape_from_a_wrong_policy() {
    let out = folder("trajectories");
    let arms =
        "trajectories --mdp bandit:0,1 --alpha 0.5 1 --gap 5 --probability 0.1 --step-size 1 2";
    let options = format!("{arms} --iterations 3000");
    let said = run(&options.split(' ').collect::<Vec<_>>(), &out);
    assert!(said.contains("2 of 2"), "{said}");
    let figures = ["escape.svg", "escape.png", "trajectories.svg"];
    written(&out, &figures);
    let rows = table(&out.join("runs.csv"));
    // Two starts, two alphas and two step sizes.
    assert_eq!(rows.len(), 8);
    let escape = |start: &str, alpha: &str, step_size: &str| {
        let is_it = |row: &&BTreeMap<String, String>| {
            row["start"] == start && row["alpha"] == alpha && row["step_size"] == step_size
        };
        number(rows.iter().find(is_it).expect("a run"), "escape")
    };
    // The flow of alpha = 1/2 is slower from the same probability. Half the steps of twice the size are as far.
    let from = "probability 0.1";
    assert!(escape(from, "0.5", "1.0") > escape(from, "1", "1.0"));
    let (one, two) = (
        escape("logit gap 5", "1", "1.0"),
        escape("logit gap 5", "1", "2.0"),
    );
    assert!((one / two - 2.0).abs() < 0.1, "{one} {two}");
    for row in table(&out.join("summary.csv")) {
        // The heavy tail is close to linear, and the softmax still close to 1 / n.
        let lengthening = number(&row, "lengthening");
        let is_near_linear = lengthening < 2.0;
        assert_eq!(is_near_linear, row["alpha"] == "0.5", "{lengthening}");
        assert_eq!((&*row["escaped"], &*row["off_support"]), ("1", "0"));
    }

    // An action off the support of two is lost, unless the projection keeps it.
    let sparse = "trajectories --mdp bandit:0,1 --method sampled --alpha 2 --gap 3 --iterations 2000 --seeds 2";
    for (floor, share) in [("", "2"), (" --floor 0.1", "0")] {
        let out = folder("trajectories-sparse");
        let options = format!("{sparse}{floor}");
        run(&options.split(' ').collect::<Vec<_>>(), &out);
        assert_eq!(table(&out.join("summary.csv"))[0]["off_support"], share);
    }

    let out = folder("trajectories-learner");
    let learner =
        "trajectories --mdp bandit:0,1 --method learner --alpha 1 --gap 3 --iterations 8 --seeds 2";
    run(&learner.split(' ').collect::<Vec<_>>(), &out);
    for row in table(&out.join("runs.csv")) {
        // The biases of the head make the first policy wrong, so no run has escaped at once.
        assert!(number(&row, "escape") >= 1.0);
    }
}

#[test]
fn recommend_prints_numbers_and_formulas() {
    let output = output(&mut tsallis(&[
        "recommend",
        "--epsilon",
        "0.001",
        "--gamma",
        "0.9",
    ]));
    assert!(output.status.success());
    let said = text(&output.stdout);
    for words in [
        "alpha* = 11 / (2 ln(1 / epsilon)) = 0.79621",
        "lambda = (1 - gamma) epsilon / (2 D_max)",
        "D_max = q_min f(1 / q_min) + (1 - q_min) f(0)",
        "tau = min(",
        "eta <= 1 / (2 L)",
        "omega = q_min^(alpha - 1)",
        "kappa = (2 - alpha) omega",
    ] {
        assert!(said.contains(words), "{said}");
    }
    // (1 - 0.9) 0.001 / (2 ln 2) for the softmax.
    assert!(said.contains("7.213e-5"), "{said}");

    // The inverse of this accuracy overflows, but its logarithm is finite.
    let tiny = ["recommend", "--epsilon", "1e-320", "--gamma", "0.5"];
    let tiny = self::output(&mut tsallis(&tiny));
    let said = text(&tiny.stdout);
    assert!(tiny.status.success(), "{}", text(&tiny.stderr));
    assert!(said.contains("= 0.00746"), "{said}");
}

#[test]
fn bandit_stays_below_its_bound() {
    let out = folder("bandit");
    let said = run(&["bandit", "--rounds", "2000", "--seeds", "3"], &out);
    assert!(said.contains("4 sqrt(K T) + 1"), "{said}");
    written(&out, &["regret.svg", "regret.png"]);
    let rows = table(&out.join("regret.csv"));
    assert_eq!(rows[rows.len() - 1]["round"], "2000");
    for row in &rows {
        assert!(number(row, "adversarial_mean") < number(row, "adversarial_bound"));
    }
    run(&["bandit", "--rounds", "1", "--seeds", "1"], &out);
}

const SMALL: &str = "tabular --mdp nchain:4 --iterations 100 --every 50";

fn small(more: &str) -> Vec<String> {
    let words = SMALL.split(' ').chain(more.split_whitespace());
    words.map(str::to_owned).collect()
}

fn sweep(more: &str, out: &Path) -> String {
    let words = small(more);
    run(&words.iter().map(String::as_str).collect::<Vec<_>>(), out)
}

#[test]
fn a_sweep_grows_by_what_is_missing() {
    let out = folder("sweep");
    // A repeated alpha runs once.
    sweep("--alpha 0.5 0.5 --seeds 2", &out);
    let pictures = ["best.csv", "curves.csv", "nchain-4.svg", "nchain-4.png"];
    written(&out, &pictures);
    let rows = || table(&out.join("results.csv"));
    // Two step sizes, two temperatures and two seeds.
    assert_eq!(rows().len(), 8);
    let first = rows();

    let said = sweep("--alpha 0.5 1 --seeds 2", &out);
    assert!(said.contains("8 of 16 runs are already done"), "{said}");
    assert_eq!(rows().len(), 16);
    assert_eq!(rows()[..8], first);
    written(&out, &["alphas.svg", "alphas.png", "temperatures.svg"]);
    let best = table(&out.join("best.csv"));
    assert_eq!(best.len(), 2);
    let largest = rows()
        .iter()
        .filter(|row| row["alpha"] == "1" && row["seed"] == "0")
        .map(|row| number(row, "final_value"))
        .fold(0.0, f64::max);
    assert!(number(&best[1], "final_value") > 0.5 * largest);
    // This table is the source of the figures and of the statistics over seeds.
    let settings = table(&out.join("settings.csv"));
    assert_eq!(settings.len(), 8);
    for setting in &settings {
        let values: Vec<f64> = setting["final_values"]
            .split(' ')
            .map(|value| value.parse().expect("a number"))
            .collect();
        assert_eq!(values.len().to_string(), setting["seeds"]);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        assert!((mean - number(setting, "final_value")).abs() < 1e-4 * mean.abs().max(1.0));
        assert!(number(setting, "standard_error") >= 0.0);
    }
    assert!(
        said.contains("settings.csv") && said.contains("seeds"),
        "{said}"
    );

    // All runs are done, so nothing runs and the report is printed again.
    let said = sweep("--alpha 0.5 1 --seeds 2", &out);
    assert!(said.contains("16 of 16 runs are already done"), "{said}");
    assert!(
        said.contains("of best") && !said.contains("threads"),
        "{said}"
    );
    assert_eq!(rows().len(), 16);

    let path = out.to_str().expect("a UTF-8 path");
    let other = small(&format!("--horizon 7 --out {path}"));
    let error = refusal(&other.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(error.contains("horizon 25, not 7"), "{error}");
    assert_eq!(rows().len(), 16);
}

#[test]
fn the_best_settings_are_judged_on_other_seeds() {
    let (out, judged) = (folder("chosen"), folder("judged"));
    sweep("--alpha 0.5 1 --seeds 2", &out);
    let folder = out.to_str().expect("a UTF-8 path");
    let judge = format!("--alpha 0.5 1 --judge {folder} --seeds 5..9");
    let said = sweep(&judge, &judged);
    assert!(said.contains("from alpha 1"), "{said}");
    let best = table(&out.join("best.csv"));
    let rows = table(&judged.join("results.csv"));
    assert_eq!(rows.len(), 2 * 4);
    for row in &rows {
        let chosen = best.iter().find(|best| best["alpha"] == row["alpha"]);
        let chosen = chosen.expect("a chosen alpha");
        assert_eq!(number(row, "step_size"), number(chosen, "step_size"));
        assert_eq!(number(row, "temperature"), number(chosen, "temperature"));
        assert!((5.0..9.0).contains(&number(row, "seed")));
    }
    let compared = table(&judged.join("judged.csv"));
    assert_eq!(compared.len(), 1);
    let mean = |alpha: &str| {
        let of_alpha = rows.iter().filter(|row| row["alpha"] == alpha);
        of_alpha.map(|row| number(row, "final_value")).sum::<f64>() / 4.0
    };
    let difference = number(&compared[0], "difference");
    assert!((difference - (mean("0.5") - mean("1"))).abs() < 1e-9);
    assert!(number(&compared[0], "low") <= difference);

    for (other, words) in [
        (
            format!("--alpha 0.9 --judge {folder}"),
            "has no best setting of this grid",
        ),
        ("--judge /no/such/folder".to_owned(), "cannot read"),
    ] {
        let words_of = small(&other);
        let error = refusal(&words_of.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn every_method_has_its_rows() {
    let out = folder("methods");
    let said = sweep(
        "--algorithm fpg natural log-barrier escort hadamard adaptive --alpha 0.5 --step-size 0.1 \
         --temperature 0.1 --seeds 1",
        &out,
    );
    let methods: Vec<String> = table(&out.join("best.csv"))
        .iter()
        .map(|row| row["algorithm"].clone())
        .collect();
    assert_eq!(
        methods,
        [
            "fpg",
            "natural",
            "log-barrier",
            "escort",
            "hadamard",
            "adaptive"
        ]
    );
    assert!(methods.iter().all(|method| said.contains(method)), "{said}");
}

#[test]
fn a_huge_step_size_is_printed_in_few_digits() {
    let out = folder("far");
    let said = sweep(
        "--alpha 0.5 --step-size 1e308 --temperature 0.1 --seeds 1",
        &out,
    );
    assert!(
        said.contains("  1e308  ") && !said.contains("00000000"),
        "{said}"
    );
    let row = &table(&out.join("results.csv"))[0];
    assert_eq!(
        (&*row["final_value"], &*row["final_return"]),
        ("NaN", "NaN")
    );
}

#[test]
fn a_changed_process_file_is_detected() {
    let out = folder("file");
    let file = out.join("coins.json");
    let write = |reward: f64| {
        let arm = |action: usize, reward: f64| {
            format!(r#"{{"state": 0, "action": {action}, "next": null, "reward": {reward}}}"#)
        };
        let process = format!(
            r#"{{"discount": 0.9, "states": 1, "actions": 2, "transitions": [{}, {}]}}"#,
            arm(0, 0.0),
            arm(1, reward)
        );
        fs::write(&file, process).expect("the file is written");
    };
    let path = |path: &Path| path.to_str().expect("a UTF-8 path").to_owned();
    let (file_path, runs) = (path(&file), path(&out.join("runs")));
    let arguments = [
        "tabular",
        "--mdp",
        &file_path,
        "--alpha",
        "0.5",
        "--iterations",
        "40",
        "--every",
        "20",
        "--seeds",
        "1",
        "--out",
        &runs,
    ];
    write(1.0);
    assert!(output(&mut tsallis(&arguments)).status.success());
    let kept = fs::read(out.join("runs/results.csv")).expect("the table");
    assert!(output(&mut tsallis(&arguments)).status.success());
    write(2.0);
    let error = refusal(&arguments);
    assert!(error.contains("a different process \"coins\""), "{error}");
    assert_eq!(
        kept,
        fs::read(out.join("runs/results.csv")).expect("the table")
    );
}

/// Runs a command with one thread, so that the rows are in the order of the grid.
fn single_threaded(arguments: &[String], more: &[&str]) -> Output {
    let mut command = tsallis(&[]);
    command.args(arguments).args(more);
    output(command.env("RAYON_NUM_THREADS", "1"))
}

#[test]
fn merged_shards_equal_a_single_process() {
    let folder = folder("shards");
    let path = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
    let arguments = small("--alpha 0.5 1 --algorithm fpg hadamard --seeds 2");
    let (single, out) = (path("single"), path("shards"));
    assert!(
        single_threaded(&arguments, &["--out", &single])
            .status
            .success()
    );

    let shard = |shard: &str| {
        let mut command = tsallis(&[]);
        command
            .args(&arguments)
            .args(["--out", &out, "--shard", shard]);
        let ended = output(&mut command);
        assert!(ended.status.success(), "{}", text(&ended.stderr));
        text(&ended.stdout)
    };
    let merge = |more: &[&str]| {
        let mut command = tsallis(&[]);
        output(
            command
                .args(&arguments)
                .args(["--out", &out, "--merge"])
                .args(more),
        )
    };
    let refused = |more: &[&str]| {
        let ended = merge(more);
        assert_eq!(ended.status.code(), Some(2));
        let error = text(&ended.stderr);
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    };
    let read = |name: &str| fs::read(folder.join("shards").join(name)).expect("a file");
    // All at once: the shards do not lock each other out.
    std::thread::scope(|scope| {
        for name in ["0/3", "2/3"] {
            scope.spawn(move || {
                let said = shard(name);
                assert!(
                    said.contains(&format!("Shard {name} is complete")),
                    "{said}"
                );
            });
        }
    });
    // 2 alphas, 2 step sizes, 2 temperatures and 2 seeds; Hadamard has neither alphas nor temperatures.
    let error = refused(&[]);
    assert!(
        error.contains("lacks runs: 7 runs of shard 1/3;"),
        "{error}"
    );
    assert!(!folder.join("shards/results.csv").exists());

    // A shard that was killed while it wrote a line.
    shard("1/3");
    let whole = table(&folder.join("shards/results.1-of-3.csv"));
    let bytes = read("results.1-of-3.csv");
    fs::write(
        folder.join("shards/results.1-of-3.csv"),
        &bytes[..bytes.len() - 10],
    )
    .expect("torn");
    let error = refused(&[]);
    assert!(error.contains("lacks runs: 1 run of shard 1/3;"), "{error}");
    shard("1/3");
    assert_eq!(table(&folder.join("shards/results.1-of-3.csv")), whole);

    let merged = merge(&[]);
    assert!(merged.status.success(), "{}", text(&merged.stderr));
    for name in [
        "results.csv",
        "sweep.json",
        "best.csv",
        "settings.csv",
        "nchain-4.svg",
    ] {
        let single = fs::read(folder.join("single").join(name)).expect("a file");
        assert!(read(name) == single, "{name} differs");
    }

    // The merged table grows like another one, and another merge keeps the additional runs.
    let more = small("--alpha 0.5 1 --algorithm fpg hadamard --seeds 3");
    assert!(single_threaded(&more, &["--out", &single]).status.success());
    assert!(single_threaded(&more, &["--out", &out]).status.success());
    assert!(merge(&[]).status.success());
    assert!(read("results.csv") == fs::read(folder.join("single/results.csv")).expect("a file"));

    // Shards of another sweep, and another number of shards.
    let error = refused(&["--horizon", "7"]);
    assert!(error.contains("horizon 25, not 7"), "{error}");
    let fewer = small(&format!("--alpha 0.5 --seeds 1 --out {out} --merge"));
    let error = refusal(&fewer.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(
        error.contains("holds runs that are not in this sweep"),
        "{error}"
    );
    let others = small(&format!("--out {out} --shard 0/2"));
    let error = refusal(&others.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(
        error.contains("is the table of one of 3 shards, not 2"),
        "{error}"
    );
}

#[cfg(unix)]
mod interrupted {
    use super::*;
    use std::process::Child;
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    fn lines(out: &Path) -> Vec<String> {
        lines_of(out, "results.csv")
    }

    fn lines_of(out: &Path, table: &str) -> Vec<String> {
        let text = fs::read_to_string(out.join(table)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Starts the sweep and waits for some more of its runs.
    fn begin(arguments: &[String], out: &Path, table: &str) -> Child {
        let before = lines_of(out, table).len();
        let mut command = tsallis(&[]);
        command.args(arguments).arg("--out").arg(out);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child: Child = command.spawn().expect("the program starts");
        let begun = Instant::now();
        while lines_of(out, table).len() < before + 4 {
            assert!(begun.elapsed() < Duration::from_secs(60), "no run ended");
            sleep(Duration::from_millis(2));
        }
        child
    }

    /// Starts the sweep, waits for some of its runs and sends a signal.
    fn stop(arguments: &[String], out: &Path, signal: &str) -> Output {
        stop_table(arguments, out, signal, "results.csv")
    }

    fn stop_table(arguments: &[String], out: &Path, signal: &str, table: &str) -> Output {
        let child = begin(arguments, out, table);
        let sent = Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status();
        assert!(sent.expect("kill runs").success());
        child.wait_with_output().expect("the program ends")
    }

    fn sorted(mut lines: Vec<String>) -> Vec<String> {
        lines.sort();
        lines
    }

    #[test]
    fn a_killed_sweep_goes_on_and_ends_with_the_same_table() {
        let arguments = "tabular --mdp nchain:10 --alpha 0.1 --step-size 0.1 --temperature 0.1 \
                         --iterations 3000 --every 1000 --seeds 40";
        let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (straight, killed) = (folder("straight"), folder("killed"));
        run(&words, &straight);
        assert_eq!(lines(&straight).len(), 41);

        assert!(!stop(&arguments, &killed, "-KILL").status.success());
        let there = lines(&killed).len();
        assert!(there < 41, "the sweep was not killed in time");
        // A kill can only tear the last line. Make sure that the last line is torn.
        let path = killed.join("results.csv");
        let torn = lines(&killed).join("\n") + "\nnchain:10,fpg,0.1,0.";
        fs::write(&path, torn).expect("the table is written");
        let said = run(&words, &killed);
        assert!(said.contains("of 40 runs are already done"), "{said}");
        assert_eq!(sorted(lines(&killed)), sorted(lines(&straight)));
    }

    /// A shard that is stopped or killed continues and merges.
    #[test]
    fn an_interrupted_shard_goes_on() {
        let arguments = "tabular --mdp nchain:10 --alpha 0.1 --step-size 0.1 --temperature 0.1 \
                         --iterations 3000 --every 1000 --seeds 40";
        let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        let (straight, out) = (folder("shard-straight"), folder("shard-killed"));
        let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        assert!(
            single_threaded(&arguments, &["--out", &path(&straight)])
                .status
                .success()
        );
        let shard = |shard: &str| {
            let mut arguments = arguments.clone();
            arguments.extend(["--shard".to_owned(), shard.to_owned()]);
            arguments
        };
        let table = "results.0-of-2.csv";
        for signal in ["-KILL", "-TERM"] {
            let ended = stop_table(&shard("0/2"), &out, signal, table);
            assert!(!ended.status.success());
            let there = lines_of(&out, table).len();
            assert!(there < 21, "the shard was not stopped in time");
        }
        for name in ["0/2", "1/2"] {
            let words = shard(name);
            run(&words.iter().map(String::as_str).collect::<Vec<_>>(), &out);
        }
        let mut merge = tsallis(&[]);
        merge
            .args(&arguments)
            .args(["--merge", "--out", &path(&out)]);
        assert!(output(&mut merge).status.success());
        assert_eq!(lines(&out), lines(&straight));
    }

    #[test]
    fn two_sweeps_at_once_do_not_write_one_table() {
        let out = folder("twice");
        let arguments = "tabular --mdp nchain:10 --alpha 0.1 --iterations 3000 --seeds 400";
        let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
        let mut first = begin(&arguments, &out, "results.csv");
        let path = out.to_str().expect("a UTF-8 path");
        let words = arguments.iter().map(String::as_str);
        let error = refusal(&words.chain(["--out", path]).collect::<Vec<_>>());
        first.kill().expect("the sweep still runs");
        first.wait().expect("the sweep ends");
        assert!(
            error.contains(path) && error.contains("another process"),
            "{error}"
        );
    }

    #[test]
    fn the_large_preset_stops_at_ctrl_c_and_goes_on() {
        let arguments = "tabular --preset large --iterations 30 --every 10 --seeds 1";
        let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let out = folder("large");
        let output = stop(&arguments, &out, "-INT");
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
        assert!(said.contains("Stopped after") && said.contains("Run the same command to resume"));
        let there = lines(&out);
        assert!(there.len() < 226, "the sweep was not stopped in time");
        written(&out, &["best.csv", "curves.csv"]);

        run(&words, &out);
        // Five processes, five alphas, three step sizes, three temperatures.
        assert_eq!(lines(&out).len(), 226);
        assert_eq!(lines(&out)[..there.len()], there);
        written(&out, &["deepsea-30.svg", "nchain-15.png", "alphas.svg"]);
    }

    #[test]
    fn a_closed_pipe_is_not_an_error() {
        let program = env!("CARGO_BIN_EXE_tsallis");
        let script = format!("'{program}' recommend --epsilon 0.1 | true");
        let output = output(Command::new("sh").args(["-c", &script]));
        assert_eq!(text(&output.stderr), "");
    }
}

#[test]
fn invalid_arguments_print_one_line() {
    let out = folder("refused");
    let broken = out.join("broken.json");
    let process = r#"{"discount": 0.9, "states": 2, "actions": 2, "transitions": [
        {"state": 0, "action": 0, "next": 1}, {"state": 0, "action": 1, "next": 0},
        {"state": 1, "action": 0, "next": null},
        {"state": 1, "action": 1, "next": 0, "probability": 0.5}]}"#;
    fs::write(&broken, process).expect("the file is written");
    let broken = broken.to_str().expect("a UTF-8 path");
    let below = format!("{broken}/folder");
    for (arguments, what) in [
        ("landscape --alpha 0", "--alpha must be above 0"),
        ("landscape --alpha NaN", "not NaN"),
        (
            "landscape --temperature 0",
            "--temperature must be positive",
        ),
        ("landscape --range inf", "--range must be positive"),
        ("landscape --points 1", "--points must be from 2 to 500"),
        (
            "landscape --rewards NaN 1",
            "--rewards must be from -1e100 to 1e100",
        ),
        ("landscape --out BELOW", "cannot create the folder"),
        (
            "converge --mdp maze",
            "unknown process \"maze\": it must be nchain",
        ),
        ("converge --mdp nchain:1", "at least 2 states, not 1"),
        ("converge --mdp deepsea:4000", "are too many"),
        ("converge --mdp nowhere.json", "cannot read nowhere.json"),
        (
            "converge --mdp BROKEN",
            "broken.json: action 1 in state 1: the probabilities of its outcomes must be from 0 to 1 and sum to \
             1: the sum is 0.5",
        ),
        ("tabular --mdp BROKEN", "action 1 in state 1"),
        (
            "converge --temperature -1",
            "--temperature must be positive",
        ),
        ("converge --step-size NaN", "--step-size must be positive"),
        ("converge --iterations 0", "--iterations must be from 1"),
        ("converge --horizon 0", "at least one step"),
        ("converge --reference 0.5 0.5", "2 probabilities, not 3"),
        ("converge --reference 1 0 0", "must be positive everywhere"),
        ("converge --alpha 2 --project", "the theory covers alpha"),
        ("converge --out BELOW", "cannot create the folder"),
        ("recommend --epsilon 2", "--epsilon must be above 0"),
        (
            "recommend --epsilon 1e-320",
            "--epsilon must be large enough",
        ),
        ("recommend --epsilon 0.1 --gamma 1", "--gamma must be"),
        ("recommend --epsilon 0.1 --alpha 0", "the theory covers"),
        ("tabular --step-size 0", "the step size must be positive"),
        (
            "tabular --temperature 0",
            "the temperature must be positive",
        ),
        ("tabular --seeds 0", "expected A..B with whole numbers"),
        (
            "tabular --seeds 99999999999",
            "expected at most 100000 seeds",
        ),
        ("tabular --iterations 0", "the number of iterations must be"),
        ("tabular --horizon 99999999999", "the horizon must be"),
        ("tabular --batch 0", "the batch size must be"),
        ("tabular --alpha 2 --project", "no projection"),
        (
            "tabular --algorithm hadamard --project",
            "only fpg supports projection",
        ),
        ("tabular --mdp nchain:4 nchain:4", "\"nchain:4\" twice"),
        (
            "tabular --algorithm escort --alpha hellinger",
            "a number, the power of the transform",
        ),
        ("tabular --out BELOW", "cannot create the folder"),
        (
            "trajectories --mdp bandit:1,1",
            "a process whose worst actions earn less than the best ones, not bandit:1,1",
        ),
        ("trajectories --gap -1", "--gap must be from 0"),
        (
            "trajectories --probability 0.5",
            "--probability must be above 0 and below 0.5, not 0.5",
        ),
        ("trajectories --step-size 0", "--step-size must be positive"),
        ("trajectories --floor 0.6", "--floor must be from 0 to 0.5"),
        (
            "trajectories --method learner --floor 0.1",
            "--method must be exact or sampled with --floor",
        ),
        (
            "trajectories --method learner --alpha le-cam",
            "--alpha must be a number for the learner",
        ),
        (
            "trajectories --method learner --mdp deepsea:4",
            "the same worst action in every state for the learner, or --gap 0",
        ),
        (
            "trajectories --method learner --step-size 1e-50",
            "learning_rate is 1e-50",
        ),
        ("trajectories --device tpu", "no device \"tpu\""),
        ("trajectories --horizon 0", "--horizon must be from 1"),
        ("trajectories --seeds 0", "--seeds must be from 1"),
        ("trajectories --out BELOW", "cannot create the folder"),
        ("bandit --gap 0.9", "--gap must be above 0"),
        ("bandit --arms 1", "--arms must be from 2"),
        ("bandit --rounds 0", "--rounds must be from 1"),
        ("bandit --seeds 0", "--seeds must be from 1"),
        ("bandit --out BELOW", "cannot create the folder"),
    ] {
        let arguments: Vec<&str> = arguments
            .split(' ')
            .map(|word| match word {
                "BROKEN" => broken,
                "BELOW" => &below,
                other => other,
            })
            .collect();
        let error = refusal(&arguments);
        assert!(error.contains(what), "{arguments:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{arguments:?}: {error}");
    }
    // Clap rejects an alpha outside the range of the operator, and names the argument.
    for alpha in ["NaN", "51", "-51", "half"] {
        for command in ["tabular", "converge"] {
            let error = refusal(&[command, "--alpha", alpha]);
            assert!(
                error.contains("--alpha") && error.contains("-50 to 50"),
                "{error}"
            );
        }
    }
}

/// The name of a process from a file is part of the names of figures.
#[test]
fn a_process_with_slashes_is_drawn() {
    let out = folder("slashes");
    let transitions = r#""transitions": [{"state": 0, "action": 0, "next": null},
                         {"state": 0, "action": 1, "next": null, "reward": 1}]"#;
    let file = |file: &str, name: &str, reward: &str| {
        let path = out.join(file);
        let head = format!(r#""name": "{name}", "discount": 0.9, "states": 1, "actions": 2"#);
        let text = format!("{{{head}, {transitions}}}").replace("\"reward\": 1", reward);
        fs::write(&path, text).expect("a file");
        path.to_str().expect("UTF-8").to_owned()
    };
    let one = file("one.json", "a/b", "\"reward\": 1");
    let other = file("other.json", "a:b", "\"reward\": 1");
    let sweep = out.join("sweep");
    let small = [
        "tabular",
        "--iterations",
        "1",
        "--seeds",
        "1",
        "--alpha",
        "0.5",
        "--project",
    ];
    let methods = ["--algorithm", "fpg", "hadamard", "--mdp", &one, &other];
    let said = run(&[&small[..], &methods].concat(), &sweep);
    assert!(
        said.contains("note: --project changes fpg only: hadamard without a projection"),
        "{said}"
    );
    written(&sweep, &["a-b.svg", "a-b-2.svg"]);
    let control = file("control.json", "a\\nb", "\"reward\": 1");
    let said = refusal(&["tabular", "--mdp", &control]);
    assert!(
        said.contains("cannot contain the control character '\\n'"),
        "{said}"
    );
    let large = file("large.json", "large", "\"reward\": 1e308");
    let said = refusal(&["tabular", "--mdp", &large]);
    assert!(
        said.contains("its reward is 1e308, not from -1e100 to 1e100"),
        "{said}"
    );
}
