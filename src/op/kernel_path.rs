use burn::tensor::Device;
#[cfg(feature = "cube")]
use std::sync::OnceLock;

/// The implementation that a device uses for the operator, as [`kernel_path`] returns it.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::Device;
/// use burn_tsallis::{KernelPath, kernel_path};
///
/// let has_own_kernels = kernel_path(&Device::flex()) != KernelPath::Portable;
/// assert!(has_own_kernels);
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelPath {
    /// The row kernels of the CPU backends.
    Cpu,
    /// The WGSL kernels of wgpu.
    Wgsl,
    /// The CubeCL kernels of every other GPU, and of CubeCL's CPU runtime.
    Cube,
    /// Burn's own tensor operations.
    Portable,
}

/// Returns the implementation that a device uses for the operator on `f32` tensors. Starts the device.
///
/// On a CubeCL device, the environment variable `TSALLIS_KERNELS` forces an implementation: `wgsl`, `cube` or
/// `portable`. It serves to compare implementations on one device, and is read at the first call. A device that cannot
/// run the forced kernels uses Burn's own operations.
///
/// # Panics
///
/// If the device cannot be started, or if `TSALLIS_KERNELS` is none of the three. [`Device::enumerate`] lists the
/// available devices of a type.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::Device;
/// use burn_tsallis::{KernelPath, kernel_path};
///
/// assert_eq!(kernel_path(&Device::flex()), KernelPath::Cpu);
/// # }
/// ```
pub fn kernel_path(device: &Device) -> KernelPath {
    let device = &device.clone().without_autodiff();
    #[cfg(feature = "flex")]
    if *device == Device::flex() {
        return KernelPath::Cpu;
    }
    #[cfg(feature = "ndarray")]
    if *device == Device::ndarray() {
        return KernelPath::Cpu;
    }
    #[cfg(feature = "wgpu")]
    if super::wgsl::compiles_on(device) {
        return KernelPath::Wgsl;
    }
    #[cfg(feature = "cube")]
    if super::cube::compiles_on(device) {
        return KernelPath::Cube;
    }
    let _ = device;
    KernelPath::Portable
}

/// Whether a CubeCL device may use these kernels: always, unless `TSALLIS_KERNELS` forces others.
#[cfg(feature = "cube")]
pub(super) fn is_allowed(path: KernelPath) -> bool {
    static FORCED: OnceLock<Option<KernelPath>> = OnceLock::new();
    let forced = FORCED.get_or_init(|| {
        let name = std::env::var("TSALLIS_KERNELS").ok()?;
        let path = parse(&name);
        assert!(
            path.is_some(),
            "TSALLIS_KERNELS is \"{name}\", but must be \"wgsl\", \"cube\" or \"portable\""
        );
        path
    });
    forced.is_none_or(|forced| forced == path)
}

/// Returns the path of a CubeCL device with this name.
#[cfg(feature = "cube")]
fn parse(name: &str) -> Option<KernelPath> {
    match name {
        "wgsl" => Some(KernelPath::Wgsl),
        "cube" => Some(KernelPath::Cube),
        "portable" => Some(KernelPath::Portable),
        _ => None,
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    #[test]
    fn autodiff_changes_nothing() {
        assert_eq!(kernel_path(&Device::flex()), KernelPath::Cpu);
        assert_eq!(kernel_path(&Device::flex().autodiff()), KernelPath::Cpu);
    }
}
