//! The program as a server of metrics.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::binaries::{archon_pool, compile_cache};
use crate::http::{self, Answer};
use crate::until::{DEADLINE, until};
use crate::{ports, process, spawner};

/// `archon-pool serve`, or another command with a server, on a free port of 127.0.0.1. Ended on drop.
pub struct Serving {
    port: u16,
    folder: TempDir,
    child: Mutex<Child>,
}

impl Serving {
    /// Starts it with these flags besides `--listen`, and waits until it answers.
    ///
    /// # Errors
    ///
    /// Fails if it ends or does not answer in time; the error has its log.
    pub async fn start(flags: &[&str], environment: &[(&str, &str)]) -> Result<Self> {
        Self::launch(flags, environment)?.answering().await
    }

    /// Starts another command, such as `fleet run`, as [`Serving::start`] does.
    ///
    /// # Errors
    ///
    /// Same as [`Serving::start`].
    pub async fn start_command(command: &[&str], flags: &[&str], environment: &[(&str, &str)]) -> Result<Self> {
        Self::launch_command(command, flags, environment)?.answering().await
    }

    async fn answering(self) -> Result<Self> {
        let serving = self;
        until("the server answers", async || {
            if let Some(status) = serving.ended()? {
                bail!("it ended with {status}:\n{}", serving.log());
            }
            Ok(serving.get("/-/healthy").await.is_ok())
        })
        .await
        .with_context(|| serving.log())?;
        Ok(serving)
    }

    /// Starts it for one server, and waits until its first round has ended.
    ///
    /// # Errors
    ///
    /// Same as [`Serving::start`].
    pub async fn of(url: &str, flags: &[&str]) -> Result<Self> {
        let serving = Self::start(flags, &[("DATABASE_URL", url)]).await?;
        serving.ready().await?;
        Ok(serving)
    }

    /// Starts it without waiting; on the port of `--listen 127.0.0.1:PORT` if there is one.
    ///
    /// # Errors
    ///
    /// Fails if the program was not built.
    pub fn launch(flags: &[&str], environment: &[(&str, &str)]) -> Result<Self> {
        Self::launch_command(&["serve"], flags, environment)
    }

    /// Starts another command without waiting.
    ///
    /// # Errors
    ///
    /// Fails if the program was not built.
    pub fn launch_command(command: &[&str], flags: &[&str], environment: &[(&str, &str)]) -> Result<Self> {
        let (name, rest) = command.split_first().context("a command")?;
        let wanted = flags.iter().find_map(|flag| flag.strip_prefix("127.0.0.1:")?.parse().ok());
        let (port, folder) = (wanted.map_or_else(ports::unused_port, Ok)?, tempfile::tempdir()?);
        let file = |name: &str| File::create(folder.path().join(name));
        let (log, output) = (file("log")?, file("output")?);
        let mut command = Command::new(archon_pool()?);
        command.arg(name).args(rest).args(flags);
        if !flags.contains(&"--listen") {
            command.args(["--listen", &format!("127.0.0.1:{port}")]);
        }
        command.env_clear().env("HOME", folder.path()).env("XDG_CACHE_HOME", compile_cache()?);
        command.envs(environment.iter().copied()).stdin(Stdio::null()).stdout(output).stderr(log);
        Ok(Self { port, folder, child: Mutex::new(spawner::spawn(command)?) })
    }

    /// Returns the port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).id()
    }

    /// Returns the path of a file in its home, which is removed with it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns what it wrote to stderr.
    pub fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    /// Returns the lines that it wrote to stdout, which are JSON.
    ///
    /// # Errors
    ///
    /// Fails if one of them is not.
    pub fn json_lines(&self) -> Result<Vec<serde_json::Value>> {
        let text = fs::read_to_string(self.file("output"))?;
        // The last line may be half written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }

    /// Gets a path.
    ///
    /// # Errors
    ///
    /// Fails if there is no answer.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        http::get(self.port, path, &[]).await
    }

    /// Waits until the first round of every target has ended.
    ///
    /// # Errors
    ///
    /// Fails if that takes too long.
    pub async fn ready(&self) -> Result<()> {
        until("the first rounds end", async || Ok(self.get("/-/ready").await?.status == 200)).await
    }

    /// Returns the metrics in text 0.0.4.
    ///
    /// # Errors
    ///
    /// Fails if there are none.
    pub async fn scrape(&self) -> Result<String> {
        let Answer { status, body, .. } = self.get("/metrics").await?;
        if status == 200 { Ok(body) } else { bail!("status {status}: {body}") }
    }

    /// Returns the value of a series, named as in a scrape.
    ///
    /// # Errors
    ///
    /// Fails if there is no scrape.
    pub async fn value(&self, series: &str) -> Result<Option<f64>> {
        Ok(value(&self.scrape().await?, series))
    }

    /// Waits until a series has a value.
    ///
    /// # Errors
    ///
    /// Fails if that takes too long.
    pub async fn shows(&self, series: &str, wanted: f64) -> Result<()> {
        let what = format!("{series} is {wanted}");
        until(&what, async || Ok(self.value(series).await? == Some(wanted))).await.with_context(|| self.log())
    }

    /// Sends a signal.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be sent.
    pub fn signal(&self, name: &str) -> Result<()> {
        if process::send(name, self.id())? { Ok(()) } else { bail!("SIG{name} could not be sent") }
    }

    /// Returns the status with which it has ended.
    ///
    /// # Errors
    ///
    /// Fails if that cannot be found out.
    pub fn ended(&self) -> Result<Option<ExitStatus>> {
        Ok(self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait()?)
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    ///
    /// Fails if that takes too long.
    pub async fn end(&self) -> Result<ExitStatus> {
        until("the server ends", async || Ok(self.ended()?.is_some())).await?;
        self.ended()?.context("it ended")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if matches!(self.ended(), Ok(None)) {
            let _ = self.signal("TERM");
        }
        let start = Instant::now();
        while matches!(self.ended(), Ok(None)) {
            if start.elapsed() > DEADLINE / 2 {
                let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = child.kill();
                let _ = child.wait();
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }
}

/// Returns the value of a series in a scrape, named as there.
pub fn value(scrape: &str, series: &str) -> Option<f64> {
    scrape.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}
