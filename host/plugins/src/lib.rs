//! Components from elsewhere: what an operator demands of them, and a folder that they are loaded from.
//!
//! A [`verified_plugin::VerifiedPlugin`] is a component whose digest, [`policy_file::Approval`] and
//! [`signature::Signature`] were verified; a [`plugin_store::PluginStore`] is a folder of them. [`sql`] decides which
//! statements a component may send that nobody has approved.
//!
#![doc = include_str!("../../docs/plugins.md")]

pub mod plugin_store;
pub mod policy_file;
pub mod signature;
pub mod sql;
pub mod verified_plugin;

mod toml_text;
