//! Which sessions are broken, by what the server can prove. Plain idleness proves nothing, and a
//! client that died is noticed by the server itself unless the session is in one of these states.

use crate::clock::span;
use crate::params::Options;
use crate::snapshot::{Backend, State};

/// For how long a client may fail to read its answer before it counts as gone, milliseconds.
const CLIENT_WRITE_MS: u64 = 60_000;
/// For how long a client may take to authenticate (`authentication_timeout` is one minute),
/// milliseconds.
const STARTING_MS: u64 = 90_000;

/// Why a session is broken, if it is.
pub fn reason(backend: &Backend, now: i64, options: &Options) -> Option<String> {
    let age = backend.state_age_ms(now)?;
    match backend.state() {
        State::Active if backend.waits_for_client_to_read() && age > CLIENT_WRITE_MS => {
            Some(format!("the client has not taken its answer for {}", span(age)))
        }
        State::Aborted if age > options.idle_in_transaction_timeout_ms => {
            Some(format!("its transaction failed and the client has been silent for {}", span(age)))
        }
        State::Starting if age > STARTING_MS => Some(format!("it has been authenticating for {}", span(age))),
        _ => None,
    }
}
