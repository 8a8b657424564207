//! Filter of bytes between the TLS layer and the driver: they are counted, texts are made valid UTF-8, logins are
//! supervised, and column types unknown to the driver are replaced.

mod budget;
mod filter;
mod login;
mod rewrite;
mod stream;
mod violation;

pub(crate) use self::budget::Budget;
pub(crate) use self::filter::Filter;
pub(crate) use self::login::Login;
pub(crate) use self::rewrite::UNKNOWN;
pub(crate) use self::stream::{Filtered, PreparedTls};
pub(crate) use self::violation::Violation;
