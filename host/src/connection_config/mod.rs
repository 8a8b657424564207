//! Connection settings with libpq's forms and precedence.
//!
//! ```text
//! URL or key=value text ─┐
//! service file           ├─ Parts (one text per setting; the first source wins) ─ Target
//! PG… variables          │
//! ~/.pgpass, ~/.postgresql ┘
//! ```
//!
//! Variables, pass files, service files and client certificates are the operator's: an [`Origin::Request`] gets none
//! of them, so that nobody can have the operator's password sent to a server of their own.
//!
#![doc = include_str!("../../docs/connecting.md")]

mod ambient;
mod conninfo;
mod hosts;
mod keywords;
mod parts;
mod pass_file;
mod security;
mod service_file;
pub mod target;
mod text;
mod url;
mod values;

pub(crate) use self::ambient::Ambient;
pub(crate) use self::keywords::Setting;
pub(crate) use self::parts::{Origin, Parts};
pub use self::text::holds_connection_text;
pub(crate) use self::text::{parts, unwrapped};
