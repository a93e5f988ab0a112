//! Tests of the operator against reference values, its scalar layer and Burn, on every device of this build.
//! They are one binary, since a process has one wgpu client.
#![cfg_attr(feature = "ndarray", allow(deprecated))]

mod devices;
mod f_softargmax;
mod fuzz;
mod gradients;
mod inputs;
mod invariants;
mod options;
mod scalar;
mod shapes;
mod vectors;
