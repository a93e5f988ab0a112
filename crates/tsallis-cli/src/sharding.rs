use burn_tsallis::experiment::Shard;
use clap::Args;

/// The part of a sweep that a process runs.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Several machines")]
pub(super) struct Sharding {
    /// Run only shard I of N, from 0 to N - 1: the runs of the grid are dealt out in turn. Shards can share the folder
    /// and run at once; each writes results.I-of-N.csv.
    #[arg(long, value_name = "I/N", conflicts_with = "merge")]
    pub(super) shard: Option<Shard>,

    /// Merge the tables of all shards into results.csv and report, without running anything. Repeat the settings of the
    /// shards.
    #[arg(long)]
    pub(super) merge: bool,
}

/// Returns what remains to be done after a complete shard.
pub(super) fn next_step(shard: Shard) -> String {
    format!(
        "Shard {shard} is complete. Once all shards are, run the same command with --merge instead of --shard {shard}."
    )
}
