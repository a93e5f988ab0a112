use super::{folder, name, names, read, refuse, stderr, stdout, succeed, tiny, train, tsallis};
use std::fs;

#[test]
fn runs_are_drawn_by_their_configuration() {
    let folder = folder("plots");
    let (heavy, soft) = (folder.join("heavy"), folder.join("soft"));
    train(&heavy, &["--seeds", "0..3", "--quiet"]);
    train(&soft, &["--alpha", "1", "--quiet"]);
    let stem = folder.join("curves");
    let out = format!("{}.svg", name(&stem));
    let said = succeed(&["plot", name(&heavy), name(&soft), "--out", &out]);
    assert!(
        said.contains("alpha 0.5: ") && said.contains("3 seeds"),
        "{said}"
    );
    assert!(
        said.contains("alpha 1: ") && said.contains("1 seed"),
        "{said}"
    );
    assert_eq!(
        names(&folder),
        ["curves.csv", "curves.png", "curves.svg", "heavy", "soft"]
    );
    assert!(read(folder.join("curves.png")).starts_with(b"\x89PNG"));
    let svg = String::from_utf8(read(folder.join("curves.svg"))).expect("UTF-8");
    for label in [
        "alpha 0.5",
        "alpha 1",
        "environment steps",
        "mean return of the last 100 episodes",
    ] {
        assert!(svg.contains(label), "{label}");
    }
    let csv = String::from_utf8(read(folder.join("curves.csv"))).expect("UTF-8");
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("curve,seeds,x,mean,low,high"));
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |cell: &str| cell.parse::<f64>().expect("a number");
        let mean = number(cells[3]);
        // One seed has no interval.
        if cells[1] == "1" {
            assert_eq!(cells[4..], ["", ""], "{line}");
        } else {
            assert!(
                number(cells[4]) <= mean && mean <= number(cells[5]),
                "{line}"
            );
        }
    }
    for x in ["updates", "episodes", "seconds"] {
        let out = folder.join(x);
        succeed(&[
            "plot",
            name(&heavy),
            "--metric",
            "logit_gap",
            "--x",
            x,
            "--out",
            name(&out),
        ]);
    }
    let said = refuse(&[
        "plot",
        name(&heavy),
        "--metric",
        "speed",
        "--out",
        name(&stem),
    ]);
    assert!(
        said.contains("no metric \"speed\"; the metrics are"),
        "{said}"
    );
    // Curves are sorted by alpha, not by the order of the arguments.
    let said = succeed(&["plot", name(&soft), name(&heavy), "--out", name(&stem)]);
    assert!(said.find("alpha 0.5: ") < said.find("alpha 1: "), "{said}");
    // A folder gets files with the default name.
    let [existing, new] = ["existing", "new"].map(|out| folder.join(out));
    fs::create_dir(&existing).expect("a folder");
    for out in [name(&existing).to_owned(), format!("{}/", name(&new))] {
        succeed(&["plot", name(&soft), "--out", &out]);
        assert_eq!(names(&out), ["curves.csv", "curves.png", "curves.svg"]);
    }
    // A run without an update has no curve.
    let failed = folder.join("failed");
    let output = tsallis(&tiny(&failed, &["--noise-std", "1e30"]));
    assert_eq!(output.status.code(), Some(1));
    let said = refuse(&["plot", name(&failed), "--out", name(&stem)]);
    let words =
        "has no charts/episodic_return_100: the run ended before its first update (the value loss";
    assert!(said.contains(words), "{said}");
    // Beside runs with a curve, it is left out.
    let drawn = tsallis(&["plot", name(&failed), name(&soft), "--out", name(&stem)]);
    assert!(drawn.status.success(), "{}", stderr(&drawn));
    let said = stderr(&drawn);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("note: ") && said.contains(words), "{said}");
    assert!(said.ends_with("; it is not drawn\n"), "{said}");
    assert!(stdout(&drawn).contains("steps, 1 seed"), "{drawn:?}");
    // A run counts once, even under two names. Two runs with the same seed are an error.
    let again = soft.join("..").join("soft");
    let said = succeed(&["plot", name(&soft), name(&again), "--out", name(&stem)]);
    assert!(said.contains("steps, 1 seed"), "{said}");
    let twin = folder.join("twin");
    train(&twin, &["--alpha", "1", "--quiet"]);
    let said = refuse(&["plot", name(&soft), name(&twin), "--out", name(&stem)]);
    assert!(said.contains("the same configuration and seed 0"), "{said}");
    let said = refuse(&["plot", name(&folder), "--out", name(&stem)]);
    assert!(said.contains("is not a run folder"), "{said}");
}
