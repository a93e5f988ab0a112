//! Tools that every experiment needs: random streams that do not depend on other runs, and files that stay
//! intact if the process is killed.
//!
//! | item | purpose |
//! |---|---|
//! | [`stream`], [`Purpose`] | a random stream for each seed and purpose |
//! | [`CsvTable`], [`read_table`] | a CSV file to which whole rows are appended |
//! | [`renamed`] | a hint for users of a former name of a setting |
//! | [`write_atomically`] | a file that holds either its old content or all of the new content |

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
