use burn::tensor::{DType, Device};
use burn_tsallis::op::{KernelPath, kernel_path};
use clap::Args;

/// List the devices that this build can use.
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

/// The name of a device, with that of its hardware where it has one.
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
        KernelPath::Portable => "portable operations of Burn",
    };
    let hardware = hardware(device).map_or(String::new(), |name| format!("{name}, "));
    format!("{hardware}{path}, {}", dtypes(device))
}

/// The float dtypes of a device.
pub(super) fn dtypes(device: &Device) -> String {
    let names: Vec<_> = [DType::F32, DType::F64, DType::F16, DType::BF16]
        .into_iter()
        .filter(|&dtype| device.supports_dtype(dtype))
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

/// A device that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DeviceError {
    #[error(
        "there is no device {name:?} in this build, which has {}; another backend is a feature: \
         `cargo run --release --features wgpu -- ...`",
        NAMES.join(", ")
    )]
    Unknown { name: String },
    #[cfg(feature = "wgpu")]
    #[error("wgpu finds no adapter on this machine: install a GPU driver, or use --device flex")]
    NoAdapter,
}

/// The devices of this build.
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

/// The device of a name.
pub(super) fn find(name: &str) -> Result<Device, DeviceError> {
    match name {
        #[cfg(feature = "flex")]
        "flex" => Ok(Device::flex()),
        #[cfg(feature = "ndarray")]
        "ndarray" => Ok(Device::ndarray()),
        #[cfg(feature = "wgpu")]
        "wgpu" => {
            use burn::tensor::{DeviceKind, DeviceType};
            // Asked beforehand: without an adapter the first tensor panics.
            if Device::enumerate(DeviceType::Wgpu).is_empty() {
                return Err(DeviceError::NoAdapter);
            }
            Ok(Device::wgpu(DeviceKind::DefaultDevice))
        }
        #[cfg(feature = "cpu")]
        "cpu" => Ok(Device::cpu()),
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(0)),
        #[cfg(feature = "rocm")]
        "rocm" => Ok(Device::rocm(0)),
        _ => Err(DeviceError::Unknown {
            name: name.to_owned(),
        }),
    }
}
