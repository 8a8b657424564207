//! Subcommands and flags. What they mean is written here once: the help texts are made from it.

mod plugins;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;

use archon_pool::limits::Limits;
use archon_pool_contract::params::Action;
use clap::{Args as Group, Parser, Subcommand};
use secrecy::SecretString;

use super::options::OptionFlags;
use super::report::flags::ReportFlags;
use super::tape::TapeFlags;
#[cfg(feature = "tui")]
use super::top::flags::TopFlags;
use super::vetting::Vetting;

pub(crate) use self::plugins::{Adding, Approving, Keeping, Signing};
pub(crate) use self::values::{Color, LogFormat, SqlMode};

const ABOUT: &str = "Finds leaked, stuck and superfluous PostgreSQL sessions, and ends them on request";

const LONG_ABOUT: &str = "\
Finds leaked, stuck and superfluous PostgreSQL sessions, and ends them on request.

Takes a snapshot of a PostgreSQL or Supabase server, analyses it in a sandboxed WebAssembly component, and prints \
findings with fixes. Nothing is ended or resized without --apply or --ask.

The connection comes from --url, --credential, the credentials file or the environment (DATABASE_URL, SUPABASE_DB_URL, \
SUPABASE_URL with SUPABASE_KEY), in this order.";

const AFTER_HELP: &str = "\
Exit status:
  0  healthy
  1  findings: one is a warning or critical, a plan has targets, or a target was not ended; for diff: a difference
  2  usage error: a flag, an option or a parameter is wrong
  3  could not run: the message and the hint name the reason
130  interrupted before there was an answer

Start with:
  archon-pool full-analysis --credential NAME
  archon-pool kill-idle --credential NAME            (a plan; add --apply to carry it out)";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "archon-pool", version, about = ABOUT, long_about = LONG_ABOUT, after_help = AFTER_HELP)]
#[command(max_term_width = 100, subcommand_help_heading = "Commands", disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Count sessions by state and measure rates and times
    Monitor(Reading),
    /// Score every session for leaks, with evidence
    DetectLeaks(Reading),
    /// Show all evidence for and against a leak of one session, and what is missing to be sure
    Explain(Explaining),
    /// Time fresh connections, and check the health of every session
    HealthCheck(Reading),
    /// Compute the size of the pool from demand; resize it with --apply
    AutoScale(Acting),
    /// Plan which idle sessions to end; end them with --apply
    KillIdle(Killing),
    /// Read and compute everything; never end or resize anything
    FullAnalysis(Reading),
    /// Repeat an action, one line per round
    Watch(Watching),
    /// Watch one or many servers on the whole terminal, and end marked sessions with --apply
    #[cfg(feature = "tui")]
    Top {
        #[command(flatten)]
        screen: TopFlags,
        #[command(flatten)]
        reading: Reading,
    },
    /// Watch one or many servers, and serve metrics for Prometheus
    Serve(Box<Serving>),
    /// Print the input of the analysis as JSON, for later
    Snapshot(Collecting),
    /// Run any component of the worlds analyser, observer or manager
    Run(Running),
    /// Write a report as an HTML page or as Markdown
    Report {
        #[command(flatten)]
        files: ReportFlags,
        #[command(flatten)]
        reading: Reading,
    },
    /// Compare two reports, or the last reports of two cassettes
    Diff(Comparing),
    /// Print the description of a component: version, actions, schemas, SQL
    Describe(Describing),
    /// Write the three built-in components to a directory, and guard.json beside them
    Components(Writing),
    /// Compile a component from stdin into the cache: started by this program as a child process
    #[command(hide = true)]
    Compile(Compiling),
    /// Write the policy file of a component: the SQL it may send, and the changes it may make
    Approve(Approving),
    /// Sign a component together with its policy file
    Sign(Signing),
    /// List, add and remove the components of the plugin folder
    #[command(subcommand)]
    Plugins(Keeping),
    /// Check an audit log
    #[command(subcommand)]
    Audit(Auditing),
}

/// Flags that every command understands, before or after its name.
#[derive(Debug, Group)]
pub(crate) struct Global {
    /// Server, as postgres:// URL or https://REF.supabase.co
    ///
    /// All users of this machine can read it in the process list, its password included: prefer --credential, or
    /// DATABASE_URL in the environment.
    #[arg(long, global = true, value_name = "URL", value_parser = secret, conflicts_with = "credential")]
    #[arg(help_heading = "Connection")]
    pub(crate) url: Option<SecretString>,

    /// Admin console of the PgBouncer in front of the default credential's server, as postgres:// URL
    ///
    /// All users of this machine can read it in the process list, its password included: prefer `pooler` in the
    /// credentials file, or PGBOUNCER_URL in the environment.
    #[arg(long, global = true, value_name = "URL", value_parser = secret, conflicts_with = "credential")]
    #[arg(help_heading = "Connection", hide_short_help = true)]
    pub(crate) pooler: Option<SecretString>,

    /// Use a connection limit of the server as the pool's size: role:NAME or database
    #[arg(long, global = true, value_name = "WHOSE", conflicts_with_all = ["credential", "pooler"])]
    #[arg(help_heading = "Connection", hide_short_help = true)]
    pub(crate) controller: Option<String>,

    /// Name of a credential in the credentials file or in the vault
    #[arg(long, global = true, value_name = "NAME", help_heading = "Connection")]
    pub(crate) credential: Option<String>,

    /// Credentials file, readable by its owner only (mode 0600)
    ///
    /// Default: $ARCHON_POOL_CREDENTIALS, or archon-pool/credentials.toml under $XDG_CONFIG_HOME (~/.config) when that
    /// exists.
    #[arg(long, global = true, value_name = "PATH", help_heading = "Connection")]
    pub(crate) credentials_file: Option<PathBuf>,

    /// Use this component instead of the built-in one: a file, or a name in the plugin folder
    #[arg(long, global = true, value_name = "FILE|NAME", help_heading = "Connection")]
    pub(crate) plugin: Option<PathBuf>,

    /// Set a limit of the call by name, such as cpu=5s, memory=64MiB or rows=1000; repeatable
    #[arg(long = "limit", global = true, value_name = "NAME=VALUE", value_parser = limit, help_heading = "Safety")]
    pub(crate) limits: Vec<(String, String)>,

    #[command(flatten)]
    pub(crate) vetting: Vetting,

    /// Print the whole answer as JSON: on one line, unless stdout is a terminal
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) json: bool,

    /// Log lines on stderr
    #[arg(long, global = true, value_name = "FORMAT", default_value = "none", help_heading = "Output")]
    pub(crate) log: LogFormat,

    /// Audit log: every host call of the component and every decision, one JSON object per line, in a hash chain
    ///
    /// Written before a signal is sent: if that fails, nothing is ended. `archon-pool audit verify` checks it.
    #[arg(long, global = true, value_name = "FILE", env = "ARCHON_POOL_AUDIT", hide_env_values = true)]
    #[arg(help_heading = "Output")]
    pub(crate) audit: Option<PathBuf>,

    /// When to use colours; `auto` means on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = "Output")]
    pub(crate) color: Color,

    /// No progress and no remarks on stderr, only errors
    #[arg(short, long, global = true, help_heading = "Output")]
    pub(crate) quiet: bool,
}

/// Flags of the commands that only read.
#[derive(Debug, Group)]
pub(crate) struct Reading {
    #[command(flatten)]
    pub(crate) memory: Memory,
    #[command(flatten)]
    pub(crate) tape: TapeFlags,
    #[command(flatten)]
    pub(crate) options: OptionFlags,
}

/// Flags of `explain`.
#[derive(Debug, Group)]
pub(crate) struct Explaining {
    /// Process id of the session
    #[arg(value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) pid: i32,
    /// Number of looks: evidence from the use of other sessions takes several
    ///
    /// With --replay, all recorded ones.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) looks: u32,
    /// Seconds from one look to the next
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) interval: u32,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// Flags of the commands that can change something.
#[derive(Debug, Group)]
pub(crate) struct Acting {
    /// Carry the plan out instead of only printing it
    #[arg(long)]
    pub(crate) apply: bool,
    #[command(flatten)]
    pub(crate) memory: Memory,
    #[command(flatten)]
    pub(crate) tape: TapeFlags,
    #[command(flatten)]
    pub(crate) options: OptionFlags,
}

/// Flags of `kill-idle`.
#[derive(Debug, Group)]
pub(crate) struct Killing {
    /// Show the plan, and carry it out after confirmation on the terminal
    #[arg(long, conflicts_with = "apply")]
    pub(crate) ask: bool,
    #[command(flatten)]
    pub(crate) acting: Acting,
}

/// What to do with an audit log.
#[derive(Debug, Subcommand)]
pub(crate) enum Auditing {
    /// Verify the hash chain of a log, and list orders without an outcome
    ///
    /// Finds lines that were changed, removed, inserted, repeated or moved. It does not find a file that was rewritten
    /// as a whole or a tail that was cut off: keep the printed head on another machine, and check it with --head.
    Verify(Verifying),
}

/// Flags of `audit verify`.
#[derive(Debug, Group)]
pub(crate) struct Verifying {
    /// The log
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// A head from an earlier run: the log must contain that line
    #[arg(long, value_name = "SEQ:HASH")]
    pub(crate) head: Option<String>,
}

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
    pub(crate) memory: Memory,
    #[command(flatten)]
    pub(crate) tape: TapeFlags,
    #[command(flatten)]
    pub(crate) options: OptionFlags,
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
    /// Address for scrapes; one that other machines reach needs --token-file or --tls-client-ca
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
    /// Require this file's token of clients, as `Authorization: Bearer TOKEN`
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Serve HTTPS with this certificate chain
    #[arg(long, value_name = "CERT.pem", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key of --tls-cert
    #[arg(long, value_name = "KEY.pem", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Require certificates of clients, issued by these authorities
    #[arg(long, value_name = "CA.pem", requires = "tls_cert")]
    pub(crate) tls_client_ca: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) options: OptionFlags,
}

/// Flags of `snapshot`.
#[derive(Debug, Group)]
pub(crate) struct Collecting {
    #[command(flatten)]
    pub(crate) tape: TapeFlags,
    #[command(flatten)]
    pub(crate) options: OptionFlags,
}

/// Flags of `run`.
#[derive(Debug, Group)]
pub(crate) struct Running {
    /// The component: a file, or a name in the plugin folder
    #[arg(value_name = "PLUGIN.wasm|NAME")]
    pub(crate) file: PathBuf,
    /// The input: JSON, @FILE, or - for stdin
    ///
    /// An observer or a manager takes a SkillInput: {"action", "options", "carry", "credential"}. An analyser takes
    /// {"snapshot", "options", "carry"}, the snapshot as `archon-pool snapshot` prints it.
    ///
    /// All users of this machine can read it in the process list, a password included: prefer --credential, @FILE or -.
    ///
    /// Default: {}; with --replay, every recorded call with its input.
    #[arg(long, value_name = "JSON")]
    pub(crate) params: Option<String>,
    /// Allow changes: without this, dryRun is set and the host refuses to end or resize anything
    #[arg(long)]
    pub(crate) apply: bool,
    /// SQL that it may send
    ///
    /// Default: catalogue. With a policy file, the file determines it.
    #[arg(long, value_name = "WHICH", conflicts_with = "allow_sql")]
    pub(crate) sql: Option<SqlMode>,
    /// The same as --sql any
    #[arg(long)]
    pub(crate) allow_sql: bool,
    #[command(flatten)]
    pub(crate) tape: TapeFlags,
}

/// Flags of `diff`.
#[derive(Debug, Group)]
pub(crate) struct Comparing {
    /// The earlier one: a report, an answer as --json prints it, or a cassette, whose last answer is taken
    #[arg(value_name = "A")]
    pub(crate) before: PathBuf,
    /// The later one
    #[arg(value_name = "B")]
    pub(crate) after: PathBuf,
    /// Compare times, durations and carry, too
    #[arg(long)]
    pub(crate) strict: bool,
}

/// Flags of `describe`.
#[derive(Debug, Group)]
pub(crate) struct Describing {
    /// The component: a file, or a name in the plugin folder; the built-in manager when absent
    #[arg(value_name = "PLUGIN.wasm|NAME", conflicts_with = "plugin")]
    pub(crate) file: Option<PathBuf>,
}

/// Flags of `components`.
#[derive(Debug, Group)]
pub(crate) struct Writing {
    /// The directory; created if it does not exist
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
}

/// Arguments of `compile`.
#[derive(Debug, Group)]
pub(crate) struct Compiling {
    /// Limit on processor time
    #[arg(value_name = "SECONDS")]
    pub(crate) seconds: u64,
}

/// What is remembered from one run to the next.
#[derive(Debug, Group)]
pub(crate) struct Memory {
    /// Keep state between runs in FILE
    ///
    /// Rates are then measured since the previous run, and the history of each group of sessions is known.
    #[arg(long, value_name = "FILE")]
    pub(crate) carry: Option<PathBuf>,
}

fn secret(text: &str) -> Result<SecretString, &'static str> {
    if text.trim().is_empty() { Err("the URL is empty") } else { Ok(text.into()) }
}

fn limit(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is wanted")?;
    // Refused here, where the flag is named.
    Limits::default().set(name, value).map_err(|fault| fault.message)?;
    Ok((name.to_owned(), value.to_owned()))
}

fn action() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(Action::ALL.map(Action::name))
}
