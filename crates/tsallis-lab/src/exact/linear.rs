//! Linear systems with the matrix `I - gamma P`, solved by strongly connected components.

use crate::Mdp;
use nalgebra::{DMatrix, DVector};

/// Largest component that is factorized as a dense matrix. A factorization costs the third power of the component's
/// size. Sweeps cost the number of entries times about `30 / (1 - gamma)`, which is less for larger components.
const DENSE: usize = 320;

/// Change or residual, relative to the solution, at which sweeps stop.
const RESIDUAL: f64 = 1e-15;

/// The strongly connected components of a process, in the order in which they are solved: each before those that lead
/// to it. For an acyclic process this is back substitution.
#[derive(Clone, Debug)]
pub(super) struct Components {
    /// The states, component by component.
    states: Vec<usize>,
    /// The start of each component in `states`, and the end of the last one.
    offsets: Vec<usize>,
    /// The component of each state.
    component: Vec<usize>,
    /// The index of each state in its component.
    place: Vec<usize>,
}

impl Components {
    /// Finds the components by Tarjan's algorithm, with an explicit stack: recursion along a long chain of states would
    /// overflow the thread's stack.
    pub(super) fn new(mdp: &Mdp) -> Self {
        let states = mdp.states();
        let successors: Vec<Vec<usize>> = (0..states)
            .map(|state| {
                let mut next: Vec<usize> = (0..mdp.actions())
                    .flat_map(|action| mdp.outcomes(state, action))
                    .filter(|outcome| outcome.probability > 0.0)
                    .filter_map(|outcome| outcome.next)
                    .collect();
                next.sort_unstable();
                next.dedup();
                next
            })
            .collect();
        const UNSEEN: usize = usize::MAX;
        let mut order = vec![UNSEEN; states];
        let mut low = vec![0; states];
        let mut open = vec![false; states];
        let (mut stack, mut calls, mut seen) = (Vec::new(), Vec::new(), 0);
        let mut this = Self {
            states: Vec::with_capacity(states),
            offsets: vec![0],
            component: vec![0; states],
            place: vec![0; states],
        };
        for root in 0..states {
            if order[root] != UNSEEN {
                continue;
            }
            calls.push((root, 0));
            while let Some((state, child)) = calls.pop() {
                if child == 0 {
                    order[state] = seen;
                    low[state] = seen;
                    seen += 1;
                    open[state] = true;
                    stack.push(state);
                } else {
                    let done = successors[state][child - 1];
                    if open[done] {
                        low[state] = low[state].min(low[done]);
                    }
                }
                if let Some(&next) = successors[state].get(child) {
                    calls.push((state, child + 1));
                    if order[next] == UNSEEN {
                        calls.push((next, 0));
                    }
                    continue;
                }
                if low[state] == order[state] {
                    this.close(state, &mut stack, &mut open);
                }
            }
        }
        this
    }

    fn close(&mut self, root: usize, stack: &mut Vec<usize>, open: &mut [bool]) {
        let number = self.offsets.len() - 1;
        let begin = self.states.len();
        while let Some(state) = stack.pop() {
            open[state] = false;
            self.component[state] = number;
            self.states.push(state);
            if state == root {
                break;
            }
        }
        // The order of the process usually follows its geometry.
        self.states[begin..].sort_unstable();
        for (place, &state) in self.states[begin..].iter().enumerate() {
            self.place[state] = place;
        }
        self.offsets.push(self.states.len());
    }

    /// Returns the components, each before those that lead to it.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &[usize]> {
        self.offsets
            .windows(2)
            .map(|ends| &self.states[ends[0]..ends[1]])
    }

    /// Computes `x = (I - gamma P)^-1 b`, with `b` in `x` on entry.
    pub(super) fn solve(&self, chain: &Chain<'_>, x: &mut [f64]) {
        for states in self.iter() {
            match states {
                [state] => {
                    let mut own = 0.0;
                    let mut value = x[*state];
                    chain.each(*state, |next, weight| {
                        if next == *state {
                            own += weight;
                        } else {
                            value += weight * x[next];
                        }
                    });
                    x[*state] = value / (1.0 - own);
                }
                _ => {
                    let inside = |next: usize| self.component[next] == self.component[states[0]];
                    for &state in states {
                        let mut from_outside = 0.0;
                        chain.each(state, |next, weight| {
                            if !inside(next) {
                                from_outside += weight * x[next];
                            }
                        });
                        x[state] += from_outside;
                    }
                    if states.len() <= DENSE {
                        let lu = self.matrix(chain, states).lu();
                        self.replace(states, x, |b| {
                            lu.solve_mut(b);
                        });
                    } else {
                        self.sweep(chain, states, x);
                    }
                }
            }
        }
    }

    /// Computes `x = (I - gamma P^T)^-1 b`, with `b` in `x` on entry.
    pub(super) fn solve_transposed(&self, chain: &Chain<'_>, x: &mut [f64]) {
        for states in self.iter().rev() {
            let inside = |next: usize| self.component[next] == self.component[states[0]];
            match states {
                [state] => {
                    let mut own = 0.0;
                    chain.each(*state, |next, weight| {
                        if next == *state {
                            own += weight;
                        }
                    });
                    x[*state] /= 1.0 - own;
                }
                _ if states.len() <= DENSE => {
                    let lu = self.matrix(chain, states).transpose().lu();
                    self.replace(states, x, |b| {
                        lu.solve_mut(b);
                    });
                }
                _ => self.sweep_transposed(chain, states, x),
            }
            for &state in states {
                let value = x[state];
                chain.each(state, |next, weight| {
                    if !inside(next) {
                        x[next] += weight * value;
                    }
                });
            }
        }
    }

    fn matrix(&self, chain: &Chain<'_>, states: &[usize]) -> DMatrix<f64> {
        let mut matrix = DMatrix::identity(states.len(), states.len());
        for (row, &state) in states.iter().enumerate() {
            chain.each(state, |next, weight| {
                if self.component[next] == self.component[state] {
                    matrix[(row, self.place[next])] -= weight;
                }
            });
        }
        matrix
    }

    fn replace(&self, states: &[usize], x: &mut [f64], solve: impl FnOnce(&mut DVector<f64>)) {
        let mut b = DVector::from_iterator(states.len(), states.iter().map(|&state| x[state]));
        solve(&mut b);
        for (&state, &value) in states.iter().zip(b.iter()) {
            x[state] = value;
        }
    }

    /// Solves a component by symmetric Gauss-Seidel sweeps. Each sweep reduces the error at least by the factor
    /// `gamma`.
    fn sweep(&self, chain: &Chain<'_>, states: &[usize], x: &mut [f64]) {
        let b: Vec<f64> = states.iter().map(|&state| x[state]).collect();
        let update = |x: &mut [f64], i: usize| {
            let state = states[i];
            let (mut own, mut value) = (0.0, b[i]);
            chain.each(state, |next, weight| {
                if next == state {
                    own += weight;
                } else if self.component[next] == self.component[state] {
                    value += weight * x[next];
                }
            });
            let before = x[state];
            x[state] = value / (1.0 - own);
            ((x[state] - before).abs(), x[state].abs())
        };
        let sweeps = sweeps(chain.discount);
        for _ in 0..sweeps {
            let (mut change, mut size) = (0.0_f64, 0.0_f64);
            for i in (0..states.len()).chain((0..states.len()).rev()) {
                let (moved, value) = update(x, i);
                change = change.max(moved);
                size = size.max(value);
            }
            if change.is_nan() || change <= RESIDUAL * size {
                break;
            }
        }
    }

    /// Solves a component of the transposed system by symmetric sweeps. The chain lists the columns of the transposed
    /// matrix, so each state in turn passes its residual on to its successors.
    fn sweep_transposed(&self, chain: &Chain<'_>, states: &[usize], x: &mut [f64]) {
        // The residual of each state that is not yet passed on.
        let mut waiting: Vec<f64> = states.iter().map(|&state| x[state]).collect();
        states.iter().for_each(|&state| x[state] = 0.0);
        for _ in 0..sweeps(chain.discount) {
            for i in (0..states.len()).chain((0..states.len()).rev()) {
                let state = states[i];
                let given = std::mem::take(&mut waiting[i]);
                if given == 0.0 {
                    continue;
                }
                let mut own = 0.0;
                chain.each(state, |next, weight| {
                    if next == state {
                        own += weight;
                    }
                });
                let given = given / (1.0 - own);
                x[state] += given;
                chain.each(state, |next, weight| {
                    if next != state && self.component[next] == self.component[state] {
                        waiting[self.place[next]] += weight * given;
                    }
                });
            }
            let left: f64 = waiting.iter().map(|w| w.abs()).sum();
            let size: f64 = states.iter().map(|&state| x[state].abs()).sum();
            if left.is_nan() || left <= RESIDUAL * size {
                break;
            }
        }
    }
}

/// Returns a number of sweeps `n` for which `gamma^n` is below rounding.
fn sweeps(discount: f64) -> usize {
    (45.0 / (1.0 - discount)) as usize + 2
}

/// The discounted transition matrix of a process under a policy, `gamma P_pi`.
pub(super) struct Chain<'a> {
    pub(super) mdp: &'a Mdp,
    pub(super) probabilities: &'a [f64],
    pub(super) discount: f64,
}

impl Chain<'_> {
    /// Calls `call` with each next state and its discounted probability. A state may occur more than once.
    fn each(&self, state: usize, mut call: impl FnMut(usize, f64)) {
        let actions = self.mdp.actions();
        for action in 0..actions {
            let p = self.discount * self.probabilities[state * actions + action];
            if p == 0.0 {
                continue;
            }
            for outcome in self.mdp.outcomes(state, action) {
                if let Some(next) = outcome.next {
                    call(next, p * outcome.probability);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mdp::{deep_sea, garnet, gridworld, nchain};

    fn residuals(mdp: &Mdp) -> (f64, f64) {
        let n = mdp.states();
        let a = mdp.actions();
        let components = Components::new(mdp);
        let probabilities: Vec<f64> = (0..n * a)
            .map(|i| (1.0 + (i % a) as f64) * 2.0 / (a * (a + 1)) as f64)
            .collect();
        let chain = Chain {
            mdp,
            probabilities: &probabilities,
            discount: mdp.discount(),
        };
        let b: Vec<f64> = (0..n).map(|i| ((i * 7) % 11) as f64 - 3.0).collect();
        let (mut x, mut y) = (b.clone(), b.clone());
        components.solve(&chain, &mut x);
        components.solve_transposed(&chain, &mut y);
        let mut forward: Vec<f64> = (0..n).map(|i| x[i] - b[i]).collect();
        let mut backward: Vec<f64> = (0..n).map(|i| y[i] - b[i]).collect();
        for state in 0..n {
            chain.each(state, |next, weight| {
                forward[state] -= weight * x[next];
                backward[next] -= weight * y[state];
            });
        }
        let largest = |r: &[f64], x: &[f64]| {
            let size = x.iter().fold(1.0, |m: f64, v| m.max(v.abs()));
            r.iter().fold(0.0, |m: f64, v| m.max(v.abs())) / size
        };
        (largest(&forward, &x), largest(&backward, &y))
    }

    #[test]
    fn both_systems_are_solved_whatever_the_structure() {
        for mdp in [
            deep_sea(6).expect("valid"),
            nchain(12).expect("valid"),
            garnet(40, 3, 2, 0.95, 5).expect("valid"),
            // A component beyond the dense limit.
            gridworld(19, 19, 0.1).expect("valid"),
        ] {
            let (forward, backward) = residuals(&mdp);
            assert!(
                forward < 1e-13 && backward < 1e-13,
                "{}: {forward:e} {backward:e}",
                mdp.name()
            );
        }
    }

    #[test]
    fn an_acyclic_process_has_a_component_for_each_state() {
        let components = Components::new(&deep_sea(4).expect("valid"));
        assert!(components.iter().all(|states| states.len() == 1));
        // The last row comes first.
        assert!(
            components
                .iter()
                .next()
                .is_some_and(|states| states[0] >= 12)
        );
        assert_eq!(
            Components::new(&nchain(5).expect("valid")).iter().count(),
            1
        );
    }
}
