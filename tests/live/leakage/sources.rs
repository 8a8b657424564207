//! All sources of credentials.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use archon_pool::digest::Digest;
use archon_pool_tests::Cluster;
use archon_pool_tests::binaries::archon_pool;
use serde_json::json;

use super::needles::percent;

/// Creates a unique secret, with characters that every encoding escapes differently.
pub(super) fn secret(of: &str) -> String {
    const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789/@?%#&=+:!";
    let digest = Digest::of(of.as_bytes());
    digest.as_bytes()[..24].iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect()
}

/// Role, server and password.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) role: String,
    pub(super) password: String,
    pub(super) port: u16,
    pub(super) database: &'static str,
    pub(super) ssl_mode: &'static str,
}

impl Login {
    fn with(&self, password: &str) -> String {
        let Self { role, port, database, ssl_mode, .. } = self;
        format!("postgres://{role}{password}@127.0.0.1:{port}/{database}?sslmode={ssl_mode}")
    }

    pub(super) fn url(&self) -> String {
        self.with(&format!(":{}", self.password.bytes().map(percent).collect::<String>()))
    }

    pub(super) fn without_password(&self) -> String {
        self.with("")
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    RequestUrl,
    RequestKey,
    Flag,
    FileUrl,
    FilePassword,
    Vault,
    DatabaseUrl,
    SupabaseDbUrl,
    SupabaseKey,
}

impl Source {
    pub(super) const ALL: [Self; 9] = [
        Self::RequestUrl,
        Self::RequestKey,
        Self::Flag,
        Self::FileUrl,
        Self::FilePassword,
        Self::Vault,
        Self::DatabaseUrl,
        Self::SupabaseDbUrl,
        Self::SupabaseKey,
    ];
}

/// Folders of the program's runs: input files, output files and compile cache.
pub(super) struct Workspace {
    inputs: tempfile::TempDir,
    pub(super) outputs: tempfile::TempDir,
    cache: tempfile::TempDir,
}

impl Workspace {
    pub(super) fn new() -> Result<Self> {
        let inputs = tempfile::tempdir()?;
        archon_pool::components::write_all(inputs.path(), None)?;
        Ok(Self { inputs, outputs: tempfile::tempdir()?, cache: tempfile::tempdir()? })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.inputs.path().join(name)
    }

    pub(super) fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub(super) fn output(&self, name: &str) -> String {
        self.outputs.path().join(name).display().to_string()
    }

    /// Returns the path of a new cassette.
    pub(super) fn cassette(&self) -> String {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        self.output(&format!("{}.jsonl", NUMBER.fetch_add(1, Ordering::Relaxed)))
    }

    /// Writes a file that only its owner can read.
    pub(super) fn write_private(&self, name: &str, text: &str) -> Result<String> {
        fs::write(self.path(name), text)?;
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600))?;
        Ok(self.file(name))
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(archon_pool()?);
        command.args(arguments).env_clear().stdin(Stdio::null());
        command.env("HOME", self.outputs.path()).env("XDG_CACHE_HOME", self.cache.path());
        Ok(command)
    }

    /// Builds a `monitor` command with a login from a source.
    pub(super) async fn monitor(&self, source: Source, login: &Login, cluster: &Cluster) -> Result<Command> {
        let mut command = match source {
            Source::RequestUrl | Source::RequestKey => {
                let mut input = json!({ "action": "monitor", "options": { "sampleMs": 0 } });
                if matches!(source, Source::RequestUrl) {
                    input["supabaseUrl"] = login.url().into();
                } else {
                    input["supabaseUrl"] = login.without_password().into();
                    input["supabaseKey"] = login.password.as_str().into();
                }
                let file = self.write_private("params.json", &input.to_string())?;
                let mut command = self.command(&["run", &self.file("pool-manager.wasm"), "--params", "-"])?;
                command.stdin(File::open(file)?);
                command
            }
            _ => self.command(&["monitor", "--sample-ms", "0"])?,
        };
        let mut in_file = |entries: String| -> Result<()> {
            command.args([
                "--credentials-file",
                &self.write_private("credentials.toml", &entries)?,
                "--credential",
                "it",
            ]);
            Ok(())
        };
        match source {
            Source::RequestUrl | Source::RequestKey => {}
            Source::Flag => {
                command.args(["--url", &login.url()]);
            }
            Source::FileUrl => in_file(format!("[it]\nurl = \"{}\"\n", login.url()))?,
            Source::FilePassword => {
                let Login { role, password, port, database, ssl_mode } = login;
                in_file(format!(
                    "[it]\nhost = \"127.0.0.1\"\nport = {port}\nuser = \"{role}\"\npassword = \"{password}\"\n\
                     dbname = \"{database}\"\nsslmode = \"{ssl_mode}\"\n"
                ))?;
            }
            Source::Vault => {
                let keep = "INSERT INTO vault.decrypted_secrets VALUES ('it', $1) \
                            ON CONFLICT (name) DO UPDATE SET decrypted_secret = excluded.decrypted_secret";
                cluster.observer().await?.execute(keep, &[&login.url()]).await.context("the vault")?;
                let opener = cluster.url("keeper", "postgres");
                in_file(format!("[open]\nurl = \"{opener}\"\n[it]\nvault = {{ via = \"open\", secret = \"it\" }}\n"))?;
            }
            Source::DatabaseUrl => {
                command.env("DATABASE_URL", login.url());
            }
            Source::SupabaseDbUrl => {
                command.env("SUPABASE_DB_URL", login.url());
            }
            Source::SupabaseKey => {
                command.env("SUPABASE_URL", login.without_password()).env("SUPABASE_KEY", &login.password);
            }
        }
        Ok(command)
    }
}

/// Creates a role whose password is a unique secret.
pub(super) async fn role(cluster: &Cluster, name: &str, options: &str) -> Result<Login> {
    let password = secret(name);
    cluster.create_role(name, options).await?;
    cluster.execute(&format!("ALTER ROLE {name} PASSWORD '{password}'")).await?;
    // Replaces the harness's last statement, which would be found in pg_stat_activity.
    cluster.execute("SELECT 1").await?;
    Ok(Login { role: name.into(), password, port: cluster.port(), database: "postgres", ssl_mode: "prefer" })
}

/// Creates a vault in the layout of Supabase Vault 0.3, and the role that may read it.
pub(super) async fn vault(cluster: &Cluster) -> Result<()> {
    cluster.create_role("keeper", "").await?;
    cluster
        .execute(
            "CREATE SCHEMA vault; CREATE TABLE vault.decrypted_secrets (name text PRIMARY KEY, decrypted_secret text); \
             GRANT USAGE ON SCHEMA vault TO keeper; GRANT SELECT ON vault.decrypted_secrets TO keeper",
        )
        .await
}

/// Returns all files in a folder.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    Ok(found)
}
