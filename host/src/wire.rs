//! Bytes between the TLS layer and the driver: texts are made valid UTF-8, and logins are supervised.

mod filter;
mod login;
mod rewrite;
mod stream;

pub(crate) use self::filter::Filter;
pub(crate) use self::login::Login;
pub(crate) use self::stream::{Filtered, PreparedTls};
