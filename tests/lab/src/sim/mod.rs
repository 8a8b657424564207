//! Simulated server: sessions with their states and locks, and the events that change them.

pub mod pooler;
pub mod rows;
pub mod server;
pub mod session;
pub mod world;

pub use self::server::Server;
pub use self::session::{Client, Hold, Session, State, Wait};
pub use self::world::{Actor, Sid, World};
