//! An open audit log, for all calls of a process.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::audit_sink::{AuditSink, Event, Place};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::chain::Chain;

/// An audit log that is open for appending. Clones write to the same file.
#[derive(Clone)]
pub struct Audit(Arc<Open>);

struct Open {
    path: PathBuf,
    chain: Mutex<Chain>,
    /// True if a warning was logged that it cannot be written.
    warned: AtomicBool,
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "audit log {}", self.0.path.display())
    }
}

impl Audit {
    /// Opens a log, or creates it for its owner alone (mode 0600), and writes the event `open`.
    ///
    /// Several processes may have the same file open. Fails with `audit-failed` when the file cannot be opened or is
    /// not an audit log. A file that can be opened but not written, as on a full disk, is no error here: a warning is
    /// logged, reads continue, and nothing is ended.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let chain = Chain::open(path).map_err(|error| failed(path, &error))?;
        let audit = Self(Arc::new(Open { path: path.to_owned(), chain: Mutex::new(chain), warned: false.into() }));
        let open = Event::new("open").with("version", env!("CARGO_PKG_VERSION")).with("pid", std::process::id());
        audit.append(&[open]);
        Ok(audit)
    }

    /// Returns the path of the log.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Chain) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, Fault> {
        let audit = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&mut audit.0.chain.lock().unwrap_or_else(PoisonError::into_inner));
            audit.warn(done.as_ref().err());
            done.map_err(|error| failed(&audit.0.path, &error))
        });
        done.await.unwrap_or_else(|error| Err(failed(&self.0.path, &std::io::Error::other(error))))
    }

    pub(super) fn append(&self, events: &[Event]) {
        let mut chain = self.0.chain.lock().unwrap_or_else(PoisonError::into_inner);
        self.warn(chain.append(Timestamp::now(), events).as_ref().err());
    }

    fn warn(&self, error: Option<&std::io::Error>) {
        let warned = self.0.warned.swap(error.is_some(), Ordering::SeqCst);
        if let (false, Some(error)) = (warned, error) {
            let audit = self.0.path.display();
            tracing::warn!(%audit, %error, "the audit log cannot be written: reads go on, and nothing is ended");
        }
    }
}

impl AuditSink for Audit {
    fn write(&self, events: Vec<Event>) -> BoxFuture<'_, ()> {
        let audit = self.clone();
        async {
            // Another process may hold the lock of the file, and a disk may be slow.
            let _ = tokio::task::spawn_blocking(move || audit.append(&events)).await;
        }
        .boxed()
    }

    fn announce(&self, place: Place, most: u32, orders: Vec<Event>) -> BoxFuture<'_, Result<Vec<u64>, Fault>> {
        self.blocking(move |chain| chain.announce(Timestamp::now(), &place, most, &orders)).boxed()
    }

    fn left(&self, place: Place, most: u32) -> BoxFuture<'_, Result<usize, Fault>> {
        self.blocking(move |chain| chain.left(Timestamp::now(), &place, most)).boxed()
    }

    fn is_shared(&self) -> bool {
        self.path().is_file()
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Fault {
    let message = format!("the audit log {} cannot be written, so nothing is ended: {error}", path.display());
    Fault::new(kind::AUDIT_FAILED, message)
}
