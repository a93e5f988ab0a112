//! The file of reference values and the built-in set, every output and gradient, on every device.

use crate::devices::{self, TestDevice};
use burn::tensor::DType;
use burn_tsallis::conformance::{
    AlphaForm, Batch, Bounds, Case, CaseReference, Grouping, Implementation, OnDevice, built_in,
    compare, vectors,
};
use burn_tsallis::math::Solver;
use burn_tsallis::op::{Output, Wrt};

/// The cases of the file.
pub fn file(dtype: DType) -> Vec<Case> {
    vectors(dtype).expect("the file of the repository")
}

/// The forms of batches on a device whose alpha is given like this. A launch on a software driver costs far more than a
/// row, so that rows with alpha as a number share a batch there whatever their lengths.
fn batches(test: &TestDevice, cases: &[Case], alpha: AlphaForm) -> Vec<Batch> {
    let forms = Grouping::EVERY_FORM.into_iter();
    forms
        .filter(|form| form.alpha == alpha)
        .filter(|form| !test.compiles() || form.padded || alpha == AlphaForm::Tensor)
        .flat_map(|form| Batch::group(cases, form))
        .collect()
}

fn holds(test: &TestDevice, dtype: DType, solver: Solver, batches: &[Batch]) {
    let on_device = OnDevice {
        device: test.device.clone(),
        dtype,
        solver,
    };
    for quantity in compare(&on_device, batches, &Bounds::of(dtype)) {
        assert!(
            quantity.ratio() <= 1.0,
            "{} {dtype:?} {solver:?}: {quantity:?}",
            test.name
        );
    }
    test.device.sync().expect("no launch failed");
}

// Both solvers are one kernel, and the two forms of alpha are two: a test for each form compiles none that the other
// needs.

#[test]
fn the_file_with_alpha_as_a_number() {
    for test in devices::all() {
        let batches = batches(&test, &file(DType::F32), AlphaForm::Number);
        for solver in [Solver::Newton, Solver::Bisection] {
            holds(&test, DType::F32, solver, &batches);
        }
    }
}

#[test]
fn the_file_with_a_tensor_of_alphas() {
    for test in devices::all() {
        let batches = batches(&test, &file(DType::F32), AlphaForm::Tensor);
        for solver in [Solver::Newton, Solver::Bisection] {
            holds(&test, DType::F32, solver, &batches);
        }
    }
}

#[test]
fn the_file_in_f64() {
    for test in devices::all().iter().filter(|test| test.f64) {
        let batches = Batch::every_form(&file(DType::F64));
        holds(test, DType::F64, Solver::Newton, &batches);
    }
}

/// Alphas from -2 to 3, with masks, ties and offsets, in every dtype that a device has.
#[test]
fn built_in_cases() {
    for test in devices::all() {
        for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
            let f64_by_portable = dtype == DType::F64 && !test.f64;
            if f64_by_portable || !test.device.supports_dtype(dtype) {
                continue;
            }
            let mut cases = built_in(dtype);
            if test.compiles() {
                // `tsallis check` runs all rows. Here short rows in f16, whose long rows take a driver that emulates
                // it minutes to compile, and long ones in f32 with a reference.
                cases.retain(|case| match dtype {
                    DType::F16 => case.logits.len() == 7,
                    _ => {
                        let given = matches!(case.reference, CaseReference::Given(_));
                        case.logits.len() == 257 && given
                    }
                });
            }
            let batches = [AlphaForm::Number, AlphaForm::Tensor]
                .into_iter()
                .flat_map(|alpha| batches(&test, &cases, alpha));
            holds(&test, dtype, Solver::Newton, &batches.collect::<Vec<_>>());
        }
    }
}

/// What an implementation returns with one number changed.
struct Fault {
    output: Output,
    /// The differentiated input, or nothing for the output itself.
    wrt: Option<Wrt>,
    /// The row of each batch that is wrong.
    row: usize,
    change: fn(f64, f64) -> f64,
}

impl Fault {
    /// Changes the first number of the row, whose bound is given.
    fn spoil(&self, rows: &mut [Vec<f64>], bound: f64) {
        let row = self.row.min(rows.len() - 1);
        rows[row][0] = (self.change)(rows[row][0], bound);
    }
}

impl Implementation for Fault {
    fn output(&self, batch: &Batch, output: Output) -> Option<Vec<f64>> {
        let mut rows: Vec<_> = batch.rows().iter().map(|row| row.output(output)).collect();
        if (output, None) == (self.output, self.wrt) {
            let row = &batch.rows()[self.row.min(rows.len() - 1)];
            let bound = Bounds::of(DType::F32).output(row, output, 0, row.output(output)[0]);
            self.spoil(&mut rows, bound);
        }
        Some(rows.concat())
    }

    fn gradient(&self, batch: &Batch, output: Output, wrt: Wrt) -> Option<Vec<f64>> {
        let rows = batch.rows().iter();
        let mut rows: Vec<_> = rows.map(|row| row.gradient(output, wrt)).collect();
        if (output, Some(wrt)) == (self.output, self.wrt) {
            let row = &batch.rows()[self.row.min(rows.len() - 1)];
            let exact = row.gradient(output, wrt);
            let largest = exact.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
            let bound = Bounds::of(DType::F32).gradient(row, output, wrt, largest);
            self.spoil(&mut rows, bound);
        }
        Some(rows.concat())
    }
}

const OUTPUTS: [Output; 4] = [
    Output::Probabilities,
    Output::LogProbabilities,
    Output::Value,
    Output::Divergence,
];

const DERIVATIVES: [Option<Wrt>; 4] = [
    None,
    Some(Wrt::Logits),
    Some(Wrt::Alpha),
    Some(Wrt::Reference),
];

/// A comparison that accepts anything would accept these: one number in one row of a batch off by three bounds, or no
/// number at all. Exactly the faulty quantity breaks its bound.
#[test]
fn the_comparison_finds_a_fault_in_one_row() {
    let cases: Vec<Case> = file(DType::F32)
        .into_iter()
        .filter(|case| case.exact.p.iter().all(|&p| p > 0.0) && case.logits.len() == 8)
        .collect();
    assert!(cases.len() > 3);
    let grouping = Grouping {
        alpha: AlphaForm::Tensor,
        padded: false,
        least_rows: 9,
    };
    let batches = Batch::group(&cases, grouping);
    let changes: [fn(f64, f64) -> f64; 2] = [|exact, bound| exact + 3.0 * bound, |_, _| f64::NAN];
    for output in OUTPUTS {
        for wrt in DERIVATIVES {
            for row in [0, 3, 8] {
                for change in changes {
                    let fault = Fault {
                        output,
                        wrt,
                        row,
                        change,
                    };
                    let quantities = compare(&fault, &batches, &Bounds::of(DType::F32));
                    let broken: Vec<_> = quantities.iter().filter(|q| q.ratio() > 1.0).collect();
                    assert_eq!(broken.len(), 1, "{output:?} {wrt:?} row {row}: {broken:?}");
                }
            }
        }
    }
}

/// Two rows that are exchanged, as by a wrong index of a lane, are wrong in every output.
#[test]
fn the_comparison_finds_exchanged_rows() {
    struct Exchanged;

    impl Implementation for Exchanged {
        fn output(&self, batch: &Batch, output: Output) -> Option<Vec<f64>> {
            let mut rows: Vec<_> = batch.rows().iter().map(|row| row.output(output)).collect();
            rows.swap(1, 2);
            Some(rows.concat())
        }

        fn gradient(&self, batch: &Batch, output: Output, wrt: Wrt) -> Option<Vec<f64>> {
            let rows = batch.rows().iter();
            let mut rows: Vec<_> = rows.map(|row| row.gradient(output, wrt)).collect();
            rows.swap(1, 2);
            Some(rows.concat())
        }
    }

    let cases: Vec<Case> = built_in(DType::F32)
        .into_iter()
        .filter(|case| case.logits.len() == 18)
        .collect();
    for batch in Batch::every_form(&cases) {
        let rows = batch.rows().len();
        let quantities = compare(&Exchanged, &[batch], &Bounds::of(DType::F32));
        // Rows without a gradient are not compared.
        for quantity in quantities.iter().filter(|quantity| quantity.rows == rows) {
            assert!(quantity.ratio() > 1.0, "{quantity:?}");
        }
    }
}
