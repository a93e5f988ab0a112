//! Whether an implementation of the operator is right: rows with exact answers, the accuracy that is owed for each
//! output and gradient, and their comparison, on any device and any backend.
//!
//! ```
//! # #[cfg(feature = "flex")] {
//! use burn::tensor::{DType, Device};
//! use burn_tsallis::Solver;
//! use burn_tsallis::conformance::{Bounds, OnDevice, built_in, compare};
//!
//! let dtype = DType::F32;
//! let on_device = OnDevice { device: Device::flex(), dtype, solver: Solver::Newton };
//! for quantity in compare(&on_device, &built_in(dtype)[..20], &Bounds::of(dtype)) {
//!     assert!(quantity.ratio() <= 1.0, "{quantity:?}");
//! }
//! # }
//! ```

mod bounds;
mod case;
mod device;
mod exact;
#[cfg(test)]
mod paths;
mod report;
#[cfg(feature = "wgpu")]
mod wgpu;

pub use bounds::Bounds;
pub use case::{Case, CaseError, CaseReference, ROW_COTANGENT, built_in, read, rounded, vectors};
pub use device::OnDevice;
pub use exact::Exact;
pub use report::{Implementation, Quantity, Worst, compare};
#[cfg(feature = "wgpu")]
pub use wgpu::wgpu_device;
