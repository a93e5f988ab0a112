use crate::support::{close, device, devices, reloaded, tensor, values};
use burn::config::Config;
use burn::tensor::{Bool, DType, Tensor};
use burn_tsallis::math::EmptyRow;
use burn_tsallis::nn::{
    AlphaConfig, ModuleConfigError, ReferenceConfig, TsallisSoftargmax, TsallisSoftargmaxConfig,
};
use burn_tsallis::{tsallis_log_softargmax, tsallis_softargmax};

/// Computes entmax as its authors define it, `[(alpha - 1) z - tau]_+^(1 / (alpha - 1))`, by bisection.
fn entmax(z: &[f64], alpha: f64) -> Vec<f64> {
    let z: Vec<f64> = z.iter().map(|z| z * (alpha - 1.0)).collect();
    let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let p = |tau: f64| -> Vec<f64> {
        let power = 1.0 / (alpha - 1.0);
        z.iter().map(|z| (z - tau).max(0.0).powf(power)).collect()
    };
    let (mut lo, mut hi) = (max - 1.0, max);
    for _ in 0..200 {
        let mid = 0.5 * (lo + hi);
        if p(mid).iter().sum::<f64>() >= 1.0 {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    p(lo)
}

#[test]
fn entmax_whatever_the_number_of_entries() {
    for device in devices() {
        for alpha in [1.25, 1.5, 2.0] {
            let module = TsallisSoftargmaxConfig::new(alpha.into()).init(&device);
            for keys in [1, 2, 3, 17, 300] {
                let x = tensor([2, keys], 3.0, &device);
                let logits = values(x.clone());
                let want: Vec<f64> = logits
                    .chunks(keys)
                    .flat_map(|row| entmax(row, alpha))
                    .collect();
                close(&values(module.forward(x)), &want, 2e-6);
            }
        }
    }
}

#[test]
fn published_values_of_entmax() {
    let device = device();
    let x = Tensor::<1>::from_data([2.0, 1.0, 0.1], &device);
    let p = |alpha: f64| {
        let module = TsallisSoftargmaxConfig::new(alpha.into()).init(&device);
        values(module.forward(x.clone()))
    };
    close(&p(1.5), &[0.8307, 0.1693, 0.0], 1e-4);
    assert_eq!(p(1.5)[2], 0.0);
    close(&p(2.0), &[1.0, 0.0, 0.0], 1e-6);
    close(&p(1.0), &[0.659, 0.2424, 0.0986], 1e-4);
    // Two entries in closed form: p = (m + d)^2 / 2 with d = sqrt(2) gap / 4 and m = sqrt(1 - d^2).
    let module = TsallisSoftargmaxConfig::new(1.5.into()).init(&device);
    for gap in [0.0_f64, 0.3, 0.9, 1.2] {
        let d = gap * 2.0_f64.sqrt() / 4.0;
        let want = ((1.0 - d * d).sqrt() + d).powi(2) / 2.0;
        let p = module.forward(Tensor::<1>::from_data([gap, 0.0], (&device, DType::F64)));
        close(&values(p), &[want, 1.0 - want], 1e-12);
    }
}

#[test]
fn alphas_of_heads_and_of_rows() {
    let device = device();
    let alphas = [0.5, 1.0, 1.5];
    let x = tensor([2, 3, 4, 5], 2.0, &device);
    let module = TsallisSoftargmaxConfig::new(AlphaConfig::fixed_each(alphas))
        .with_alpha_shape(vec![3, 1, 1])
        .init(&device);
    let p = module.forward(x.clone());
    for (head, alpha) in alphas.into_iter().enumerate() {
        let one = TsallisSoftargmaxConfig::new(alpha.into()).init(&device);
        let want = one.forward(x.clone().narrow(1, head, 1));
        close(&values(p.clone().narrow(1, head, 1)), &values(want), 1e-6);
    }
    // One alpha for each column, with probabilities along dimension 0.
    let module = TsallisSoftargmaxConfig::new(AlphaConfig::learned_each([0.5, 1.5]))
        .with_alpha_shape(vec![1, 2])
        .with_dim(0)
        .init(&device);
    let x = tensor([4, 2], 2.0, &device);
    let p = module.forward(x.clone());
    for (row, alpha) in [0.5, 1.5].into_iter().enumerate() {
        let one = TsallisSoftargmaxConfig::new(alpha.into())
            .with_dim(0)
            .init(&device);
        let want = one.forward(x.clone().narrow(1, row, 1));
        close(&values(p.clone().narrow(1, row, 1)), &values(want), 2e-6);
    }
}

#[test]
fn masks_reference_and_temperature() {
    let device = device();
    let x = tensor([3, 4], 2.0, &device);
    let module = TsallisSoftargmaxConfig::new(0.5.into())
        .with_reference(ReferenceConfig::Values(vec![0.1, 0.4, 0.2, 0.3]))
        .with_temperature(0.5)
        .with_empty_row(EmptyRow::Zero)
        .init(&device);
    let mask = Tensor::<2, Bool>::from_data(
        [[false, true, false, false], [true; 4], [false; 4]],
        &device,
    );
    let p = values(module.forward_masked(x.clone(), mask));
    assert_eq!(p[1], 0.0);
    assert_eq!(p[4..8], [0.0; 4]);
    for row in [0, 2] {
        let sum: f64 = p[4 * row..4 * row + 4].iter().sum();
        assert!((sum - 1.0).abs() < 1e-6);
    }
    let options = module.options::<2>(&device);
    close(
        &p[8..],
        &values(tsallis_softargmax(x.clone(), &options, module.dim()))[8..],
        1e-7,
    );
    let log_p = values(tsallis_log_softargmax(x, &options, module.dim()));
    assert!((log_p[8].exp() - p[8]).abs() < 1e-6);
}

#[test]
fn a_learned_alpha_stays_inside_its_interval_and_has_a_gradient() {
    let device = device().autodiff();
    let module = TsallisSoftargmaxConfig::new(AlphaConfig::learned(1.2).with_interval(1.0, 2.0))
        .init(&device);
    assert!((values(module.alpha.values(&device))[0] - 1.2).abs() < 1e-6);
    let raw = module.alpha.raw.clone().expect("alpha is learned");
    for far in [-1e4_f32, -3.0, 3.0, 1e4] {
        let mut moved = module.clone();
        moved.alpha.raw = Some(raw.clone().map(|raw| raw.zeros_like().add_scalar(far)));
        let alpha = values(moved.alpha.values(&device))[0];
        assert!((1.0..=2.0).contains(&alpha), "{alpha}");
        let p = values(moved.forward(tensor([2, 5], 2.0, &device)));
        assert!(p.iter().all(|p| p.is_finite()));
    }

    let x = tensor([3, 5], 2.0, &device);
    let c = tensor([3, 5], 1.0, &device);
    let loss = |module: &TsallisSoftargmax| (module.forward(x.clone()) * c.clone()).sum();
    let gradients = loss(&module).backward();
    let gradient = values(raw.val().grad(&gradients).expect("alpha has a gradient"))[0];
    let at = |by: f32| {
        let mut moved = module.clone();
        moved.alpha.raw = Some(raw.clone().map(|raw| raw + by));
        f64::from(loss(&moved).into_scalar::<f32>())
    };
    let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
    assert!(
        (gradient - slope).abs() < 2e-3 * slope.abs().max(0.1),
        "{gradient} {slope}"
    );
}

#[test]
fn records_and_configurations_round_trip() {
    let device = device();
    let config = TsallisSoftargmaxConfig::new(AlphaConfig::learned_each([0.3, 1.7]))
        .with_alpha_shape(vec![2, 1]);
    let saved = config.init(&device);
    let fresh = TsallisSoftargmaxConfig::new(AlphaConfig::learned(1.0))
        .with_alpha_shape(vec![2, 1])
        .init(&device);
    let x = tensor([2, 4], 2.0, &device);
    let want = values(saved.forward(x.clone()));
    let loaded = reloaded(saved, fresh);
    assert_eq!(values(loaded.forward(x)), want);

    let folder = std::env::temp_dir().join(format!("tsallis-config-{}", std::process::id()));
    config.save(&folder).expect("the configuration is saved");
    let read = TsallisSoftargmaxConfig::load(&folder).expect("the configuration is loaded");
    std::fs::remove_file(&folder).expect("the file exists");
    assert_eq!(read.alpha, config.alpha);
    assert_eq!(read.alpha_shape, config.alpha_shape);
    assert_eq!(read.reference, ReferenceConfig::Ones);
    let shown = loaded.to_string();
    assert!(shown.contains("2 learned in (0.05, 2.5)"), "{shown}");
}

#[test]
fn invalid_configurations_are_named_in_the_error() {
    let device = device();
    let alpha = |alpha: AlphaConfig| {
        TsallisSoftargmaxConfig::new(alpha)
            .try_init(&device)
            .map(|_| ())
    };
    let words = |result: Result<(), ModuleConfigError>| {
        result
            .expect_err("the configuration is invalid")
            .to_string()
    };
    assert_eq!(
        words(alpha(f64::NAN.into())),
        "alpha is NaN: it must be a number from -50 to 50"
    );
    assert_eq!(
        words(alpha(AlphaConfig::fixed_each([1.0, 2.0]))),
        "alpha has 2 values: it must have 1, or one for each head or row (1)"
    );
    assert_eq!(
        words(alpha(AlphaConfig::learned(3.0))),
        "a learned alpha starts at 3: it must start inside the interval (0.05, 2.5)"
    );
    assert!(
        words(alpha(AlphaConfig::learned(1.0).with_interval(2.0, 0.0))).contains("interval (2, 0)")
    );
    assert!(words(alpha(AlphaConfig::learned(1.0).with_interval(0.0, 99.0))).contains("interval"));
    let temperature = TsallisSoftargmaxConfig::new(1.0.into())
        .with_temperature(0.0)
        .try_init(&device);
    assert!(temperature.is_err());
    let reference = TsallisSoftargmaxConfig::new(1.0.into())
        .with_reference(ReferenceConfig::Values(vec![-1.0]))
        .try_init(&device);
    assert!(reference.is_err());
}

#[test]
#[should_panic(expected = "alphas of shape [8, 1, 1] have more dimensions than logits of rank 2")]
fn alphas_must_fit_the_logits() {
    let device = device();
    let module = TsallisSoftargmaxConfig::new(AlphaConfig::learned(1.0))
        .with_alpha_shape(vec![8, 1, 1])
        .init(&device);
    module.forward(tensor([2, 3], 1.0, &device));
}
