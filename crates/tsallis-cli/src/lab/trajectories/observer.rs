use super::super::log_spaced;
use super::problem::Problem;
use tsallis_lab::SoftargmaxPolicy;

/// The number of powers of ten by which the gap is followed after the escape.
pub(super) const DECADES: usize = 6;

/// Gaps below this, relative to the optimum, are rounding errors.
const ROUNDING: f64 = 1e-12;

/// The number of points of a curve.
const POINTS: usize = 60;

/// What is measured along a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Trajectory {
    /// The first iteration at which the return of the policy is halfway to the best one.
    pub(super) escape: Option<usize>,
    /// The iterations at which the gap first is a tenth, a hundredth, .. of that at the escape.
    pub(super) decades: Vec<usize>,
    /// The gap after some iterations.
    pub(super) curve: Vec<(usize, f64)>,
    /// The last gap.
    pub(super) gap: f64,
    /// Whether the last policy reaches a state in which every right action has probability zero.
    pub(super) is_off_support: bool,
}

impl Trajectory {
    /// Returns the number of iterations of each power of ten, at least one.
    pub(super) fn lengths(&self) -> Vec<f64> {
        let mut before = self.escape.unwrap_or(0);
        let length = |&at: &usize| {
            let length = (at - before).max(1) as f64;
            before = at;
            length
        };
        self.decades.iter().map(length).collect()
    }
}

/// Follows the policy of a run.
pub(super) struct Observer<'a> {
    problem: &'a Problem<'a>,
    temperature: f64,
    /// The regularized optimum.
    best: f64,
    gap_at_escape: f64,
    drawn: std::iter::Peekable<Box<dyn Iterator<Item = usize>>>,
    is_over: bool,
    trajectory: Trajectory,
}

impl<'a> Observer<'a> {
    pub(super) fn new(
        problem: &'a Problem<'a>,
        best: f64,
        temperature: f64,
        iterations: usize,
    ) -> Self {
        let drawn: Box<dyn Iterator<Item = usize>> = Box::new(log_spaced(iterations, POINTS));
        Self {
            problem,
            temperature,
            best,
            gap_at_escape: f64::NAN,
            drawn: drawn.peekable(),
            is_over: false,
            trajectory: Trajectory::default(),
        }
    }

    /// Observes the policy after `iteration` iterations.
    pub(super) fn observe(&mut self, iteration: usize, policy: &SoftargmaxPolicy) {
        let evaluator = self.problem.evaluator;
        let gap = self.best - evaluator.objective(policy, self.temperature);
        let Trajectory {
            escape,
            decades,
            curve,
            ..
        } = &mut self.trajectory;
        if escape.is_none() && evaluator.objective(policy, 0.0) >= self.problem.halfway {
            *escape = Some(iteration);
            self.gap_at_escape = gap;
        }
        let is_rounding = gap <= ROUNDING * self.best.abs().max(1.0);
        while !is_rounding
            && decades.len() < DECADES
            && gap <= self.gap_at_escape * 0.1_f64.powi(decades.len() as i32 + 1)
        {
            decades.push(iteration);
        }
        if self.drawn.peek().is_some_and(|&drawn| drawn <= iteration) {
            while self.drawn.next_if(|&drawn| drawn <= iteration).is_some() {}
            curve.push((iteration, gap));
        }
        self.is_over =
            escape.is_some() && (is_rounding || decades.len() == DECADES) || gap.is_nan();
        self.trajectory.gap = gap;
    }

    /// Returns whether nothing more is to be seen: the gap is followed to the end, is a rounding error or is NaN.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    pub(super) fn finish(mut self, policy: &SoftargmaxPolicy) -> Trajectory {
        self.trajectory.is_off_support = self.problem.is_off_support(policy);
        self.trajectory
    }
}
