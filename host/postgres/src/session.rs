//! One PostgreSQL session: read-only, bounded, closed when it is dropped.

mod prepared;
mod query;
mod settings;

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::limits::Limits;
use archon_pool_core::shutdown_guard::ShutdownGuard;

pub use self::settings::{as_options, begin, settings, settings_query};
pub use crate::connect::{APPLICATION, all_over};

use self::prepared::Prepared;
use self::settings::startup_options;
use crate::connect::{self, Connection, Startup};
use crate::error;
use crate::target::Target;
use crate::text::{TextEncoding, is_converted};

/// Time to wait for an answer beyond the server's own timeout.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// Means that enforces the session's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// They were sent in the startup packet and are the session's defaults.
    Startup,
    /// A pooler refused or ignored them there. `SET` would outlive the session on a server connection that other
    /// clients share in transaction mode, so every statement gets a transaction that carries them.
    Transaction,
}

/// An open session.
pub(crate) struct Session {
    connection: Connection,
    guard: Guard,
    limits: Limits,
    target: Target,
    text: Text,
    notes: Vec<String>,
    prepared: Prepared,
    /// True if a statement was run that is not of the catalogue, since the last reset.
    altered: AtomicBool,
}

/// Encoding of the session's texts.
#[derive(Debug, Clone, Copy)]
struct Text {
    encoding: TextEncoding,
    /// True if the server does not convert them: a text without an equivalent would fail a whole answer.
    unconverted: bool,
}

/// Stops the server from converting texts.
const UNCONVERTED: &str = "SET client_encoding = 'SQL_ASCII'";

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session at {}", self.target)
    }
}

impl Session {
    /// Opens a session whose settings are verified. Takes a round trip more than [`Session::unchecked`].
    pub(crate) async fn open(target: &Target, limits: &Limits, guard: &ShutdownGuard) -> Result<Self, Fault> {
        let mut session = Self::unchecked(target, limits, guard).await?;
        if session.guard == Guard::Startup && !session.settings_hold().await? {
            session.guard = Guard::Transaction;
        }
        if session.guard == Guard::Transaction {
            session.server_connection().await?;
        } else if session.text.unconverted {
            session.opening(session.connection.client()?.batch_execute(UNCONVERTED)).await?;
        }
        Ok(session)
    }

    /// Returns the target and the limits with which it was opened.
    pub(crate) fn opened_with(&self) -> (Target, Limits) {
        (self.target.clone(), self.limits.clone())
    }

    /// Opens a session in which no component's statements run.
    pub(crate) async fn unchecked(target: &Target, limits: &Limits, guard: &ShutdownGuard) -> Result<Self, Fault> {
        in_time(target, limits, Self::connect(target, limits, guard)).await
    }

    async fn connect(target: &Target, limits: &Limits, guard: &ShutdownGuard) -> Result<Self, Fault> {
        let startup = Startup {
            options: Some(startup_options(target, limits)),
            without: target.options.clone(),
            rows_are_text: false,
        };
        let connected = connect::connect(target, &startup, limits, guard).await?;
        if connected.parameters.is_console() {
            let message = format!(
                "what answers at {target} is PgBouncer's admin console: give this URL as `pooler` (PGBOUNCER_URL), and \
                 that of a database as the connection"
            );
            return Err(Fault::new(kind::CREDENTIAL_INVALID, message));
        }
        let encoding = connected.parameters.server_encoding.as_deref().unwrap_or("UTF8");
        Ok(Self {
            connection: connected.connection,
            guard: if connected.options_refused { Guard::Transaction } else { Guard::Startup },
            limits: limits.clone(),
            target: target.clone(),
            text: Text { encoding: TextEncoding::of_server(encoding), unconverted: is_converted(encoding) },
            notes: target.notes.iter().cloned().chain(connected.notes).collect(),
            prepared: Prepared::new(),
            altered: AtomicBool::new(false),
        })
    }

    /// Waits until the pooler has a connection to the server: it accepts logins without one.
    async fn server_connection(&self) -> Result<(), Fault> {
        let message = format!(
            "the pooler at {} had no connection to the server within {} ms: its pool is full, the database is paused, or \
             the server is down; see SHOW POOLS and SHOW DATABASES of its console",
            self.target,
            (self.limits.statement_timeout + GRACE).as_millis()
        );
        let silent = Fault { retryable: true, ..Fault::new(kind::TOO_MANY_CONNECTIONS, message) };
        self.opening_or(silent, self.connection.client()?.batch_execute("")).await
    }

    /// Checks that the settings of the startup packet are the session's: a pooler that is configured to ignore them
    /// does so silently.
    async fn settings_hold(&self) -> Result<bool, Fault> {
        let sql = settings_query(&self.limits);
        let first = self.opening(connect::first_text(self.connection.client()?, &sql)).await?;
        Ok(first.as_deref() == Some("t"))
    }

    /// Waits for the answer to a statement that belongs to the opening. A pooler may refuse the session only now, when
    /// it needs a connection to the server.
    async fn opening<T>(&self, answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Fault> {
        self.opening_or(self.silent(), answer).await
    }

    /// Waits as `opening` does; `silent` is the fault when no answer comes.
    async fn opening_or<T>(
        &self,
        silent: Fault,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Fault> {
        self.connection.begin_statement();
        let answered = tokio::time::timeout(self.limits.statement_timeout + GRACE, answer).await;
        let answer =
            answered.map_err(|_| silent)?.map_err(|error| error::late_refusal(self.why(&error), &self.target))?;
        self.connection.end_statement();
        Ok(answer)
    }

    /// Waits for the answer to an empty statement for as long as the opening of a session may take.
    pub(crate) async fn is_answering(&self) -> Result<(), Fault> {
        self.connection.begin_statement();
        // An error here is no refusal: the session was open.
        let answer = async { self.connection.client()?.batch_execute("").await.map_err(|error| self.why(&error)) };
        let answered = tokio::time::timeout(self.limits.connect_timeout, answer).await;
        answered.unwrap_or_else(|_| Err(self.silent()))?;
        self.connection.end_statement();
        Ok(())
    }

    /// Measures one empty round trip.
    pub(crate) async fn round_trip(&self) -> Result<Duration, Fault> {
        let started = Instant::now();
        self.opening(self.connection.client()?.batch_execute("")).await?;
        Ok(started.elapsed())
    }

    /// Returns true if another call may use it: it is idle, and no pooler is in between.
    pub(crate) fn can_be_kept(&self) -> bool {
        self.guard == Guard::Startup && self.connection.is_idle()
    }

    /// Returns true if a pooler is in between, which did not pass the settings on.
    pub(crate) fn is_pooled(&self) -> bool {
        self.guard == Guard::Transaction
    }

    /// Returns facts about how the session was opened that a report must state.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns the start of a transaction that sets the session's settings itself.
    fn begin_transaction(&self) -> String {
        let begin = begin(&self.limits);
        if self.text.unconverted { begin + "SET LOCAL client_encoding = 'SQL_ASCII'; " } else { begin }
    }

    /// Returns the session's role.
    pub(crate) fn user(&self) -> &str {
        &self.target.user
    }

    /// Returns the session's target.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Returns the fault of an error that was received as an answer.
    fn why(&self, error: &tokio_postgres::Error) -> Fault {
        self.told((error::querying(error).0, true))
    }

    /// Removes the password from a fault; when the session may be gone, returns the known reason instead.
    fn told(&self, (fault, gone): (Fault, bool)) -> Fault {
        error::discreet(if gone { self.connection.why_lost(fault) } else { fault }, &self.target)
    }

    fn silent(&self) -> Fault {
        let message = format!("{} stopped answering", self.target);
        let mut fault = Fault::new(kind::CONNECTION_LOST, message);
        fault.retryable = true;
        fault
    }
}

/// Waits for an opening within the limit `connect_timeout`.
pub(crate) async fn in_time<T>(
    target: &Target,
    limits: &Limits,
    opening: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let timeout = limits.connect_timeout;
    let opened = tokio::time::timeout(timeout, opening).await.unwrap_or_else(|_| {
        let why = format!("no session within {} ms (limit `connect_timeout`)", timeout.as_millis());
        Err(error::unreachable(target, &why))
    });
    opened.map_err(|fault| error::discreet(fault, target))
}
