//! Environments through what is public of them: wrappers, saving, vectors and the adapter.
#![cfg(feature = "rl")]

mod corridor;
mod from_burn;
mod save;
mod vector;
mod wrappers;
