//! Consoles of pool controllers: PgBouncer's, and a connection limit of the server's own.

pub(crate) mod connection_limit;
pub(crate) mod pgbouncer;
