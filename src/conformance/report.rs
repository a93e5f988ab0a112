//! The comparison of an implementation with the exact answers.

use super::bounds::Bounds;
use super::case::Case;
use crate::op::{Output, Wrt};

/// An implementation of the operator.
pub trait Implementation {
    /// The output of a row.
    fn output(&self, case: &Case, output: Output) -> Vec<f64>;

    /// The gradient of `<c, output>`, with the case's cotangent, or nothing if it offers none.
    fn gradient(&self, case: &Case, output: Output, wrt: Wrt) -> Option<Vec<f64>>;
}

/// What was compared, and the worst of it.
#[derive(Clone, Debug)]
pub struct Quantity {
    /// The output, or the derivative.
    pub name: &'static str,
    /// How many rows were compared.
    pub cases: usize,
    /// The error that is largest in units of its bound.
    pub worst: Option<Worst>,
}

/// An error.
#[derive(Clone, Debug)]
pub struct Worst {
    /// How far the answer is off.
    pub error: f64,
    /// How far it may be.
    pub bound: f64,
    /// The row.
    pub case: String,
}

impl Quantity {
    /// The error of the worst case in units of its bound.
    pub fn ratio(&self) -> f64 {
        self.worst.as_ref().map_or(0.0, Worst::ratio)
    }

    fn take(&mut self, case: &Case, error: f64, bound: f64) {
        let worst = Worst {
            error,
            bound,
            case: case.name.clone(),
        };
        // A NaN is worse than any number, and is not replaced.
        let before = self.ratio();
        if self.worst.is_none() || worst.ratio() > before {
            self.worst = Some(worst);
        }
    }
}

impl Worst {
    fn ratio(&self) -> f64 {
        if self.error == 0.0 {
            0.0
        } else if self.error.is_nan() {
            f64::INFINITY
        } else {
            self.error / self.bound
        }
    }
}

const OUTPUTS: [Output; 4] = [
    Output::Probabilities,
    Output::LogProbabilities,
    Output::Value,
    Output::Divergence,
];

const INPUTS: [Wrt; 3] = [Wrt::Logits, Wrt::Alpha, Wrt::Reference];

/// Runs every case through every output and gradient.
pub fn compare(
    implementation: &impl Implementation,
    cases: &[Case],
    bounds: &Bounds,
) -> Vec<Quantity> {
    let mut quantities = Vec::new();
    for output in OUTPUTS {
        let mut quantity = Quantity {
            name: output_name(output),
            cases: 0,
            worst: None,
        };
        for case in cases {
            let got = implementation.output(case, output);
            let want = case.output(output);
            quantity.cases += 1;
            if got.len() != want.len() {
                quantity.take(case, f64::NAN, 0.0);
                continue;
            }
            for (i, (&got, &want)) in got.iter().zip(&want).enumerate() {
                let want = bounds.held(want);
                let error = if got == want || (want == f64::NEG_INFINITY && bounds.off_support(got))
                {
                    0.0
                } else {
                    (got - want).abs()
                };
                quantity.take(case, error, bounds.output(case, output, i, want));
            }
        }
        quantities.push(quantity);
        for wrt in INPUTS {
            let mut quantity = Quantity {
                name: gradient_name(output, wrt),
                cases: 0,
                worst: None,
            };
            for case in cases {
                // <c, ln p> is a number only where every probability is positive, and the edge of the
                // support has no gradient.
                let defined =
                    output != Output::LogProbabilities || case.exact.p.iter().all(|&p| p > 0.0);
                if !defined || case.exact.is_at_a_kink(case.alpha) {
                    continue;
                }
                let Some(got) = implementation.gradient(case, output, wrt) else {
                    continue;
                };
                let want = case.gradient(output, wrt);
                let largest = want.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
                let bound = bounds.gradient(case, output, wrt, largest);
                quantity.cases += 1;
                if got.len() != want.len() {
                    quantity.take(case, f64::NAN, 0.0);
                    continue;
                }
                for (&got, &want) in got.iter().zip(&want) {
                    // The others are not in the storage of the logits.
                    let want = match wrt {
                        Wrt::Logits => bounds.held(want),
                        Wrt::Alpha | Wrt::Reference => want,
                    };
                    let error = if got == want { 0.0 } else { (got - want).abs() };
                    quantity.take(case, error, bound);
                }
            }
            quantities.push(quantity);
        }
    }
    quantities
}

fn output_name(output: Output) -> &'static str {
    match output {
        Output::Probabilities => "p",
        Output::LogProbabilities => "ln p",
        Output::Value => "V",
        Output::Divergence => "D",
    }
}

fn gradient_name(output: Output, wrt: Wrt) -> &'static str {
    match (output, wrt) {
        (Output::Probabilities, Wrt::Logits) => "dp/dx",
        (Output::Probabilities, Wrt::Alpha) => "dp/dalpha",
        (Output::Probabilities, Wrt::Reference) => "dp/dq",
        (Output::LogProbabilities, Wrt::Logits) => "dln p/dx",
        (Output::LogProbabilities, Wrt::Alpha) => "dln p/dalpha",
        (Output::LogProbabilities, Wrt::Reference) => "dln p/dq",
        (Output::Value, Wrt::Logits) => "dV/dx",
        (Output::Value, Wrt::Alpha) => "dV/dalpha",
        (Output::Value, Wrt::Reference) => "dV/dq",
        (Output::Divergence, Wrt::Logits) => "dD/dx",
        (Output::Divergence, Wrt::Alpha) => "dD/dalpha",
        (Output::Divergence, Wrt::Reference) => "dD/dq",
    }
}
