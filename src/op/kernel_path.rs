use burn::tensor::Device;

/// How a device computes the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelPath {
    /// The row kernels over the memory of the CPU backends.
    Cpu,
    /// The WGSL kernels.
    Wgsl,
    /// Burn's own tensor operations.
    Portable,
}

/// How a device computes the operator on `f32`. Starts the device.
///
/// # Panics
/// If the device does not start: ask Burn for the devices of its kind first.
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
    let _ = device;
    KernelPath::Portable
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
