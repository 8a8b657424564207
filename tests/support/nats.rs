//! Private NATS servers with JetStream, alone or as a cluster.

use std::fmt;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::net::TcpStream;

use crate::cluster::tail;
use crate::ports;
use crate::process::Process;
use crate::scratch::scratch;
use crate::until::until_within;

/// Time for a start on a busy machine.
const START: Duration = Duration::from_secs(60);

/// A server of its own, which keeps its data when it is restarted. Ended on drop.
pub struct Nats {
    folder: PathBuf,
    port: u16,
    process: Process,
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Nats {
    /// Starts a server that anybody on this machine may use.
    ///
    /// # Errors
    ///
    /// Fails if the program is missing or does not start; the error has the command that installs it, or the log.
    pub async fn start() -> Result<Self> {
        Self::with("").await
    }

    /// Starts a server with more settings, such as accounts.
    ///
    /// # Errors
    ///
    /// Same as [`Nats::start`].
    pub async fn with(settings: &str) -> Result<Self> {
        Self::with_files(settings, &[]).await
    }

    /// Starts a server with more settings and files, which they name as `FOLDER/NAME`.
    ///
    /// # Errors
    ///
    /// Same as [`Nats::start`].
    pub async fn with_files(settings: &str, files: &[(&str, &str)]) -> Result<Self> {
        Self::configured("10GB", settings, files).await
    }

    /// Starts a server whose disk has room for so much, such as `4MB`.
    ///
    /// # Errors
    ///
    /// Same as [`Nats::start`].
    pub async fn with_store(room: &str) -> Result<Self> {
        Self::configured(room, "", &[]).await
    }

    async fn configured(room: &str, settings: &str, files: &[(&str, &str)]) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = scratch()?.folder(&format!("nats-{number}"))?;
        let port = ports::unused_port()?;
        for (name, text) in files {
            fs::write(folder.join(name), text)?;
            scratch()?.own(&folder.join(name), 0o600)?;
        }
        let settings = settings.replace("FOLDER", &folder.display().to_string());
        let store = folder.join("store");
        let config = format!(
            "listen: \"127.0.0.1:{port}\"\nserver_name: \"nats-{number}\"\njetstream {{ store_dir: \"{}\", max_file_store: {room} }}\n{settings}\n",
            store.display()
        );
        let path = folder.join("nats.conf");
        fs::write(&path, config)?;
        scratch()?.own(&path, 0o600)?;
        let server = Self { folder, port, process: Process::default() };
        server.launch().await?;
        Ok(server)
    }

    /// Starts three servers as a cluster, and waits until they have elected a leader.
    ///
    /// # Errors
    ///
    /// Same as [`Nats::start`].
    pub async fn cluster() -> Result<[Self; 3]> {
        let mut routes = Vec::new();
        for _ in 0..3 {
            routes.push(ports::unused_port()?);
        }
        let all: Vec<String> = routes.iter().map(|port| format!("\"nats-route://127.0.0.1:{port}\"")).collect();
        let cluster = |port: u16| {
            format!("cluster {{ name: \"tests\", listen: \"127.0.0.1:{port}\", routes: [{}] }}", all.join(", "))
        };
        let [one, two, three] = [0, 1, 2].map(|index| cluster(routes[index]));
        let (one, two, three) = tokio::try_join!(Self::with(&one), Self::with(&two), Self::with(&three))?;
        Ok([one, two, three])
    }

    /// Returns its URL.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Returns its URL for clients that demand TLS.
    pub fn tls_url(&self) -> String {
        format!("tls://127.0.0.1:{}", self.port)
    }

    /// Returns its URL for a user.
    pub fn url_of(&self, user: &str, password: &str) -> String {
        format!("nats://{user}:{password}@127.0.0.1:{}", self.port)
    }

    /// Ends it at once, as a crash does.
    ///
    /// # Errors
    ///
    /// Fails if the signal cannot be sent.
    pub fn kill(&self) -> Result<()> {
        self.process.end("KILL");
        Ok(())
    }

    /// Starts it again on the same port with the same data.
    ///
    /// # Errors
    ///
    /// Same as [`Nats::start`].
    pub async fn launch(&self) -> Result<()> {
        let program = program()?;
        let log = File::options().create(true).append(true).open(self.folder.join("log"))?;
        let mut command = scratch()?.command(&program, "TERM");
        command.arg("--config").arg(self.folder.join("nats.conf")).stdout(log.try_clone()?).stderr(log);
        self.process.launch(command).context("could not start `setpriv`: install util-linux")?;
        until_within(START, "the NATS server listens", async || {
            if !self.process.is_running()? {
                bail!("it has ended");
            }
            Ok(TcpStream::connect(("127.0.0.1", self.port)).await.is_ok())
        })
        .await
        .with_context(|| tail(&fs::read_to_string(self.folder.join("log")).unwrap_or_default()).to_owned())
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.process.end("TERM");
        // The janitor process removes the rest later.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Finds the server that `tests/nats/install.sh` installed.
fn program() -> Result<PathBuf> {
    let folder = match std::env::var_os("ARCHON_NATS") {
        Some(folder) => PathBuf::from(folder),
        // Tests run from `deps` of a profile's folder.
        None => std::env::current_exe()?.ancestors().nth(3).context("no target folder")?.join("nats"),
    };
    let program = folder.join("bin/nats-server");
    if !program.is_file() {
        bail!("no NATS server found: run `tests/nats/install.sh {}`", folder.display());
    }
    Ok(program)
}
