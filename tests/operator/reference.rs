//! The reference values, the accuracy that every path of the operator owes, and the comparison of the two.
//! The crate's own unit tests include this file too.

use serde_json::Value;

/// The bounds of one arithmetic.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// Of probabilities and their logarithms, relative.
    pub relative: f64,
    /// Of probabilities at alpha > 1, absolute.
    pub absolute: f64,
    /// Of `ln p`, by one rounding of a gap.
    pub log_gap: f64,
    /// Of gradients, relative to the largest of the row.
    pub gradient: f64,
    /// Of gradients at alpha > 1, by one rounding of a gap.
    pub gradient_gap: f64,
}

pub const F32: Bounds = Bounds {
    relative: 2e-6,
    absolute: 1e-6,
    log_gap: 1e-6,
    gradient: 5e-5,
    gradient_gap: 5e-7,
};

pub const F64: Bounds = Bounds {
    relative: 1e-12,
    absolute: 1e-12,
    log_gap: 1e-12,
    gradient: 1e-10,
    gradient_gap: 1e-12,
};

/// A row with the exact answer that a device's answer is compared with.
pub struct Exact {
    pub what: String,
    pub alpha: f64,
    pub logits: Vec<f64>,
    pub q: Vec<f64>,
    pub p: Vec<f64>,
    /// `-inf` where `p` is zero.
    pub log_p: Vec<f64>,
}

impl Exact {
    pub fn check_p(&self, got: &[f64], bounds: &Bounds) {
        for (i, (&got, &want)) in got.iter().zip(&self.p).enumerate() {
            let bound = if self.alpha > 1.0 {
                bounds.absolute
            } else if want < 1e-37 {
                1e-37
            } else {
                bounds.relative * want.ln().abs().max(1.0) * want
            };
            self.within(got, want, bound, "p", i);
        }
    }

    pub fn check_log_p(&self, got: &[f64], bounds: &Bounds) {
        for (i, (&got, &want)) in got.iter().zip(&self.log_p).enumerate() {
            if want == f64::NEG_INFINITY {
                assert!(
                    got.exp() <= bounds.absolute,
                    "{}: ln p[{i}] is {got}, the entry is off the support",
                    self.what
                );
                continue;
            }
            let u = (want - self.q[i].ln()).exp();
            let bound = bounds.relative * want.abs().max(1.0)
                + bounds.log_gap * self.gap(i) * u.powf(1.0 - self.alpha);
            self.within(got, want, bound, "ln p", i);
        }
    }

    pub fn check_gradient(
        &self,
        what: &str,
        got: &[f64],
        want: &[f64],
        cotangent: &[f64],
        bounds: &Bounds,
    ) {
        if self.is_at_a_kink() {
            return;
        }
        let largest = want.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
        let mut bound = bounds.gradient * largest.max(1e-30);
        if self.alpha > 1.0 {
            let cotangent = cotangent.iter().fold(0.0_f64, |m, c| m.max(c.abs()));
            let sensitivity = (0..self.p.len())
                .filter(|&i| self.p[i] > 0.0)
                .map(|i| {
                    let u = self.p[i] / self.q[i];
                    (2.0 - self.alpha).abs()
                        * self.q[i]
                        * u.powf(3.0 - 2.0 * self.alpha)
                        * self.gap(i)
                })
                .fold(0.0, f64::max);
            bound += bounds.gradient_gap * cotangent * sensitivity;
        }
        for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
            self.within(got, want, bound, what, i);
        }
    }

    /// At alpha = 2 an entry at the very edge of the support has a gradient on one side only.
    fn is_at_a_kink(&self) -> bool {
        if self.alpha != 2.0 {
            return false;
        }
        let top = (0..self.p.len()).max_by(|&a, &b| self.logits[a].total_cmp(&self.logits[b]));
        let top = top.expect("a row has entries");
        let u_max = self.p[top] / self.q[top];
        (0..self.p.len())
            .filter(|&i| self.logits[i].is_finite())
            .any(|i| (u_max - self.gap(i)).abs() < 1e-5 * u_max)
    }

    fn gap(&self, i: usize) -> f64 {
        let max = self
            .logits
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        if self.logits[i] == f64::NEG_INFINITY {
            0.0
        } else {
            max - self.logits[i]
        }
    }

    fn within(&self, got: f64, want: f64, bound: f64, what: &str, i: usize) {
        assert!(
            (got - want).abs() <= bound,
            "{}: {what}[{i}] is {got:e}, exact {want:e}: off by {:.2} bounds",
            self.what,
            (got - want).abs() / bound
        );
    }
}

/// One line of the file.
pub struct Vector {
    pub exact: Exact,
    pub reference: GivenReference,
    pub cotangent: Vec<f64>,
    pub mu: f64,
    pub value: f64,
    pub divergence: f64,
    pub grad_logits: Vec<f64>,
    pub grad_alpha: f64,
    /// Zero where the entry is not allowed.
    pub grad_reference: Vec<f64>,
}

pub enum GivenReference {
    Uniform,
    Ones,
    Vector(Vec<f64>),
}

pub fn read() -> Vec<Vector> {
    include_str!("../vectors/tsallis_softargmax.jsonl")
        .lines()
        .map(|line| parse(&serde_json::from_str(line).expect("a line is a JSON object")))
        .collect()
}

fn parse(line: &Value) -> Vector {
    let number = |name: &str| line[name].as_f64().expect("a number");
    let numbers = |name: &str, null: f64| -> Vec<f64> {
        let list = line[name].as_array().expect("a list");
        list.iter().map(|v| v.as_f64().unwrap_or(null)).collect()
    };
    let logits = numbers("logits", f64::NEG_INFINITY);
    let allowed = logits.iter().filter(|x| x.is_finite()).count();
    let reference = match line["reference"].as_str() {
        Some("uniform") => GivenReference::Uniform,
        Some("ones") => GivenReference::Ones,
        _ => GivenReference::Vector(numbers("reference", f64::NAN)),
    };
    let q = match &reference {
        GivenReference::Uniform => vec![1.0 / allowed as f64; logits.len()],
        GivenReference::Ones => vec![1.0; logits.len()],
        GivenReference::Vector(q) => q.clone(),
    };
    Vector {
        exact: Exact {
            what: format!("vector {} (alpha {})", line["id"], line["alpha"]),
            alpha: number("alpha"),
            logits,
            q,
            p: numbers("p", f64::NAN),
            log_p: numbers("log_p", f64::NEG_INFINITY),
        },
        reference,
        cotangent: numbers("cotangent", f64::NAN),
        mu: number("mu"),
        value: number("value"),
        divergence: number("divergence"),
        grad_logits: numbers("grad_logits", 0.0),
        grad_alpha: number("grad_alpha"),
        grad_reference: numbers("grad_reference", 0.0),
    }
}
