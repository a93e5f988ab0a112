//! The operator against reference values, against its own scalar layer and against Burn, on every
//! device of this build. One binary, since a process has one wgpu client.
#![cfg_attr(feature = "ndarray", allow(deprecated))]

mod devices;
mod f_softargmax;
mod fuzz;
mod gradients;
mod invariants;
mod options;
mod scalar;
mod shapes;
mod vectors;
