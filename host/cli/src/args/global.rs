//! Flags that every command understands.

use std::path::PathBuf;

use archon_pool::limits::Limits;
use clap::{Args as Group, ValueEnum};
use secrecy::SecretString;

use crate::vetting::Vetting;

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
    ///
    /// Without them, changes alone are logged, as text; on a terminal only if there is no answer that shows them.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "none", help_heading = "Output")]
    #[arg(env = "ARCHON_POOL_LOG", hide_env_values = true)]
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

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Nothing but changes
    None,
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

/// Use of colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
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
