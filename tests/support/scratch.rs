//! Manages the one folder for all files of the process, removed when the process ends.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, bail};

/// Temporary folder, with the user that servers run as.
#[derive(Debug)]
pub(crate) struct Scratch {
    root: PathBuf,
    runner: Option<Runner>,
    // Ends when the other end of its standard input closes.
    _cleanup: Child,
}

/// User that runs servers if the process runs as root, which PostgreSQL refuses.
#[derive(Debug, Clone)]
struct Runner {
    uid: u32,
    gid: u32,
}

/// Returns this process's folder, created on first use.
pub(crate) fn scratch() -> Result<&'static Scratch> {
    static SCRATCH: OnceLock<Result<Scratch>> = OnceLock::new();
    // An anyhow error cannot be cloned, but every caller needs the whole message.
    SCRATCH.get_or_init(Scratch::make).as_ref().map_err(|error| anyhow!("{error:#}"))
}

impl Scratch {
    fn make() -> Result<Self> {
        let root = tempfile::Builder::new().prefix("archon-pool-tests-").tempdir_in(place())?.keep();
        // tempfile creates a private folder, which the servers' user has to traverse. The content stays private.
        fs::set_permissions(&root, Permissions::from_mode(0o711))?;
        let cleanup = start_cleanup(&root)?;
        let runner = if fs::metadata(&root)?.uid() == 0 { Some(Runner::find()?) } else { None };
        Ok(Self { root, runner, _cleanup: cleanup })
    }

    /// Returns the path of the folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Creates a private folder that belongs to the servers' user.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.root.join(name);
        fs::create_dir(&path).with_context(|| format!("could not create {}", path.display()))?;
        self.own(&path, 0o700)?;
        Ok(path)
    }

    /// Changes the owner of a file or folder to the servers' user.
    pub(crate) fn own(&self, path: &Path, mode: u32) -> Result<()> {
        fs::set_permissions(path, Permissions::from_mode(mode))?;
        if let Some(runner) = &self.runner {
            chown(path, Some(runner.uid), Some(runner.gid))?;
        }
        Ok(())
    }

    /// Builds a command that runs a program as that user, and that gets a signal when the thread that spawned it
    /// dies.
    pub(crate) fn command(&self, program: &Path, end: &str) -> Command {
        let mut command = Command::new("setpriv");
        if let Some(runner) = &self.runner {
            command.args([format!("--reuid={}", runner.uid), format!("--regid={}", runner.gid)]).arg("--clear-groups");
        }
        command.args(["--pdeathsig", end]).arg(program);
        // The current folder may not be accessible to that user.
        command.current_dir(&self.root).env("LC_ALL", "C").stdin(Stdio::null());
        // A terminal's Ctrl-C ends this process; servers then get the parent-death signal.
        command.process_group(0);
        command
    }
}

impl Runner {
    fn find() -> Result<Self> {
        let users = fs::read_to_string("/etc/passwd").context("could not read /etc/passwd")?;
        for candidate in ["postgres", "nobody"] {
            for line in users.lines() {
                let fields: Vec<&str> = line.split(':').collect();
                if let [name, _, uid, gid, ..] = fields[..]
                    && name == candidate
                {
                    return Ok(Self { uid: uid.parse()?, gid: gid.parse()? });
                }
            }
        }
        bail!("PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody` to run it as")
    }
}

/// Returns the parent folder: memory if there is enough, because a data folder has a thousand small files, which take
/// 50 ms to copy there and over a second on a busy disk. Otherwise, or with `TMPDIR`, the default.
fn place() -> PathBuf {
    const MEMORY: &str = "/dev/shm";
    let free_kib = || -> Option<u64> {
        let output = Command::new("df").args(["-Pk", MEMORY]).stderr(Stdio::null()).output().ok()?;
        String::from_utf8(output.stdout).ok()?.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
    };
    if env::var_os("TMPDIR").is_none() && free_kib().is_some_and(|free| free > 2 << 20) {
        PathBuf::from(MEMORY)
    } else {
        env::temp_dir()
    }
}

/// Starts a shell that removes the folder when the pipe from this process closes, which the kernel ensures even on
/// SIGKILL. It retries, as a server may still be writing while it shuts down.
fn start_cleanup(root: &Path) -> Result<Child> {
    let script = r#"read -r _; for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$0" && exit; sleep 0.3; done"#;
    Command::new("sh")
        .args(["-c", script])
        .arg(root)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("could not start `sh`")
}
