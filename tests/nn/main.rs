//! Tests of the modules, the losses and the distribution of `nn` on the CPU backends of this build, and of some of
//! them on wgpu.
#![cfg(any(feature = "flex", feature = "ndarray"))]
#![cfg_attr(feature = "ndarray", allow(deprecated))]

mod attention;
mod attention_blocks;
mod distribution;
mod divergence_loss;
mod f_softargmax;
mod fenchel_young;
mod gate;
mod learning;
mod softargmax;
mod support;
mod transformer;
