//! The operator in Burn's own tensor operations, for every backend without its own kernels.
//!
//! The formulas are those of [`crate::math`], and each part names the functions that it implements. No value is read
//! back from the device, so the number of solver steps is fixed.

pub(super) mod attention;
mod generator;
mod gradient;
mod ratio;
mod reference;
mod rows;
mod solve;
mod state;
mod values;

use super::request::{
    AlphaTensor, DivergenceTerm, GradientMask, InputGradients, OptionalTensor, ReferenceTensor,
    RowParameters, arithmetic_dtype,
};
use crate::math::Output;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use generator::Generator;
use gradient::Support;
use ratio::Ratios;
use reference::MaskedReference;
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
    let (generator, reference) = (&rows.generator, &rows.reference);
    let state = rows.solve(parameters.solver);
    let ratio = rows.ratio(&state);
    let off = off_support(&ratio.log_u);
    let output = match parameters.output {
        Output::Probabilities => {
            let share = (rows.residual(&ratio) * &ratio.relative_slope + 1.0).clamp_min(0.0);
            let p = &reference.q * ratio.log_u.exp() * share;
            reference.fill_fallback(p.mask_fill(&off, 0.0), 0.0)
        }
        Output::LogProbabilities => {
            let share = (rows.residual(&ratio) * &ratio.relative_slope).clamp_min(-1.0);
            let log_p = reference.q.ln() + &ratio.log_u + generator.log1p(&share);
            reference.fill_fallback(log_p.mask_fill(&off, f64::NEG_INFINITY), f64::NEG_INFINITY)
        }
        Output::Value => {
            let conjugates = &reference.q * generator.conjugate_at_log(&ratio.log_u);
            let mu = &rows.max - generator.derivative_at_log(&rows.log_u_max(&state));
            reference.fill_fallback(reference.over_allowed(conjugates) + mu, 0.0)
        }
        Output::Divergence => {
            let terms = &reference.q * generator.value_at_log(&ratio.log_u);
            let sum = reference.over_allowed(terms);
            // Rounding may make the divergence negative.
            reference.fill_fallback(sum.mask_fill(&sum.below(0.0), 0.0), 0.0)
        }
    };
    let state = B::float_cat(vec![state.root.0, state.remainder.0], rows.last);
    (output.cast(dtype).0, state)
}

pub(crate) fn backward<B: Backend>(
    logits: FloatTensor<B>,
    alpha: AlphaTensor<B>,
    reference: ReferenceTensor<B>,
    state: FloatTensor<B>,
    cotangent: FloatTensor<B>,
    parameters: RowParameters,
    wanted: GradientMask,
) -> InputGradients<B> {
    let dtype = logits.dtype();
    let cotangent = Values::<B>(cotangent).cast(arithmetic_dtype(dtype));
    let rows = Rows::<B>::new(logits, alpha, reference, parameters);
    let state = State::new(state);
    let ratio = rows.ratio(&state);
    let support = Support::new(&rows, &ratio);
    let output = parameters.output;
    InputGradients {
        logits: OptionalTensor::when(wanted.logits, || {
            let gradient = logits_gradient(&support, &ratio, output, &cotangent);
            rows.reference.fill_fallback(gradient, 0.0).cast(dtype).0
        }),
        alpha: OptionalTensor::when(wanted.alpha, || {
            let gradient = alpha_gradient(&support, &ratio, output, &cotangent);
            rows.reference.fill_fallback(gradient, 0.0).0
        }),
        reference: OptionalTensor::when(wanted.reference, || {
            let gradient = reference_gradient(&support, &ratio, output, &cotangent);
            rows.reference.fill_fallback(gradient, 0.0).0
        }),
    }
}

fn logits_gradient<B: Backend>(
    support: &Support<'_, B>,
    ratio: &Ratios<B>,
    output: Output,
    cotangent: &Values<B>,
) -> Values<B> {
    let reference = &support.rows.reference;
    let gradient = match output {
        Output::Probabilities => &support.k * support.centered(cotangent),
        Output::LogProbabilities => support.log_gradient(cotangent),
        Output::Value => {
            let residual = support.rows.residual(ratio);
            let share = (residual * &ratio.relative_slope + 1.0).clamp_min(0.0);
            &reference.q * &support.u * share * cotangent
        }
        Output::Divergence => &support.k * support.centered(&support.y()) * cotangent,
    };
    gradient.mask_fill(&support.off, 0.0)
}

fn alpha_gradient<B: Backend>(
    support: &Support<'_, B>,
    ratio: &Ratios<B>,
    output: Output,
    cotangent: &Values<B>,
) -> Values<B> {
    let (generator, reference) = (&support.rows.generator, &support.rows.reference);
    let direct =
        || reference.over_allowed(&reference.q * generator.alpha_derivative_at_log(&ratio.log_u));
    match output {
        Output::Probabilities => support.alpha_gradient(cotangent),
        Output::LogProbabilities => support.log_alpha_gradient(cotangent),
        Output::Value => -direct() * cotangent,
        Output::Divergence => (direct() + support.alpha_gradient(&support.y())) * cotangent,
    }
}

fn reference_gradient<B: Backend>(
    support: &Support<'_, B>,
    ratio: &Ratios<B>,
    output: Output,
    cotangent: &Values<B>,
) -> Values<B> {
    let (generator, reference) = (&support.rows.generator, &support.rows.reference);
    // Off the support, only the terms of the generator depend on the reference.
    match output {
        Output::Probabilities => {
            (&support.u * support.centered(cotangent)).mask_fill(&support.off, 0.0)
        }
        Output::LogProbabilities => {
            let power = (-(&generator.c * &support.log_u)).exp();
            (support.log_gradient(cotangent) * power / &reference.q).mask_fill(&support.off, 0.0)
        }
        Output::Value => (generator.conjugate_at_log(&ratio.log_u) * cotangent)
            .mask_fill(&reference.ignored, 0.0),
        Output::Divergence => {
            let centered =
                (&support.u * support.centered(&support.y())).mask_fill(&support.off, 0.0);
            let gradient = (centered - generator.conjugate_at_log(&ratio.log_u)) * cotangent;
            gradient.mask_fill(&reference.ignored, 0.0)
        }
    }
}

/// Computes `q f(p / q)` of every entry, or a derivative of it: [`crate::math::Tsallis`].
pub(super) fn divergence_terms<B: Backend>(
    probabilities: FloatTensor<B>,
    alpha: AlphaTensor<B>,
    reference: ReferenceTensor<B>,
    parameters: RowParameters,
    term: DivergenceTerm,
) -> FloatTensor<B> {
    let dtype = probabilities.dtype();
    let p = Values::<B>(probabilities).cast(arithmetic_dtype(dtype));
    let generator = Generator::new(alpha, parameters.alpha, &p);
    let reference = MaskedReference::new(reference, &p, &generator, parameters.empty_row);
    let log_u = (p.ln() - reference.q.ln()).mask_fill(&p.equals(0.0), f64::NEG_INFINITY);
    let entries = match term {
        DivergenceTerm::Value => {
            let terms = &reference.q * generator.value_at_log(&log_u);
            // Rounding may make the term negative.
            terms.mask_fill(&terms.below(0.0), 0.0)
        }
        DivergenceTerm::ProbabilityDerivative => generator.derivative_with_zero(&log_u),
        DivergenceTerm::AlphaDerivative => &reference.q * generator.alpha_derivative_at_log(&log_u),
        DivergenceTerm::ReferenceDerivative => generator.reference_derivative_with_zero(&log_u),
    };
    let entries = reference.fill_fallback(entries.mask_fill(&reference.ignored, 0.0), 0.0);
    match term {
        DivergenceTerm::Value | DivergenceTerm::ProbabilityDerivative => entries.cast(dtype).0,
        DivergenceTerm::AlphaDerivative | DivergenceTerm::ReferenceDerivative => entries.0,
    }
}
