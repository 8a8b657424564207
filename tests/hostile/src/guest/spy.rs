//! Searches for a secret in everything that a component can read.

use super::bindings::archon::connection_pool::credentials;
use super::bindings::archon::connection_pool::database::{self, Session};
use super::bindings::archon::connection_pool::pooler::Console;
use super::heard::{Heard, said};
use super::{flood, sql};

/// XOR mask of the given secret, so that the request itself is not found by the search.
const DISGUISE: u8 = 0x5a;

/// Requests the default credential and others by name, uses each in all supported ways, and then scans the whole
/// linear memory.
pub(super) fn search(disguised: &[u8], names: &[String], statements: &[String]) -> Heard {
    let mut heard = Heard::default();
    let asked = [None].into_iter().chain(names.iter().map(|name| Some(name.as_str())));
    for name in asked {
        let Some(credential) = heard.take("credential", credentials::lookup(name)) else { continue };
        heard.note(format!("named {}", credential.name()));
        heard.take("console", Console::open(&credential));
        match database::probe(&credential, 1, 1_000) {
            Ok(answers) => {
                for fault in answers.into_iter().filter_map(Result::err) {
                    heard.note(said(&fault));
                }
            }
            Err(fault) => heard.note(said(&fault)),
        }
        if let Some(session) = heard.take("session", Session::open(&credential)) {
            sql::send(&session, statements, 100, &mut heard);
            let orders = flood::orders(1, 1);
            heard.note(orders.words().join("; "));
        }
    }
    let (walked, found) = walk(disguised);
    heard.note(format!("walked {walked} bytes, found {found}"));
    heard
}

/// Returns the size of the memory in bytes and the number of occurrences of the secret.
#[allow(unsafe_code, reason = "a component may read all of its own memory, and this one does")]
fn walk(disguised: &[u8]) -> (usize, usize) {
    let size = core::arch::wasm32::memory_size(0) << 16;
    // Address 0 is not a valid pointer in Rust, and a memory of 4 GiB has no end address.
    let at = |address: usize| unsafe { (address as *const u8).read_volatile() };
    let matches = |start: &usize| disguised.iter().zip(*start..).all(|(byte, address)| at(address) ^ DISGUISE == *byte);
    let found = (1..size.saturating_sub(disguised.len())).filter(matches).count();
    (size, found)
}
