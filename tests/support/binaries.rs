//! Finds PostgreSQL's server programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Environment variable for a folder with `initdb` and `postgres`, which selects the server version.
pub const VARIABLE: &str = "ARCHON_PG_BIN";

/// Folder with PostgreSQL's server programs.
#[derive(Debug, Clone)]
pub struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// Finds the server: `ARCHON_PG_BIN`, else Debian's newest, else the folder of `pg_config`.
    ///
    /// # Errors
    ///
    /// Fails without a server and names the package to install: a skipped live test would hide a broken machine.
    pub fn find() -> Result<Self> {
        if let Some(folder) = std::env::var_os(VARIABLE) {
            let folder = PathBuf::from(folder);
            // Tests and servers run in other working directories, where a relative path would be wrong.
            if !folder.is_absolute() || !is_complete(&folder) {
                bail!(
                    "{VARIABLE} is {}, which is no full path of a folder with `initdb` and `postgres`",
                    folder.display()
                );
            }
            return Ok(Self { folder });
        }
        match debian().or_else(by_pg_config) {
            Some(folder) => Ok(Self { folder }),
            None => bail!(
                "no PostgreSQL server found: run `apt-get install postgresql-15` (13 or newer will do), \
                 or set {VARIABLE} to the folder with `initdb` and `postgres`"
            ),
        }
    }

    /// Returns the path of a server program.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Returns the path of a client program, such as `psql`; only its name if it is not beside the server. The
    /// servers that `tests/matrix.sh` fetches have no clients; the script adds a client's folder to `PATH`.
    pub fn client(&self, name: &str) -> PathBuf {
        let beside = self.program(name);
        if beside.exists() { beside } else { name.into() }
    }

    /// Returns true if the server can preload a library such as `pg_stat_statements`.
    pub fn has_library(&self, name: &str) -> bool {
        let file = format!("{name}.so");
        // Debian keeps libraries under `lib`, others under `lib/postgresql`; packages with the server alone lack
        // `pg_config`.
        ["../lib", "../lib/postgresql"].iter().any(|folder| self.folder.join(folder).join(&file).is_file())
    }
}

/// Returns `target/<profile>/archon-pool`.
///
/// # Errors
///
/// Fails if it was not built.
pub fn archon_pool() -> Result<PathBuf> {
    let path = profile_folder()?.join("archon-pool");
    anyhow::ensure!(path.is_file(), "{} is missing: run `cargo build --bin archon-pool`", path.display());
    Ok(path)
}

/// Returns a value of `XDG_CACHE_HOME` for programs with homes of their own, so that they share compiled components: to
/// compile one takes longer than most tests.
///
/// # Errors
///
/// Fails if the folder cannot be created.
pub fn compile_cache() -> Result<PathBuf> {
    let folder = profile_folder()?.join("compile-cache");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
}

/// Returns `target/<profile>`: programs are in it, tests in its folder `deps`.
fn profile_folder() -> Result<PathBuf> {
    let mut folder = std::env::current_exe()?;
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    Ok(folder)
}

/// Returns the path of `psql`: Debian's if installed, because the one that `tests/matrix.sh` fetches has no TLS.
pub fn psql() -> PathBuf {
    debian().map(|folder| folder.join("psql")).filter(|psql| psql.exists()).unwrap_or_else(|| "psql".into())
}

fn is_complete(folder: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|program| folder.join(program).is_file())
}

fn debian() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    versions
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .map(|version| (version, PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"))))
        .filter(|(_, folder)| is_complete(folder))
        .max()
        .map(|(_, folder)| folder)
}

fn by_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    is_complete(&folder).then_some(folder)
}
