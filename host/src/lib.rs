//! The thin host of the connection pool manager: it lends a sandboxed component exactly the powers
//! that its world names, and judges nothing itself.
//!
//! ```text
//! Registry ── Host ── Plugin (one component, one Store per call)
//!               │        └── imports: credentials · database · pooler · backends · scaling
//!               └── Credentials · Policy · Limits
//! ```
//!
//! A [`host::Host`] holds the credentials, the [`policy::Policy`] and the [`limits::Limits`]; a
//! [`plugin::Plugin`] is a component that was checked against the worlds; [`host::Host::run`] makes
//! one call. [`registry::Registry`] adds names, events, a deadline and retries.
//! [`vetted::Vetted`] is somebody else's component that passed what an operator asks for: digest,
//! [`approval::Approval`] and [`signature::Signature`]; a [`shelf::Shelf`] is a folder of them.
//!
//! ```no_run
//! use archon_pool::{components::World, credentials::Credentials, engine::Engine, host::Host};
//! use archon_pool::{limits::Limits, plugin::Plugin, policy::Policy};
//!
//! # async fn example() -> Result<(), archon_pool::Fault> {
//! let limits = Limits::default();
//! let engine = Engine::new(&limits)?;
//! let plugin = Plugin::built_in(&engine, World::Observer)?;
//! let host = Host::new(engine, Credentials::new().environment(), Policy::default(), limits);
//! let answer = host.run(&plugin, serde_json::json!({ "action": "full-analysis" })).await?;
//! println!("{}", answer["data"]["recommendations"]);
//! # Ok(())
//! # }
//! ```

pub mod approval;
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
pub mod policy;
pub mod private_file;
pub mod registry;
pub mod shelf;
pub mod signature;
pub mod sql;
pub mod tenants;
pub mod vetted;

mod admission;
mod allowance;
mod backends;
mod bindings;
mod census;
pub mod compiler;
mod connect;
mod database;
mod door;
mod error;
mod guard_file;
mod guarded_file;
mod hourly;
mod json_values;
mod lanes;
mod misplaced;
mod nesting;
mod pooler;
mod quotas;
mod scaling;
mod session;
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

pub use archon_pool_plugin::fault::{Fault, kind};
pub use connection_config::target;
