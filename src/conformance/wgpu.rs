use burn::tensor::{Device, DeviceKind, DeviceType};
use std::io::Write;

/// The default wgpu device, for tests; nothing where no adapter is found.
///
/// Without an adapter it prints once, even where the test harness captures the output, that the WGSL kernels are
/// not tested.
///
/// # Panics
///
/// If no adapter is found and the environment variable `TSALLIS_REQUIRE_WGPU` is set.
pub fn wgpu_device() -> Option<Device> {
    if !Device::enumerate(DeviceType::Wgpu).is_empty() {
        return Some(Device::wgpu(DeviceKind::DefaultDevice));
    }
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
    None
}
