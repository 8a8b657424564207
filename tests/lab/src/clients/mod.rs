//! Clients of the server: applications with pools, functions that connect on demand, jobs and interactive users.

pub mod contention;
pub mod functions;
pub mod pool;
pub mod pooled;
pub mod requests;
pub mod script;
pub mod traffic;
pub mod work;

pub use self::traffic::Traffic;
pub use self::work::{Fault, Path, Work};
