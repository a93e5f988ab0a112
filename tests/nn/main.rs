//! Modules, losses and the distribution for other people's models, on the CPU backends of this build, and
//! some of them through wgpu.
#![cfg(any(feature = "flex", feature = "ndarray"))]
#![cfg_attr(feature = "ndarray", allow(deprecated))]

mod attention;
mod distribution;
mod divergence_loss;
mod f_softargmax;
mod fenchel_young;
mod gate;
mod learning;
mod softargmax;
mod support;
mod transformer;
