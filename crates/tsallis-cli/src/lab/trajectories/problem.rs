use super::super::{LabError, check};
use tsallis_lab::exact::{Evaluator, best_values};
use tsallis_lab::policy::TablePolicy;
use tsallis_lab::{Divergence, Policy, SoftargmaxPolicy};

/// The relative difference of action values that counts as rounding.
const ROUNDING: f64 = 1e-9;

/// A process with its wrong policy, which takes an action of the lowest optimal value in every state.
pub(super) struct Problem<'a> {
    pub(super) evaluator: &'a Evaluator<'a>,
    /// The wrong action of each state.
    wrong: Vec<usize>,
    /// Whether an action has the highest optimal value, state by state.
    right: Vec<bool>,
    /// The return halfway between that of the wrong policy and the best one.
    pub(super) halfway: f64,
}

impl<'a> Problem<'a> {
    pub(super) fn new(evaluator: &'a Evaluator<'a>) -> Result<Self, LabError> {
        let mdp = evaluator.mdp();
        let values = best_values(evaluator);
        let (mut wrong, mut right) = (Vec::new(), Vec::new());
        for row in values.actions.chunks(mdp.actions()) {
            let lowest = (1..row.len()).fold(0, |low, a| if row[a] < row[low] { a } else { low });
            wrong.push(lowest);
            let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let least = most - ROUNDING * most.abs().max(1.0);
            right.extend(row.iter().map(|&value| value >= least));
        }
        let starts = mdp.start().iter().zip(&values.states);
        let best: f64 = starts.map(|(p, value)| p * value).sum();
        let policy = TablePolicy::deterministic(&wrong, mdp.actions());
        let worst = evaluator.objective(&policy, 0.0);
        let needs = "a process whose worst actions earn less than the best ones";
        let differs = best - worst > ROUNDING * best.abs().max(1.0);
        check(differs, "--mdp", needs, mdp.name())?;
        Ok(Self {
            evaluator,
            wrong,
            right,
            halfway: f64::midpoint(best, worst),
        })
    }

    /// Returns the logits of a policy that prefers the wrong action of each state by `gap`.
    pub(super) fn logits(&self, gap: f64) -> Vec<f64> {
        let actions = self.evaluator.mdp().actions();
        let row = |&wrong: &usize| (0..actions).map(move |a| if a == wrong { gap } else { 0.0 });
        self.wrong.iter().flat_map(row).collect()
    }

    /// Returns the wrong action if it is the same in every state.
    pub(super) fn one_wrong_action(&self) -> Option<usize> {
        let first = *self.wrong.first()?;
        self.wrong.iter().all(|&a| a == first).then_some(first)
    }

    /// Returns whether every right action of a state that the policy reaches has probability zero.
    pub(super) fn is_off_support(&self, policy: &SoftargmaxPolicy) -> bool {
        let mdp = self.evaluator.mdp();
        let mut reached: Vec<bool> = mdp.start().iter().map(|&p| p > 0.0).collect();
        let mut open: Vec<usize> = (0..mdp.states()).filter(|&s| reached[s]).collect();
        while let Some(state) = open.pop() {
            let row = policy.row(state);
            let right = &self.right[policy.range(state)];
            if !row.iter().zip(right).any(|(&p, &right)| right && p > 0.0) {
                return true;
            }
            for action in (0..row.len()).filter(|&a| row[a] > 0.0) {
                for outcome in mdp.outcomes(state, action) {
                    let next = outcome.next.filter(|_| outcome.probability > 0.0);
                    if let Some(next) = next.filter(|&next| !reached[next]) {
                        reached[next] = true;
                        open.push(next);
                    }
                }
            }
        }
        false
    }
}

/// What the first policies of all alphas have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Start {
    /// The gap between the logit of the wrong action and the others.
    Gap(f64),
    /// The probability of each action but the wrong one.
    Probability(f64),
}

impl Start {
    pub(super) fn label(self) -> String {
        match self {
            Self::Gap(0.0) => "uniform policy".to_owned(),
            Self::Gap(gap) => format!("logit gap {gap}"),
            Self::Probability(p) => format!("probability {p}"),
        }
    }

    /// Returns the logit gap and the probability of each other action. The gap is infinite if no number is large enough.
    pub(super) fn gap_and_probability(self, divergence: Divergence, actions: usize) -> (f64, f64) {
        let mut policy = SoftargmaxPolicy::uniform(divergence, 1, actions);
        let mut probability = |gap: f64| {
            policy.change(0, |row| row[0] = gap);
            policy.row(0)[1]
        };
        match self {
            Self::Gap(gap) => (gap, probability(gap)),
            Self::Probability(p) => {
                let (mut low, mut high) = (0.0, 1.0);
                while high < f64::INFINITY && probability(high) > p {
                    (low, high) = (high, 2.0 * high);
                }
                loop {
                    let middle = f64::midpoint(low, high);
                    if !(low < middle && middle < high) {
                        return (high, p);
                    }
                    if probability(middle) > p {
                        low = middle;
                    } else {
                        high = middle;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tsallis_lab::Mdp;

    #[test]
    fn a_probability_has_one_gap() {
        for alpha in [0.1, 0.5, 1.0, 1.5, 2.0] {
            let divergence = Divergence::Tsallis(alpha);
            for actions in [2, 4] {
                let (gap, _) = Start::Probability(0.01).gap_and_probability(divergence, actions);
                let (_, p) = Start::Gap(gap).gap_and_probability(divergence, actions);
                assert!((p - 0.01).abs() < 1e-9, "{alpha} {actions}: {gap} {p}");
            }
        }
        let softmax = Divergence::Tsallis(1.0);
        let (gap, _) = Start::Probability(0.01).gap_and_probability(softmax, 2);
        assert!((gap - 99_f64.ln()).abs() < 1e-9, "{gap}");
    }

    #[test]
    fn the_wrong_policy_of_a_chain_moves_left() {
        let mdp = Mdp::from_name("nchain:5").expect("a name");
        let evaluator = Evaluator::new(&mdp);
        let problem = Problem::new(&evaluator).expect("a worse action");
        assert_eq!(problem.one_wrong_action(), Some(0));
        assert_eq!(problem.logits(3.0), [3.0, 0.0].repeat(5));
        // 0.99^3 / 0.01 on the right and 0.99 * 0.01 / 0.01 on the left.
        let halfway = (0.99_f64.powi(3) * 100.0 + 0.99) / 2.0;
        assert!((problem.halfway - halfway).abs() < 1e-9);
        let mut policy = SoftargmaxPolicy::uniform(Divergence::Tsallis(2.0), 5, 2);
        assert!(!problem.is_off_support(&policy));
        // The last state is not reached if the first one moves left.
        policy.change(4, |row| row[0] = 9.0);
        assert!(problem.is_off_support(&policy));
        policy.change(1, |row| row[1] = 9.0);
        policy.change(4, |row| row[0] = 0.0);
        policy.change(0, |row| row[0] = 9.0);
        assert!(!problem.is_off_support(&policy));
        policy.change(1, |row| row[0] = 99.0);
        assert!(problem.is_off_support(&policy));
    }
}
