//! Subcommands and flags of `fleet`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as Group, Subcommand};
#[cfg(feature = "nats")]
use secrecy::SecretString;

use super::access::AccessFlags;
use crate::options::OptionFlags;

/// Subcommands of `fleet`.
#[derive(Debug, Subcommand)]
pub(crate) enum Fleet {
    /// Watch all targets from this process, and print events as JSON lines
    ///
    /// Rounds are spread over the interval and only read. A target that hangs or refuses slows only itself. Ends at
    /// SIGTERM or SIGINT; SIGHUP reads the targets again.
    Run(Box<FleetRunning>),
    /// Create the streams of a fleet with many workers on a NATS server
    ///
    /// Those that exist get these settings; nothing that they hold is lost.
    #[cfg(feature = "nats")]
    Init(Initialising),
    /// Make the rounds of a zone, as one of many workers on NATS
    #[cfg(feature = "nats")]
    Work(Box<Working>),
    /// Import, list, pause and resume the targets of a fleet on NATS
    #[cfg(feature = "nats")]
    #[command(subcommand)]
    Targets(Targeting),
    /// Plan the end of sessions in many databases of a fleet on NATS, and write the plan to a file
    #[cfg(feature = "nats")]
    #[command(subcommand)]
    Plan(Plans),
    /// Carry out a plan of `fleet plan` within the fleet's budget of kills
    #[cfg(feature = "nats")]
    Apply(Applying),
    /// Stop all kills of a fleet on NATS, allow them again, or count those of the last hour
    #[cfg(feature = "nats")]
    #[command(subcommand)]
    Kills(Killings),
    /// Count targets by state, and list those that need attention
    Status(FleetReading),
    /// Print the last report of a target, or one line for each target
    Report(FleetReporting),
}

impl Fleet {
    /// Returns true if the subcommand handles signals itself.
    pub(crate) fn handles_signals(&self) -> bool {
        match self {
            Self::Run(_) => true,
            #[cfg(feature = "nats")]
            Self::Work(_) => true,
            _ => false,
        }
    }
}

/// Folder of what one process keeps.
#[derive(Debug, Group)]
pub(crate) struct StateFlag {
    /// Folder with the states and the reports of the targets
    ///
    /// Default: archon-pool/fleet under $XDG_STATE_HOME (~/.local/state).
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
}

/// Place of what a fleet keeps.
#[derive(Debug, Group)]
pub(crate) struct FleetReading {
    #[command(flatten)]
    pub(crate) state: StateFlag,
    #[cfg(feature = "nats")]
    #[command(flatten)]
    pub(crate) engine: EngineFlags,
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

/// Source of targets, and the settings of those that have none of their own.
#[derive(Debug, Group)]
pub(crate) struct SourceFlags {
    /// Targets of this file, each with a credential of the credentials file
    ///
    /// TOML: a table [targets.NAME] each, with `credential` (default: NAME), `server`, `zone`, `tags`, `interval`,
    /// `probe-interval` and `options`: the file of `serve --targets`.
    #[arg(long, value_name = "FILE", required_unless_present = "supabase_org")]
    #[arg(conflicts_with_all = ["credential", "url", "pooler", "controller"])]
    pub(crate) targets: Option<PathBuf>,
    /// All active projects of this organisation of Supabase, named by its slug
    ///
    /// SUPABASE_ACCESS_TOKEN lists them, and opens each that has no entry with its reference as name in the credentials
    /// file.
    #[arg(long, value_name = "SLUG", conflicts_with_all = ["targets", "credential", "url", "pooler", "controller"])]
    pub(crate) supabase_org: Option<String>,
    /// Seconds from the start of a round to the start of the next
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) interval: u32,
    /// Seconds between rounds that also open three fresh connections, to time them; 0 = never
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = clap::value_parser!(u32).range(0..=86_400))]
    pub(crate) probe_interval: u32,
    #[command(flatten)]
    pub(crate) options: OptionFlags,
}

/// Flags of `fleet run`.
#[derive(Debug, Group)]
pub(crate) struct FleetRunning {
    #[command(flatten)]
    pub(crate) source: SourceFlags,
    #[command(flatten)]
    pub(crate) state: StateFlag,
    #[command(flatten)]
    pub(crate) making: Making,
    /// Make one round of each target, and end: with status 1 if one of them has findings or failed
    #[arg(long, conflicts_with = "listen")]
    pub(crate) once: bool,
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

/// Address of the NATS server, and what opens it.
#[cfg(feature = "nats")]
#[derive(Debug, Group)]
#[command(next_help_heading = "NATS")]
pub(crate) struct EngineFlags {
    /// NATS servers with JetStream: nats://HOST:4222 or tls://HOST:4222, several separated by commas
    ///
    /// All users of this machine can read it in the process list: a password or a token in it belongs into the
    /// environment.
    #[arg(long, value_name = "URL", env = "ARCHON_POOL_NATS", hide_env_values = true, value_parser = secret)]
    pub(crate) nats: Option<SecretString>,
    /// File with a JWT and its seed (mode 0600)
    #[arg(long, value_name = "FILE", conflicts_with = "nats_nkey", requires = "nats")]
    pub(crate) nats_creds: Option<PathBuf>,
    /// File with the seed of an NKey (mode 0600)
    #[arg(long, value_name = "FILE", requires = "nats")]
    pub(crate) nats_nkey: Option<PathBuf>,
    /// Certificates of authorities of the server's certificate, besides the system's
    #[arg(long, value_name = "CA.pem", requires = "nats")]
    pub(crate) nats_ca: Option<PathBuf>,
}

#[cfg(feature = "nats")]
fn secret(text: &str) -> Result<SecretString, &'static str> {
    if text.trim().is_empty() { Err("the URL is empty") } else { Ok(text.into()) }
}

/// Flags of `fleet init`.
#[cfg(feature = "nats")]
#[derive(Debug, Group)]
pub(crate) struct Initialising {
    /// Copies of each message: 1, or 3 in a cluster
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=5))]
    pub(crate) replicas: u8,
    /// Ended sessions of one target in an hour, over all workers
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) kills_per_database: u32,
    /// Ended sessions of the fleet in an hour, over all workers
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) kills: u32,
    #[command(flatten)]
    pub(crate) engine: EngineFlags,
}

/// Flags of `fleet work`.
#[cfg(feature = "nats")]
#[derive(Debug, Group)]
pub(crate) struct Working {
    /// Zone whose targets it reaches: `zone` in the file
    #[arg(long, value_name = "ZONE", default_value = archon_pool_fleet::nats::DEFAULT_ZONE)]
    pub(crate) zone: String,
    /// Name of this worker [default: $HOSTNAME and the process id]
    #[arg(long, value_name = "NAME")]
    pub(crate) worker: Option<String>,
    /// Open targets that are projects of Supabase by SUPABASE_ACCESS_TOKEN
    #[arg(long)]
    pub(crate) supabase: bool,
    #[command(flatten)]
    pub(crate) making: Making,
    #[command(flatten)]
    pub(crate) engine: EngineFlags,
}

/// Subcommands of `fleet targets`.
#[cfg(feature = "nats")]
#[derive(Debug, Subcommand)]
pub(crate) enum Targeting {
    /// Add targets, or give those that are there other settings
    ///
    /// An interval becomes the next one that divides a minute, an hour or a day. Secrets stay with the workers: a target
    /// has the name of its credential.
    Import(Box<Importing>),
    /// Print the targets
    List(EngineFlags),
    /// Make no more rounds of a target
    Pause {
        /// The target
        #[arg(value_name = "ID")]
        id: String,
        /// Reason that is shown
        #[arg(long, value_name = "TEXT", default_value = "paused by hand")]
        reason: String,
        #[command(flatten)]
        engine: EngineFlags,
    },
    /// Make rounds of a paused target again
    Resume {
        /// The target
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        engine: EngineFlags,
    },
}

/// Subcommands of `fleet plan`.
#[cfg(feature = "nats")]
#[derive(Debug, Subcommand)]
pub(crate) enum Plans {
    /// Plan which idle sessions to end; nothing is ended
    KillIdle(Box<Planning>),
}

/// Flags of `fleet plan`.
#[cfg(feature = "nats")]
#[derive(Debug, Group)]
pub(crate) struct Planning {
    /// Plan for the targets with this tag; repeatable: with all of them. Without it, for all targets
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Vec<String>,
    /// File of the plan
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Open targets that are projects of Supabase by SUPABASE_ACCESS_TOKEN
    #[arg(long)]
    pub(crate) supabase: bool,
    #[command(flatten)]
    pub(crate) engine: EngineFlags,
    #[command(flatten)]
    pub(crate) options: OptionFlags,
}

/// Flags of `fleet apply`.
#[cfg(feature = "nats")]
#[derive(Debug, Group)]
pub(crate) struct Applying {
    /// The plan
    #[arg(value_name = "PLAN")]
    pub(crate) plan: PathBuf,
    /// Digest of the plan, as `fleet plan` printed it: only what was approved is carried out
    #[arg(long, value_name = "SHA256")]
    pub(crate) digest: String,
    /// Open targets that are projects of Supabase by SUPABASE_ACCESS_TOKEN
    #[arg(long)]
    pub(crate) supabase: bool,
    #[command(flatten)]
    pub(crate) engine: EngineFlags,
}

/// Subcommands of `fleet kills`.
#[cfg(feature = "nats")]
#[derive(Debug, Subcommand)]
pub(crate) enum Killings {
    /// End no sessions in the whole fleet, from now on
    Stop {
        /// Reason that whoever tries is told
        #[arg(value_name = "REASON", default_value = "stopped by hand")]
        reason: String,
        #[command(flatten)]
        engine: EngineFlags,
    },
    /// Let sessions be ended again, within the caps
    Allow(EngineFlags),
    /// Print the state, and the number of orders in the last hour
    Show(EngineFlags),
}

/// Flags of `fleet targets import`.
#[cfg(feature = "nats")]
#[derive(Debug, Group)]
pub(crate) struct Importing {
    #[command(flatten)]
    pub(crate) source: SourceFlags,
    /// Remove all other targets, with their states and reports
    #[arg(long)]
    pub(crate) prune: bool,
    #[command(flatten)]
    pub(crate) engine: EngineFlags,
}
