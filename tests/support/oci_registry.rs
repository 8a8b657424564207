//! Private OCI registry of Debian, and the client that copies images to and from it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::cluster::tail;
use crate::process::Process;
use crate::until::until_within;
use crate::{http, ports, scratch::scratch};

const MISSING: &str = "run `apt-get install docker-registry skopeo`";
/// Time for a start on a busy machine.
const START: Duration = Duration::from_secs(60);

/// Running registry. It is ended, and its images are removed, on drop.
pub struct OciRegistry {
    folder: PathBuf,
    port: u16,
    process: Process,
}

impl OciRegistry {
    /// Starts an empty registry on a port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// Fails if the program is missing or does not start; the error names the package or has the log.
    pub async fn start() -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let program = Path::new("/usr/bin/docker-registry");
        if !program.is_file() {
            bail!("{} is missing: {MISSING}", program.display());
        }
        let folder = scratch()?.folder(&format!("oci-registry-{}", NUMBER.fetch_add(1, Ordering::Relaxed)))?;
        let registry = Self { folder, port: ports::unused_port()?, process: Process::default() };
        let (config, log) = (registry.folder.join("config.yml"), registry.folder.join("registry.log"));
        fs::write(
            &config,
            format!(
                "version: 0.1\nstorage:\n  filesystem: {{rootdirectory: {}}}\nhttp:\n  addr: 127.0.0.1:{}\n",
                registry.folder.join("images").display(),
                registry.port
            ),
        )?;
        scratch()?.own(&config, 0o600)?;
        let mut command = scratch()?.command(program, "TERM");
        let output = File::create(&log)?;
        command.arg("serve").arg(&config).stdout(output.try_clone()?).stderr(output);
        registry.process.launch(command).context("could not start `setpriv`: install util-linux")?;
        until_within(START, "the registry", async || {
            if !registry.process.is_running()? {
                bail!("docker-registry has ended");
            }
            Ok(http::get(registry.port, "/v2/", &[]).await.is_ok_and(|answer| answer.status == 200))
        })
        .await
        .with_context(|| tail(&fs::read_to_string(&log).unwrap_or_default()).to_owned())?;
        Ok(registry)
    }

    /// Returns the address of an image, as `skopeo` takes it.
    pub fn image(&self, name: &str) -> String {
        format!("docker://127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for OciRegistry {
    fn drop(&mut self) {
        self.process.end("TERM");
        // The janitor process removes the rest later.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Runs `skopeo` with a registry without TLS, and returns its standard output.
///
/// # Errors
///
/// Fails if the program is missing, or with its standard error if it fails.
pub async fn skopeo(arguments: &[&str]) -> Result<Vec<u8>> {
    let mut command = Command::new("skopeo");
    // Any image is accepted: the policy file of the machine is about images to run.
    command.args(["--insecure-policy", "--command-timeout", "60s"]).args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await?;
    let output = output.with_context(|| format!("could not start `skopeo`: {MISSING}"))?;
    if !output.status.success() {
        bail!("skopeo {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}
