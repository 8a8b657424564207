//! Third-party components: an operator's requirements, and a folder that they are loaded from.
//!
//! A [`verified_plugin::VerifiedPlugin`] is a component whose digest, [`policy_file::Approval`] and
//! [`signature::Signature`] were verified; a [`plugin_store::PluginStore`] is a folder of them. [`sql`] decides which
//! unapproved statements a component may send.
//!
#![doc = include_str!("../../docs/plugins.md")]

pub mod plugin_store;
pub mod policy_file;
pub mod signature;
pub mod sql;
pub mod verified_plugin;

mod toml_text;
