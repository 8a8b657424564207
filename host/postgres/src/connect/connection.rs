//! An open connection and the task that drives it. Whatever the peer does, the socket is closed within a second after
//! the connection is dropped.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::shutdown_guard::ShutdownGuard;
use futures_util::TryStreamExt as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::cancel::Cancel;
use super::startup::Parameters;
use crate::error;

/// Time limit of closing: to cancel the running statement, and to send the server the end.
const CLOSING: Duration = Duration::from_millis(900);

/// Time that a server has to end a cancelled statement before the socket is closed.
const CANCELLED: Duration = Duration::from_millis(200);

/// Number of background tasks of sessions in this process.
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

/// Waits until no session of this process has data left to send to its server.
pub async fn all_over() {
    // Never an error: the sender is not dropped.
    let _ = TASKS.subscribe().wait_for(|count| *count == 0).await;
}

/// The task that transfers a connection's bytes. It ends with its owner.
pub(super) struct Driver {
    task: JoinHandle<()>,
    /// The reason for which the connection ended, unless it was closed here.
    lost: Arc<OnceLock<Fault>>,
    guard: ShutdownGuard,
}

impl Driver {
    /// Runs a connection in the background.
    pub(super) fn spawn(
        connection: impl Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static,
        guard: &ShutdownGuard,
    ) -> Self {
        let lost = Arc::new(OnceLock::new());
        let driving = drive(connection, Arc::clone(&lost), (guard.clone(), Task::begin()));
        Self { task: tokio::spawn(driving), lost, guard: guard.clone() }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Transfers bytes until the client is dropped or the server ends the connection.
async fn drive(
    connection: impl Future<Output = Result<(), tokio_postgres::Error>>,
    lost: Arc<OnceLock<Fault>>,
    held: (ShutdownGuard, Task),
) {
    let mut connection = std::pin::pin!(connection);
    if let Err(error) = connection.as_mut().await {
        // Set once, and before the connection is dropped, because a waiting statement reads it then.
        let _ = lost.set(error::ending(&error));
    }
    drop(held);
}

/// A connection with the facts that the login revealed.
pub(crate) struct Connected {
    pub(crate) connection: Connection,
    pub(crate) parameters: Parameters,
    /// Facts about the connection that a report must state.
    pub(crate) notes: Vec<String>,
    /// True if a pooler refused the options.
    pub(crate) options_refused: bool,
}

/// An open connection.
pub(crate) struct Connection {
    // Taken by `drop` alone.
    open: Option<Open>,
    /// Statements without a full answer: a call that is given up leaves its statements in it.
    pending: AtomicUsize,
}

struct Open {
    client: Client,
    driver: Driver,
    cancel: Box<Cancel>,
}

impl Connection {
    pub(super) fn new(client: Client, driver: Driver, cancel: Cancel) -> Self {
        Self { open: Some(Open { client, driver, cancel: Box::new(cancel) }), pending: AtomicUsize::new(0) }
    }

    pub(crate) fn client(&self) -> Result<&Client, Fault> {
        let closed = || Fault::new(kind::CONNECTION_LOST, "the session is closed");
        self.open.as_ref().map(|open| &open.client).ok_or_else(closed)
    }

    /// Counts a statement until it is answered: statements pending on drop are cancelled.
    pub(crate) fn begin_statement(&self) {
        self.pending.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends the counting: the whole answer was received.
    pub(crate) fn end_statement(&self) {
        self.pending.fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns true if it is open and no statement is pending.
    pub(crate) fn is_idle(&self) -> bool {
        self.open.as_ref().is_some_and(|open| !open.client.is_closed()) && self.pending.load(Ordering::Relaxed) == 0
    }

    /// Returns the reason for which the peer ended the connection, if known; otherwise the fault itself.
    pub(crate) fn why_lost(&self, fault: Fault) -> Fault {
        if fault.kind == kind::CONNECTION_LOST && fault.sqlstate.is_none() {
            let lost = self.open.as_ref().and_then(|open| open.driver.lost.get());
            return lost.cloned().unwrap_or(fault);
        }
        fault
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(Open { client, mut driver, cancel }) = self.open.take() else { return };
        let is_busy = self.pending.load(Ordering::Relaxed) > 0;
        // Without a runtime it cannot be closed gracefully.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let held = (driver.guard.clone(), Task::begin());
        runtime.spawn(async move {
            let closing = async {
                // The server checks the connection only at the end of a statement, so a cancel request is sent.
                if is_busy && let Err(error) = cancel.send().await {
                    tracing::debug!(error, "a statement could not be cancelled");
                }
                drop(client);
                // Sends the termination message and ends, if it can.
                let patience = if is_busy { CANCELLED } else { CLOSING };
                let _ = tokio::time::timeout(patience, &mut driver.task).await;
            };
            let _ = tokio::time::timeout(CLOSING, closing).await;
            drop((driver, held));
        });
    }
}

/// Returns the first column of the first row of an answer. The other rows are read and dropped.
pub(crate) async fn first_text(client: &Client, question: &str) -> Result<Option<String>, tokio_postgres::Error> {
    let mut answer = std::pin::pin!(client.simple_query_raw(question).await?);
    let mut first = None;
    while let Some(message) = answer.try_next().await? {
        if let SimpleQueryMessage::Row(row) = message
            && first.is_none()
        {
            first = Some(row.try_get(0)?.map(str::to_owned));
        }
    }
    Ok(first.flatten())
}
