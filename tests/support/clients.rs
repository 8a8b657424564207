//! Applications with real client libraries: psycopg, asyncpg and `pg`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::spawner;

/// Environment variable for the folder that `tests/clients/install.sh` filled.
pub const VARIABLE: &str = "ARCHON_CLIENTS";

/// Process with one client library, controlled through `tests/clients/client.py` or `client.mjs`. Dropping it ends
/// the process.
#[derive(Debug, Clone)]
pub struct Library(Arc<Mutex<Program>>);

#[derive(Debug)]
struct Program {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Library {
    /// Starts a client with psycopg 3.
    ///
    /// # Errors
    ///
    /// Fails if it is not installed.
    pub fn psycopg() -> Result<Self> {
        Self::python("psycopg")
    }

    /// Starts a client with asyncpg.
    ///
    /// # Errors
    ///
    /// Fails if it is not installed.
    pub fn asyncpg() -> Result<Self> {
        Self::python("asyncpg")
    }

    /// Starts a client with `pg` of Node.
    ///
    /// # Errors
    ///
    /// Fails if it is not installed.
    pub fn pg() -> Result<Self> {
        let mut command = Command::new("node");
        command.arg(source("client.mjs")).arg(folder()?.join("node"));
        Self::start(command)
    }

    fn python(library: &str) -> Result<Self> {
        let mut command = Command::new(folder()?.join("python/bin/python"));
        command.arg("-B").arg(source("client.py")).arg(library);
        Self::start(command)
    }

    fn start(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = spawner::spawn(command)?;
        let (input, output) = (child.stdin.take().context("no input")?, child.stdout.take().context("no output")?);
        Ok(Self(Arc::new(Mutex::new(Program { child, input, output: BufReader::new(output) }))))
    }

    /// Opens a connection under this name.
    ///
    /// # Errors
    ///
    /// Returns the library's error.
    pub async fn open(&self, name: &str, url: &str, application: &str) -> Result<()> {
        self.send(json!(["open", name, named(url, application)])).await.map(drop)
    }

    /// Opens a pool of connections, runs a statement on each, and returns all of them to the pool.
    ///
    /// # Errors
    ///
    /// Returns the library's error.
    pub async fn pool(&self, url: &str, application: &str, size: usize, sql: &str) -> Result<()> {
        self.send(json!(["pool", named(url, application), size, sql])).await.map(drop)
    }

    /// Runs statements one after the other.
    ///
    /// # Errors
    ///
    /// Returns the library's error.
    pub async fn run(&self, name: &str, statements: &[&str]) -> Result<()> {
        self.many("run", name, statements).await
    }

    /// Runs statements in a transaction with the library's own API, and commits it.
    ///
    /// # Errors
    ///
    /// Returns the library's error.
    pub async fn transaction(&self, name: &str, statements: &[&str]) -> Result<()> {
        self.many("transaction", name, statements).await
    }

    /// Listens to a channel with the library's own API.
    ///
    /// # Errors
    ///
    /// Returns the library's error.
    pub async fn listen(&self, name: &str, channel: &str) -> Result<()> {
        self.send(json!(["listen", name, channel])).await.map(drop)
    }

    /// Waits for a notification and returns its payload.
    ///
    /// # Errors
    ///
    /// Fails if none comes.
    pub async fn notified(&self, name: &str) -> Result<String> {
        let payload = self.send(json!(["notified", name])).await?;
        payload.as_str().map(str::to_owned).with_context(|| format!("{name} was not notified"))
    }

    /// Sends a command to the program.
    ///
    /// # Errors
    ///
    /// Returns the library's error.
    pub async fn send(&self, command: Value) -> Result<Value> {
        let program = Arc::clone(&self.0);
        let answer = spawn_blocking(move || program.lock().unwrap_or_else(PoisonError::into_inner).request(&command));
        let mut answer = answer.await??;
        if let Some(error) = answer.get("error") {
            bail!("{error}");
        }
        Ok(answer["ok"].take())
    }

    async fn many(&self, command: &str, name: &str, statements: &[&str]) -> Result<()> {
        let words: Vec<&str> = [command, name].into_iter().chain(statements.iter().copied()).collect();
        self.send(json!(words)).await.map(drop)
    }
}

impl Program {
    fn request(&mut self, command: &Value) -> Result<Value> {
        writeln!(self.input, "{command}")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("{command} had no answer"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn named(url: &str, application: &str) -> String {
    format!("{url}?application_name={application}")
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients").join(name)
}

/// Returns the path of the `wasmtime` program.
///
/// # Errors
///
/// Fails if it is not installed.
pub fn wasmtime() -> Result<PathBuf> {
    let program = folder()?.join("python/bin/wasmtime");
    anyhow::ensure!(program.is_file(), "{} is missing: run `make peers`", program.display());
    Ok(program)
}

fn folder() -> Result<PathBuf> {
    let folder = match std::env::var_os(VARIABLE) {
        Some(folder) => PathBuf::from(folder),
        // Tests run from `deps` of a profile's folder.
        None => std::env::current_exe()?.ancestors().nth(3).context("no target folder")?.join("clients"),
    };
    if !folder.join("node/installed.json").is_file() {
        bail!("no client libraries found: run `tests/clients/install.sh {}`", folder.display());
    }
    Ok(folder)
}
