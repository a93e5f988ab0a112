//! The operator against reference values, against its own scalar layer and against Burn, on every
//! device of this build. One binary, since a process has one wgpu client.
#![cfg_attr(feature = "ndarray", allow(deprecated))]

#[cfg(feature = "wgpu")]
mod adapter;
mod devices;
mod invariants;
mod reference;
mod scalar;
mod shapes;
mod vectors;
