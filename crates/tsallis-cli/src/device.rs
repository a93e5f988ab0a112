use burn::tensor::{DType, Device};
use burn_tsallis::op::{KernelPath, computed_dtype, kernel_path};
use clap::Args;

/// List the devices of this build.
#[derive(Debug, Args)]
pub(super) struct Devices {}

impl Devices {
    pub(super) fn run(self) {
        for name in NAMES {
            match find(name) {
                Ok(device) => println!("{:<8} {}", name, describe_kernels(&device)),
                Err(error) => println!("{name:<8} {error}"),
            }
        }
    }
}

/// Returns the name of a device, with the name of its hardware if there is one.
pub(super) fn describe(name: &str, device: &Device) -> String {
    match hardware(device) {
        Some(hardware) => format!("{name} ({hardware})"),
        None => name.to_owned(),
    }
}

fn describe_kernels(device: &Device) -> String {
    let path = match kernel_path(device) {
        KernelPath::Cpu => "CPU row kernels",
        KernelPath::Wgsl => "WGSL kernels",
        KernelPath::Cube => "CubeCL kernels",
        KernelPath::Portable => "portable Burn operations",
    };
    let hardware = hardware(device).map_or(String::new(), |name| format!("{name}, "));
    format!("{hardware}{path}, {}", dtypes(device))
}

/// Whether a device has the float type and the operator keeps its precision.
pub(super) fn supports(device: &Device, dtype: DType) -> bool {
    let keeps_precision = dtype != DType::F64 || computed_dtype(device, dtype) == DType::F64;
    keeps_precision && device.supports_dtype(dtype)
}

/// Returns the names of the float types that a device supports.
pub(super) fn dtypes(device: &Device) -> String {
    let names: Vec<_> = [DType::F32, DType::F64, DType::F16, DType::BF16]
        .into_iter()
        .filter(|&dtype| supports(device, dtype))
        .map(|dtype| format!("{dtype:?}").to_lowercase())
        .collect();
    names.join(" ")
}

#[cfg(any(feature = "wgpu", feature = "cpu", feature = "cuda", feature = "rocm"))]
fn hardware(device: &Device) -> Option<String> {
    device.identity().map(|identity| identity.name)
}

#[cfg(not(any(feature = "wgpu", feature = "cpu", feature = "cuda", feature = "rocm")))]
fn hardware(_device: &Device) -> Option<String> {
    None
}

/// An error in the choice of a device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DeviceError {
    #[error(
        "no device {name:?} in this build, which has {}; enable another backend as a feature: \
         `cargo run --release --features wgpu -- ...`",
        NAMES.join(", ")
    )]
    Unknown { name: String },
    #[cfg(feature = "wgpu")]
    #[error("wgpu found no adapter on this machine: install a GPU driver or use --device flex")]
    NoAdapter,
    #[cfg(any(feature = "cuda", feature = "rocm"))]
    #[error("no driver on this machine starts {name:?}: install one or use --device flex")]
    NoDriver { name: String },
}

/// The names of the devices in this build.
pub(super) const NAMES: &[&str] = &[
    #[cfg(feature = "flex")]
    "flex",
    #[cfg(feature = "ndarray")]
    "ndarray",
    #[cfg(feature = "wgpu")]
    "wgpu",
    #[cfg(feature = "cpu")]
    "cpu",
    #[cfg(feature = "cuda")]
    "cuda",
    #[cfg(feature = "rocm")]
    "rocm",
];

/// Starts a device. The library of its driver panics if the driver is missing.
#[cfg(any(feature = "cuda", feature = "rocm"))]
fn started(name: &str, device: Device) -> Result<Device, DeviceError> {
    use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
    let hook = take_hook();
    // The error replaces the message and the backtrace.
    set_hook(Box::new(|_| {}));
    let path = catch_unwind(AssertUnwindSafe(|| kernel_path(&device)));
    set_hook(hook);
    let name = name.to_owned();
    path.map(|_| device)
        .map_err(|_| DeviceError::NoDriver { name })
}

/// Returns the device with this name.
pub(super) fn find(name: &str) -> Result<Device, DeviceError> {
    match name {
        #[cfg(feature = "flex")]
        "flex" => Ok(Device::flex()),
        #[cfg(feature = "ndarray")]
        "ndarray" => Ok(Device::ndarray()),
        #[cfg(feature = "wgpu")]
        "wgpu" => {
            use burn::tensor::{DeviceKind, DeviceType};
            // Checked here because without an adapter the first tensor panics.
            if Device::enumerate(DeviceType::Wgpu).is_empty() {
                return Err(DeviceError::NoAdapter);
            }
            Ok(Device::wgpu(DeviceKind::DefaultDevice))
        }
        #[cfg(feature = "cpu")]
        "cpu" => Ok(Device::cpu()),
        #[cfg(feature = "cuda")]
        "cuda" => started(name, Device::cuda(0)),
        #[cfg(feature = "rocm")]
        "rocm" => started(name, Device::rocm(0)),
        _ => Err(DeviceError::Unknown {
            name: name.to_owned(),
        }),
    }
}
