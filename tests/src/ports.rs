//! Port numbers for servers.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};

// Below the ephemeral range: a port from within it (what binding port 0 gives) could be taken by any
// outgoing connection of a parallel test between our look and the server's bind, or during a restart.
const FIRST: u32 = 15_000;
const COUNT: u32 = 17_000;
const SHORT_FIRST: u32 = 7_000;
const SHORT_COUNT: u32 = 2_900;

/// A port of 127.0.0.1 on which nothing listens, and that this process hands out only once.
///
/// # Errors
///
/// When there is none left.
pub fn unused_port() -> Result<u16> {
    unused(FIRST, COUNT)
}

/// The same with four digits.
pub(crate) fn unused_short_port() -> Result<u16> {
    unused(SHORT_FIRST, SHORT_COUNT)
}

fn unused(first: u32, count: u32) -> Result<u16> {
    static TAKEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = taken.get_or_insert_default();
    // Processes that run side by side start far apart.
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
