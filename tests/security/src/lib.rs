//! Hostile servers: a PostgreSQL server, a PgBouncer console and Supabase's Management API.
//!
//! Each [`Behaviour`] names the fault that a client has to return. The program `hostile-server` serves one of them,
//! for hosts in any language:
//!
//! ```text
//! hostile-server list                        # all behaviours, as JSON
//! hostile-server postgres endless-rows       # binds a port of 127.0.0.1, prints it, serves until it is killed
//! hostile-server postgres in-turn            # the same; each connection gets the next behaviour
//! ```
//!
//! The servers implement enough of their protocol to bring a client to the stage at which the behaviour begins. They
//! hold no data and check no password.

mod behaviour;
mod console;
mod http;
mod management;
mod messages;
mod perform;
mod postgres;
mod scram;
mod server;
mod session;

pub use self::behaviour::{Behaviour, Kind, Stage, find, list};
pub use self::server::Server;

/// Returns all behaviours.
pub fn behaviours() -> impl Iterator<Item = &'static Behaviour> {
    postgres::BEHAVIOURS.iter().chain(console::BEHAVIOURS).chain(management::BEHAVIOURS)
}
