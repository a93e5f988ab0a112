//! What every experiment needs: random streams that give the same numbers alone and beside others, and files that
//! a killed process does not leave torn.
//!
//! | item | what it is for |
//! |---|---|
//! | [`stream`], [`Purpose`] | a random stream for each seed and purpose |
//! | [`CsvTable`], [`read_table`] | a CSV file that grows by whole rows |
//! | [`renamed`] | a hint for who uses a former name of a setting |
//! | [`write_atomically`] | a file that holds either its old bytes or all of its new ones |

mod error;
mod file;
mod random;
mod renamed;
mod table;

pub use error::FileError;
pub use file::write_atomically;
#[cfg(feature = "rl")]
pub(crate) use file::{lock, sync_folder, write_synced};
pub use random::{Purpose, Stream, stream};
pub use renamed::renamed;
pub use table::{CsvTable, read_table};
