use burn::module::Module;
#[cfg(feature = "rl")]
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::store::ModuleRecord;
use burn::tensor::{Device, Tensor, TensorData};

/// The CPU devices of this build.
pub fn devices() -> Vec<Device> {
    vec![
        #[cfg(feature = "flex")]
        Device::flex(),
        #[cfg(feature = "ndarray")]
        Device::ndarray(),
    ]
}

/// All devices of this build, for tests that also run on a GPU. These tests use `f32` only.
pub fn every_device() -> Vec<Device> {
    #[cfg(feature = "wgpu")]
    let compiled = burn_tsallis::conformance::wgpu_device();
    #[cfg(not(feature = "wgpu"))]
    let compiled = None;
    devices().into_iter().chain(compiled).collect()
}

/// Returns all cases on a CPU device, and only the first on a device that compiles new kernels for each case.
pub fn fewer_if_compiled<'a, T>(cases: &'a [T], device: &Device) -> &'a [T] {
    if devices().contains(device) {
        cases
    } else {
        &cases[..1]
    }
}

/// The first of the CPU devices.
pub fn device() -> Device {
    devices().remove(0)
}

/// Returns reproducible pseudo-random numbers in `[-scale, scale)`.
pub fn pseudo_random(count: usize, scale: f64) -> Vec<f64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..count)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            scale * (2.0 * ((state >> 33) as f64 / (1u64 << 31) as f64) - 1.0)
        })
        .collect()
}

/// Returns a tensor of [`pseudo_random`] numbers.
pub fn tensor<const D: usize>(shape: [usize; D], scale: f64, device: &Device) -> Tensor<D> {
    let values = pseudo_random(shape.iter().product(), scale);
    Tensor::from_data(TensorData::new(values, shape).convert::<f32>(), device)
}

pub fn values<const D: usize>(of: Tensor<D>) -> Vec<f64> {
    of.into_data().iter::<f64>().collect()
}

#[track_caller]
pub fn close(got: &[f64], want: &[f64], bound: f64) {
    assert_eq!(got.len(), want.len());
    for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
        let same = got == want || (got - want).abs() <= bound * want.abs().max(1.0);
        assert!(same, "[{i}]: {got}, expected {want}");
    }
}

/// Loads the parameters of `saved` into `fresh`, through the bytes of a record.
pub fn reloaded<M: Module>(saved: M, fresh: M) -> M {
    let bytes = saved
        .into_record()
        .into_bytes()
        .expect("the record is serialized");
    fresh.load_record(ModuleRecord::from_bytes(bytes).expect("the record is deserialized"))
}

/// Trains with Adam. Returns the module, the first loss and the last loss.
#[cfg(feature = "rl")]
pub fn train<M: Module>(
    mut module: M,
    steps: usize,
    rate: f64,
    loss: impl Fn(&M) -> Tensor<1>,
) -> (M, f32, f32) {
    let mut optimizer: ModuleOptimizer = AdamConfig::new().init();
    let mut first = f32::NAN;
    for step in 0..steps {
        let value = loss(&module);
        if step == 0 {
            first = value.clone().into_scalar();
        }
        let gradients = GradientsParams::from_grads(value.backward(), &module);
        module = optimizer.step(rate, module, gradients);
    }
    let last = loss(&module).into_scalar();
    (module, first, last)
}
