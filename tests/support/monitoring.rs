//! Private Prometheus and Alertmanager of Debian, with the configuration that the program ships.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::cluster::tail;
use crate::process::Process;
use crate::until::until_within;
use crate::{http, ports, scratch::scratch};

/// Time for a start on a busy machine.
const START: Duration = Duration::from_secs(60);

/// Prometheus that scrapes one server and sends alerts to an Alertmanager of its own. Both are ended on drop.
pub struct Monitoring {
    folder: PathBuf,
    prometheus: Daemon,
    alertmanager: Daemon,
}

struct Daemon {
    port: u16,
    log: PathBuf,
    process: Process,
}

impl fmt::Debug for Monitoring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitoring").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Monitoring {
    /// Starts both with the files of a folder: `prometheus.yml`, `alertmanager.yml` and `alerts.yaml`, where only the
    /// ports are replaced, and what `replaced` names.
    ///
    /// # Errors
    ///
    /// Fails if a program is missing or does not start; the error names the package or has the log.
    pub async fn start(deploy: &Path, scraped: u16, replaced: &[(&str, &str)]) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let folder = scratch()?.folder(&format!("monitoring-{}", NUMBER.fetch_add(1, Ordering::Relaxed)))?;
        let (port, sink) = (ports::unused_port()?, ports::unused_port()?);
        for name in ["prometheus.yml", "alertmanager.yml", "alerts.yaml"] {
            let mut text = fs::read_to_string(deploy.join(name))?;
            text = text.replace("127.0.0.1:9788", &format!("127.0.0.1:{scraped}"));
            text = text.replace("127.0.0.1:9093", &format!("127.0.0.1:{sink}"));
            for (from, to) in replaced {
                text = text.replace(from, to);
            }
            fs::write(folder.join(name), text)?;
            scratch()?.own(&folder.join(name), 0o600)?;
        }
        let file = |name: &str| folder.join(name).display().to_string();
        let alertmanager = Daemon::start(
            &folder,
            "prometheus-alertmanager",
            sink,
            &[
                format!("--config.file={}", file("alertmanager.yml")),
                format!("--storage.path={}", file("alertmanager")),
                format!("--web.listen-address=127.0.0.1:{sink}"),
                "--cluster.listen-address=".to_owned(),
            ],
        )
        .await?;
        let prometheus = Daemon::start(
            &folder,
            "prometheus",
            port,
            &[
                format!("--config.file={}", file("prometheus.yml")),
                format!("--storage.tsdb.path={}", file("prometheus")),
                format!("--web.listen-address=127.0.0.1:{port}"),
            ],
        )
        .await?;
        Ok(Self { folder, prometheus, alertmanager })
    }

    /// Evaluates an expression, and returns its samples.
    ///
    /// # Errors
    ///
    /// Fails if Prometheus refuses it.
    pub async fn query(&self, expression: &str) -> Result<Vec<Value>> {
        let path = format!("/api/v1/query?query={}", encoded(expression));
        let answer = http::get(self.prometheus.port, &path, &[]).await?;
        let mut body: Value = serde_json::from_str(&answer.body)?;
        if body["status"] != "success" {
            bail!("{expression}: {}", answer.body);
        }
        Ok(body["data"]["result"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    /// Returns the error of the last scrape; none when it succeeded, or there was none yet.
    ///
    /// # Errors
    ///
    /// Fails if Prometheus does not answer.
    pub async fn scrape_error(&self) -> Result<Option<String>> {
        let answer = http::get(self.prometheus.port, "/api/v1/targets", &[]).await?;
        let body: Value = serde_json::from_str(&answer.body)?;
        let error = body["data"]["activeTargets"][0]["lastError"].as_str().unwrap_or_default();
        Ok((!error.is_empty()).then(|| error.to_owned()))
    }

    /// Returns the labels of all alerts of a name that are active in the Alertmanager.
    ///
    /// # Errors
    ///
    /// Fails if it does not answer.
    pub async fn active(&self, alert: &str) -> Result<Vec<Value>> {
        let path = format!("/api/v2/alerts?active=true&filter=alertname%3D{alert}");
        let answer = http::get(self.alertmanager.port, &path, &[]).await?;
        let alerts: Vec<Value> = serde_json::from_str(&answer.body).context(answer.body)?;
        Ok(alerts.into_iter().map(|mut alert| alert["labels"].take()).collect())
    }
}

impl Drop for Monitoring {
    fn drop(&mut self) {
        self.prometheus.process.end("TERM");
        self.alertmanager.process.end("TERM");
        // The janitor process removes the rest later.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Daemon {
    async fn start(folder: &Path, program: &str, port: u16, arguments: &[String]) -> Result<Self> {
        let path = Path::new("/usr/bin").join(program);
        if !path.is_file() {
            bail!("{} is missing: run `apt-get install prometheus prometheus-alertmanager`", path.display());
        }
        let daemon = Self { port, log: folder.join(format!("{program}.log")), process: Process::default() };
        let log = File::create(&daemon.log)?;
        let mut command = scratch()?.command(&path, "TERM");
        command.args(arguments).stdout(log.try_clone()?).stderr(log);
        daemon.process.launch(command).context("could not start `setpriv`: install util-linux")?;
        until_within(START, program, async || {
            if !daemon.process.is_running()? {
                bail!("{program} has ended");
            }
            Ok(http::get(port, "/-/ready", &[]).await.is_ok_and(|answer| answer.status == 200))
        })
        .await
        .with_context(|| tail(&fs::read_to_string(&daemon.log).unwrap_or_default()).to_owned())?;
        Ok(daemon)
    }
}

/// Encodes a text for a query string.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
