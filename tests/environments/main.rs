//! Tests of the public API of the environments: wrappers, saving, vectors and the adapter.
#![cfg(feature = "rl")]

mod corridor;
mod from_burn;
mod gymnasium;
mod normalization;
mod save;
mod vector;
mod wrappers;
