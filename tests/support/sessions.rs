//! Applications whose sessions stay in a chosen state.
//!
//! Every function returns only when `pg_stat_activity` shows the state, so a later query of the test sees it too.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use crate::cluster::Cluster;
use crate::until::{DEADLINE, until};

const BY_PORT: &str = "SELECT pid, (extract(epoch FROM backend_start) * 1000000)::int8 FROM pg_stat_activity \
                       WHERE client_port = $1 AND host(client_addr) = $2 AND state = 'idle'";

type Outcome = Result<(), tokio_postgres::Error>;

/// Application: a role, a database and an application name.
#[derive(Debug, Clone, Copy)]
pub struct App<'a> {
    cluster: &'a Cluster,
    role: &'a str,
    name: &'a str,
    database: &'a str,
    address: Ipv4Addr,
}

/// Session of an application. Dropping it closes the connection.
#[derive(Debug)]
pub struct Session {
    pid: i32,
    backend_start: i64,
    client: Arc<Client>,
    // Reports the error by which an idle session ended.
    connection: Option<JoinHandle<Outcome>>,
    // Statement that is still running.
    running: Option<JoinHandle<Outcome>>,
}

impl Cluster {
    /// Creates an application that connects as a role to the database `postgres`.
    pub fn app<'a>(&'a self, role: &'a str, name: &'a str) -> App<'a> {
        App { cluster: self, role, name, database: "postgres", address: Ipv4Addr::LOCALHOST }
    }
}

impl<'a> App<'a> {
    /// Returns the same application for another database.
    #[must_use]
    pub fn in_database(self, database: &'a str) -> Self {
        Self { database, ..self }
    }

    /// Returns the same application on another machine: any address of 127.0.0.0/8, for a cluster whose `pg_hba.conf`
    /// admits it.
    #[must_use]
    pub fn at(self, address: Ipv4Addr) -> Self {
        Self { address, ..self }
    }

    /// Opens a session that never runs a statement: idle, with an empty query.
    ///
    /// # Errors
    ///
    /// Fails if the server refuses it.
    pub async fn unused(&self) -> Result<Session> {
        let mut config = self.cluster.config();
        config.user(self.role).application_name(self.name).dbname(self.database);
        // A statement would change the session and the driver does not report the pid, but the server shows the
        // client's port.
        let socket = TcpSocket::new_v4()?;
        socket.bind((self.address, 0).into())?;
        let stream = socket.connect((Ipv4Addr::LOCALHOST, self.cluster.port()).into()).await?;
        let port = i32::from(stream.local_addr()?.port());
        let (client, connection) = config.connect_raw(stream, NoTls).await?;
        let (client, connection) = (Arc::new(client), Some(tokio::spawn(connection)));

        let observer = self.cluster.observer().await?;
        let mut found = None;
        until("a new session is listed", async || {
            found = observer.query_opt(BY_PORT, &[&port, &self.address.to_string()]).await?;
            Ok(found.is_some())
        })
        .await?;
        let row = found.ok_or_else(|| anyhow!("no session came from port {port}"))?;
        Ok(Session { pid: row.get(0), backend_start: row.get(1), client, connection, running: None })
    }

    /// Opens a session that runs a statement and is idle afterwards.
    ///
    /// # Errors
    ///
    /// Fails if the statement fails.
    pub async fn idle(&self, sql: &str) -> Result<Session> {
        let session = self.unused().await?;
        session.run(sql).await?;
        self.shows(&session, "state = 'idle' AND query <> ''").await?;
        Ok(session)
    }

    /// Opens several idle sessions with the same last statement, as a leak would.
    ///
    /// # Errors
    ///
    /// Same as [`App::idle`].
    pub async fn idle_many(&self, count: usize, sql: &str) -> Result<Vec<Session>> {
        let mut sessions = Vec::with_capacity(count);
        for _ in 0..count {
            sessions.push(self.idle(sql).await?);
        }
        Ok(sessions)
    }

    /// Opens a session that begins a transaction, runs a statement (an `UPDATE` takes a row lock) and stays idle in
    /// the transaction.
    ///
    /// # Errors
    ///
    /// Fails if the statement fails.
    pub async fn idle_in_transaction(&self, sql: &str) -> Result<Session> {
        let session = self.unused().await?;
        session.run("BEGIN").await?;
        session.run(sql).await?;
        self.shows(&session, "state = 'idle in transaction'").await?;
        Ok(session)
    }

    /// Opens a session whose transaction failed and is never rolled back.
    ///
    /// # Errors
    ///
    /// Fails if the session cannot be opened.
    pub async fn aborted(&self) -> Result<Session> {
        let session = self.unused().await?;
        session.run("BEGIN").await?;
        if session.run("SELECT 1 / 0").await.is_ok() {
            bail!("a division by zero went well");
        }
        self.shows(&session, "state = 'idle in transaction (aborted)'").await?;
        Ok(session)
    }

    /// Opens a session whose statement waits for a lock of another session.
    ///
    /// # Errors
    ///
    /// Fails if nothing blocks the statement.
    pub async fn waiting(&self, sql: &str) -> Result<Session> {
        let session = self.unused().await?.start(sql);
        self.shows(&session, "state = 'active' AND wait_event_type = 'Lock'").await?;
        Ok(session)
    }

    /// Opens a session that runs one statement until it is cancelled.
    ///
    /// # Errors
    ///
    /// Fails if the session cannot be opened.
    pub async fn active(&self) -> Result<Session> {
        let session = self.unused().await?.start("SELECT pg_sleep(3600)");
        self.shows(&session, "state = 'active' AND wait_event = 'PgSleep'").await?;
        Ok(session)
    }

    /// Opens a session that begins a `COPY FROM STDIN` into a table and sends no data.
    ///
    /// # Errors
    ///
    /// Fails if the session cannot be opened.
    pub async fn copying(&self, table: &str) -> Result<Session> {
        let mut session = self.unused().await?;
        let (client, sql) = (Arc::clone(&session.client), format!("COPY {table} FROM STDIN"));
        session.running = Some(tokio::spawn(async move {
            let _unfinished = client.copy_in::<_, &'static [u8]>(&sql).await?;
            std::future::pending().await
        }));
        self.shows(&session, "state = 'active' AND wait_event = 'ClientRead'").await?;
        Ok(session)
    }

    /// Opens an idle session that listens to a channel.
    ///
    /// # Errors
    ///
    /// Fails if the session cannot be opened.
    pub async fn listening(&self, channel: &str) -> Result<Session> {
        self.idle(&format!(r#"LISTEN "{channel}""#)).await
    }

    /// Opens an idle session that holds a session-level advisory lock.
    ///
    /// # Errors
    ///
    /// Fails if the session cannot be opened.
    pub async fn advisory_lock(&self, key: i64) -> Result<Session> {
        self.idle(&format!("SELECT pg_advisory_lock({key})")).await
    }

    /// Opens an idle session that owns a temporary table.
    ///
    /// # Errors
    ///
    /// Fails if the session cannot be opened.
    pub async fn temporary_table(&self) -> Result<Session> {
        self.idle("CREATE TEMPORARY TABLE scratch AS SELECT 1 AS one").await
    }

    /// Counts the sessions of this application.
    ///
    /// # Errors
    ///
    /// Fails if the server does not answer.
    pub async fn count(&self) -> Result<i64> {
        self.cluster.count(&format!("application_name = '{}'", self.name)).await
    }

    /// Waits until a session of this application shows a state, given as a condition in SQL.
    ///
    /// # Errors
    ///
    /// Fails if it never does, or its running statement ends first.
    pub async fn shows(&self, session: &Session, condition: &str) -> Result<()> {
        let what = format!("a session of {} shows {condition}", self.name);
        let condition = format!("pid = {} AND {condition}", session.pid);
        until(&what, async || {
            // Counted first: a statement that ends in between is found by the next check.
            let shown = self.cluster.count(&condition).await? == 1;
            if !shown && session.running.as_ref().is_some_and(JoinHandle::is_finished) {
                bail!("the statement of {} has ended already", self.name);
            }
            Ok(shown)
        })
        .await
    }
}

impl Session {
    /// Returns the process id of the backend.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Returns the start of the backend, microseconds since the epoch: with the pid, the session's identity.
    pub fn backend_start(&self) -> i64 {
        self.backend_start
    }

    /// Returns the connection for other uses.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Runs a statement to its end.
    ///
    /// # Errors
    ///
    /// Returns the server's error.
    pub async fn run(&self, sql: &str) -> Result<()> {
        self.client.batch_execute(sql).await.with_context(|| sql.to_owned())
    }

    /// Sends a statement without waiting for it.
    #[must_use]
    pub fn start(mut self, sql: &str) -> Self {
        let (client, sql) = (Arc::clone(&self.client), sql.to_owned());
        self.running = Some(tokio::spawn(async move { client.batch_execute(&sql).await }));
        self
    }

    /// Waits for the started statement, and returns its result.
    ///
    /// # Errors
    ///
    /// Returns the server's error, or fails if none was started.
    pub async fn finish(&mut self) -> Result<()> {
        let running = self.running.take().ok_or_else(|| anyhow!("no statement was started"))?;
        Ok(running.await??)
    }

    /// Returns true if the session still answers. An idle session has then run one more statement.
    pub async fn answers(&self) -> bool {
        self.client.batch_execute("SELECT 1").await.is_ok()
    }

    /// Waits for the end of the session, and returns the server's code, such as 57P01 for `pg_terminate_backend`;
    /// none if the session continues, or if the connection broke without a code. Can be called once.
    pub async fn ended_by(&mut self) -> Option<SqlState> {
        // A running statement returns the error; an idle session's connection ends with it.
        let outcome = self.running.take().or_else(|| self.connection.take())?;
        timeout(DEADLINE, outcome).await.ok()?.ok()?.err()?.code().cloned()
    }

    /// Closes the session and waits until the server no longer lists it.
    ///
    /// # Errors
    ///
    /// Fails if the server does not forget it.
    pub async fn close(self, cluster: &Cluster) -> Result<()> {
        let pid = self.pid;
        drop(self);
        until("a closed session is gone", async || Ok(cluster.count(&format!("pid = {pid}")).await? == 0)).await
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The task keeps the connection open while its statement runs.
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}
