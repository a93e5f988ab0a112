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
    let mut devices = Vec::new();
    #[cfg(feature = "flex")]
    devices.push(TestDevice {
        name: "flex",
        device: Device::flex(),
        f64: true,
    });
    #[cfg(feature = "ndarray")]
    devices.push(TestDevice {
        name: "ndarray",
        device: Device::ndarray(),
        f64: true,
    });
    #[cfg(feature = "wgpu")]
    {
        use burn::tensor::{DeviceKind, DeviceType};
        if !Device::enumerate(DeviceType::Wgpu).is_empty() {
            devices.push(TestDevice {
                name: "wgpu",
                device: Device::wgpu(DeviceKind::DefaultDevice),
                f64: false,
            });
        } else if std::env::var_os("TSALLIS_REQUIRE_WGPU").is_some() {
            panic!("TSALLIS_REQUIRE_WGPU is set and no wgpu adapter was found");
        } else {
            say_skipped();
        }
    }
    devices
}

/// Past the capture of the test harness, once.
#[cfg(feature = "wgpu")]
fn say_skipped() {
    use std::io::Write;
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let line = "SKIPPED: no wgpu adapter was found, so the WGSL kernels were not tested\n";
        // The handle itself is not captured, only the print macros are.
        let _ = std::io::stderr().write_all(line.as_bytes());
    });
}
