use burn::tensor::DType;
use burn_tsallis::cli::check::*;
use burn_tsallis::math::*;
fn main() {
    for n in [20usize, 55] {
        let cases = built_in(DType::F32);
        let case = &cases[n];
        let CaseReference::Given(q) = &case.reference else {
            panic!("{:?}", case.reference)
        };
        let row = Row::new(&case.logits, Measure::Given(q), case.alpha);
        let st = row.solve(Solver::Newton);
        let x: Vec<f32> = case.logits.iter().map(|&x| x as f32).collect();
        let qf: Vec<f32> = q.iter().map(|&x| x as f32).collect();
        let c: Vec<f32> = case.cotangent.iter().map(|&x| x as f32).collect();
        let r32 = Row::new(&x, Measure::Given(&qf), case.alpha);
        let s32 = r32.solve(Solver::Newton);
        println!("{} {:?} {:?}", case.name, st, s32);
        println!(
            "{} {}",
            row.softargmax_backward_alpha(&st, &case.cotangent),
            r32.softargmax_backward_alpha(&s32, &c)
        );
        let s = RowState {
            root: st.root as f32,
            rest: 0.0,
        };
        println!("with exact root {}", r32.softargmax_backward_alpha(&s, &c));
        let s = RowState {
            root: s32.root as f64,
            rest: 0.0,
        };
        println!(
            "f64 with f32 root {}",
            row.softargmax_backward_alpha(&s, &case.cotangent)
        );
        println!(
            "ln {} {}",
            row.log_softargmax_backward_alpha(&st, &case.cotangent),
            r32.log_softargmax_backward_alpha(&s32, &c)
        );
    }
}
