use burn::tensor::Device;

/// A device that the tests run on.
pub struct TestDevice {
    pub name: &'static str,
    pub device: Device,
    pub f64: bool,
}

/// The devices of this build. A wgpu build without an adapter says that it skips, and fails where
/// `TSALLIS_REQUIRE_WGPU` is set.
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
    use burn::tensor::{DeviceKind, DeviceType};
    use std::io::Write;

    if Device::enumerate(DeviceType::Wgpu).is_empty() {
        assert!(
            std::env::var_os("TSALLIS_REQUIRE_WGPU").is_none(),
            "TSALLIS_REQUIRE_WGPU is set and no wgpu adapter was found"
        );
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(|| {
            let line = "SKIPPED: no wgpu adapter was found, so the WGSL kernels were not tested\n";
            // The harness captures what the print macros write, and not what the handle does.
            let _ = std::io::stderr().write_all(line.as_bytes());
        });
        return None;
    }
    Some(TestDevice {
        name: "wgpu",
        device: Device::wgpu(DeviceKind::DefaultDevice),
        f64: false,
    })
}
