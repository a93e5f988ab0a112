use burn::tensor::Device;

/// A device that the tests run on.
pub struct TestDevice {
    pub name: &'static str,
    pub device: Device,
    pub f64: bool,
}

impl TestDevice {
    /// Whether the device compiles a kernel for every layout of a row, and a reduction for every length: a software
    /// driver takes seconds for each, so that tests go over a few lengths there.
    pub fn compiles(&self) -> bool {
        !self.f64
    }
}

/// The devices of this build.
pub fn all() -> Vec<TestDevice> {
    let cpus = [
        #[cfg(feature = "flex")]
        TestDevice {
            name: "flex",
            device: Device::flex(),
            f64: true,
        },
        #[cfg(feature = "ndarray")]
        TestDevice {
            name: "ndarray",
            device: Device::ndarray(),
            f64: true,
        },
    ];
    cpus.into_iter().chain(wgpu()).collect()
}

#[cfg(not(feature = "wgpu"))]
fn wgpu() -> Option<TestDevice> {
    None
}

#[cfg(feature = "wgpu")]
fn wgpu() -> Option<TestDevice> {
    burn_tsallis::conformance::wgpu_device().map(|device| TestDevice {
        name: "wgpu",
        device,
        f64: false,
    })
}
