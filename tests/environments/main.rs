//! Environments through what is public of them: wrappers, saving, vectors and the adapter.
#![cfg(feature = "rl")]

mod adapter;
mod corridor;
mod save;
mod vector;
mod wrappers;
