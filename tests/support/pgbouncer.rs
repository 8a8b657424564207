//! Private PgBouncer in front of a cluster.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio_postgres::{Client, Config, SimpleQueryMessage};

use crate::cluster::{Cluster, PASSWORD, connect, tail};
use crate::process::Process;
use crate::until::DEADLINE;
use crate::{poolers, ports, scratch::scratch};

/// Environment variable for the program, which selects the version.
pub const VARIABLE: &str = "ARCHON_PGBOUNCER";

/// Console role with all rights.
pub const ADMIN: &str = "pooler_admin";

/// Console role that may only run `SHOW`.
pub const WATCHER: &str = "pooler_watcher";

/// Row of a view: values by column.
pub type Row = BTreeMap<String, String>;

/// Private PgBouncer on a free port of 127.0.0.1, ended on drop, on a panic, and when this process ends in any other
/// way.
#[derive(Debug)]
pub struct PgBouncer {
    folder: PathBuf,
    port: u16,
    current: bool,
    process: Process,
}

/// Settings of a new PgBouncer; see [`PgBouncer::before`].
#[derive(Debug, Clone)]
pub struct Builder {
    server_port: u16,
    port: Option<u16>,
    current: bool,
    settings: Vec<(String, String)>,
    databases: Vec<(String, String)>,
    users: Vec<String>,
    user_settings: Vec<(String, String)>,
}

impl Builder {
    /// Sets a parameter of the section `[pgbouncer]`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.settings.push((name.into(), value.to_string()));
        self
    }

    /// Adds a database with its own parameters, such as `dbname=postgres pool_size=3`. Other databases keep their
    /// names.
    #[must_use]
    pub fn database(mut self, name: &str, parameters: &str) -> Self {
        self.databases.push((name.into(), parameters.into()));
        self
    }

    /// Admits roles of the cluster.
    #[must_use]
    pub fn users(mut self, names: &[&str]) -> Self {
        self.users.extend(names.iter().map(|&name| name.to_owned()));
        self
    }

    /// Sets a role's parameters, such as `pool_size=3`.
    #[must_use]
    pub fn user(mut self, name: &str, parameters: &str) -> Self {
        self.user_settings.push((name.into(), parameters.into()));
        self
    }

    /// Connects to another port than the cluster's, such as that of a proxy in front of it.
    #[must_use]
    pub fn server_port(mut self, port: u16) -> Self {
        self.server_port = port;
        self
    }

    /// Uses Debian 13's version 1.24 in place of the installed one.
    #[must_use]
    pub fn current(mut self) -> Self {
        self.current = true;
        self
    }

    /// Shares the port of another PgBouncer that was started with `so_reuseport = 1`.
    #[must_use]
    pub fn sharing_port_of(mut self, other: &PgBouncer) -> Self {
        self.port = Some(other.port);
        self.setting("so_reuseport", 1)
    }

    /// Starts it and waits until it answers.
    ///
    /// # Errors
    ///
    /// Fails if there is none to start, or it does not come up; the error ends with its log.
    pub async fn start(self) -> Result<PgBouncer> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let folder = scratch()?.folder(&format!("pgbouncer-{}", NUMBER.fetch_add(1, Ordering::Relaxed)))?;
        let mut bouncer = PgBouncer { folder, port: 0, current: self.current, process: Process::default() };
        // Another process can still take a port between the check and the bind.
        for _ in 0..10 {
            bouncer.port = self.port.map_or_else(ports::unused_port, Ok)?;
            self.configure(&bouncer)?;
            bouncer.launch()?;
            if bouncer.ready().await? {
                return Ok(bouncer);
            }
        }
        bail!("ten ports in a row were taken")
    }

    fn configure(&self, bouncer: &PgBouncer) -> Result<()> {
        let mut ini = String::from("[databases]\n");
        for (name, parameters) in &self.databases {
            writeln!(ini, "{name} = host=127.0.0.1 port={} {parameters}", self.server_port)?;
        }
        writeln!(ini, "* = host=127.0.0.1 port={}\n\n[users]", self.server_port)?;
        for (name, parameters) in &self.user_settings {
            writeln!(ini, "{name} = {parameters}")?;
        }
        let (port, folder) = (bouncer.port.to_string(), bouncer.folder.display().to_string());
        let users = bouncer.file("users.txt").display().to_string();
        let mut settings = vec![
            ("listen_addr", "127.0.0.1"),
            ("listen_port", port.as_str()),
            ("unix_socket_dir", folder.as_str()),
            ("auth_type", "scram-sha-256"),
            ("auth_file", users.as_str()),
            ("admin_users", ADMIN),
            ("stats_users", WATCHER),
            ("max_client_conn", "500"),
            ("pool_mode", "transaction"),
        ];
        settings.extend(self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        writeln!(ini, "\n[pgbouncer]")?;
        // PgBouncer uses the last value of a repeated setting.
        for (name, value) in settings {
            writeln!(ini, "{name} = {value}")?;
        }
        let mut lines = String::new();
        for user in self.users.iter().map(String::as_str).chain([ADMIN, WATCHER]) {
            writeln!(lines, r#""{user}" "{PASSWORD}""#)?;
        }
        for (name, text) in [("pgbouncer.ini", &ini), ("users.txt", &lines)] {
            fs::write(bouncer.file(name), text)?;
            scratch()?.own(&bouncer.file(name), 0o600)?;
        }
        Ok(())
    }
}

impl PgBouncer {
    /// Returns a builder for a pooler in front of a cluster, in transaction mode.
    pub fn before(cluster: &Cluster) -> Builder {
        Builder {
            server_port: cluster.port(),
            port: None,
            current: false,
            settings: Vec::new(),
            databases: Vec::new(),
            users: Vec::new(),
            user_settings: Vec::new(),
        }
    }

    /// Returns the port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns a connection string through the pooler, password included. Names are not escaped: use plain ones.
    pub fn url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// Returns a connection string of the console for [`ADMIN`].
    pub fn console_url(&self) -> String {
        self.url(ADMIN, "pgbouncer")
    }

    /// Returns a connection string of the console for [`WATCHER`].
    pub fn watcher_url(&self) -> String {
        self.url(WATCHER, "pgbouncer")
    }

    /// Connects an application through the pooler to the database `postgres`. Dropping the client closes the
    /// connection.
    ///
    /// # Errors
    ///
    /// Fails if the pooler refuses it.
    pub async fn connect(&self, role: &str, application: &str) -> Result<Client> {
        self.connect_to("postgres", role, application).await
    }

    /// Connects an application through the pooler to another database.
    ///
    /// # Errors
    ///
    /// Fails if the pooler refuses it.
    pub async fn connect_to(&self, database: &str, role: &str, application: &str) -> Result<Client> {
        Ok(connect(self.config(role, database).application_name(application)).await?)
    }

    /// Runs a command of the console, such as `RELOAD` or `SHOW POOLS`, and returns its rows.
    ///
    /// # Errors
    ///
    /// Fails if the pooler refuses it.
    pub async fn command(&self, command: &str) -> Result<Vec<Row>> {
        // Another PgBouncer may share the port, but not the Unix socket.
        let console = connect(login(self.port, ADMIN, "pgbouncer").host_path(&self.folder)).await?;
        let messages = console.simple_query(command).await.with_context(|| command.to_owned())?;
        let row = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => {
                let value = |(index, column): (usize, &tokio_postgres::SimpleColumn)| {
                    (column.name().to_owned(), row.get(index).unwrap_or_default().to_owned())
                };
                Some(row.columns().iter().enumerate().map(value).collect())
            }
            _ => None,
        };
        Ok(messages.iter().filter_map(row).collect())
    }

    /// Returns the current value of a setting.
    ///
    /// # Errors
    ///
    /// Fails if there is no such setting.
    pub async fn config_value(&self, name: &str) -> Result<String> {
        let rows = self.command("SHOW CONFIG").await?;
        let row = rows.into_iter().find(|row| row.get("key").is_some_and(|key| key == name));
        row.and_then(|mut row| row.remove("value")).with_context(|| format!("PgBouncer has no setting {name}"))
    }

    /// Kills the process, as a crash would.
    pub fn kill(&self) {
        self.process.end("KILL");
    }

    /// Returns the log.
    pub fn log(&self) -> String {
        fs::read(self.file("log")).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    fn config(&self, role: &str, database: &str) -> Config {
        let mut config = login(self.port, role, database);
        config.host("127.0.0.1");
        config
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn launch(&self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.file("log"))?;
        // SIGTERM ends PgBouncer at once; on SIGINT it would wait for its clients.
        let mut command =
            if self.current { poolers::command("pgbouncer", "TERM")? } else { scratch()?.command(&program()?, "TERM") };
        command.arg(self.file("pgbouncer.ini")).stdout(log.try_clone()?).stderr(log);
        self.process.launch(command).context("could not start `setpriv`: install util-linux")
    }

    /// Waits until PgBouncer answers; false if its port was taken.
    async fn ready(&self) -> Result<bool> {
        let start = Instant::now();
        loop {
            if !self.process.is_running()? {
                let log = self.log();
                if log.contains("could not bind") || log.contains("Address already in use") {
                    return Ok(false);
                }
                bail!("PgBouncer did not start:\n{}", tail(&log));
            }
            match self.command("SHOW VERSION").await {
                Ok(_) => return Ok(true),
                Err(error) if start.elapsed() > DEADLINE => {
                    return Err(error).with_context(|| format!("PgBouncer is silent:\n{}", tail(&self.log())));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        self.process.end("TERM");
        // The janitor process removes the rest later.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Returns a connection's parameters without the host.
fn login(port: u16, role: &str, database: &str) -> Config {
    let mut config = Config::new();
    config.port(port).user(role).password(PASSWORD).dbname(database).connect_timeout(DEADLINE);
    config
}

/// Finds the program: `ARCHON_PGBOUNCER`, else Debian's path, else `PATH`.
fn program() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(VARIABLE) {
        return Ok(PathBuf::from(path));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = [PathBuf::from("/usr/sbin")].into_iter().chain(std::env::split_paths(&path));
    let found = folders.map(|folder| folder.join("pgbouncer")).find(|program| Path::is_file(program));
    found.with_context(|| {
        format!(
            "no PgBouncer found: run `apt-get install pgbouncer`, or set {VARIABLE} to the full path of the program"
        )
    })
}
