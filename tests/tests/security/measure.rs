//! Memory and sockets of a process, as Linux shows them.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

const OWN: &str = "/proc/self/status";

/// `target/<profile>/archon-pool`, two folders above this test binary.
pub(crate) fn program() -> PathBuf {
    std::env::current_exe().expect("this program").ancestors().nth(2).expect("a folder").join("archon-pool")
}

/// Begins to measure the peak anew.
pub(crate) fn reset_peak() -> Result<()> {
    fs::write("/proc/self/clear_refs", "5").context("clear_refs")
}

/// The most memory that the process has had since then.
pub(crate) fn peak_mebibytes() -> Result<u64> {
    mebibytes(OWN, "VmHWM:")
}

/// The memory that the process has now.
pub(crate) fn resident_mebibytes() -> Result<u64> {
    mebibytes(OWN, "VmRSS:")
}

/// One line of a process's `status`.
pub(crate) fn mebibytes(status: &str, name: &'static str) -> Result<u64> {
    let status = fs::read_to_string(status)?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).context(name)?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? >> 10)
}

/// Sockets to a port of 127.0.0.1 that are not closed on our side: established, being opened, or waiting to be closed.
pub(crate) fn sockets_to(port: u16) -> Result<usize> {
    let remote = format!("0100007F:{port:04X}");
    let table = fs::read_to_string("/proc/self/net/tcp")?;
    let open = |line: &&str| {
        let mut fields = line.split_whitespace().skip(2);
        fields.next() == Some(remote.as_str()) && matches!(fields.next(), Some("01" | "02" | "08"))
    };
    Ok(table.lines().filter(open).count())
}
