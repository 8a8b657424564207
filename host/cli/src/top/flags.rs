//! Flags of `top`.

use std::path::PathBuf;

use clap::Args as Group;

/// The targets, the pace, and the permission to end sessions.
#[derive(Debug, Group)]
pub(crate) struct TopFlags {
    /// Let `K` end the marked sessions, after the component's plan is shown and their number is typed
    ///
    /// The guard, the caps and the audit log are those of `kill-idle --apply`.
    #[arg(long)]
    pub(crate) apply: bool,
    /// Watch the targets of this file, as `serve` does
    #[arg(long, value_name = "FILE", conflicts_with_all = ["credential", "url", "pooler", "controller"])]
    pub(crate) targets: Option<PathBuf>,
    /// Seconds from the start of a round to the start of the next; `+` and `-` change it
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) interval: u32,
}
