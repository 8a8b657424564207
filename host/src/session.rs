//! One PostgreSQL session: read-only, bounded, closed when it is dropped.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::{Duration, Instant};

use archon_pool_plugin::fault::{Fault, kind};
use futures_util::TryStreamExt;
use futures_util::future::{Either, join, join_all, select};
use tokio::sync::{mpsc, watch};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, RowStream, SimpleQueryMessage};

use crate::allowance::Allowance;
use crate::bindings::database::{Column, RowSet, Statement, Value};
use crate::connect::{self, Cancel, Startup};
use crate::error;
use crate::limits::Limits;
use crate::policy;
use crate::target::Target;
use crate::text::{TextEncoding, is_converted};
use crate::values::{self, Cell, Encoded, Raw};

/// The `application_name` of every session of ours, by which they are left out of every count. A
/// transaction pooler keeps it on the server connection that we used last, until another client does.
pub(crate) const APPLICATION: &str = "archon-pool";

/// How much longer than the server's own timeout to wait for an answer before giving the server up.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// Held by every background task of a session; once all are gone, so are the sessions.
pub(crate) type Presence = mpsc::Sender<()>;

/// How many background tasks of sessions there are in this process.
static TASKS: LazyLock<watch::Sender<usize>> = LazyLock::new(|| watch::Sender::new(0));

/// Counts a background task as long as it lives.
struct Task;

impl Task {
    fn begin() -> Self {
        TASKS.send_modify(|count| *count += 1);
        Self
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        TASKS.send_modify(|count| *count -= 1);
    }
}

/// Waits until no session of this process has anything left to say to its server.
pub(crate) async fn all_over() {
    // Never an error: the sender is not dropped.
    let _ = TASKS.subscribe().wait_for(|count| *count == 0).await;
}

/// How the session's settings are made to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// They travelled in the startup packet and are the session's defaults.
    Startup,
    /// A pooler refused or ignored them there. `SET` would outlive us on a server connection that others share
    /// in transaction mode, so every statement gets a transaction that carries them.
    Transaction,
}

/// An open session.
pub(crate) struct Session {
    // Taken by `drop` alone.
    client: Option<Client>,
    guard: Guard,
    limits: Limits,
    target: Target,
    // Taken by `drop` alone.
    cancel: Option<Box<Cancel>>,
    text: Text,
    notes: Vec<String>,
    /// Statements without a full answer: a call that is given up leaves its statements in it.
    pending: AtomicUsize,
    /// Why the connection ended, when it was not by our wish.
    lost: Arc<OnceLock<Fault>>,
    presence: Presence,
}

/// How the session's texts come.
#[derive(Debug, Clone, Copy)]
struct Text {
    encoding: TextEncoding,
    /// Whether the server is told not to convert them: a text without an equivalent would fail a whole answer.
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
    /// Opens a session whose settings hold. Costs a round trip more than [`Session::unchecked`].
    pub(crate) async fn open(target: &Target, limits: &Limits, presence: &Presence) -> Result<Self, Fault> {
        let mut session = Self::unchecked(target, limits, presence).await?;
        if session.guard == Guard::Startup && !session.settings_hold().await? {
            session.guard = Guard::Transaction;
        }
        if session.guard == Guard::Startup && session.text.unconverted {
            session.opening(session.client()?.simple_query(UNCONVERTED)).await?;
        }
        Ok(session)
    }

    /// Opens a session in which nobody's statements run.
    pub(crate) async fn unchecked(target: &Target, limits: &Limits, presence: &Presence) -> Result<Self, Fault> {
        in_time(target, limits, Self::connect(target, limits, presence)).await
    }

    async fn connect(target: &Target, limits: &Limits, presence: &Presence) -> Result<Self, Fault> {
        let lost = Arc::new(OnceLock::new());
        let startup = Startup {
            options: Some(startup_options(target, limits)),
            without: target.options.clone(),
            rows_are_text: false,
        };
        let connected = connect::connect(target, &startup, limits, &lost, presence).await?;
        let encoding = connected.parameters.server_encoding.as_deref().unwrap_or("UTF8");
        Ok(Self {
            client: Some(connected.client),
            guard: if connected.options_refused { Guard::Transaction } else { Guard::Startup },
            limits: limits.clone(),
            target: target.clone(),
            cancel: Some(Box::new(connected.cancel)),
            text: Text { encoding: TextEncoding::of_server(encoding), unconverted: is_converted(encoding) },
            notes: target.notes.iter().cloned().chain(connected.notes).collect(),
            pending: AtomicUsize::new(0),
            lost,
            presence: presence.clone(),
        })
    }

    /// Whether the settings of the startup packet are the session's: a pooler that was told to ignore
    /// them says nothing.
    async fn settings_hold(&self) -> Result<bool, Fault> {
        let sql = settings_query(&self.limits);
        let messages = self.opening(self.client()?.simple_query(&sql)).await?;
        Ok(messages.iter().any(|message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("t"))))
    }

    /// Waits for the answer to a statement that belongs to the opening. A pooler may refuse the session only now,
    /// when it needs a connection to the server.
    async fn opening<T>(&self, answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Fault> {
        self.pending.fetch_add(1, Ordering::Relaxed);
        let answered = tokio::time::timeout(self.limits.statement_timeout + GRACE, answer).await;
        let answer = answered
            .map_err(|_| self.silent())?
            .map_err(|error| error::late_refusal(self.why_lost(error::querying(&error).0), &self.target))?;
        self.pending.fetch_sub(1, Ordering::Relaxed);
        Ok(answer)
    }

    /// Runs a batch in one round trip; statements that are not of the catalogue leave no trace in the
    /// session. The outer fault means that the session is gone.
    pub(crate) async fn query(
        &self,
        batch: &[Statement],
        allowance: &Allowance,
    ) -> Result<Vec<Result<RowSet, Fault>>, Fault> {
        let client = self.client()?;
        let patience = self.limits.statement_timeout.saturating_mul(u32::try_from(batch.len()).unwrap_or(u32::MAX));
        // Futures are polled in their order, and the first poll sends: the statements travel in one
        // go and in their order.
        let answers = join_all(batch.iter().map(|statement| self.answer(client, statement, allowance)));
        let answers = match tokio::time::timeout(patience.saturating_add(GRACE), answers).await {
            Ok(answers) => answers,
            Err(_) => return Err(self.silent()),
        };
        if let Some((fault, _)) = answers.iter().filter_map(|answer| answer.as_ref().err()).find(|(_, gone)| *gone) {
            return Err(self.why_lost(fault.clone()));
        }
        Ok(answers.into_iter().map(|answer| answer.map_err(|(fault, _)| fault)).collect())
    }

    async fn answer(
        &self,
        client: &Client,
        statement: &Statement,
        allowance: &Allowance,
    ) -> Result<RowSet, (Fault, bool)> {
        self.pending.fetch_add(1, Ordering::Relaxed);
        let rows = async {
            let cells: Vec<_> =
                statement.params.iter().map(|value| (Cell(value.clone()), values::parameter_type(value))).collect();
            let encoding = self.text.encoding;
            let params = cells.iter().map(|(value, column)| (Encoded { value, encoding }, column.clone()));
            let stream = client.query_typed_raw(&statement.sql, params).await.map_err(|e| error::querying(&e))?;
            rows(stream, statement.max_rows.min(self.limits.rows), allowance, encoding).await
        };
        let answer = match (policy::is_ours(&statement.sql), self.guard) {
            (true, _) => self.guarded(client, rows).await,
            (false, Guard::Startup) => self.sealed(client, rows).await,
            (false, Guard::Transaction) => Err((behind_a_pooler(), false)),
        };
        // The rest of a truncated answer is still on its way.
        if !answer.as_ref().is_ok_and(|set| set.truncated) {
            self.pending.fetch_sub(1, Ordering::Relaxed);
        }
        answer
    }

    /// Runs one statement with the session's settings, in a transaction of its own.
    async fn guarded<T>(
        &self,
        client: &Client,
        statement: impl Future<Output = Result<T, (Fault, bool)>>,
    ) -> Result<T, (Fault, bool)> {
        match self.guard {
            Guard::Startup => statement.await,
            Guard::Transaction => {
                let begin = self.begin();
                // All three are sent before the first answer is waited for.
                let (begun, (answer, ended)) =
                    join(client.simple_query(&begin), join(statement, client.simple_query("COMMIT"))).await;
                let begun = begun.map_err(|error| error::querying(&error));
                begun.and(answer).and_then(|answer| ended.map(|_| answer).map_err(|error| error::querying(&error)))
            }
        }
    }

    /// Runs a stranger's statement in a transaction that carries the session's settings and is rolled back:
    /// `SET statement_timeout`, `SET ROLE`, a cursor, a large object or a notification ends with it, and
    /// the next statement is read-only and bounded again.
    async fn sealed(
        &self,
        client: &Client,
        statement: impl Future<Output = Result<RowSet, (Fault, bool)>>,
    ) -> Result<RowSet, (Fault, bool)> {
        // Nothing hears of the notification, but a transaction that has one cannot be prepared, and so not
        // be kept beyond its session. It also is a first query: after it, no transaction becomes writable.
        // Compiled expressions take a backend hundreds of megabytes, and no timeout ends the compiler.
        let begin = self.begin()
            + "SET LOCAL jit = off; SELECT pg_catalog.pg_notify('archon_pool', '') WHERE NOT pg_catalog.pg_is_in_recovery()";
        let sealed = async {
            // The statement is polled, and so sent, before the end is.
            match select(pin!(statement), pin!(client.simple_query("ROLLBACK; DEALLOCATE ALL"))).await {
                // The end is sent, but its answer comes after all the rows that nobody wants.
                Either::Left((Ok(set), _)) if set.truncated => Ok(set),
                Either::Left((answer, ending)) => {
                    let ended = ending.await.map_err(|error| error::querying(&error));
                    answer.and_then(|answer| ended.map(|_| answer))
                }
                Either::Right((_, statement)) => statement.await,
            }
        };
        // All three are sent before the first answer is waited for.
        let (begun, answer) = join(client.simple_query(&begin), sealed).await;
        begun.map_err(|error| error::querying(&error)).and(answer)
    }

    /// Makes the session as it was when it was opened, whatever the component did to it: outside of
    /// a transaction, so that every statement is its own, and with its settings as at the start.
    pub(crate) async fn reset(&self) -> Result<(), Fault> {
        let client = self.client()?;
        let resetting = async {
            let rollback = client.simple_query("ROLLBACK");
            if self.guard == Guard::Startup {
                // All are sent before the first answer is waited for.
                let discarded = join(client.simple_query("DISCARD ALL"), async {
                    if self.text.unconverted { client.simple_query(UNCONVERTED).await.map(drop) } else { Ok(()) }
                });
                let (rolled_back, (discarded, unconverted)) = join(rollback, discarded).await;
                rolled_back.and(discarded).and(unconverted)
            } else {
                rollback.await.map(drop)
            }
        };
        let answered = tokio::time::timeout(self.limits.statement_timeout + GRACE, resetting).await;
        answered.map_err(|_| self.silent())?.map_err(|error| self.why_lost(error::querying(&error).0))
    }

    /// Runs the host's own statement with each set of parameters, all in one round trip, each in its
    /// own transaction.
    pub(crate) async fn own<'a>(
        &self,
        sql: &str,
        params: impl IntoIterator<Item = Vec<(&'a (dyn ToSql + Sync), Type)>>,
    ) -> Vec<Result<Vec<Vec<Value>>, Fault>> {
        let answers = self.own_rows(sql, params).await;
        let values = |row: &Row| values_of(row, self.text.encoding);
        answers.into_iter().map(|rows| rows?.iter().map(values).collect()).collect()
    }

    /// The same, with the rows as they came: for what must not be copied.
    pub(crate) async fn own_rows<'a>(
        &self,
        sql: &str,
        params: impl IntoIterator<Item = Vec<(&'a (dyn ToSql + Sync), Type)>>,
    ) -> Vec<Result<Vec<Row>, Fault>> {
        let params: Vec<_> = params.into_iter().collect();
        let client = match self.client() {
            Ok(client) => client,
            Err(fault) => return params.iter().map(|_| Err(fault.clone())).collect(),
        };
        let answers = join_all(params.iter().map(async |params| {
            self.pending.fetch_add(1, Ordering::Relaxed);
            let encoding = self.text.encoding;
            let encoded: Vec<_> =
                params.iter().map(|(value, column)| (Encoded { value: *value, encoding }, column.clone())).collect();
            let params: Vec<(&(dyn ToSql + Sync), Type)> =
                encoded.iter().map(|(value, column)| (value as _, column.clone())).collect();
            let statement = async { client.query_typed(sql, &params).await.map_err(|error| error::querying(&error)) };
            let answer = self.guarded(client, statement).await;
            self.pending.fetch_sub(1, Ordering::Relaxed);
            answer
        }));
        match tokio::time::timeout(self.limits.statement_timeout + GRACE, answers).await {
            Ok(answers) => answers
                .into_iter()
                .map(|answer| answer.map_err(|(fault, gone)| if gone { self.why_lost(fault) } else { fault }))
                .collect(),
            Err(_) => params.iter().map(|_| Err(self.silent())).collect(),
        }
    }

    /// Carries out a change of the host's own in a transaction that may write, as nothing else here may. For
    /// a session that no component has.
    pub(crate) async fn change(&self, sql: &str) -> Result<(), Fault> {
        let client = self.client()?;
        // Names in the text are UTF-8.
        let encoding = if self.text.unconverted { "SET LOCAL client_encoding = 'UTF8'; " } else { "" };
        let text = format!("BEGIN READ WRITE; {encoding}{}{sql}; COMMIT", set_local(&self.limits));
        self.pending.fetch_add(1, Ordering::Relaxed);
        let changing = async {
            let changed = client.simple_query(&text).await;
            if changed.is_err() {
                // What failed leaves its transaction open.
                client.simple_query("ROLLBACK").await?;
            }
            changed.map(drop)
        };
        let changed = tokio::time::timeout(self.limits.statement_timeout + GRACE, changing).await;
        let changed = changed.map_err(|_| self.silent())?;
        self.pending.fetch_sub(1, Ordering::Relaxed);
        changed.map_err(|error| self.why_lost(error::querying(&error).0))
    }

    /// One empty round trip.
    pub(crate) async fn round_trip(&self) -> Result<Duration, Fault> {
        let started = Instant::now();
        self.opening(self.client()?.simple_query("")).await?;
        Ok(started.elapsed())
    }

    /// Whether another call may have it: nothing is under way in it, and it is a session of the server's own.
    pub(crate) fn can_be_kept(&self) -> bool {
        let open = self.client.as_ref().is_some_and(|client| !client.is_closed());
        open && self.guard == Guard::Startup && self.pending.load(Ordering::Relaxed) == 0
    }

    /// Whether a pooler stands between us and the server: it did not hand our settings on.
    pub(crate) fn is_pooled(&self) -> bool {
        self.guard == Guard::Transaction
    }

    /// Facts about how the session was opened that a report must state.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// How a transaction begins that carries the session's settings itself.
    fn begin(&self) -> String {
        let begin = begin(&self.limits);
        if self.text.unconverted { begin + "SET LOCAL client_encoding = 'SQL_ASCII'; " } else { begin }
    }

    /// As whom the session is logged in.
    pub(crate) fn user(&self) -> &str {
        &self.target.user
    }

    /// Where the session is.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    fn client(&self) -> Result<&Client, Fault> {
        self.client.as_ref().ok_or_else(|| Fault::new(kind::CONNECTION_LOST, "the session is closed"))
    }

    /// What the server said when it ended the session, rather than that it did.
    fn why_lost(&self, fault: Fault) -> Fault {
        if fault.kind == kind::CONNECTION_LOST && fault.sqlstate.is_none() {
            return self.lost.get().cloned().unwrap_or(fault);
        }
        fault
    }

    fn silent(&self) -> Fault {
        let message = format!("{} stopped answering, or a column has a type of its own: cast it", self.target);
        let mut fault = Fault::new(kind::CONNECTION_LOST, message);
        fault.retryable = true;
        fault
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        if self.pending.load(Ordering::Relaxed) == 0 {
            // The connection's task says goodbye to the server and ends.
            return;
        }
        // The call was given up in the middle of a statement. The server would not look at the
        // connection before the statement's end, so it is told.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let Some(cancel) = self.cancel.take() else { return };
        let (timeout, presence, task) = (self.limits.connect_timeout, self.presence.clone(), Task::begin());
        runtime.spawn(async move {
            if let Ok(Err(error)) = tokio::time::timeout(timeout, cancel.send()).await {
                tracing::debug!(error, "a statement could not be cancelled");
            }
            drop((client, presence, task));
        });
    }
}

/// What the driver looks up for a column of an unknown type runs outside of any transaction of ours, on a
/// server connection that others share.
fn behind_a_pooler() -> Fault {
    let message = "behind a transaction pooler only statements of the catalogue are sent: connect to the server";
    Fault::new(kind::NOT_APPROVED, message)
}

/// Reads rows up to the caps. The driver keeps the columns to itself until there is a row, so a row set
/// without rows is without columns, too.
async fn rows(
    stream: RowStream,
    max_rows: u32,
    allowance: &Allowance,
    encoding: TextEncoding,
) -> Result<RowSet, (Fault, bool)> {
    let mut stream = std::pin::pin!(stream);
    let mut set = RowSet { columns: Vec::new(), rows: Vec::new(), truncated: false };
    while let Some(row) = stream.try_next().await.map_err(|error| error::querying(&error))? {
        if set.columns.is_empty() {
            set.columns = columns(&row).map_err(|fault| (fault, false))?;
        }
        if set.rows.len() >= max_rows as usize || !allowance.take_row(weight(&row)) {
            set.truncated = true;
            break;
        }
        set.rows.push(values_of(&row, encoding).map_err(|fault| (fault, false))?);
    }
    Ok(set)
}

fn values_of(row: &Row, encoding: TextEncoding) -> Result<Vec<Value>, Fault> {
    let unexpected = |why: String| Fault::new(kind::UNEXPECTED_ANSWER, why);
    let value = |(index, column): (usize, &tokio_postgres::Column)| {
        let raw = row.try_get::<_, Raw<'_>>(index).map_err(|error| unexpected(error::chain(&error)))?;
        raw.decode(column.type_(), encoding)
            .map_err(|error| unexpected(format!("column '{}' cannot be read: {error}", column.name())))
    };
    row.columns().iter().enumerate().map(value).collect()
}

/// Roughly what a row weighs when it is decoded, known before it is.
fn weight(row: &Row) -> usize {
    row.raw_size_bytes() + row.len() * size_of::<Value>()
}

fn columns(row: &Row) -> Result<Vec<Column>, Fault> {
    row.columns()
        .iter()
        .map(|column| {
            let (name, kind_of) = (column.name(), column.type_());
            if values::is_supported(kind_of) {
                return Ok(Column { name: name.to_owned(), type_oid: kind_of.oid() });
            }
            let message = format!("column '{name}' has type {kind_of}: cast it in the statement");
            Err(Fault::new(kind::UNSUPPORTED_TYPE, message))
        })
        .collect()
}

/// Waits for an opening as long as it may take.
pub(crate) async fn in_time<T>(
    target: &Target,
    limits: &Limits,
    opening: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let timeout = limits.connect_timeout;
    tokio::time::timeout(timeout, opening).await.unwrap_or_else(|_| {
        let why = format!("no session within {} ms (limit `connect_timeout`)", timeout.as_millis());
        Err(error::unreachable(target, &why))
    })
}

/// Has a connection run in the background.
pub(crate) fn spawn(
    connection: impl Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static,
    lost: Arc<OnceLock<Fault>>,
    presence: Presence,
) {
    tokio::spawn(drive(connection, lost, presence, Task::begin()));
}

/// Moves bytes until the session is dropped or the server ends it.
async fn drive(
    connection: impl Future<Output = Result<(), tokio_postgres::Error>>,
    lost: Arc<OnceLock<Fault>>,
    presence: Presence,
    task: Task,
) {
    if let Err(error) = connection.await {
        // Only the first reason counts; a second cannot come.
        let _ = lost.set(error::querying(&error).0);
    }
    drop((presence, task));
}

/// Ours come last, so that they win.
fn startup_options(target: &Target, limits: &Limits) -> String {
    format!("{} {}", target.options.as_deref().unwrap_or_default(), as_options(limits)).trim_start().to_owned()
}

/// The session's settings as `options` of the startup packet.
pub(crate) fn as_options(limits: &Limits) -> String {
    settings(limits).map(|(name, value)| format!("-c {name}={value}")).join(" ")
}

/// What asks a session whether they hold.
pub(crate) fn settings_query(limits: &Limits) -> String {
    // For the view `pg_settings` the server would describe all of its settings, which takes as long as the rest of a
    // call. A timeout is shown in the largest unit that fits it.
    let held = settings(limits).map(|(name, value)| match value.parse::<u64>() {
        Ok(ms) => format!("pg_catalog.current_setting('{name}')::pg_catalog.interval OPERATOR(pg_catalog.=) '{ms} ms'"),
        Err(_) => format!("pg_catalog.current_setting('{name}') OPERATOR(pg_catalog.=) '{value}'"),
    });
    format!("SELECT {}", held.join(" AND "))
}

/// How a transaction begins that carries them itself.
pub(crate) fn begin(limits: &Limits) -> String {
    format!("BEGIN READ ONLY; {}", set_local(limits))
}

fn set_local(limits: &Limits) -> String {
    settings(limits).map(|(name, value)| format!("SET LOCAL {name} = '{value}'; ")).concat()
}

/// A session's settings. Never one that the catalogue reads: ours would be taken for the server's. A timeout of
/// zero would be none.
pub(crate) fn settings(limits: &Limits) -> [(&'static str, String); 4] {
    [
        ("default_transaction_read_only", "on".into()),
        ("statement_timeout", limits.statement_timeout.as_millis().max(1).to_string()),
        ("lock_timeout", limits.lock_timeout.as_millis().max(1).to_string()),
        // Nobody's function or operator of the same name may stand in for the catalogue's.
        ("search_path", "pg_catalog".into()),
    ]
}
