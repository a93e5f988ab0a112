use super::super::number_format::{Compact, FullPrecision, or_dash};
use super::super::text_table::TextTable;
use super::super::{LabError, divergence_label, write_table};
use super::Group;
use super::observer::DECADES;
use super::run::{Experiment, Method, Setting};
use crate::plot::{Axis, Figure, Line, LinePlot, decade_above, divergence_color};
use crate::print_paragraph::print_paragraph;
use crate::statistics::{
    bootstrap_interval, compare_samples, interquartile_difference, interquartile_mean,
};
use std::cmp::Ordering;
use std::path::Path;
use tsallis_lab::exact::optimum;
use tsallis_lab::{Divergence, SoftargmaxPolicy, unique};

/// The alpha that the others are compared with.
const BASELINE: Divergence = Divergence::Tsallis(1.0);

/// Gaps below this are not drawn.
const SMALLEST_GAP: f64 = 1e-10;

impl Group {
    /// Returns the iterations before the escape of each run. A run that does not escape has all iterations.
    fn escapes(&self, experiment: &Experiment<'_>) -> Vec<f64> {
        let runs = self.trajectories.iter();
        runs.map(|run| run.escape.unwrap_or(experiment.iterations) as f64)
            .collect()
    }

    fn escaped(&self) -> usize {
        let runs = self.trajectories.iter();
        runs.filter(|run| run.escape.is_some()).count()
    }

    fn off_support(&self) -> usize {
        let runs = self.trajectories.iter();
        runs.filter(|run| run.is_off_support).count()
    }

    /// Returns the rate of the last power of ten of each run that has one: `ln 10` over its iterations.
    fn rates(&self) -> Vec<f64> {
        let runs = self.trajectories.iter();
        runs.filter_map(|run| Some(10_f64.ln() / run.lengths().last()?))
            .collect()
    }

    /// Returns the iterations of the last power of ten over those of the one before, for each run that has two.
    fn lengthenings(&self) -> Vec<f64> {
        let ratio = |lengths: &[f64]| match lengths {
            [.., before, last] => Some(last / before),
            _ => None,
        };
        let runs = self.trajectories.iter();
        runs.filter_map(|run| ratio(&run.lengths())).collect()
    }

    /// Returns whether the return of the regularized optimum is that of an escaped policy.
    fn can_escape(&self, experiment: &Experiment<'_>) -> bool {
        let evaluator = experiment.problem.evaluator;
        let (states, actions) = (evaluator.mdp().states(), evaluator.mdp().actions());
        let policy = SoftargmaxPolicy::uniform(self.setting.divergence, states, actions);
        let best = optimum(evaluator, &policy, self.setting.temperature).policy;
        evaluator.objective(&best, 0.0) >= experiment.problem.halfway
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    Some(interquartile_mean(values)).filter(|mean| mean.is_finite())
}

fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 0 => Some(f64::midpoint(values[middle - 1], values[middle])),
        _ => Some(values[middle]),
    }
}

fn name(setting: &Setting) -> (String, String, f64, f64, f64, f64) {
    (
        setting.divergence.to_string(),
        setting.start.label(),
        setting.gap,
        setting.probability,
        setting.step_size,
        setting.temperature,
    )
}

/// Writes the tables.
pub(super) fn write(
    folder: &Path,
    experiment: &Experiment<'_>,
    groups: &[Group],
) -> Result<(), LabError> {
    let names = "alpha,start,logit_gap,probability,step_size,temperature";
    let decades: Vec<String> = (1..=DECADES).map(|n| format!("decade_{n}")).collect();
    let header = format!(
        "{names},seed,escape,{},final_gap,off_support",
        decades.join(",")
    );
    let rows = groups.iter().flat_map(|group| {
        group.trajectories.iter().enumerate().map(|(seed, run)| {
            let decades: Vec<Option<usize>> =
                (0..DECADES).map(|n| run.decades.get(n).copied()).collect();
            let name = name(&group.setting);
            (name, seed, run.escape, decades, run.gap, run.is_off_support)
        })
    });
    write_table(&folder.join("runs.csv"), &header, rows)?;

    let header = format!(
        "{names},runs,escaped,escape,escape_low,escape_high,decades,rate,rate_low,rate_high,lengthening,\
         lengthening_low,lengthening_high,off_support,final_gap,optimum_escapes"
    );
    let rows = groups.iter().map(|group| {
        let with_interval = |values: &[f64]| {
            let (low, high) = bootstrap_interval(values);
            let finite = |value: f64| Some(value).filter(|value| value.is_finite());
            (mean(values), finite(low), finite(high))
        };
        let decades = group
            .trajectories
            .iter()
            .map(|run| run.decades.len() as f64);
        let gaps: Vec<f64> = group.trajectories.iter().map(|run| run.gap).collect();
        (
            name(&group.setting),
            group.trajectories.len(),
            group.escaped(),
            with_interval(&group.escapes(experiment)),
            median(decades),
            with_interval(&group.rates()),
            with_interval(&group.lengthenings()),
            group.off_support(),
            interquartile_mean(&gaps),
            group.can_escape(experiment),
        )
    });
    write_table(&folder.join("summary.csv"), &header, rows)?;

    let drawn = groups.first().map(|group| group.setting.temperature);
    let drawn = groups
        .iter()
        .filter(|group| Some(group.setting.temperature) == drawn);
    let rows = drawn.flat_map(|group| {
        curve(group).into_iter().map(|(n, gap)| {
            let Setting {
                divergence,
                start,
                step_size,
                temperature,
                ..
            } = group.setting;
            let alpha = divergence.to_string();
            (alpha, start.label(), step_size, temperature, n, gap)
        })
    });
    let header = "alpha,start,step_size,temperature,iteration,gap";
    write_table(&folder.join("curves.csv"), header, rows)
}

/// Returns the interquartile mean of the gap at each point of the curves. Curves that end early end the mean.
fn curve(group: &Group) -> Vec<(usize, f64)> {
    let runs = &group.trajectories;
    let points = runs.iter().map(|run| run.curve.len()).min().unwrap_or(0);
    let at = |n: usize| {
        let gaps: Vec<f64> = runs.iter().map(|run| run.curve[n].1).collect();
        (runs[0].curve[n].0, interquartile_mean(&gaps))
    };
    (0..points).map(at).collect()
}

/// Draws the iterations before the escape over the temperatures, and the gap over the iterations.
pub(super) fn draw(
    folder: &Path,
    experiment: &Experiment<'_>,
    groups: &[Group],
) -> Result<(), LabError> {
    let starts = unique(groups.iter().map(|group| group.setting.start.label()));
    let step_sizes = unique(groups.iter().map(|group| group.setting.step_size));
    let temperatures = unique(groups.iter().map(|group| group.setting.temperature));
    let divergences = unique(groups.iter().map(|group| group.setting.divergence));
    let iterations = experiment.iterations as f64;
    let largest = groups.iter().flat_map(|group| &group.trajectories);
    let largest = largest.flat_map(|run| &run.curve).map(|&(_, gap)| gap);
    let largest = largest.filter(|gap| gap.is_finite()).fold(1e-6, f64::max);
    let columns = step_sizes.len();
    let size = (
        (560 * columns as u32).clamp(760, 2240),
        400 * starts.len() as u32 + 50,
    );
    let mdp = experiment.problem.evaluator.mdp().name();
    let (what, learner) = match experiment.method {
        Method::Exact => ("exact f-PG", false),
        Method::Sampled => ("sampled f-PG", false),
        Method::Learner => ("the learner", true),
    };
    let floor = experiment
        .floor
        .map_or(String::new(), |tau| format!(", floor {tau}"));
    let unit = if learner { "update" } else { "step" };
    let mut escape = Figure::new(size).columns(columns).title(format!(
        "{mdp}, {what}{floor}: {unit}s before the escape from a wrong policy"
    ));
    let mut gaps = Figure::new(size).columns(columns).title(format!(
        "{mdp}, {what}{floor}: distance from the optimum, λ = {}",
        temperatures.first().copied().unwrap_or_default()
    ));
    for start in &starts {
        for &step_size in &step_sizes {
            let title = match learner {
                true => format!("{start}, learning rate {step_size}"),
                false => format!("{start}, step size {step_size}"),
            };
            let mut by_temperature = LinePlot::new(
                Axis::log("temperature λ"),
                Axis::log(format!("{unit}s before the escape")).range(1.0..iterations.max(10.0)),
            )
            .title(&title);
            let mut by_iteration = LinePlot::new(
                Axis::log(unit).range(1.0..iterations.max(2.0)),
                Axis::log("distance of the regularized value from its optimum")
                    .range(SMALLEST_GAP..decade_above(largest)),
            )
            .title(&title);
            for &divergence in &divergences {
                let of = |group: &&Group| {
                    let setting = &group.setting;
                    setting.start.label() == *start
                        && setting.step_size == step_size
                        && setting.divergence == divergence
                };
                let mut of: Vec<&Group> = groups.iter().filter(of).collect();
                let color = divergence_color(divergence);
                let label = divergence_label(divergence);
                if let Some(group) = of.first() {
                    let points = curve(group).into_iter().map(|(n, gap)| (n as f64, gap));
                    by_iteration = by_iteration.line(Line::new(points, color).label(&label));
                }
                of.sort_by(|a, b| a.setting.temperature.total_cmp(&b.setting.temperature));
                let point = |group: &&Group| {
                    let escapes = group.escapes(experiment);
                    // A logarithmic axis has no zero.
                    let mean = interquartile_mean(&escapes).max(1.0);
                    let (low, high) = bootstrap_interval(&escapes);
                    (group.setting.temperature, mean, low.max(1.0), high.max(1.0))
                };
                let points: Vec<_> = of.iter().map(point).collect();
                let mean = points.iter().map(|&(x, mean, ..)| (x, mean));
                let mut line = Line::new(mean, color).label(label).dots();
                if points.len() > 1 && of[0].trajectories.len() > 1 {
                    line = line.band(points.iter().map(|&(x, _, low, high)| (x, low, high)));
                }
                by_temperature = by_temperature.line(line);
            }
            escape = escape.panel(by_temperature);
            gaps = gaps.panel(by_iteration);
        }
    }
    escape.save(&folder.join("escape"))?;
    gaps.save(&folder.join("trajectories"))?;
    Ok(())
}

/// Compares the iterations before the escape with those of the baseline: less if they are fewer, equal if the 95 %
/// interval of the difference has both signs.
fn compare(experiment: &Experiment<'_>, group: &Group, baseline: &Group) -> Ordering {
    let (ours, theirs) = (group.escapes(experiment), baseline.escapes(experiment));
    if let ([one], [other]) = (&ours[..], &theirs[..]) {
        return one.total_cmp(other);
    }
    let (low, high) = compare_samples(&ours, &theirs, interquartile_difference).interval;
    match () {
        () if high < 0.0 => Ordering::Less,
        () if low > 0.0 => Ordering::Greater,
        () => Ordering::Equal,
    }
}

/// Prints a row for each start and alpha, over all step sizes and temperatures.
pub(super) fn print(experiment: &Experiment<'_>, groups: &[Group]) {
    let names = "start, alpha, logit gap, probability, runs, escaped, iterations, fewest, most, faster, slower, \
                 rate, last / previous, off support";
    let mut table = TextTable::new(1, names);
    let share = |count: usize, of: usize| format!("{:.1} %", 100.0 * count as f64 / of as f64);
    let is_one = |a: &Group, b: &Group| {
        a.setting.start == b.setting.start && a.setting.divergence == b.setting.divergence
    };
    for of in groups.chunk_by(is_one) {
        let setting = &of[0].setting;
        let runs: usize = of.iter().map(|group| group.trajectories.len()).sum();
        let escapes: Vec<f64> = of
            .iter()
            .map(|group| interquartile_mean(&group.escapes(experiment)))
            .collect();
        let end = |pick: fn(f64, f64) -> f64| escapes.iter().copied().reduce(pick);
        let against = of.iter().filter_map(|group| {
            let baseline = groups.iter().find(|baseline| {
                let (ours, theirs) = (&group.setting, &baseline.setting);
                theirs.divergence == BASELINE
                    && theirs.start == ours.start
                    && theirs.step_size == ours.step_size
                    && theirs.temperature == ours.temperature
            })?;
            Some(compare(experiment, group, baseline))
        });
        let against: Vec<Ordering> = match setting.divergence == BASELINE {
            true => Vec::new(),
            false => against.collect(),
        };
        let count = |wanted: Ordering| {
            let of = against.iter().filter(|&&ordering| ordering == wanted);
            let text = format!("{} of {}", of.count(), against.len());
            if against.is_empty() {
                "-".to_owned()
            } else {
                text
            }
        };
        let escaped = of.iter().map(Group::escaped).sum();
        let off_support = of.iter().map(Group::off_support).sum();
        table.row([
            setting.start.label(),
            setting.divergence.to_string(),
            Compact(setting.gap).to_string(),
            Compact(setting.probability).to_string(),
            runs.to_string(),
            share(escaped, runs),
            or_dash(median(escapes.iter().copied()).map(Compact)),
            or_dash(end(f64::min).map(Compact)),
            or_dash(end(f64::max).map(Compact)),
            count(Ordering::Less),
            count(Ordering::Greater),
            or_dash(median(of.iter().filter_map(|group| mean(&group.rates()))).map(Compact)),
            or_dash(median(of.iter().filter_map(|group| mean(&group.lengthenings()))).map(Compact)),
            share(off_support, runs),
        ]);
    }
    table.print();
    let cannot = groups.iter().filter(|group| !group.can_escape(experiment));
    let cannot: Vec<String> = cannot
        .map(|group| {
            let setting = &group.setting;
            format!(
                "{} at {}",
                setting.divergence,
                FullPrecision(setting.temperature)
            )
        })
        .collect();
    let cannot: Vec<String> = unique(cannot).into_iter().collect();
    if !cannot.is_empty() {
        print_paragraph(&format!(
            "The regularized optimum itself earns less than halfway at these alphas and temperatures: {}.",
            cannot.join(", ")
        ));
    }
    print_paragraph(
        "Iterations are the interquartile mean over the seeds of a setting: the median over all step sizes and \
         temperatures, the fewest and the most. A run that does not escape counts with all its iterations. Faster and \
         slower count the settings in which the difference from alpha = 1 has one sign in its 95 % interval. The rate is \
         ln 10 divided by the iterations of the last power of ten of the gap after the escape, and last / previous is the \
         ratio of these iterations to those of the power of ten before: 1 for linear convergence, 10 for a gap \
         proportional to 1 / n. A run ends off the support if its policy reaches a state in which every right action has \
         probability zero.",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_few_numbers() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
