//! The wgpu adapter of the tests. The crate's own unit tests include this file too.

use burn::tensor::{Device, DeviceKind, DeviceType};
use std::io::Write;

/// The default device. Without an adapter the tests say that they skip, and fail where
/// `TSALLIS_REQUIRE_WGPU` is set.
pub fn wgpu() -> Option<Device> {
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
