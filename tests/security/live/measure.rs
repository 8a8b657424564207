//! Memory and sockets of a process, as Linux reports them.

use std::fs;

use anyhow::{Context as _, Result};
use archon_pool_tests::soak::{OWN_STATUS, mebibytes};

/// Resets the peak of memory.
pub(crate) fn reset_peak() -> Result<()> {
    fs::write("/proc/self/clear_refs", "5").context("clear_refs")
}

/// Returns the peak of memory since then.
pub(crate) fn peak_mebibytes() -> Result<u64> {
    mebibytes(OWN_STATUS, "VmHWM:")
}

/// Counts sockets to a port of 127.0.0.1 that are not closed on this side: established, being opened, or waiting to
/// be closed.
pub(crate) fn sockets_to(port: u16) -> Result<usize> {
    let remote = format!("0100007F:{port:04X}");
    let table = fs::read_to_string("/proc/self/net/tcp")?;
    let open = |line: &&str| {
        let mut fields = line.split_whitespace().skip(2);
        fields.next() == Some(remote.as_str()) && matches!(fields.next(), Some("01" | "02" | "08"))
    };
    Ok(table.lines().filter(open).count())
}
