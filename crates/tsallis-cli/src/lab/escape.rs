use super::number_format::Compact;
use super::text_table::TextTable;
use super::{LabError, write_table};
use crate::plot::{Axis, Figure, Line, LinePlot, alpha_color};
use crate::print_paragraph::print_paragraph;
use std::path::Path;
use tsallis_lab::bandit::{escape_time, escape_time_limit, probability_at};

/// The logit gaps of the table. The time of the softmax is still finite at the last one.
const GAPS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 40.0, 100.0, 400.0];

/// The gaps between which the exponent is fitted: large enough for the limit, small enough not to overflow.
const FIT: (f64, f64) = (100.0, 400.0);

/// Computes how long the gradient flow of two arms takes to leave a policy that is nearly certain of the wrong arm,
/// against the logit gap and against the probability of the right arm.
///
/// Writes escape.svg, escape.png and escape.csv, and prints the measured exponents with those of the theory.
pub(super) fn report(folder: &Path, alphas: &[f64]) -> Result<(), LabError> {
    let mut by_gap = LinePlot::new(
        Axis::log("logit gap G at the start"),
        Axis::log("time to the uniform policy").range(1.0..1e15),
    )
    .title("from the same logit gap");
    let mut by_probability = LinePlot::new(
        Axis::log("1 / probability of the right arm at the start").range(2.0..1e10),
        Axis::log("time to the uniform policy").range(1.0..1e15),
    )
    .title("from the same probability");
    let fine: Vec<f64> = (0..=80)
        .map(|i| 10_f64.powf(f64::from(i) * 3.0 / 80.0))
        .collect();
    for &alpha in alphas {
        let label = format!("α = {alpha}");
        let points = fine.iter().map(|&gap| (gap, escape_time(alpha, gap, 0.0)));
        let points: Vec<_> = points.filter(|point| point.1 < 1e15).collect();
        let color = alpha_color(alpha);
        let inverse = points
            .iter()
            .map(|&(gap, time)| (1.0 / probability_at(alpha, gap), time));
        let inverse = inverse.filter(|p| p.0 <= 1e10);
        by_probability = by_probability.line(Line::new(inverse, color).label(&label));
        by_gap = by_gap.line(Line::new(points, color).label(label));
    }
    Figure::new((1320, 600))
        .title("Two arms, λ = 0: escape time of f-PG from a nearly certain wrong policy")
        .columns(2)
        .panel(by_gap)
        .panel(by_probability)
        .save(&folder.join("escape"))?;

    let header = "alpha,gap,probability,time,limit";
    let rows = alphas.iter().flat_map(|&alpha| {
        GAPS.iter().map(move |&gap| {
            [
                alpha,
                gap,
                probability_at(alpha, gap),
                escape_time(alpha, gap, 0.0),
                escape_time_limit(alpha, gap),
            ]
        })
    });
    write_table(&folder.join("escape.csv"), header, rows)?;

    println!();
    print_paragraph(
        "Time that the gradient flow of two arms takes from a logit gap G in favor of the wrong arm to the uniform \
         policy, and the exponent of B = 2^(alpha-1) + (1-alpha) G with which it grows:",
    );
    let names = "alpha, G = 2, G = 10, G = 20, G = 40, measured, theory";
    let mut table = TextTable::new(0, names);
    for &alpha in alphas {
        let times = [2.0, 10.0, 20.0, 40.0].map(|gap| Compact(escape_time(alpha, gap, 0.0)));
        let (measured, theory) = exponents(alpha);
        let times = times.map(|time| time.to_string());
        table.row(
            [alpha.to_string()]
                .into_iter()
                .chain(times)
                .chain([measured, theory]),
        );
    }
    table.print();
    print_paragraph(
        "The softmax is faster at small gaps, and always faster from the same probability.",
    );
    Ok(())
}

/// Returns the slope of `ln T` against `ln B`, or against the gap for the softmax: measured and by the theory.
fn exponents(alpha: f64) -> (String, String) {
    let (near, far) = FIT;
    let rise = (escape_time(alpha, far, 0.0) / escape_time(alpha, near, 0.0)).ln();
    let c = 1.0 - alpha;
    if c == 0.0 {
        return (format!("e^{:.3}G", rise / (far - near)), "e^G".to_owned());
    }
    let base = |gap: f64| (2_f64.powf(-c) + c * gap).ln();
    let slope = rise / (base(far) - base(near));
    (format!("{slope:.3}"), format!("{:.3}", (1.0 + 2.0 * c) / c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_measured_exponent_is_that_of_the_theory() {
        for alpha in [0.0, 0.1, 0.5, 0.9] {
            let (measured, theory) = exponents(alpha);
            let number = |text: &str| text.parse::<f64>().expect("a number");
            assert!(
                (number(&measured) / number(&theory) - 1.0).abs() < 0.01,
                "{measured} {theory}"
            );
        }
        assert_eq!(exponents(1.0).0, "e^1.000G");
    }
}
