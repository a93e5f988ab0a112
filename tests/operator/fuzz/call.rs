use super::field::{Field, for_each_index};
use super::random::Random;
use burn::tensor::DType;
use burn_tsallis::conformance::rounded;
use burn_tsallis::math::{Output, closed_form};
use burn_tsallis::{EmptyRow, Solver};

/// The arguments of one call of the operator.
#[derive(Clone, Debug)]
pub struct Call {
    pub shape: Vec<usize>,
    /// The reduced dimension.
    pub dim: usize,
    pub dtype: DType,
    pub logits: Field,
    /// One where an entry is allowed, otherwise zero.
    pub allowed: Option<Field>,
    pub alpha: DrawnAlpha,
    pub reference: DrawnReference,
    pub temperature: f64,
    pub empty_row: EmptyRow,
    pub solver: Solver,
    pub output: Output,
    pub cotangent: Cotangent,
    /// The cotangent in the shape of the output. It has size one along the dimensions of a sum.
    pub cotangents: Field,
}

#[derive(Clone, Debug)]
pub enum DrawnAlpha {
    Number(f64),
    Tensor(Field),
}

#[derive(Clone, Debug)]
pub enum DrawnReference {
    Uniform,
    Ones,
    Values(Vec<f64>),
    Vector(Vec<f64>),
    Tensor(Field),
}

/// How the cotangent reaches the backward step. Each way gives it other strides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cotangent {
    /// The output is multiplied by a tensor.
    Product,
    /// The product is computed with two dimensions swapped.
    Swapped(usize, usize),
    /// The output is summed over a dimension before the product: stride 0.
    SumOver(usize),
    /// The output is summed over every dimension.
    Sum,
    /// `tsallis_softargmax_vjp` with the tensor.
    Vjp,
}

/// The calls that a device can run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Range {
    /// Every call.
    Every,
    /// Contiguous matrices of a few lengths in `f32`, without gradients: a software driver takes seconds to compile a
    /// kernel.
    FewKernels,
}

impl Call {
    pub fn draw(seed: u64, range: Range) -> Self {
        let mut random = Random::new(seed);
        let random = &mut random;
        let every = range == Range::Every;
        let (shape, dim) = if every {
            shape(random)
        } else {
            let columns = [1 + random.below(8), 1 + random.below(32), 40, 257, 1000];
            let columns = random.pick(&columns);
            let rows = 1 + random.below(if columns < 40 { 150 } else { 4 });
            (vec![rows, columns], 1)
        };
        let columns = shape[dim];
        let dtype = if every {
            let (f32, f64) = (DType::F32, DType::F64);
            random.pick(&[f32, f32, f32, f32, f32, f64, f64, DType::F16, DType::BF16])
        } else {
            DType::F32
        };
        let arithmetic = arithmetic(dtype);
        let logits = logits(random, &shape, dim, dtype, every);
        let allowed = (every && random.chance(0.3)).then(|| {
            let share = random.pick(&[0.95, 0.5]);
            Field::new(broadcast(random, &shape, 0.3), |_| {
                f64::from(u8::from(random.chance(share)))
            })
        });
        let alpha = if every && random.chance(0.5) {
            let mut shape = broadcast(random, &shape, 0.3);
            shape[dim] = 1;
            // Neighboring rows take different paths, or most of them the same one.
            let common = random.chance(0.3).then(|| number(random));
            DrawnAlpha::Tensor(Field::new(shape, |_| {
                let alpha = match common {
                    Some(alpha) if random.chance(0.9) => alpha,
                    _ => number(random),
                };
                let invalid = random.chance(0.001);
                rounded(if invalid { f64::NAN } else { alpha }, arithmetic)
            }))
        } else {
            DrawnAlpha::Number(number(random))
        };
        let reference = reference(random, &shape, dim, arithmetic, every);
        let temperature = if every && random.chance(0.3) {
            random.pick(&[0.05, 0.3, 0.5, 1.7, 2.0, 10.0])
        } else {
            1.0
        };
        let outputs = [Output::Value, Output::Divergence, Output::Probabilities];
        let output = if every {
            random.pick(&Output::ALL)
        } else {
            random.pick(&outputs)
        };
        let mut rows = shape.clone();
        if !output.is_per_entry() {
            rows[dim] = 1;
        }
        let (i, j) = (random.below(shape.len()), random.below(shape.len()));
        let cotangent = match random.below(6) {
            0 => Cotangent::Swapped(i, j),
            1 => Cotangent::SumOver(i),
            2 => Cotangent::Sum,
            3 if output == Output::Probabilities => Cotangent::Vjp,
            _ => Cotangent::Product,
        };
        match cotangent {
            Cotangent::SumOver(dim) => rows[dim] = 1,
            Cotangent::Sum => rows.fill(1),
            Cotangent::Vjp => rows = broadcast(random, &rows, 0.2),
            Cotangent::Product | Cotangent::Swapped(..) => {}
        }
        let sparse = random.chance(0.2);
        let scale = random.pick(&[1.0, 1.0, 1e-3, 100.0]);
        let cotangents = Field::new(rows, |_| {
            let zero = sparse && random.chance(0.8);
            match cotangent {
                Cotangent::Sum => 1.0,
                _ if zero => 0.0,
                _ => rounded(scale * random.centered(), dtype),
            }
        });
        let columns_of_bisection = columns < 5000;
        Self {
            dim,
            dtype,
            logits,
            allowed,
            alpha,
            reference,
            temperature,
            empty_row: random.pick(&[EmptyRow::NaN, EmptyRow::Zero]),
            solver: if columns_of_bisection && random.chance(0.2) {
                Solver::Bisection
            } else {
                Solver::Newton
            },
            output,
            cotangent,
            cotangents,
            shape,
        }
    }

    /// Returns the dtype in which the operator computes.
    pub fn arithmetic(&self) -> DType {
        arithmetic(self.dtype)
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        let others = self
            .shape
            .iter()
            .enumerate()
            .filter(|&(d, _)| d != self.dim);
        others.map(|(_, n)| n).product()
    }

    /// Returns the alpha of the row at an index.
    pub fn alpha_at(&self, index: &[usize]) -> f64 {
        match &self.alpha {
            DrawnAlpha::Number(alpha) => *alpha,
            DrawnAlpha::Tensor(alphas) => alphas.at(index),
        }
    }
}

fn arithmetic(dtype: DType) -> DType {
    match dtype {
        DType::F64 => DType::F64,
        _ => DType::F32,
    }
}

/// Draws a shape and its reduced dimension.
fn shape(random: &mut Random) -> (Vec<usize>, usize) {
    let columns = match random.below(1000) {
        0..10 => 0,
        10..50 => 1,
        50..500 => 2 + random.below(8),
        500..800 => 9 + random.below(32),
        800..930 => 41 + random.below(300),
        930..999 => 341 + random.below(3000),
        _ => 100_000,
    };
    let rank = 1 + random.below(5);
    let dim = random.below(rank);
    let mut rows = (1 + random.below(700)).min(1 + 6000 / (columns + 1));
    let mut shape = vec![1; rank];
    shape[dim] = columns;
    let mut others: Vec<usize> = (0..rank).filter(|&d| d != dim).collect();
    while let Some(d) = others.pop() {
        let size = if others.is_empty() || random.chance(0.3) {
            rows
        } else {
            1 + random.below(rows.min(5))
        };
        shape[d] = size;
        rows = (rows / size).max(1);
        if random.chance(0.003) {
            shape[d] = 0;
        }
    }
    (shape, dim)
}

/// Returns the shape with some sizes replaced by one.
fn broadcast(random: &mut Random, shape: &[usize], probability: f64) -> Vec<usize> {
    let sizes = shape.iter();
    sizes
        .map(|&n| {
            if n > 0 && random.chance(probability) {
                1
            } else {
                n
            }
        })
        .collect()
}

/// Draws an alpha.
fn number(random: &mut Random) -> f64 {
    match random.below(10) {
        0..3 => loop {
            // The alphas without a transcendental function, and their neighbors.
            let alpha = random.below(13) as f64 / 4.0;
            if closed_form(alpha).is_some() || random.chance(0.3) {
                break alpha;
            }
        },
        3 => random.pick(&[1.0 / 3.0, 2.0 / 3.0, 4.0 / 3.0, 5.0 / 3.0, -1.0, -2.0, 3.0]),
        4 => {
            let center = random.pick(&[0.0, 0.5, 1.0, 1.5, 2.0]);
            center + random.centered() * random.power(-9.0, -2.0)
        }
        5 if random.chance(0.1) => 50.0 * random.centered(),
        _ => -2.0 + 5.0 * random.unit(),
    }
}

/// The kinds of a row of logits.
#[derive(Clone, Copy)]
enum Style {
    Uniform { scale: f64, offset: f64 },
    Ties { scale: f64 },
    OneHot { gap: f64, at: usize },
    Wide { scale: f64 },
    Equal { value: f64 },
}

fn style(random: &mut Random, columns: usize) -> Style {
    match random.below(8) {
        0..4 => Style::Uniform {
            scale: random.power(-3.0, 2.5),
            offset: random.pick(&[0.0, 0.0, 0.0, 300.0, -300.0]),
        },
        4 => Style::Ties {
            scale: random.power(-2.0, 2.0),
        },
        5 => Style::OneHot {
            gap: random.power(-1.0, 4.0),
            at: random.below(columns),
        },
        6 => Style::Wide {
            scale: random.power(0.0, 4.0),
        },
        _ => Style::Equal {
            value: random.pick(&[0.0, 1.0, -50.0]),
        },
    }
}

fn logits(random: &mut Random, shape: &[usize], dim: usize, dtype: DType, every: bool) -> Field {
    let shape = if every && random.chance(0.15) {
        broadcast(random, shape, 0.4)
    } else {
        shape.to_vec()
    };
    let masked = random.pick(&[0.0, 0.0, 0.05, 0.5]);
    let invalid = if random.chance(0.1) { 0.01 } else { 0.0 };
    let mut rows = shape.clone();
    rows[dim] = 1;
    let mut field = Field::new(shape.clone(), |_| 0.0);
    for_each_index(&rows, |row| {
        let style = style(random, shape[dim]);
        let all_masked = random.chance(0.01);
        let broken = random.chance(invalid).then(|| random.below(shape[dim]));
        for column in 0..shape[dim] {
            let value = match style {
                Style::Uniform { scale, offset } => offset + scale * random.centered(),
                Style::Ties { scale } => scale * (4.0 * random.centered()).round(),
                Style::OneHot { gap, at } if column == at => gap,
                Style::OneHot { .. } => 0.1 * random.centered(),
                Style::Wide { scale } => scale * random.centered().powi(7),
                Style::Equal { value } => value,
            };
            let value = if broken == Some(column) {
                random.pick(&[f64::NAN, f64::INFINITY])
            } else if all_masked || random.chance(masked) {
                f64::NEG_INFINITY
            } else {
                rounded(value, dtype)
            };
            let mut index = row.to_vec();
            index[dim] = column;
            let at = super::field::offset(&shape, &index);
            field.values[at] = value;
        }
    });
    field
}

fn reference(
    random: &mut Random,
    shape: &[usize],
    dim: usize,
    arithmetic: DType,
    every: bool,
) -> DrawnReference {
    let columns = shape[dim];
    let kind = if every { random.below(4) } else { 3 };
    let scale = random.pick(&[1.0, 1.0 / columns.max(1) as f64, 20.0]);
    let zeros = if every && random.chance(0.2) {
        0.2
    } else {
        0.0
    };
    let entry = |random: &mut Random| {
        let q = match kind {
            0 => random.power(-11.5, 0.0),
            1 => 1.0,
            _ => 0.05 + random.unit(),
        };
        if random.chance(zeros) {
            0.0
        } else {
            rounded(q * scale, arithmetic).max(1e-12)
        }
    };
    match random.below(if every { 6 } else { 2 }) {
        0 => DrawnReference::Ones,
        1 => DrawnReference::Values((0..columns).map(|_| entry(random)).collect()),
        2 => DrawnReference::Uniform,
        3 => DrawnReference::Vector((0..columns).map(|_| entry(random)).collect()),
        _ => {
            let mut rows = broadcast(random, shape, 0.3);
            rows[dim] = columns;
            DrawnReference::Tensor(Field::new(rows, |_| entry(random)))
        }
    }
}
