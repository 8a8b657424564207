//! Flags of the commands for components of others: their policy files, signatures and folder.

use std::path::PathBuf;

use archon_pool::digest::Digest;
use clap::{Args as Group, Subcommand};

/// Flags of `approve`.
#[derive(Debug, Group)]
pub(crate) struct Approving {
    /// The component: a file, or a name in the plugin folder
    ///
    /// The policy file is --policy, or PLUGIN.policy.toml beside the component.
    #[arg(value_name = "PLUGIN.wasm|NAME")]
    pub(crate) file: PathBuf,
    /// Print every statement in full
    #[arg(long)]
    pub(crate) show: bool,
    /// Replace a policy file that allows less
    #[arg(long)]
    pub(crate) replace: bool,
    /// Approve a statement that could do more than read statistics, by its SHA-256; repeatable
    ///
    /// Such statements are printed in full, in red. No file is written until each is accepted, and none is sent unless
    /// both signals.apply of the policy file and the caller allow changes.
    #[arg(long, value_name = "SHA256", value_parser = crate::vetting::digest)]
    pub(crate) accept: Vec<Digest>,
}

/// Flags of `sign`.
#[derive(Debug, Group)]
pub(crate) struct Signing {
    /// The component: a file, or a name in the plugin folder; with the policy file that --policy names
    ///
    /// The signature is written to PLUGIN.wasm.sig beside it.
    #[arg(value_name = "PLUGIN.wasm|NAME")]
    pub(crate) file: PathBuf,
    /// The signing key, readable by its owner only, as `openssl genpkey -algorithm ed25519` writes it
    #[arg(long, value_name = "KEY.pem")]
    pub(crate) key: PathBuf,
}

/// What to do with the plugin folder.
#[derive(Debug, Subcommand)]
pub(crate) enum Keeping {
    /// Show every component in the folder, and the reason if one does not load
    List,
    /// Check a component and copy it into the folder, with its signature and the policy file that --policy names
    Add(Adding),
    /// Remove a component from the folder, with its policy file and signature
    Remove {
        /// Its name
        name: String,
    },
}

/// Flags of `plugins add`.
#[derive(Debug, Group)]
pub(crate) struct Adding {
    /// The component
    #[arg(value_name = "PLUGIN.wasm")]
    pub(crate) file: PathBuf,
    /// Its name in the folder: a-z, 0-9, '.', '_' and '-'; the file's name without .wasm when absent
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Take the place of a component of this name
    #[arg(long)]
    pub(crate) replace: bool,
}
