//! Tools that every experiment needs: random streams that do not depend on other runs, and files that stay
//! intact if the process is killed.
//!
//! | item | purpose |
//! |---|---|
//! | [`stream`], [`Purpose`] | a random stream for each seed and purpose |
//! | [`CsvTable`], [`read_table`], [`write_table`] | a CSV file to which whole rows are appended |
//! | [`Shard`], [`merge_shards`] | a part of the runs for each machine, and the table of all parts |
//! | [`renamed`] | a hint for users of a former name of a setting |
//! | [`read_without_bom`] | the content of a file that an editor may have marked as UTF-8 |
//! | [`write_atomically`] | a file that holds either its old content or all of the new content |

mod error;
mod file;
mod random;
mod renamed;
mod shard;
mod table;

pub use error::FileError;
#[cfg(feature = "rl")]
pub(crate) use file::{create_folder, lock, sync_folder, write_synced};
pub use file::{read_without_bom, write_atomically};
pub use random::{Purpose, Stream, stream};
pub use renamed::renamed;
pub use shard::{Shard, ShardError, merge_shards};
#[cfg(feature = "rl")]
pub(crate) use table::OpenTable;
pub use table::{CsvTable, read_table, write_table};
