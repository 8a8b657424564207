//! Private PostgreSQL server.

mod builder;

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use tokio_postgres::{Client, Config, NoTls};

pub use self::builder::Builder;
use crate::process::Process;
use crate::until::DEADLINE;
use crate::{ports, scratch::scratch, template::template};

/// Password of every role. Unique, so that a test can search any output for it.
pub const PASSWORD: &str = "tell-nobody-4f81c7";

/// Superuser of every cluster, until it is renamed.
pub const SUPERUSER: &str = "postgres";

/// `application_name` of the harness's own session, which queries the server.
pub const HARNESS: &str = "archon-pool-tests";

/// Private server on a free port of 127.0.0.1, stopped and removed on drop, on a panic, and when this process ends in
/// any other way.
pub struct Cluster {
    data: PathBuf,
    log: PathBuf,
    port: u16,
    short_port: bool,
    version_num: u32,
    superuser: String,
    server: Process,
    observer: tokio::sync::Mutex<Option<Arc<Client>>>,
}

impl Cluster {
    /// Creates a cluster without data. From here on, dropping it removes everything.
    pub(crate) fn unstarted() -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("cluster-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        Ok(Self {
            data: scratch()?.root().join(&name),
            log: scratch()?.root().join(format!("{name}.log")),
            port: 0,
            short_port: false,
            version_num: 0,
            superuser: SUPERUSER.to_owned(),
            server: Process::default(),
            observer: tokio::sync::Mutex::default(),
        })
    }

    /// Starts the server on its data folder, and waits until it answers.
    pub(crate) async fn launched(mut self) -> Result<Self> {
        // Another process can still take a port between the check and the server's bind.
        for _ in 0..10 {
            self.port = if self.short_port { ports::unused_short_port()? } else { ports::unused_port()? };
            self.launch()?;
            if let Some(version_num) = self.ready().await? {
                self.version_num = version_num;
                return Ok(self);
            }
        }
        bail!("ten ports in a row were taken")
    }

    /// Returns a builder for a cluster with custom settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Starts a cluster with the harness's settings.
    ///
    /// # Errors
    ///
    /// Same as [`Builder::start`].
    pub async fn start() -> Result<Self> {
        Self::builder().start().await
    }

    /// Returns the port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns `server_version_num`, such as 150018.
    pub fn version_num(&self) -> u32 {
        self.version_num
    }

    /// Returns a connection string, password included. Names are not escaped: use plain ones.
    pub fn url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// Returns a connection string for the superuser and the database `postgres`.
    pub fn superuser_url(&self) -> String {
        self.url(&self.superuser, "postgres")
    }

    /// Renames the superuser, so that its name is free for an ordinary role.
    ///
    /// # Errors
    ///
    /// Fails if the server refuses it.
    pub async fn rename_superuser(&mut self, name: &str) -> Result<()> {
        const STANDIN: &str = "rename_superuser";
        // A role cannot rename itself while it is logged in.
        self.create_role(STANDIN, "SUPERUSER").await?;
        self.close_observer().await;
        let client = self.connect(STANDIN).await?;
        client.batch_execute(&format!(r#"ALTER ROLE "{}" RENAME TO "{name}""#, self.superuser)).await?;
        drop(client);
        name.clone_into(&mut self.superuser);
        self.execute(&format!("DROP ROLE {STANDIN}")).await
    }

    /// Returns the server's log.
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Returns the server's data folder.
    pub fn data_folder(&self) -> &Path {
        &self.data
    }

    /// Returns a connection's parameters without a role.
    pub fn config(&self) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port).dbname("postgres").password(PASSWORD);
        config.connect_timeout(DEADLINE);
        config
    }

    /// Opens a connection to the database `postgres`; dropping the client closes it.
    ///
    /// # Errors
    ///
    /// Fails if the server refuses it.
    pub async fn connect(&self, role: &str) -> Result<Client> {
        Ok(connect(self.config().user(role)).await?)
    }

    /// Returns the harness's own session, as superuser. There is at most one, identified by the application name
    /// [`HARNESS`], so that tests can count it reliably.
    ///
    /// # Errors
    ///
    /// Fails if the server refuses it.
    pub async fn observer(&self) -> Result<Arc<Client>> {
        let mut observer = self.observer.lock().await;
        if let Some(client) = observer.as_ref().filter(|client| !client.is_closed()) {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(connect(self.config().user(&self.superuser).application_name(HARNESS)).await?);
        Ok(Arc::clone(observer.insert(client)))
    }

    /// Closes the harness's own session. The next call of [`Cluster::observer`] opens another.
    pub async fn close_observer(&self) {
        self.observer.lock().await.take();
    }

    /// Runs statements as the superuser in the database `postgres`.
    ///
    /// # Errors
    ///
    /// Fails if one of them fails.
    pub async fn execute(&self, sql: &str) -> Result<()> {
        self.observer().await?.batch_execute(sql).await.with_context(|| sql.to_owned())
    }

    /// Runs statements as the superuser in another database.
    ///
    /// # Errors
    ///
    /// Fails if one of them fails.
    pub async fn execute_in(&self, database: &str, sql: &str) -> Result<()> {
        let client = connect(self.config().user(&self.superuser).application_name(HARNESS).dbname(database)).await?;
        client.batch_execute(sql).await.with_context(|| sql.to_owned())
    }

    /// Creates a database in an encoding such as `LATIN1`.
    ///
    /// # Errors
    ///
    /// Fails if the server refuses it.
    pub async fn create_database(&self, name: &str, encoding: &str) -> Result<()> {
        let sql = format!(r#"CREATE DATABASE "{name}" TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"#);
        self.execute(&sql).await
    }

    /// Creates a role that may log in, with the options of `CREATE ROLE`, such as
    /// `IN ROLE pg_monitor CONNECTION LIMIT 5`.
    ///
    /// # Errors
    ///
    /// Fails if the server refuses it.
    pub async fn create_role(&self, name: &str, options: &str) -> Result<()> {
        self.execute(&format!(r#"CREATE ROLE "{name}" LOGIN PASSWORD '{PASSWORD}' {options}"#)).await
    }

    /// Creates the extension `pg_stat_statements` in a database. Returns false if the server lacks it.
    ///
    /// # Errors
    ///
    /// Fails if the server refuses it.
    pub async fn create_statistics(&self, database: &str) -> Result<bool> {
        let there = template()?.binaries.has_library("pg_stat_statements");
        if there {
            self.execute_in(database, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements").await?;
        }
        Ok(there)
    }

    /// Counts the client sessions of `pg_stat_activity` that match a condition, except the harness's own.
    ///
    /// # Errors
    ///
    /// Fails if the condition is no SQL.
    pub async fn count(&self, condition: &str) -> Result<i64> {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE backend_type = 'client backend' AND application_name <> '{HARNESS}' AND ({condition})"
        );
        Ok(self.observer().await?.query_one(&sql, &[]).await.context(sql)?.get(0))
    }

    /// Shuts the server down: clients get the error 57P01, and the port is closed on return.
    ///
    /// # Errors
    ///
    /// Fails if it does not stop.
    pub async fn stop(&self) -> Result<()> {
        self.end("INT").await
    }

    /// Shuts the server down immediately: clients lose their connections without a regular shutdown.
    ///
    /// # Errors
    ///
    /// Fails if it does not stop.
    pub async fn crash(&self) -> Result<()> {
        self.end("QUIT").await
    }

    /// Kills the postmaster with SIGKILL; the other processes notice and exit.
    ///
    /// # Errors
    ///
    /// Fails if it does not stop.
    pub async fn kill(&self) -> Result<()> {
        self.end("KILL").await
    }

    /// Starts the server again on the same port, stopping it first if it runs.
    ///
    /// # Errors
    ///
    /// Fails if it does not come up.
    pub async fn restart(&self) -> Result<()> {
        self.stop().await?;
        self.launch()?;
        self.ready().await?.map(drop).ok_or_else(|| anyhow!("port {} was taken in the meantime", self.port))
    }

    async fn end(&self, signal: &str) -> Result<()> {
        // Otherwise the next query would use a session that the server has closed.
        self.close_observer().await;
        self.server.signal(signal)?;
        let start = Instant::now();
        while self.server.is_running()? {
            if start.elapsed() > DEADLINE {
                bail!("the server did not stop on SIG{signal}:\n{}", self.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    fn launch(&self) -> Result<()> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        // SIGINT requests the fast shutdown.
        let mut command = scratch()?.command(&template()?.binaries.program("postgres"), "INT");
        command.arg("-D").arg(&self.data).arg("-p").arg(self.port.to_string());
        command.stdout(log.try_clone()?).stderr(log);
        self.server.launch(command).context("could not start `setpriv`: install util-linux")
    }

    /// Waits until the server answers and returns its version; none if its port was taken.
    async fn ready(&self) -> Result<Option<u32>> {
        let start = Instant::now();
        loop {
            if !self.server.is_running()? {
                let log = self.log_tail();
                if log.contains("could not create any TCP/IP sockets") {
                    return Ok(None);
                }
                bail!("the server did not start:\n{log}");
            }
            match self.query_identity().await {
                // Another server may hold the port while this one is about to exit.
                Ok((data, version_num)) if Path::new(&data) == self.data => return Ok(Some(version_num)),
                Err(error) if start.elapsed() > DEADLINE => {
                    return Err(error).with_context(|| format!("the server is silent:\n{}", self.log_tail()));
                }
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    async fn query_identity(&self) -> Result<(String, u32)> {
        let observer = self.observer().await?;
        let sql = "SELECT current_setting('data_directory'), current_setting('server_version_num')";
        let row = observer.query_one(sql, &[]).await?;
        let (data, version_num): (String, String) = (row.get(0), row.get(1));
        if Path::new(&data) != self.data {
            self.close_observer().await;
        }
        Ok((data, version_num.parse()?))
    }

    fn log_tail(&self) -> String {
        tail(&self.log())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SIGQUIT: backends exit at once, and nothing is written.
        self.server.end("QUIT");
        // The janitor process removes the rest later.
        let _ = fs::remove_dir_all(&self.data);
        let _ = fs::remove_file(&self.log);
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("port", &self.port).field("version_num", &self.version_num).finish()
    }
}

/// Returns the last lines of a log, for an error's message.
pub(crate) fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// Opens a connection and spawns the task that drives it.
pub(crate) async fn connect(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    // The task ends with the client, whose calls report connection errors.
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}
