//! Flags of the commands for agents: `mcp`, `apply` and `skill`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as Group, Subcommand};

use super::access::AccessFlags;
use crate::options::OptionFlags;

/// Flags of `mcp`.
#[derive(Debug, Group)]
pub(crate) struct McpFlags {
    /// List the tool that applies a plan, after a person has typed its number into a form of the client
    ///
    /// The host then ends sessions and resizes pools as with --apply: guard, caps and audit log are the same. A client can
    /// answer a form without a person: give this to clients that you trust. Without it, plans are applied by
    /// `archon-pool apply` alone. Over HTTP it needs --token-file or --tls-client-ca.
    #[arg(long)]
    pub(crate) allow_apply: bool,
    /// Serve HTTP at this address, under /mcp, instead of stdin and stdout
    ///
    /// An address that other machines reach needs --token-file or --tls-client-ca, and --http-host.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) http: Option<SocketAddr>,
    /// Name by which clients call the server, as in its URL; repeatable; default: localhost, 127.0.0.1 and ::1
    #[arg(long, value_name = "HOST", requires = "http")]
    pub(crate) http_host: Vec<String>,
    #[command(flatten)]
    pub(crate) access: AccessFlags,
    #[command(flatten)]
    pub(crate) options: OptionFlags,
}

/// Flags of `apply`.
#[derive(Debug, Group)]
pub(crate) struct Approved {
    /// Id of the plan, as the tool's result names it
    #[arg(value_name = "PLAN-ID")]
    pub(crate) plan: String,
    /// Consent without a terminal: the plan's number of sessions, or the new size of the pool
    #[arg(long, value_name = "N")]
    pub(crate) yes: Option<u32>,
}

/// Commands about the skill.
#[derive(Debug, Subcommand)]
pub(crate) enum SkillCommand {
    /// Write the skill into a folder of skills
    Install {
        /// The folder; default: ~/.claude/skills
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Print the skill
    Show,
}
