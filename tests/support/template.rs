//! One initialised data folder per process, from which every cluster is copied, because `initdb` takes seconds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, bail};

use crate::binaries::Binaries;
use crate::cluster::{PASSWORD, SUPERUSER};
use crate::scratch::scratch;

/// Server programs with an initialised data folder.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) binaries: Binaries,
    data: PathBuf,
}

/// Returns this process's template, created on first use. Blocks while `initdb` runs.
pub(crate) fn template() -> Result<&'static Template> {
    static TEMPLATE: OnceLock<Result<Template>> = OnceLock::new();
    TEMPLATE.get_or_init(Template::make).as_ref().map_err(|error| anyhow!("{error:#}"))
}

impl Template {
    fn make() -> Result<Self> {
        let binaries = Binaries::find()?;
        let scratch = scratch()?;
        let data = scratch.folder("template")?;
        let password_file = scratch.root().join("password");
        fs::write(&password_file, PASSWORD)?;
        scratch.own(&password_file, 0o600)?;

        let initdb = binaries.program("initdb");
        let output = scratch
            .command(&initdb, "INT")
            .arg("--pgdata")
            .arg(&data)
            .arg("--pwfile")
            .arg(&password_file)
            .args(["--username", SUPERUSER, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"])
            // Small segments reduce the size of the copies.
            .args(["--no-sync", "--wal-segsize", "1"])
            .output()
            .context("could not run `setpriv`: install util-linux")?;
        if !output.status.success() {
            bail!(
                "{} failed ({}):\n{}{}",
                initdb.display(),
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(Self { binaries, data })
    }

    /// Copies the template with its owner into a folder that does not exist yet.
    pub(crate) fn copy_to(&self, data: &Path) -> Result<()> {
        let status = Command::new("cp").arg("-a").arg(&self.data).arg(data).stdin(Stdio::null()).status()?;
        if !status.success() {
            bail!("could not copy {} to {}: {status}", self.data.display(), data.display());
        }
        Ok(())
    }
}
