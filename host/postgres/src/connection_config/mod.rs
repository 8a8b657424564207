//! Connection settings with libpq's forms and precedence.
//!
//! ```text
//! URL or key=value text ─┐
//! service file           ├─ Parts (one text per setting; the first source wins) ─ Target
//! PG… variables          │
//! ~/.pgpass, ~/.postgresql ┘
//! ```
//!
//! Files depend in one direction: `fault`, `setting`, `security` and `target` are data; `keywords` and `parts` collect
//! texts, `text`, `url`, `conninfo`, `service_file` and `ambient` read their sources; `hosts`, `pass_file` and `values`
//! interpret them; `resolve` puts the steps together.
//!
//! Variables, pass files, service files and client certificates belong to the operator: an [`Origin::Request`] gets
//! none of them, so that no request can have the operator's password sent to a server of its own.
//!
#![doc = include_str!("../../../docs/connecting.md")]

mod ambient;
mod conninfo;
mod fault;
mod hosts;
mod keywords;
mod parts;
mod pass_file;
mod resolve;
mod security;
mod service_file;
mod setting;
pub mod target;
mod text;
mod url;
mod values;

pub(crate) use self::ambient::{Ambient, Origin};
pub use self::fault::invalid;
pub(crate) use self::parts::Parts;
pub(crate) use self::setting::Setting;
pub(crate) use self::text::parts;
pub(crate) use self::text::unwrapped;

/// Returns the host in a connection text or in the URL of an API; none where it cannot be parsed. It contains no other
/// part of the text, and so no secret.
pub fn host_of(text: &str) -> Option<String> {
    let text = unwrapped(text);
    let host = match text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) {
        Some(rest) if rest.contains('@') => None,
        Some(rest) => rest.split(['/', '?', '#', ':']).next().map(str::to_owned),
        None => parts(text).ok()?.get(Setting::Host).map(str::to_owned),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'_' | b',');
    host.filter(|host| !host.is_empty() && host.bytes().all(plain))
}
