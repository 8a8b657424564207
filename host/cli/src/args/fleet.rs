//! Subcommands and flags of `fleet`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as Group, Subcommand};

use super::rounds::AccessFlags;
use crate::options::OptionFlags;

/// What to do with a fleet.
#[derive(Debug, Subcommand)]
pub(crate) enum Fleet {
    /// Watch all targets from this process, and print events as JSON lines
    ///
    /// Rounds are spread over the interval and only read. A target that hangs or refuses slows only itself. Ends at
    /// SIGTERM or SIGINT; SIGHUP reads the targets again.
    Run(Box<FleetRunning>),
    /// Count targets by state, and list those that need attention
    Status(FleetReading),
    /// Print the last report of a target, or one line for each target
    Report(FleetReporting),
}

impl Fleet {
    /// Returns true if the subcommand handles signals itself.
    pub(crate) fn handles_signals(&self) -> bool {
        matches!(self, Self::Run(_))
    }
}

/// Place of what a fleet keeps.
#[derive(Debug, Group)]
pub(crate) struct FleetReading {
    /// Folder with the states and the reports of the targets
    ///
    /// Default: archon-pool/fleet under $XDG_STATE_HOME (~/.local/state).
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
}

/// Flags of `fleet report`.
#[derive(Debug, Group)]
pub(crate) struct FleetReporting {
    /// The target
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,
    #[command(flatten)]
    pub(crate) reading: FleetReading,
}

/// Flags of `fleet run`.
#[derive(Debug, Group)]
pub(crate) struct FleetRunning {
    /// Watch the targets of this file, each with a credential of the credentials file
    ///
    /// TOML: a table [targets.NAME] each, with `credential` (default: NAME), `server`, `interval`, `probe-interval` and
    /// `options`: the file of `serve --targets`.
    #[arg(long, value_name = "FILE", required_unless_present = "supabase_org")]
    #[arg(conflicts_with_all = ["credential", "url", "pooler", "controller"])]
    pub(crate) targets: Option<PathBuf>,
    /// Watch all active projects of this organisation of Supabase, named by its slug
    ///
    /// SUPABASE_ACCESS_TOKEN lists them, and opens each that has no entry with its reference as name in the credentials
    /// file. The list is read again every hour.
    #[arg(long, value_name = "SLUG", conflicts_with_all = ["targets", "credential", "url", "pooler", "controller"])]
    pub(crate) supabase_org: Option<String>,
    #[command(flatten)]
    pub(crate) reading: FleetReading,
    /// Seconds from the start of a round to the start of the next
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) interval: u32,
    /// Seconds between rounds that also open three fresh connections, to time them; 0 = never
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = clap::value_parser!(u32).range(0..=86_400))]
    pub(crate) probe_interval: u32,
    #[command(flatten)]
    pub(crate) making: Making,
    /// Make one round of each target, and end: with status 1 if one of them has findings or failed
    #[arg(long, conflicts_with = "listen")]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) options: OptionFlags,
}

/// Flags of the commands that make rounds.
#[derive(Debug, Group)]
pub(crate) struct Making {
    /// Rounds at the same time; a quarter of them may be of targets whose last round failed
    #[arg(long, value_name = "N", default_value = "32", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub(crate) concurrency: u16,
    /// Rounds at the same time on one server: its `host:port`, or `server` in the file
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) per_server: u16,
    /// Serve pages and metrics on this address; one that other machines reach needs --token-file or --tls-client-ca
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Applications of a target with series of their own; the others are summed as 'other'
    #[arg(long, value_name = "N", default_value = "0", value_parser = clap::value_parser!(u16).range(0..=150))]
    pub(crate) applications: u16,
    #[command(flatten)]
    pub(crate) access: AccessFlags,
}
