use burn::tensor::{Device, DeviceKind, DeviceType};
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Returns the wgpu device for the tests of this thread, or `None` if no adapter is found.
///
/// It is the default device. A software adapter is also available as a second device, with its own thread that compiles
/// kernels. The calling threads alternate between the two, so that tests compile in parallel.
///
/// Without an adapter, the function prints once that the WGSL kernels are not tested, even if the test harness captures
/// the output.
///
/// # Panics
///
/// If no adapter is found and the environment variable `TSALLIS_REQUIRE_WGPU` is set.
pub fn wgpu_device() -> Option<Device> {
    static DEVICES: OnceLock<Vec<Device>> = OnceLock::new();
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed));

    let devices = DEVICES.get_or_init(find);
    let turn = THREAD.with(|&thread| thread % devices.len().max(1));
    devices.get(turn).cloned()
}

fn find() -> Vec<Device> {
    let adapters = Device::enumerate(DeviceType::Wgpu).into_vec();
    if !adapters.is_empty() {
        let software = Device::wgpu(DeviceKind::Cpu);
        let mut devices = vec![Device::wgpu(DeviceKind::DefaultDevice)];
        if adapters == [software.clone()] {
            devices.push(software);
        }
        return devices;
    }
    assert!(
        std::env::var_os("TSALLIS_REQUIRE_WGPU").is_none(),
        "TSALLIS_REQUIRE_WGPU is set and no wgpu adapter was found"
    );
    let line = "SKIPPED: no wgpu adapter was found, so the WGSL kernels were not tested\n";
    // The harness captures the output of the print macros, but not that of the handle.
    let _ = std::io::stderr().write_all(line.as_bytes());
    Vec::new()
}
