//! Checks of an implementation of the operator, on any device and any backend: rows with exact values, a bound for each
//! output and gradient, and their comparison.
//!
//! | item | contents |
//! |---|---|
//! | [`Case`] | a row with its exact values; [`built_in`], [`vectors`] and [`read`] return rows |
//! | [`Batch`] | rows for one call of the implementation |
//! | [`Bounds`] | the accuracy that each output and gradient must have, for a dtype |
//! | [`Implementation`] | the implementation to check; [`OnDevice`] is this crate's operator on a device |
//! | [`compare`] | returns the worst error of each [`Quantity`] |
//!
//! This example checks the operator of this crate on a device:
//!
//! ```
//! # #[cfg(feature = "flex")] {
//! use burn::tensor::{DType, Device};
//! use burn_tsallis::Solver;
//! use burn_tsallis::conformance::{Batch, Bounds, OnDevice, built_in, compare};
//!
//! let dtype = DType::F32;
//! let batches = Batch::every_form(&built_in(dtype)[..20]);
//! let on_device = OnDevice { device: Device::flex(), dtype, solver: Solver::Newton };
//! for quantity in compare(&on_device, &batches, &Bounds::for_dtype(dtype)) {
//!     assert!(quantity.ratio() <= 1.0, "{quantity:?}");
//! }
//! # }
//! ```
//!
//! # Your own kernel
//!
//! For a kernel that Burn does not dispatch to, implement [`Implementation`]. `output` and `gradients` compute a batch
//! of rows, and return `None` for each output and gradient that the kernel does not offer. The example `conformance`
//! checks such a function:
//!
//! ```text
//! cargo run --release --example conformance
//! ```
//!
//! Neighboring rows of a batch differ in alpha, mask and scale, so that an error that mixes the lanes of a vector or
//! the rows of a workgroup is found.

#[cfg(test)]
mod backend_tests;
mod batch;
mod bounds;
mod case;
mod device;
mod exact;
mod report;
#[cfg(feature = "wgpu")]
mod wgpu;

pub use batch::{AlphaKind, Batch, Grouping};
pub use bounds::Bounds;
pub use case::{Case, CaseError, ROW_COTANGENT, built_in, read, rounded, vectors};
pub use device::OnDevice;
pub use exact::Exact;
pub use report::{Gradients, Implementation, Input, Quantity, WorstError, compare};
#[cfg(feature = "wgpu")]
pub use wgpu::wgpu_device;
