use super::number_format::{Compact, or_dash};
use super::text_table::TextTable;
use super::{
    LabError, check, check_count, check_within, make_folder, mean_of_seeds, print_written,
    write_table,
};
use crate::plot::{Axis, CATEGORIES, Figure, GRAY, Line, LinePlot, decade_above};
use crate::seeds;
use clap::Args;
use rayon::prelude::*;
use std::path::PathBuf;
use tsallis_lab::bandit::{Losses, Regret, play};
use tsallis_lab::sweep::mean_and_std;

/// Play Tsallis-INF, the bandit algorithm with alpha 1/2, against stochastic and stochastically constrained adversarial
/// losses.
///
/// Writes regret.svg, .png and .csv with the pseudo-regret in both regimes, averaged over seeds, and the bounds
/// 4 sqrt(K T) + 1 and O(ln T).
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct Bandit {
    /// Number of arms.
    #[arg(long, value_name = "COUNT", default_value_t = 8)]
    arms: usize,

    /// Gap between the mean loss of the best arm and the other arms, for losses from 0 to 1.
    #[arg(long, value_name = "NUMBER", default_value_t = 0.1)]
    gap: f64,

    /// Number of rounds.
    #[arg(long, value_name = "COUNT", default_value_t = 100_000)]
    rounds: usize,

    /// Number of seeds, starting at 0.
    #[arg(long, value_name = "COUNT", default_value_t = 16, value_parser = seeds::seed_count)]
    seeds: u64,

    /// Output folder; existing files are replaced.
    #[arg(long, value_name = "FOLDER", default_value = "runs/bandit")]
    out: PathBuf,
}

impl Bandit {
    pub(crate) fn run(self) -> Result<(), LabError> {
        check_within("--arms", self.arms, 2..=10_000)?;
        let holds = self.gap > 0.0 && self.gap <= 0.5;
        check(holds, "--gap", "above 0 and at most 0.5", self.gap)?;
        check_count("--rounds", self.rounds)?;
        check_within("--seeds", self.seeds, 1..=10_000)?;
        make_folder(&self.out)?;

        let (arms, gap) = (self.arms, self.gap);
        let mut means = vec![0.5; arms];
        means[0] -= gap;
        let regimes = [
            ("stochastic", Losses::Stochastic(means)),
            ("adversarial", Losses::Adversarial { arms, gap }),
        ];
        let played: Vec<Vec<Regret>> = regimes
            .iter()
            .map(|(_, losses)| {
                (0..self.seeds)
                    .into_par_iter()
                    .map(|seed| play(losses, self.rounds, seed))
                    .collect()
            })
            .collect();
        let rounds = played[0][0].rounds.clone();
        let arms = self.arms as f64;
        let adversarial_bound = |t: usize| 4.0 * (arms * t as f64).sqrt() + 1.0;
        // The stochastic bound up to a constant factor: the sum of ln(T) / gap over the suboptimal arms.
        let stochastic_rate = |t: usize| (arms - 1.0) * (t as f64).ln() / self.gap;

        let curve = |runs: &[Regret], i: usize| mean_and_std(runs.iter().map(|run| run.regret[i]));
        let reference = |f: &dyn Fn(usize) -> f64| -> Vec<(f64, f64)> {
            rounds.iter().map(|&t| (t as f64, f(t))).collect()
        };
        let highest = adversarial_bound(self.rounds).max(stochastic_rate(self.rounds));
        let mut plot = LinePlot::new(
            Axis::log("round T"),
            Axis::log("regret").range(0.1..decade_above(highest)),
        )
        .line(Line::new(reference(&adversarial_bound), GRAY).label("4 √(KT) + 1"))
        .line(
            Line::new(reference(&stochastic_rate), GRAY)
                .dashed()
                .label("(K − 1) ln T / gap"),
        );
        for (((name, _), runs), color) in regimes.iter().zip(&played).zip(CATEGORIES) {
            let points: Vec<(f64, f64, f64)> = rounds
                .iter()
                .enumerate()
                .map(|(i, &t)| {
                    let (mean, deviation) = curve(runs, i);
                    (t as f64, mean, deviation)
                })
                .collect();
            plot = plot.line(Line::mean(&points, color).label(*name));
        }
        Figure::new((900, 600))
            .title(format!(
                "Tsallis-INF, {} arms, gap {}: {}",
                self.arms,
                self.gap,
                mean_of_seeds(self.seeds as usize)
            ))
            .panel(plot)
            .save(&self.out.join("regret"))?;

        let header = "round,stochastic_mean,stochastic_std,adversarial_mean,adversarial_std,adversarial_bound";
        let rows = rounds.iter().enumerate().map(|(i, &t)| {
            let (stochastic, adversarial) = (curve(&played[0], i), curve(&played[1], i));
            (
                t,
                stochastic.0,
                stochastic.1,
                adversarial.0,
                adversarial.1,
                adversarial_bound(t),
            )
        });
        write_table(&self.out.join("regret.csv"), header, rows)?;

        let names = "round T, stochastic, / ln T, adversarial, / sqrt(K T), 4 sqrt(K T) + 1";
        let mut table = TextTable::new(0, names);
        for (i, &t) in rounds.iter().enumerate() {
            // Print the last round, and from round 100 on about one per factor of ten.
            let before_last = rounds.len() - 1 - i;
            if before_last > 0 && (t < 100 || !before_last.is_multiple_of(10)) {
                continue;
            }
            let (stochastic, adversarial) = (curve(&played[0], i).0, curve(&played[1], i).0);
            let per_log = stochastic / (t as f64).ln();
            table.row([
                t.to_string(),
                Compact(stochastic).to_string(),
                or_dash((t > 1).then_some(Compact(per_log))),
                Compact(adversarial).to_string(),
                Compact(adversarial / (arms * t as f64).sqrt()).to_string(),
                Compact(adversarial_bound(t)).to_string(),
            ]);
        }
        table.print();
        print_written(&self.out, "regret.svg, regret.png, regret.csv");
        Ok(())
    }
}
