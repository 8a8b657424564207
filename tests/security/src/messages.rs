//! Messages of PostgreSQL's protocol, valid and invalid.

/// Version that the PostgreSQL server reports.
pub(crate) const POSTGRES_VERSION: &str = "15.4";

/// OID of `text`.
pub(crate) const TEXT: u32 = 25;

/// Encodes a message with its correct length.
pub(crate) fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    claiming(tag, i32::try_from(body.len() + 4).unwrap_or(i32::MAX), body)
}

/// Encodes a message with any length.
pub(crate) fn claiming(tag: u8, length: i32, body: &[u8]) -> Vec<u8> {
    [&[tag], &length.to_be_bytes()[..], body].concat()
}

/// Encodes a request for authentication.
pub(crate) fn authentication(code: u32, rest: &[u8]) -> Vec<u8> {
    message(b'R', &[&code.to_be_bytes(), rest].concat())
}

/// Encodes the messages after a successful login.
pub(crate) fn logged_in() -> Vec<u8> {
    authentication(0, b"")
}

pub(crate) fn parameter(name: &str, value: &str) -> Vec<u8> {
    message(b'S', format!("{name}\0{value}\0").as_bytes())
}

pub(crate) fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

/// Encodes all messages from a successful login until the server is ready.
pub(crate) fn greeting(server_version: &str) -> Vec<u8> {
    [
        logged_in(),
        parameter("server_version", server_version),
        parameter("server_encoding", "UTF8"),
        parameter("client_encoding", "UTF8"),
        parameter("DateStyle", "ISO, MDY"),
        parameter("TimeZone", "UTC"),
        parameter("integer_datetimes", "on"),
        parameter("standard_conforming_strings", "on"),
        message(b'K', &[0, 0, 16, 1, 0, 0, 0, 7]),
        ready(),
    ]
    .concat()
}

pub(crate) fn notice() -> Vec<u8> {
    message(b'N', b"SNOTICE\0VNOTICE\0C00000\0Mhear this\0\0")
}

pub(crate) fn notification() -> Vec<u8> {
    message(b'A', b"\0\0\0\x01news\0hear this\0")
}

pub(crate) fn error(sqlstate: &str, text: &str) -> Vec<u8> {
    message(b'E', format!("SERROR\0VERROR\0C{sqlstate}\0M{text}\0\0").as_bytes())
}

/// Encodes a row description with columns of these types.
pub(crate) fn columns(columns: &[(&str, u32)]) -> Vec<u8> {
    let mut body = u16::try_from(columns.len()).unwrap_or(u16::MAX).to_be_bytes().to_vec();
    for (name, oid) in columns {
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0]);
        body.extend_from_slice(&oid.to_be_bytes());
        body.extend_from_slice(&[255, 255, 255, 255, 255, 255, 0, 0]);
    }
    message(b'T', &body)
}

/// Encodes a row of texts.
pub(crate) fn row(values: &[&str]) -> Vec<u8> {
    let mut body = u16::try_from(values.len()).unwrap_or(u16::MAX).to_be_bytes().to_vec();
    for value in values {
        body.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
        body.extend_from_slice(value.as_bytes());
    }
    message(b'D', &body)
}

pub(crate) fn complete(tag: &str) -> Vec<u8> {
    message(b'C', format!("{tag}\0").as_bytes())
}
