//! Port numbers for servers.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};

// Below the ephemeral range, from which outgoing connections of parallel tests could take a port before the server
// binds it, or during a restart.
const FIRST: u32 = 15_000;
const COUNT: u32 = 17_000;
const SHORT_FIRST: u32 = 7_000;
const SHORT_COUNT: u32 = 2_900;

/// Returns an unused port of 127.0.0.1, each at most once per process.
///
/// # Errors
///
/// Fails if there is none left.
pub fn unused_port() -> Result<u16> {
    unused(FIRST, COUNT)
}

/// Returns an unused port of four digits.
pub(crate) fn unused_short_port() -> Result<u16> {
    unused(SHORT_FIRST, SHORT_COUNT)
}

fn unused(first: u32, count: u32) -> Result<u16> {
    static TAKEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = taken.get_or_insert_default();
    // Parallel processes start at distant numbers.
    let start = std::process::id().wrapping_mul(7919);
    for step in 0..count {
        let port = u16::try_from(first + start.wrapping_add(step) % count)?;
        if !taken.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            taken.insert(port);
            return Ok(port);
        }
    }
    bail!("no port of 127.0.0.1 between {first} and {} is free", first + count - 1)
}
