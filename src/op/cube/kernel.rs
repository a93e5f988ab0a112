//! The two kernels, and what they are compiled for.

use super::plan::Plan;
use super::row::Row;
use super::{backward, forward};
use crate::math::{Output, Solver, closed_form};
use crate::op::request::GradientMask;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::ir::ElemType;
use burn_cubecl::cubecl::prelude::*;

/// What a kernel is compiled for. It is a part of the key in CubeCL's cache of kernels.
///
/// An alpha that is a number is not a field. It is passed with the launch, so that a new alpha needs no compilation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RowKernel {
    pub output: Output,
    pub reference: ReferenceKind,
    pub curve: CurveKind,
    /// The gradients that a backward kernel writes.
    pub wanted: GradientMask,
    pub plan: Plan,
}

/// The kinds of a [`ReferenceTensor`](crate::op::ReferenceTensor).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ReferenceKind {
    Uniform,
    Ones,
    Given,
}

/// The alphas that share a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CurveKind {
    /// An alpha for each row.
    Any,
    /// Alpha one.
    Softmax,
    /// An alpha of [`closed_form`], with its exponent.
    Closed(i32),
    /// Any other number up to [`Solver::NEWTON_MAX_ALPHA`].
    Gentle,
    /// A number above [`Solver::NEWTON_MAX_ALPHA`].
    Steep,
}

impl CurveKind {
    /// Returns the kind of a number.
    pub fn of_number(alpha: f64) -> Self {
        if alpha == 1.0 {
            Self::Softmax
        } else if let Some(n) = closed_form(alpha) {
            Self::Closed(n)
        } else if alpha as f32 > Solver::NEWTON_MAX_ALPHA as f32 {
            Self::Steep
        } else {
            // NaN is among them, and makes every row invalid.
            Self::Gentle
        }
    }

    /// Whether a row may have an alpha above [`Solver::NEWTON_MAX_ALPHA`].
    pub fn may_be_steep(self) -> bool {
        matches!(self, Self::Any | Self::Steep)
    }

    /// The exponent of a closed form.
    pub fn closed_form(self) -> Option<i32> {
        match self {
            Self::Closed(n) => Some(n),
            _ => None,
        }
    }
}

/// The numbers of a launch.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
#[expand(derive(Clone, Copy))]
pub(crate) struct Parameters {
    pub rows: u32,
    pub columns: u32,
    /// The distances between adjacent rows of the inputs. They are zero if the rows share one.
    pub logits_stride: u32,
    pub reference_stride: u32,
    pub cotangent_stride: u32,
    pub alpha_stride: u32,
    /// `1 - alpha` and alpha, if alpha is a number and not a tensor.
    pub c: f32,
    pub alpha: f32,
    /// Zero selects bisection.
    pub newton_steps: u32,
    /// Not every target has literals for these.
    pub nan: f32,
    pub infinity: f32,
    pub negative_infinity: f32,
    /// The result for a row without an allowed entry.
    pub empty_row: f32,
}

/// Computes the root of each row and one output: an `entries` or a `numbers`.
#[cube(launch_unchecked, address_type = "dynamic")]
pub(super) fn row_forward<E: Float, R: Float, N: Size>(
    logits: &Box<[Vector<E, N>]>,
    alpha: &ComptimeOption<Box<[f32]>>,
    reference: &ComptimeOption<Box<[f32]>>,
    state: Box<[f32]>,
    entries: ComptimeOption<Box<[Vector<E, N>]>>,
    numbers: ComptimeOption<Box<[R]>>,
    parameters: Parameters,
    #[comptime] kernel: RowKernel,
    #[define(E, R)] _dtypes: [ElemType; 2],
) {
    let mut row = Row::<E, R, N>::new(
        logits.clone(),
        alpha.clone(),
        reference.clone(),
        state,
        ComptimeOption::new_None(),
        entries,
        numbers,
        ComptimeOption::new_None(),
        parameters,
        kernel,
    );
    row.read();
    if row.exists() {
        forward::process_row::<E, R, N>(&mut row);
    }
    row.write();
}

/// Computes the gradients of `<cotangent, output>` from the state that the forward kernel wrote.
#[cube(launch_unchecked, address_type = "dynamic")]
pub(super) fn row_backward<E: Float, R: Float, N: Size>(
    logits: &Box<[Vector<E, N>]>,
    alpha: &ComptimeOption<Box<[f32]>>,
    reference: &ComptimeOption<Box<[f32]>>,
    state: &Box<[f32]>,
    cotangent: &Box<[E]>,
    entries: ComptimeOption<Box<[Vector<E, N>]>>,
    numbers: ComptimeOption<Box<[R]>>,
    reference_gradient: ComptimeOption<Box<[f32]>>,
    parameters: Parameters,
    #[comptime] kernel: RowKernel,
    #[define(E, R)] _dtypes: [ElemType; 2],
) {
    let mut row = Row::<E, R, N>::new(
        logits.clone(),
        alpha.clone(),
        reference.clone(),
        state.clone(),
        ComptimeOption::new_Some(cotangent.clone()),
        entries,
        numbers,
        reference_gradient,
        parameters,
        kernel,
    );
    row.read();
    if row.exists() {
        backward::process_row::<E, R, N>(&mut row);
    }
    row.write();
}
