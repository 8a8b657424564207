//! The search for a secret in everything that a component ever sees.

use super::bindings::archon::connection_pool::credentials;
use super::bindings::archon::connection_pool::database::{self, Session};
use super::bindings::archon::connection_pool::pooler::Console;
use super::heard::{Heard, said};
use super::{flood, sql};

/// Each byte of the secret is given with these bits turned, so that the question is not the answer.
const DISGUISE: u8 = 0x5a;

/// Asks for the default credential and for others by name, uses each for all that it is good for,
/// and then walks through its whole memory.
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

/// Counts the bytes of the memory and the places where the secret stands.
#[allow(unsafe_code, reason = "a component may read all of its own memory, and this one does")]
fn walk(disguised: &[u8]) -> (usize, usize) {
    let size = core::arch::wasm32::memory_size(0) << 16;
    // Address 0 is no pointer in Rust, and a memory that ends with 4 GiB has no end.
    let at = |address: usize| unsafe { (address as *const u8).read_volatile() };
    let matches = |start: &usize| disguised.iter().zip(*start..).all(|(byte, address)| at(address) ^ DISGUISE == *byte);
    let found = (1..size.saturating_sub(disguised.len())).filter(matches).count();
    (size, found)
}
