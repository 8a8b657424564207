//! The audit log: what components asked of the host, what was decided, and every signal before it is
//! sent. JSON lines, append-only, each chained to the one before it.
//!
//! # The file
//!
//! A line is one JSON object in UTF-8 without a line break in it, and a line feed. It is written like
//! this, to the byte:
//!
//! ```text
//! {"seq":2,"time":"2026-11-23T17:36:29.120Z","event":"…",…,"prev":"<64 hex>","hash":"<64 hex>"}
//! ```
//!
//! - `seq` counts from 1 without a gap, over all processes that write to the file.
//! - `time` is the host's clock, UTC, milliseconds. It is not part of the chain's order: clocks go back.
//! - `prev` is the `hash` of the line before; 64 zeros in the first.
//! - `hash` is the SHA-256 of the line as it stands with `,"hash":"<64 hex>"` and the line feed taken
//!   out. So it covers `prev`, and with it everything before.
//!
//! A verifier needs no canonical JSON: it cuts the last 75 bytes `,"hash":"…"}` off the line, adds
//! `}`, hashes, and compares.
//!
//! **Torn lines.** A process or machine that dies in the middle of a write leaves bytes after the last
//! line that are no line: they do not end like one. The next writer leaves them where they are, ends
//! them with a line feed and goes on with the event `recovered`, whose `torn` is the SHA-256 of these
//! bytes and whose `bytes` is their number. Exactly that is accepted by [`verify()`]; it is also counted.
//!
//! **Not a regular file.** A FIFO or a device is written to and never read: every opening starts a
//! chain of its own there, with `seq` 1.
//!
//! # Events
//!
//! | event | when | fields |
//! |---|---|---|
//! | `open` | a process opened the log | `version`, `pid` |
//! | `recovered` | torn bytes were found before this line | `torn`, `bytes` |
//! | `lost` | lines before this one could not be written | `lines` |
//! | `call-started` | a component is called | `function` |
//! | `host-call` | an import of the component returned | `function`, `outcome`, `duration_us`, and what it was about |
//! | `refused` | a statement that the SQL policy does not allow | `statement` (SHA-256), `why` |
//! | `limit` | a limit was reached | `message` |
//! | `consent` | somebody was asked | `granted`, `why`, `orders` |
//! | `order` | before a signal (`outcome` is `sending`) and when it is known what became of an order | see below |
//! | `order` with `statement` | likewise for a statement that could do more than read statistics | see below |
//! | `resize`, `renew` | likewise for a change of a pool | see below |
//! | `call-ended` | | `function`, `outcome`, `duration_us` |
//!
//! All of a call carry `call`, an identifier drawn at random, `plugin` and `digest` (absent when the
//! host's own caller acts) and `tenant` (absent without tenants). `outcome` of a call is `ok` or the kind
//! of its fault, or `given-up` for what had not returned when the call ended. Statements appear as the
//! SHA-256 of their text; parameters, rows and secrets never do.
//!
//! An `order` has `by` (role), `server`, `database`, `pid`, `backend_start`, `signal`, `state`,
//! `state_change`, `reason`, `dry_run`, `outcome` and `detail`. Outcomes are `sending`, then one of
//! `signalled`, `gone`, `changed`, `survived`, `denied`, `failed`, `would-signal`; the line that says what
//! became of a `sending` names its `seq` in its own field `sending`. A `sending` that nobody refers to is an
//! act of a process that died, or of a call that was given up: it may or may not have happened.
//!
//! An `order` that is a statement has `by`, `server`, `database`, `statement` (SHA-256), `why` (what the strict checker
//! does not admit), `outcome` and `detail`. Outcomes are `sending`, then `executed` or `failed`.
//!
//! A `resize` or `renew` has `by`, `server`, `database`, `controller`, `pool`, `size`, `before`, `after`, `reason`,
//! `dry_run`, `outcome` and `detail`, as far as there is something to say. Outcomes are `sending`, then one of
//! `executed`, `unexecuted` (the read-back shows another size), `denied`, `failed`, `would-resize`, `would-renew`.
//!
//! # What it holds against whom
//!
//! A changed, removed, inserted, repeated or moved line is found. What a chain without a key cannot do:
//! whoever may rewrite the whole file can write another chain, and a tail that was cut off leaves a chain
//! that is whole. So anchor the head elsewhere (`archon-pool audit verify` prints it, `--head` checks it),
//! ship the lines to another machine, or make the file append-only (`chattr +a`).

mod author;
mod chain;
mod hour;
mod line;
mod verify;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use archon_pool_plugin::fault::{Fault, kind};
use jiff::Timestamp;
use serde_json::{Map, Value};

pub(crate) use self::author::Author;
use self::chain::Chain;
pub(crate) use self::hour::{Act, Place};
pub use self::line::Head;
pub use self::verify::{Broken, Summary, Unfinished, verify};

/// Texts longer than this are cut: a component's own words must not fill the disk.
const TEXT_BYTES: usize = 1_000;

/// An audit log that is open for appending. Clones write to the same one.
#[derive(Clone)]
pub struct Audit(Arc<Open>);

struct Open {
    path: PathBuf,
    chain: Mutex<Chain>,
    /// Whether somebody was told that it cannot be written.
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
    /// Several processes may have the same one open. Fails with `audit-failed` when the file cannot be
    /// opened or is something else than an audit log. One that can be opened and not be written, such as on
    /// a full disk, is no failure here: then there is a warning, reads go on, and nothing is ended.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let chain = Chain::open(path).map_err(|error| failed(path, &error))?;
        let audit = Self(Arc::new(Open { path: path.to_owned(), chain: Mutex::new(chain), warned: false.into() }));
        let open = Event::new("open").with("version", env!("CARGO_PKG_VERSION")).with("pid", std::process::id());
        audit.append(&[open]);
        Ok(audit)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Puts events on record. A log that cannot be written is warned of, once.
    pub(crate) async fn write(&self, events: Vec<Event>) {
        let audit = self.clone();
        // The lock of the file may be another process's, and a disk may be slow.
        let _ = tokio::task::spawn_blocking(move || audit.append(&events)).await;
    }

    /// Puts orders on record that are about to be sent, as many of the first as the hour has room for when
    /// there are to be no more than `most` in this place. Returns their line numbers once they are on the
    /// disk. What is not returned must not be sent, and after a fault nothing.
    pub(crate) async fn announce(&self, place: Place, most: u32, orders: Vec<Event>) -> Result<Vec<u64>, Fault> {
        self.blocking(move |chain| chain.announce(Timestamp::now(), &place, most, &orders)).await
    }

    /// How many orders could be announced.
    pub(crate) async fn left(&self, place: Place, most: u32) -> Result<usize, Fault> {
        self.blocking(move |chain| chain.left(Timestamp::now(), &place, most)).await
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

    fn append(&self, events: &[Event]) {
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

fn failed(path: &Path, error: &std::io::Error) -> Fault {
    let message = format!("the audit log {} cannot be written, so nothing is ended: {error}", path.display());
    Fault::new(kind::AUDIT_FAILED, message)
}

/// What a line says, before it has a place in the chain.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    name: &'static str,
    fields: Map<String, Value>,
}

impl Event {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, fields: Map::new() }
    }

    /// Adds a field; a long text is cut.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = match value.into() {
            Value::String(text) => Value::String(cut(text)),
            other => other,
        };
        self.fields.insert(name.to_owned(), value);
        self
    }

    /// Adds a field, if there is something to say.
    pub(crate) fn with_some(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds several.
    pub(crate) fn with_all(self, fields: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        fields.into_iter().fold(self, |event, (name, value)| event.with(name, value))
    }
}

fn cut(mut text: String) -> String {
    if text.len() > TEXT_BYTES {
        text.truncate(text.floor_char_boundary(TEXT_BYTES));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests;
