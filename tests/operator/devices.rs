use burn::tensor::Device;

/// A device that the tests run on.
pub struct TestDevice {
    pub name: &'static str,
    pub device: Device,
    pub f64: bool,
}

impl TestDevice {
    /// Returns whether the device compiles a kernel for every row layout and a reduction for every length. A software
    /// driver takes seconds for each, so tests use only a few lengths there.
    pub fn compiles(&self) -> bool {
        !self.f64
    }
}

/// Returns the devices of this build.
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
