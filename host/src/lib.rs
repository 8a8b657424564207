#![doc = include_str!("../README.md")]
//!
//! # Types
//!
//! A [`host::Host`] holds the credentials, the [`policy::Policy`] and the [`limits::Limits`]; a [`plugin::Plugin`] is a
//! component that was checked against the worlds; [`host::Host::run`] makes one call. [`registry::Registry`] adds
//! names, events, a deadline and retries. [`verified_plugin::VerifiedPlugin`] is a component from elsewhere whose
//! digest, [`policy_file::Approval`] and [`signature::Signature`] were verified; a [`plugin_store::PluginStore`] is a
//! folder of them.

pub mod audit;
pub mod audit_sink;
pub mod cassette;
pub mod components;
pub mod connection_config;
pub mod consent;
pub mod credentials;
pub mod digest;
pub mod engine;
pub mod events;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod host;
pub mod limits;
pub mod log;
pub mod plugin;
pub mod plugin_store;
pub mod policy;
pub mod policy_file;
pub mod private_file;
pub mod registry;
pub mod secret_scan;
pub mod signature;
pub mod sql;
pub mod tenants;
pub mod verified_plugin;
pub mod xdg;

mod access_path;
mod admission;
mod allowance;
mod backends;
mod bindings;
pub mod compiler;
mod component_limits;
mod connect;
mod cpu_scheduler;
mod credential;
mod error;
mod granted;
mod guard_spec;
mod guard_sql;
mod hourly;
mod imports;
mod json_limits;
mod json_values;
mod login;
mod parameter;
mod pooler;
mod quotas;
mod rate_window;
mod record;
mod row_set;
mod scaling;
mod session;
mod session_cache;
mod state;
mod supabase;
mod taped;
mod text;
mod tls;
mod toml_text;
mod values;
mod wasi;
mod wire;
mod world;

pub use archon_pool_contract::fault::{Fault, kind};
pub use connection_config::target;
