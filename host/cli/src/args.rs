//! Subcommands and flags. What they mean is written here once: the help texts are made from it.

mod access;
mod actions;
#[cfg(feature = "mcp")]
mod agents;
mod fleet;
mod global;
mod plugins;
mod rounds;

use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::options::OptionFlags;
use super::report::flags::ReportFlags;
use super::tape::TapeFlags;
#[cfg(feature = "tui")]
use super::top::flags::TopFlags;

pub(crate) use self::actions::{Acting, Explaining, Killing, Reading};
#[cfg(feature = "mcp")]
pub(crate) use self::agents::{Approved, McpFlags, SkillCommand};
#[cfg(feature = "nats")]
pub(crate) use self::fleet::{
    Applying, EngineFlags, Importing, Initialising, Killings, Planning, Plans, Targeting, Working,
};
pub(crate) use self::fleet::{Fleet, FleetReading, FleetReporting, FleetRunning, Making, SourceFlags, StateFlag};
pub(crate) use self::global::{Color, Global, LogFormat};
pub(crate) use self::plugins::{Adding, Approving, Keeping, Signing};
pub(crate) use self::rounds::{Serving, Watching};

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
  1  findings: one is a warning or critical, a plan has targets, or a change failed; for diff: a difference
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
    /// Watch one or many servers, and serve live pages and metrics for Prometheus
    Serve(Box<Serving>),
    /// Watch thousands of databases, and print what changes as events
    #[command(subcommand)]
    Fleet(Fleet),
    /// Serve the Model Context Protocol for editors and agents, which can read and plan
    #[cfg(feature = "mcp")]
    Mcp(Box<McpFlags>),
    /// Carry out a plan that an agent made with `mcp`, after its number is typed
    #[cfg(feature = "mcp")]
    Apply(Approved),
    /// Install the skill for agents: when to use this program, and what it never does
    #[cfg(feature = "mcp")]
    #[command(subcommand)]
    Skill(SkillCommand),
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
    /// Write the built-in components to a directory, as files or for a registry, or print their interfaces
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
    /// Print the completion script of a shell
    ///
    /// For bash: archon-pool completions bash > /etc/bash_completion.d/archon-pool; for zsh: archon-pool completions zsh >
    /// "${fpath[1]}/_archon-pool"; for fish: archon-pool completions fish > ~/.config/fish/completions/archon-pool.fish.
    Completions(Completing),
    /// Print the manual page, or write those of all commands to a directory
    Man(Documenting),
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
    /// The directory; created if it does not exist. Beside each file FILE its SHA-256 is written, FILE.sha256
    #[arg(value_name = "DIR", required_unless_present_any = ["oci", "wit"])]
    pub(crate) directory: Option<PathBuf>,
    /// Sign each file in DIR: the signature FILE.sig is what --trust verifies
    ///
    /// The key is readable by its owner only, as `openssl genpkey -algorithm ed25519` writes it.
    #[arg(long, value_name = "KEY.pem", requires = "directory")]
    pub(crate) key: Option<PathBuf>,
    /// Write the components to a directory as an OCI image layout
    ///
    /// To put one into a registry: skopeo copy --preserve-digests oci:DIR:pool-observer docker://REGISTRY/pool-observer:VERSION.
    /// $SOURCE_DATE_EPOCH is the time in it; without, the digests depend on the components alone.
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(crate) oci: Option<PathBuf>,
    /// Print the WIT package: the worlds, and all that components import and export, with its documentation
    #[arg(long)]
    pub(crate) wit: bool,
}

/// Flags of `completions`.
#[derive(Debug, Group)]
pub(crate) struct Completing {
    /// The shell
    pub(crate) shell: Shell,
}

/// Flags of `man`.
#[derive(Debug, Group)]
pub(crate) struct Documenting {
    /// The directory, such as /usr/local/share/man/man1; created if it does not exist
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(crate) directory: Option<PathBuf>,
}

/// Arguments of `compile`.
#[derive(Debug, Group)]
pub(crate) struct Compiling {
    /// Limit on processor time
    #[arg(value_name = "SECONDS")]
    pub(crate) seconds: u64,
}

/// Which SQL a component may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SqlMode {
    /// The statements that `archon-pool describe` lists for the built-in components
    Catalogue,
    /// Those, and a SELECT that is verified to read only statistics of pg_catalog
    Strict,
    /// Any that the credential's role may run; statements that could do more than read need --apply
    Any,
}
