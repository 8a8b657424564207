//! Flags of the commands that repeat an action: `watch` and `serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use archon_pool_contract::params::Action;
use clap::Args as Group;

use super::access::AccessFlags;
use super::actions::Reading;
use crate::options::OptionFlags;

/// Flags of `watch`.
#[derive(Debug, Group)]
pub(crate) struct Watching {
    /// The action; kill-idle is always a plan here, auto-scale is one without --apply
    #[arg(default_value = "monitor", value_parser = action())]
    pub(crate) action: String,
    /// Resize the pool to auto-scale's target in each round
    ///
    /// Following a queue takes an interval of one or two seconds (--interval 1).
    #[arg(long)]
    pub(crate) apply: bool,
    /// Seconds from the start of a round to the start of the next
    ///
    /// Default: 10; the health check interval (--health-check-interval, 30 seconds) for the actions that open fresh
    /// connections.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) interval: Option<u32>,
    /// Number of rounds; default: until Ctrl-C
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// Flags of `serve`.
#[derive(Debug, Group)]
pub(crate) struct Serving {
    /// Watch the targets of this file, each with a credential of the credentials file
    ///
    /// TOML: a table [targets.NAME] each, with `credential` (default: NAME), `interval`, `probe-interval` and `options`.
    /// Read again at SIGHUP. Without it, the server of --credential, --url or the environment is watched.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["credential", "url", "pooler", "controller"])]
    pub(crate) targets: Option<PathBuf>,
    /// Address of the pages and the metrics; one that other machines reach needs --token-file or --tls-client-ca
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9788")]
    pub(crate) listen: SocketAddr,
    /// Seconds from the start of a round to the start of the next
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) interval: u32,
    /// Seconds between rounds that also open three fresh connections, to time them; 0 = never
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = clap::value_parser!(u32).range(0..=86_400))]
    pub(crate) probe_interval: u32,
    /// Applications with series of their own; the others are summed as 'other'
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u16).range(0..=150))]
    pub(crate) applications: u16,
    /// Count the orders in this audit log, the one of the commands that act (their --audit); it is only read
    #[arg(long, value_name = "FILE")]
    pub(crate) orders: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) access: AccessFlags,
    #[command(flatten)]
    pub(crate) options: OptionFlags,
}

fn action() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(Action::ALL.map(Action::name))
}
