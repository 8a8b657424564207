//! Writing of pages to files.

use std::fs;
use std::path::Path;

use archon_pool::{Fault, private_file};

use super::super::error::CliError;
use super::super::terminal::Terminal;

/// Name of a file that stands for stdout.
pub(super) const STDOUT: &str = "-";

/// Writes a page in one step, readable by its owner only; `-` is stdout.
pub(super) fn write(path: &Path, page: &str, terminal: &mut Terminal) -> Result<(), CliError> {
    if path.as_os_str() == STDOUT {
        return Ok(terminal.data(page)?);
    }
    // A pipe or a device is written to; it must not be replaced by a file.
    let is_special = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    let written = if is_special { fs::write(path, page) } else { private_file::write(path, page.as_bytes()) };
    written
        .map_err(|error| Fault::new("file-not-written", format!("{} could not be written: {error}", path.display())))?;
    terminal.remark(&format!("written: {} ({} KB)", path.display(), page.len().div_ceil(1_000)));
    Ok(())
}
