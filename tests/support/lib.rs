//! Support of the live tests and the demo: private PostgreSQL servers and real clients in known states. Nothing is
//! mocked, and nothing outlives the process that started it.
//!
//! [`Cluster`] is a private server, [`App`] an application whose [`Session`]s are kept in a state that
//! `pg_stat_activity` confirms, [`Workload`] a healthy application under load, [`Proxy`] a network with faults,
//! [`PgBouncer`] a pooler in front of a cluster, and [`until`] waits for a condition.

pub mod agent;
pub mod binaries;
pub mod clients;
pub mod cluster;
#[cfg(test)]
mod crates;
mod describing;
pub mod http;
pub mod latencies;
pub mod management_api;
pub mod monitoring;
pub mod nats;
pub mod oci_registry;
pub mod pgagroal;
pub mod pgbouncer;
pub mod pgpool;
pub mod poolers;
mod ports;
mod process;
pub mod proxy;
pub mod refusals;
mod scratch;
pub mod serving;
pub mod sessions;
pub mod soak;
mod spawner;
mod standby;
pub mod supabase;
pub mod target_files;
mod template;
pub mod tmux;
pub mod until;
pub mod workload;

pub use self::clients::Library;
pub use self::cluster::{Builder, Cluster, PASSWORD};
pub use self::describing::describing;
pub use self::management_api::ManagementApi;
pub use self::monitoring::Monitoring;
pub use self::nats::Nats;
pub use self::oci_registry::OciRegistry;
pub use self::pgagroal::Pgagroal;
pub use self::pgbouncer::PgBouncer;
pub use self::pgpool::Pgpool;
pub use self::ports::unused_port;
pub use self::proxy::Proxy;
pub use self::refusals::Refusing;
pub use self::serving::Serving;
pub use self::sessions::{App, Session};
pub use self::target_files::TargetFiles;
pub use self::tmux::Tmux;
pub use self::until::until;
pub use self::workload::Workload;
