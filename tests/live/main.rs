//! Live tests against a real PostgreSQL server.
//!
//! `ARCHON_PG_BIN` selects its version. Each test has its own cluster, so they run in parallel.

mod actions;
mod attribution;
mod audit;
mod autoscale;
mod cassette;
mod cli;
mod cluster;
mod components;
mod conformance;
mod connection_config;
mod credentials;
mod door;
mod families;
mod faults;
mod field;
mod fixes;
mod guide;
mod hostile;
mod kill;
mod lab;
mod leakage;
mod leaks;
mod pgbouncer;
mod plugin_store;
mod policy_file;
mod pooler;
mod purposes;
mod race;
mod reconnect;
mod sessions;
mod signature;
mod statement_orders;
mod strict;
mod strict_memory;
mod supabase;
mod support;
mod tls;
mod trouble;
mod trust;
mod unfinished;
mod values;
mod waits;
mod wire;
mod wit;
