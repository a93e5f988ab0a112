//! The operator in Burn's own tensor operations, for every backend without kernels of ours.
//!
//! The formulas are those of [`crate::math`], whose functions each part names; nothing is read back, so
//! the number of steps is fixed.

mod generator;
mod gradient;
mod ratio;
mod reference;
mod rows;
mod solve;
mod state;
mod values;

use super::request::{AlphaTensor, Output, ReferenceTensor, RowParameters, Wrt, arithmetic_dtype};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use generator::Order;
use gradient::Support;
use reference::Reference;
use rows::Rows;
use state::State;
use values::{Values, off_support};

pub(crate) fn forward<B: Backend>(
    logits: FloatTensor<B>,
    alpha: AlphaTensor<B>,
    reference: ReferenceTensor<B>,
    parameters: RowParameters,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let dtype = logits.dtype();
    let rows = Rows::<B>::new(logits, alpha, reference, parameters);
    let Rows {
        order, reference, ..
    } = &rows;
    let state = rows.solve(parameters.solver);
    let ratio = rows.ratio(&state);
    let off = off_support(&ratio.log_u);
    let output = match parameters.output {
        Output::Probabilities => {
            let share = (rows.residual(&ratio) * &ratio.relative + 1.0).at_least(0.0);
            let p = &reference.q * ratio.log_u.exp() * share;
            reference.answer(p.fill(&off, 0.0), 0.0)
        }
        Output::LogProbabilities => {
            let share = (rows.residual(&ratio) * &ratio.relative).at_least(-1.0);
            let log_p = reference.q.ln() + &ratio.log_u + order.log1p(&share);
            reference.answer(log_p.fill(&off, f64::NEG_INFINITY), f64::NEG_INFINITY)
        }
        Output::Value => {
            let conjugates = &reference.q * order.conjugate(&ratio.log_u);
            let mu = &rows.max - order.derivative(&rows.log_u_max(&state));
            reference.answer(reference.over_allowed(conjugates) + mu, 0.0)
        }
        Output::Divergence => {
            let terms = &reference.q * order.generator(&ratio.log_u);
            let sum = reference.over_allowed(terms);
            // By rounding: a divergence is not negative.
            reference.answer(sum.fill(&sum.below(0.0), 0.0), 0.0)
        }
    };
    let state = B::float_cat(vec![state.root.0, state.rest.0], rows.last);
    (output.cast(dtype).0, state)
}

pub(crate) fn backward<B: Backend>(
    logits: FloatTensor<B>,
    alpha: AlphaTensor<B>,
    reference: ReferenceTensor<B>,
    state: FloatTensor<B>,
    cotangent: FloatTensor<B>,
    parameters: RowParameters,
    wrt: Wrt,
) -> FloatTensor<B> {
    let dtype = logits.dtype();
    let cotangent = Values::<B>(cotangent).cast(arithmetic_dtype(dtype));
    let rows = Rows::<B>::new(logits, alpha, reference, parameters);
    let Rows {
        order, reference, ..
    } = &rows;
    let state = State::new(state);
    let ratio = rows.ratio(&state);
    let support = Support::new(&rows, &ratio);
    let gradient = match (parameters.output, wrt) {
        (Output::Probabilities, Wrt::Logits) => &support.k * support.centred(&cotangent),
        (Output::Probabilities, Wrt::Alpha) => support.order_gradient(&cotangent),
        (Output::Probabilities, Wrt::Reference) => &support.u * support.centred(&cotangent),
        (Output::LogProbabilities, Wrt::Logits) => support.log_gradient(&cotangent),
        (Output::LogProbabilities, Wrt::Alpha) => support.log_order_gradient(&cotangent),
        (Output::LogProbabilities, Wrt::Reference) => {
            let power = (-(&order.c * &support.log_u)).exp();
            support.log_gradient(&cotangent) * power / &reference.q
        }
        (Output::Value, Wrt::Logits) => {
            let share = (rows.residual(&ratio) * &ratio.relative + 1.0).at_least(0.0);
            &reference.q * &support.u * share * cotangent
        }
        (Output::Value, Wrt::Alpha) => {
            -reference.over_allowed(&reference.q * order.order_derivative(&ratio.log_u)) * cotangent
        }
        (Output::Value, Wrt::Reference) => order.conjugate(&ratio.log_u) * cotangent,
        (Output::Divergence, Wrt::Logits) => &support.k * support.centred(&support.y()) * cotangent,
        (Output::Divergence, Wrt::Alpha) => {
            let direct =
                reference.over_allowed(&reference.q * order.order_derivative(&ratio.log_u));
            (direct + support.order_gradient(&support.y())) * cotangent
        }
        (Output::Divergence, Wrt::Reference) => {
            let centred = (&support.u * support.centred(&support.y())).fill(&support.off, 0.0);
            (centred - order.conjugate(&ratio.log_u)) * cotangent
        }
    };
    // Off the support only the generator itself depends on an input, the reference.
    let gradient = match (parameters.output, wrt) {
        (_, Wrt::Alpha) => gradient,
        (Output::Value | Output::Divergence, Wrt::Reference) => {
            gradient.fill(&reference.ignored, 0.0)
        }
        _ => gradient.fill(&support.off, 0.0),
    };
    let gradient = reference.answer(gradient, 0.0);
    match wrt {
        Wrt::Logits => gradient.cast(dtype).0,
        Wrt::Alpha | Wrt::Reference => gradient.0,
    }
}

/// `q f(p / q)` of every entry, or its derivative in the input `wrt`, which is the probabilities where it
/// is the logits: [`crate::math::Tsallis`].
pub(super) fn divergence_entries<B: Backend>(
    probabilities: FloatTensor<B>,
    alpha: AlphaTensor<B>,
    reference: ReferenceTensor<B>,
    parameters: RowParameters,
    wrt: Option<Wrt>,
) -> FloatTensor<B> {
    let dtype = probabilities.dtype();
    let p = Values::<B>(probabilities).cast(arithmetic_dtype(dtype));
    let order = Order::new(alpha, parameters.alpha, &p);
    let reference = Reference::new(reference, &p, &order, parameters.empty_row);
    let log_u = (p.ln() - reference.q.ln()).fill(&p.equals(0.0), f64::NEG_INFINITY);
    let entries = match wrt {
        None => {
            let terms = &reference.q * order.generator(&log_u);
            // By rounding: a generator is not negative.
            terms.fill(&terms.below(0.0), 0.0)
        }
        Some(Wrt::Logits) => order.derivative(&log_u),
        Some(Wrt::Alpha) => &reference.q * order.order_derivative(&log_u),
        Some(Wrt::Reference) => -order.conjugate(&log_u),
    };
    let entries = reference.answer(entries.fill(&reference.ignored, 0.0), 0.0);
    match wrt {
        None | Some(Wrt::Logits) => entries.cast(dtype).0,
        Some(_) => entries.0,
    }
}
