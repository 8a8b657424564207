//! Errors of servers and of the network as faults that name the setting to change.

mod refusal;
mod table;

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::io;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::limits::LimitError;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;
use tokio_postgres::Error;
use tokio_postgres::error::DbError;

pub(crate) use self::refusal::may_be_full;
pub(crate) use self::table::Refusal;
pub use self::table::SERVER_ERRORS;
use self::table::TABLE;
use crate::target::Target;
use crate::wire::Violation;

/// Letters that are percent-encoded in a URL's password (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Shorter passwords occur in too many words to be removed.
const SHORTEST_SECRET: usize = 4;

/// Creates the fault of a failed connection. `tls_tried`: a session with TLS was refused as well, or is impossible.
pub(crate) fn connecting(error: &Error, target: &Target, tls_tried: bool) -> Fault {
    if let Some(server) = error.as_db_error() {
        return refused(server.code().code(), server.message(), target, tls_tried);
    }
    if let Some(fault) = offence(error).or_else(|| out_of_turn(error)) {
        return Fault { message: format!("no session at {target}: {}", fault.message), ..fault };
    }
    let cause = chain(error);
    if source::<rustls::Error>(error).is_some() {
        return Fault::new(kind::TLS_FAILED, format!("no TLS with {target}: {cause}"));
    }
    if is_missing_password(error) {
        let mut message = format!("{target} asks for a password, and the credential has none");
        if let Some(note) = target.pass_file_note() {
            message = format!("{message}: {note}");
        }
        return Fault::new(kind::AUTHENTICATION_FAILED, message);
    }
    // SCRAM's own errors are `io::Error`s, too: an invalid proof or message of the server.
    let scram = is_authentication(error);
    if !scram && (source::<io::Error>(error).is_some() || error.is_closed()) {
        return unreachable(target, &cause);
    }
    Fault::new(kind::AUTHENTICATION_FAILED, format!("no session at {target}: {cause}"))
}

/// Removes a peer's text that repeats the session's password, also percent-encoded: a server may echo it, and messages
/// reach the component, reports, logs and recordings. A password that is a public part of the login is left.
pub(crate) fn discreet(fault: Fault, target: &Target) -> Fault {
    let Some(password) = target.password.as_ref().map(ExposeSecret::expose_secret) else { return fault };
    let Target { host, user, database, .. } = target;
    let is_public = [host, user, database].iter().any(|text| *text == password);
    let encoded = Zeroizing::new(utf8_percent_encode(password, RESERVED).to_string());
    let is_repeated = fault.message.contains(password) || fault.message.contains(encoded.as_str());
    if is_public || password.len() < SHORTEST_SECRET || !is_repeated {
        return fault;
    }
    Fault { message: format!("{target}: the server's words are left out: they repeat the password"), ..fault }
}

/// Creates the fault of a server that did not answer in time.
pub(crate) fn unreachable(target: &Target, why: &str) -> Fault {
    retryable(Fault::new(kind::SERVER_UNREACHABLE, format!("no PostgreSQL server answers at {target}: {why}")))
}

/// Creates the fault of a session that the server or a pooler refused.
pub(crate) fn refused(code: &str, said: &str, target: &Target, tls_tried: bool) -> Fault {
    let refusal = refusal::classify(code, said);
    let refusal = if tls_tried { refusal.after_tls() } else { refusal };
    described(refusal, code, said, target)
}

/// Classifies the end of a session before its first answer: as a refusal, if it is one.
pub(crate) fn late_refusal(fault: Fault, target: &Target) -> Fault {
    if matches!(fault.kind.as_str(), kind::TOO_MANY_CONNECTIONS | kind::SERVER_UNREACHABLE) {
        return Fault { message: format!("{target}: {}", fault.message), ..fault };
    }
    let code = fault.sqlstate.as_deref().unwrap_or_default();
    match refusal::recognised(code, &fault.message).filter(|_| fault.sqlstate.is_some()) {
        Some(refusal) => described(refusal.after_tls(), code, &fault.message, target),
        None => fault,
    }
}

/// Classifies a refused login; none for other errors.
pub(crate) fn refusal(error: &Error) -> Option<Refusal> {
    error.as_db_error().map(|server| refusal::classify(server.code().code(), server.message()))
}

/// Creates the fault of a refusal, with the setting or the step that helps.
fn described(refusal: Refusal, code: &str, said: &str, target: &Target) -> Fault {
    let Target { user, database, .. } = target;
    let values = [("target", &*target.to_string()), ("user", user), ("database", database), ("said", said)];
    let reason = refusal.reason();
    Fault {
        kind: reason.kind.clone(),
        message: table::fill(&reason.message, &values),
        sqlstate: Some(code.to_owned()),
        retryable: reason.retryable,
    }
}

/// Creates the fault of a failed statement. The second value is true if the session is gone with it.
pub(crate) fn querying(error: &Error) -> (Fault, bool) {
    if let Some(server) = error.as_db_error() {
        let fault = statement(server);
        let gone = fault.kind == kind::CONNECTION_LOST || server.severity() == "FATAL";
        return (fault, gone);
    }
    if let Some(fault) = offence(error) {
        return (fault, true);
    }
    // An error while encoding a message means that nothing was sent: the session is unchanged.
    let broken = |error: &io::Error| error.kind() != io::ErrorKind::InvalidInput;
    if error.is_closed() || source::<io::Error>(error).is_some_and(broken) {
        let message = format!("the connection to the server was lost: {}", chain(error));
        return (retryable(Fault::new(kind::CONNECTION_LOST, message)), true);
    }
    (Fault::new(kind::QUERY_FAILED, chain(error)), false)
}

/// Creates the fault of a connection that the peer ended.
pub(crate) fn ending(error: &Error) -> Fault {
    out_of_turn(error).unwrap_or_else(|| querying(error).0)
}

/// Creates the fault of the server's error, in answer to a statement or unsolicited.
pub(crate) fn statement(server: &DbError) -> Fault {
    let mut said = server.message().to_owned();
    if let Some(detail) = server.detail() {
        // Writing to a string cannot fail.
        let _ = write!(said, " ({detail})");
    }
    self::said(server.code().code(), server.severity() == "FATAL", &said)
}

/// Creates the fault of a server's error by its SQLSTATE, from any source.
pub fn said(code: &str, fatal: bool, said: &str) -> Fault {
    let of_pooler = refusal::of_statement(code, said);
    match TABLE.statements.iter().find(|it| it.applies(of_pooler, code, fatal)) {
        Some(statement) => statement.fault(code, said),
        None => Fault { sqlstate: Some(code.to_owned()), ..Fault::new(kind::QUERY_FAILED, said) },
    }
}

/// Returns true if a pooler refused the startup packet's `options`.
pub(crate) fn refuses_options(error: &Error) -> bool {
    error.as_db_error().is_some_and(|server| refusal::is_about_options(server.code().code(), server.message()))
}

/// Returns the fault of a peer's protocol violation: it exceeded a limit, or its message is malformed.
fn offence(error: &Error) -> Option<Fault> {
    if let Some(reached) = source::<LimitError>(error) {
        return Some((*reached).into());
    }
    (source::<Violation>(error).is_some() || is_unreadable(error)).then(|| broken_protocol(error))
}

/// Creates the fault of an unexpected message. `COPY` sends some in answer to a statement, and the session continues
/// after them.
fn out_of_turn(error: &Error) -> Option<Fault> {
    error.to_string().starts_with("unexpected message from server").then(|| broken_protocol(error))
}

fn broken_protocol(error: &Error) -> Fault {
    Fault::new(kind::UNEXPECTED_ANSWER, format!("the server broke PostgreSQL's protocol: {}", chain(error)))
}

/// Returns true if the driver could not read a message. The kind of the driver's errors is private.
fn is_unreadable(error: &Error) -> bool {
    let said = error.to_string();
    let Some(cause) = source::<io::Error>(error) else { return false };
    let why = cause.to_string();
    if said.starts_with("error parsing response from server") {
        // An error while encoding a statement has the same kind.
        return !["embedded null", "too large to transmit", "length overflow"].iter().any(|words| why.contains(words));
    }
    let is_about_form =
        matches!(cause.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof);
    said.starts_with("error communicating with the server")
        && is_about_form
        && source::<rustls::Error>(error).is_none()
        && !why.contains("close_notify")
}

fn retryable(mut fault: Fault) -> Fault {
    fault.retryable = true;
    fault
}

// The kind of tokio-postgres's errors is private.
fn is_authentication(error: &Error) -> bool {
    error.to_string().starts_with("authentication error")
}

fn is_missing_password(error: &Error) -> bool {
    chain(error).contains("password missing")
}

/// Formats an error with its causes, each once. No error contains a secret: data sent to the server is not part of any
/// error.
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            let _ = write!(text, ": {more}");
        }
        cause = error.source();
    }
    text
}

fn source<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        // An `io::Error` returns its cause's cause as source and hides the cause itself.
        if let Some(found) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            let found: &(dyn StdError + 'static) = found;
            if let Some(found) = found.downcast_ref::<T>() {
                return Some(found);
            }
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio_postgres::{Config, NoTls};

    use super::*;

    #[test]
    fn words_that_contain_the_password_are_omitted() {
        let target = |url: &str| {
            let parts = crate::connection_config::parts(url).unwrap();
            parts.finish(crate::connection_config::Origin::Request).unwrap()
        };
        let said = |url: &str, said: &str| discreet(refused("28P01", said, &target(url), true), &target(url));
        let fault = said("postgres://ann:hunter2@db.example/shop", "password hunter2 is wrong");
        assert!(!fault.message.contains("hunter2"), "{fault}");
        assert_eq!((fault.kind.as_str(), fault.sqlstate.as_deref()), (kind::AUTHENTICATION_FAILED, Some("28P01")));
        let fault = said("postgres://ann:hunter-%202@db.example/shop", "no role for ann:hunter-%202@db.example");
        assert!(!fault.message.contains("hunter"), "{fault}");
        for url in [
            "postgres://ann:hunter2@db.example/shop",
            "postgres://ann:ann@db.example/shop",
            "postgres://anna:anna@db.example/shop",
        ] {
            let fault = said(url, "password authentication failed for user \"ann\"");
            assert!(fault.message.contains("for user \"ann\""), "{fault}");
        }
    }

    /// A server's answer in SCRAM.
    #[derive(Clone, Copy)]
    enum Scram {
        UnknownMechanism,
        StrangeNonce,
        WrongSignature,
    }

    async fn say(stream: &mut DuplexStream, code: u32, body: &[u8]) {
        let length = u32::try_from(8 + body.len()).unwrap();
        let message = [b"R", &length.to_be_bytes()[..], &code.to_be_bytes(), body].concat();
        stream.write_all(&message).await.unwrap();
    }

    async fn hear(stream: &mut DuplexStream) -> String {
        let mut bytes = vec![0; 4096];
        let read = stream.read(&mut bytes).await.unwrap();
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    }

    async fn serve(mut stream: DuplexStream, scram: Scram) {
        hear(&mut stream).await;
        let mechanism: &[u8] =
            if matches!(scram, Scram::UnknownMechanism) { b"SCRAM-SHA-1024\0\0" } else { b"SCRAM-SHA-256\0\0" };
        say(&mut stream, 10, mechanism).await;
        let first = hear(&mut stream).await;
        let Some((_, nonce)) = first.split_once("r=") else { return };
        let nonce = if matches!(scram, Scram::StrangeNonce) { "strange" } else { nonce };
        say(&mut stream, 11, format!("r={nonce}x,s=c2FsdA==,i=4096").as_bytes()).await;
        hear(&mut stream).await;
        say(&mut stream, 12, format!("v={}=", "A".repeat(43)).as_bytes()).await;
        hear(&mut stream).await;
    }

    #[tokio::test]
    async fn a_failed_scram_exchange_is_not_reported_as_unreachable() {
        for scram in [Scram::UnknownMechanism, Scram::StrangeNonce, Scram::WrongSignature] {
            let (near, far) = duplex(1 << 16);
            let server = tokio::spawn(serve(far, scram));
            let mut config = Config::new();
            config.user("app").password("secret");
            let error = config.connect_raw(near, NoTls).await.err().expect("refused");
            let target = Target::parse(&secrecy::SecretString::from("postgres://app:secret@h/d")).unwrap();
            let fault = connecting(&error, &target, false);
            assert_eq!((fault.kind.as_str(), fault.retryable), (kind::AUTHENTICATION_FAILED, false), "{fault}");
            server.abort();
        }
    }
}
