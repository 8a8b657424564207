//! Poolers of Debian 13, run with their own dynamic loader and libraries.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::cluster::tail;
use crate::process::Process;
use crate::scratch::scratch;
use crate::until::DEADLINE;

/// Environment variable for the folder that `tests/poolers.sh` filled.
pub const VARIABLE: &str = "ARCHON_POOLERS";

/// Builds a command that runs one of the programs as the servers' user, and that gets a signal when the thread that
/// spawned it dies.
pub(crate) fn command(program: &str, end: &str) -> Result<Command> {
    static FOLDER: OnceLock<Result<PathBuf>> = OnceLock::new();
    let folder = FOLDER.get_or_init(copy).as_ref().map_err(|error| anyhow!("{error:#}"))?;
    let libraries = folder.join("lib");
    let mut command = scratch()?.command(&loader(&libraries)?, end);
    command.arg("--library-path").arg(&libraries).arg(folder.join("bin").join(program));
    Ok(command)
}

/// Copies the programs to a folder that the servers' user can read: a target folder may be in a private home.
fn copy() -> Result<PathBuf> {
    let from = find()?;
    let to = scratch()?.root().join("poolers");
    let status = Command::new("cp").arg("-a").arg(&from).arg(&to).stdin(Stdio::null()).status()?;
    if !status.success() {
        bail!("could not copy {} to {}: {status}", from.display(), to.display());
    }
    Ok(to)
}

fn find() -> Result<PathBuf> {
    let folder = match std::env::var_os(VARIABLE) {
        Some(folder) => PathBuf::from(folder),
        // Tests run from `deps` of a profile's folder.
        None => std::env::current_exe()?.ancestors().nth(3).context("no target folder")?.join("poolers"),
    };
    if !folder.join("complete").is_file() {
        bail!("no poolers of Debian 13 found: run `tests/poolers.sh {}`", folder.display());
    }
    Ok(folder)
}

/// Returns the path of the dynamic loader, whose name depends on the architecture.
fn loader(libraries: &Path) -> Result<PathBuf> {
    let names = fs::read_dir(libraries)?.filter_map(|entry| Some(entry.ok()?.path()));
    let is_loader =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ld-linux"));
    names.into_iter().find(is_loader).with_context(|| format!("{} has no loader", libraries.display()))
}

/// Process of a pooler, with a folder for its files; ended and removed on drop.
#[derive(Debug)]
pub(crate) struct Pooler {
    folder: PathBuf,
    end: &'static str,
    process: Process,
}

impl Pooler {
    /// Creates a pooler that this signal ends at once.
    pub(crate) fn new(name: &str, end: &'static str) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let folder = scratch()?.folder(&format!("{name}-{}", NUMBER.fetch_add(1, Ordering::Relaxed)))?;
        Ok(Self { folder, end, process: Process::default() })
    }

    /// Returns the path of one of its files.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes one of its files.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<()> {
        fs::write(self.file(name), text)?;
        scratch()?.own(&self.file(name), 0o600)
    }

    /// Starts the program and waits until the probe succeeds; false if its port was taken.
    pub(crate) async fn start(
        &self,
        program: &str,
        arguments: &[&OsStr],
        probe: impl AsyncFn() -> Result<()>,
    ) -> Result<bool> {
        let log = File::options().create(true).append(true).open(self.file("log"))?;
        let mut command = command(program, self.end)?;
        command.args(arguments).stdout(log.try_clone()?).stderr(log);
        self.process.launch(command).context("could not start `setpriv`: install util-linux")?;
        let start = Instant::now();
        loop {
            if !self.process.is_running()? {
                let log = self.log();
                if log.contains("Address already in use") {
                    return Ok(false);
                }
                bail!("{program} did not start:\n{}", tail(&log));
            }
            match probe().await {
                Ok(()) => return Ok(true),
                Err(error) if start.elapsed() > DEADLINE => {
                    return Err(error).with_context(|| format!("{program} is silent:\n{}", tail(&self.log())));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    /// Returns the log.
    pub(crate) fn log(&self) -> String {
        fs::read(self.file("log")).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.process.end(self.end);
        // The janitor process removes the rest later.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
