use burn::tensor::Device;

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
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(0)),
        #[cfg(feature = "rocm")]
        "rocm" => Ok(Device::rocm(0)),
        _ => Err(DeviceError::Unknown {
            name: name.to_owned(),
        }),
    }
}
