//! Tests of every output and gradient on every device against the file of reference values and the built-in cases.

use crate::devices::{self, TestDevice};
use burn::tensor::DType;
use burn_tsallis::conformance::{
    AlphaKind, Batch, Bounds, Case, Gradients, Grouping, Implementation, Input, OnDevice, built_in,
    compare, vectors,
};
use burn_tsallis::math::{Output, RowReference, Solver};

/// Returns the cases of the file.
pub fn file(dtype: DType) -> Vec<Case> {
    vectors(dtype).expect("the file of the repository")
}

/// Returns the batches whose alpha has the given form.
///
/// A software driver takes up to seconds to compile a kernel, and there is a kernel for each layout, kind of reference
/// and form of alpha. On such a driver, rows of more than 16 entries are tested with given references only, rows of
/// more than 32 entries have one length, and rows with alpha as a number share batches. `tsallis check` runs all cases
/// on a GPU.
fn batches(test: &TestDevice, cases: &[Case], alpha: AlphaKind) -> Vec<Batch> {
    let long = match alpha {
        AlphaKind::Number => 100,
        AlphaKind::Tensor => 33,
    };
    let cases: Vec<_> = cases
        .iter()
        .filter(|case| {
            let given = matches!(case.reference, RowReference::Values(_));
            let columns = case.logits.len();
            let compiled = columns <= 16 || (given && (columns <= 32 || columns == long));
            compiled || !test.compiles()
        })
        .cloned()
        .collect();
    let forms = Grouping::EVERY_FORM.into_iter();
    forms
        .filter(|form| form.alpha == alpha)
        .filter(|form| !test.compiles() || form.padded || alpha == AlphaKind::Tensor)
        .flat_map(|form| Batch::group(&cases, form))
        .collect()
}

fn assert_within_bounds(test: &TestDevice, dtype: DType, solver: Solver, batches: &[Batch]) {
    let on_device = OnDevice {
        device: test.device.clone(),
        dtype,
        solver,
    };
    for quantity in compare(&on_device, batches, &Bounds::for_dtype(dtype)) {
        assert!(
            quantity.ratio() <= 1.0,
            "{} {dtype:?} {solver:?}: {quantity:?}",
            test.name
        );
    }
    test.device.sync().expect("no launch failed");
}

// Both solvers use the same kernels, but the two forms of alpha do not. With one test for each form, no kernel is
// compiled in two tests.

#[test]
fn the_file_with_alpha_as_a_number() {
    for test in devices::all() {
        let batches = batches(&test, &file(DType::F32), AlphaKind::Number);
        for solver in [Solver::Newton, Solver::Bisection] {
            assert_within_bounds(&test, DType::F32, solver, &batches);
        }
    }
}

#[test]
fn the_file_with_a_tensor_of_alphas() {
    for test in devices::all() {
        let batches = batches(&test, &file(DType::F32), AlphaKind::Tensor);
        for solver in [Solver::Newton, Solver::Bisection] {
            assert_within_bounds(&test, DType::F32, solver, &batches);
        }
    }
}

#[test]
fn the_file_in_f64() {
    for test in devices::all().iter().filter(|test| test.f64) {
        let batches = Batch::every_form(&file(DType::F64));
        assert_within_bounds(test, DType::F64, Solver::Newton, &batches);
    }
}

/// Alphas from -2 to 3, with masks, ties and offsets, in every dtype that a device supports.
#[test]
fn built_in_cases() {
    for test in devices::all() {
        for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
            let f64_by_portable = dtype == DType::F64 && !test.f64;
            if f64_by_portable || !test.device.supports_dtype(dtype) {
                continue;
            }
            let mut cases = built_in(dtype);
            if test.compiles() && dtype == DType::F16 {
                // f16 is emulated there, and kernels of long rows take minutes to compile.
                cases.retain(|case| case.logits.len() == 7);
            } else if test.compiles() {
                // The file has short rows like these.
                cases.retain(|case| {
                    let given = matches!(case.reference, RowReference::Values(_));
                    given && [257, 16_400].contains(&case.logits.len())
                });
            }
            let batches: Vec<_> = if test.compiles() {
                let numbers = Grouping {
                    alpha: AlphaKind::Number,
                    padded: false,
                    min_rows: 3,
                };
                Batch::group(&cases, numbers)
            } else {
                Batch::every_form(&cases)
            };
            assert_within_bounds(&test, dtype, Solver::Newton, &batches);
        }
    }
}

/// Returns the gradients of a batch, row by row, after `change` has modified them.
fn gradients_of(batch: &Batch, output: Output, change: impl Fn(&mut Vec<Gradients>)) -> Gradients {
    let mut rows: Vec<_> = batch
        .rows()
        .iter()
        .map(|row| row.gradients(output))
        .collect();
    change(&mut rows);
    let all = |input| {
        Some(
            rows.iter()
                .filter_map(|row| row.of(input))
                .flatten()
                .copied()
                .collect(),
        )
    };
    Gradients {
        logits: all(Input::Logits),
        alpha: all(Input::Alpha),
        reference: all(Input::Reference),
    }
}

/// An implementation that returns the exact numbers, with one of them changed.
struct Fault {
    output: Output,
    /// The input whose gradient is wrong, or `None` if the output itself is wrong.
    input: Option<Input>,
    /// The row of each batch that is wrong.
    row: usize,
    /// Returns the wrong number from the exact number and its bound.
    change: fn(f64, f64) -> f64,
}

impl Implementation for Fault {
    fn output(&self, batch: &Batch, output: Output) -> Option<Vec<f64>> {
        let mut rows: Vec<_> = batch.rows().iter().map(|row| row.output(output)).collect();
        if (output, None) == (self.output, self.input) {
            let row = self.row.min(rows.len() - 1);
            let exact = rows[row][0];
            let bound = Bounds::for_dtype(DType::F32).output(&batch.rows()[row], output, 0, exact);
            rows[row][0] = (self.change)(exact, bound);
        }
        Some(rows.concat())
    }

    fn gradients(&self, batch: &Batch, output: Output) -> Gradients {
        gradients_of(batch, output, |rows| {
            let Some(input) = self.input.filter(|_| output == self.output) else {
                return;
            };
            let row = self.row.min(rows.len() - 1);
            let exact = match input {
                Input::Logits => &mut rows[row].logits,
                Input::Alpha => &mut rows[row].alpha,
                Input::Reference => &mut rows[row].reference,
            };
            let exact = exact.as_mut().expect("every gradient is computed");
            let largest = exact.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
            let bounds = Bounds::for_dtype(DType::F32);
            let bound = bounds.gradient(&batch.rows()[row], output, input, largest);
            exact[0] = (self.change)(exact[0], bound);
        })
    }
}

/// One number in one row of a batch is off by three times its bound, or is `NaN`. Exactly the faulty quantity exceeds
/// its bound. A comparison that accepts everything fails this test.
#[test]
fn the_comparison_finds_a_fault_in_one_row() {
    let cases: Vec<Case> = file(DType::F32)
        .into_iter()
        .filter(|case| case.exact.p.iter().all(|&p| p > 0.0) && case.logits.len() == 8)
        .collect();
    assert!(cases.len() > 3);
    let grouping = Grouping {
        alpha: AlphaKind::Tensor,
        padded: false,
        min_rows: 9,
    };
    let batches = Batch::group(&cases, grouping);
    let changes: [fn(f64, f64) -> f64; 2] = [|exact, bound| exact + 3.0 * bound, |_, _| f64::NAN];
    let inputs = Input::ALL.into_iter().map(Some).chain([None]);
    for output in Output::ALL {
        for input in inputs.clone() {
            for row in [0, 3, 8] {
                for change in changes {
                    let fault = Fault {
                        output,
                        input,
                        row,
                        change,
                    };
                    let quantities = compare(&fault, &batches, &Bounds::for_dtype(DType::F32));
                    let broken: Vec<_> = quantities.iter().filter(|q| q.ratio() > 1.0).collect();
                    assert_eq!(
                        broken.len(),
                        1,
                        "{output:?} {input:?} row {row}: {broken:?}"
                    );
                }
            }
        }
    }
}

/// Two exchanged rows, as after a wrong lane index, are wrong in every output.
#[test]
fn the_comparison_finds_exchanged_rows() {
    struct Exchanged;

    impl Implementation for Exchanged {
        fn output(&self, batch: &Batch, output: Output) -> Option<Vec<f64>> {
            let mut rows: Vec<_> = batch.rows().iter().map(|row| row.output(output)).collect();
            rows.swap(1, 2);
            Some(rows.concat())
        }

        fn gradients(&self, batch: &Batch, output: Output) -> Gradients {
            gradients_of(batch, output, |rows| rows.swap(1, 2))
        }
    }

    let cases: Vec<Case> = built_in(DType::F32)
        .into_iter()
        .filter(|case| case.logits.len() == 18)
        .collect();
    for batch in Batch::every_form(&cases) {
        let rows = batch.rows().len();
        let quantities = compare(&Exchanged, &[batch], &Bounds::for_dtype(DType::F32));
        // Rows without a gradient are not compared.
        for quantity in quantities.iter().filter(|quantity| quantity.rows == rows) {
            assert!(quantity.ratio() > 1.0, "{quantity:?}");
        }
    }
}
