//! Runs components of the connection pool manager: WebAssembly sandbox, limits, policy, the guard that ends sessions.
//!
//! There is no PostgreSQL driver here. Credentials, sessions and consoles are provided by traits
//! ([`credential_source::CredentialSource`], [`bindings::Credential`], [`bindings::Session`], [`bindings::Console`]);
//! the crate `archon-pool-postgres` implements them, [`memory`] works without a server. The audit log
//! ([`audit_sink::AuditSink`]), recording and replay ([`interceptor::Interceptor`]) and the checker of SQL
//! ([`statement_checker::StatementChecker`]) are traits as well.
//!
//! A [`host::Host`] runs a [`plugin::Plugin`] under [`limits::Limits`] and a [`policy::Policy`]. An embedder with a
//! store of its own links the imports with [`linker`].

#[cfg(not(unix))]
compile_error!("the host needs Unix: it checks owners and modes of files, locks files and limits processes");

pub mod access_path;
pub mod audit_sink;
pub mod bindings;
pub mod budget;
pub mod call_budget;
pub mod compiler;
pub mod components;
pub mod consent;
pub mod context;
pub mod cpu_scheduler;
pub mod credential_source;
pub mod digest;
pub mod engine;
pub mod guard_sql;
pub mod host;
pub mod interceptor;
pub mod interfaces;
pub mod json_limits;
pub mod json_text;
pub mod limits;
pub mod linker;
pub mod login;
pub mod memory;
pub mod parameter;
pub mod plugin;
pub mod policy;
pub mod pooler;
pub mod private_file;
pub mod rate_window;
pub mod row_set;
pub mod scaling;
pub mod secret_scan;
pub mod shutdown_guard;
pub mod skill_output;
pub mod statement_checker;
pub mod world;
pub mod xdg;

mod backends;
mod call_state;
mod component_limits;
mod exports;
mod hourly;
mod imports;
mod intercepted;
mod record;
mod wasi;
