//! PostgreSQL for `archon-pool-core`: connection texts, TLS, read-only sessions, credentials and consoles of poolers.
//!
//! [`credentials::Credentials`] are the sources of a host's credentials. The use of Supabase's access tokens is not
//! here: [`project_api`] has its traits, and the crate `archon-pool-supabase` implements them.

pub mod connect;
pub mod connection_config;
pub mod credentials;
pub mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod project_api;
pub mod session;
pub mod text;
pub mod tls;
pub mod values;

mod credential;
mod granted;
mod open_session;
mod opening;
mod pooler;
mod project;
mod session_cache;
mod wire;

pub use connection_config::target;
