//! A file of targets, and the credentials file for it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Result;

/// Files of targets and credentials in a folder of their own.
#[derive(Debug)]
pub struct TargetFiles {
    folder: tempfile::TempDir,
}

impl TargetFiles {
    /// Writes credentials by name, each a connection URL.
    ///
    /// # Errors
    ///
    /// Fails if they cannot be written.
    pub fn new<'a>(credentials: impl IntoIterator<Item = (&'a str, String)>) -> Result<Self> {
        let files = Self { folder: tempfile::tempdir()? };
        let entries = credentials.into_iter().map(|(name, url)| format!("[{name}]\nurl = '{url}'\n"));
        write(&files.path("credentials.toml"), &entries.collect::<String>(), 0o600)?;
        Ok(files)
    }

    /// Replaces the targets.
    ///
    /// # Errors
    ///
    /// Fails if they cannot be written.
    pub fn targets(&self, text: &str) -> Result<()> {
        write(&self.path("targets.toml"), text, 0o644)
    }

    /// Returns the path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the flags that name both files.
    pub fn flags(&self) -> [String; 4] {
        let shown = |name: &str| self.path(name).display().to_string();
        ["--targets".into(), shown("targets.toml"), "--credentials-file".into(), shown("credentials.toml")]
    }
}

/// Writes a file with this mode.
///
/// # Errors
///
/// Fails if it cannot be written.
pub fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    Ok(())
}
