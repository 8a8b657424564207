#![doc = include_str!("../README.md")]
//!
//! # Types
//!
//! This crate re-exports the others and combines them: [`host()`] creates a [`host::Host`] that checks SQL, and
//! [`credentials()`] the sources of its credentials, Supabase's API included. A [`plugin::Plugin`] is a component that
//! was checked against the worlds; [`host::Host::run`] makes one call. Its [`skill_output::SkillOutput`] is the
//! component's text, parsed only on request. [`registry::Registry`] adds names, events, a deadline and retries. [`verified_plugin::VerifiedPlugin`] is a third-party component whose digest,
//! [`policy_file::Approval`] and [`signature::Signature`] were verified; a [`plugin_store::PluginStore`] is a folder of
//! them.
//!
//! An embedder that needs no driver, HTTP or SQL parser uses `archon-pool-core` alone.

pub mod components;

mod guard_spec;

pub use archon_pool_audit as audit;
pub use archon_pool_cassette as cassette;
pub use archon_pool_contract::fault::{Fault, kind};
pub use archon_pool_core::{
    audit_sink, bindings, budget, compiler, consent, context, credential_source, digest, engine, host, interceptor,
    json_text, limits, linker, plugin, policy, private_file, secret_scan, skill_output, xdg,
};
pub use archon_pool_plugins::{plugin_store, policy_file, signature, sql, verified_plugin};
pub use archon_pool_postgres::session::all_over as sessions_closed;
pub use archon_pool_postgres::{connection_config, credentials, target};
pub use archon_pool_registry::{events, log, registry};
pub use archon_pool_supabase as supabase;
pub use archon_pool_tenants as tenants;

/// Entry points of the fuzz targets into private code.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    pub use archon_pool_postgres::fuzzing::value;
}

use self::credential_source::CredentialSource;
use self::credentials::Credentials;
use self::engine::Engine;
use self::host::Host;
use self::limits::Limits;
use self::policy::Policy;

/// Creates credentials without a source, whose access tokens open Supabase's Management API.
pub fn credentials() -> Credentials {
    Credentials::new().provider(supabase::ManagementApi)
}

/// Creates a host for components of this engine, with the checker of the strict SQL mode.
pub fn host(engine: Engine, credentials: impl CredentialSource + 'static, policy: Policy, limits: Limits) -> Host {
    Host::new(engine, credentials, policy, limits).statement_checker(sql::StrictChecker)
}
