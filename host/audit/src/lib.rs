//! The audit log: calls of components, the host's decisions, and every signal before it is sent. JSON lines,
//! append-only, each chained to the one before it.
//!
//! # The file
//!
//! A line is one JSON object in UTF-8 without a line break in it, and a line feed. It has exactly this form:
//!
//! ```text
//! {"seq":2,"time":"2026-11-23T17:36:29.120Z","event":"…",…,"prev":"<64 hex>","hash":"<64 hex>"}
//! ```
//!
//! - `seq` counts from 1 without a gap, over all processes that write to the file.
//! - `time` is the host's clock, UTC, milliseconds. It is not part of the chain's order: clocks may be set back.
//! - `prev` is the `hash` of the line before; 64 zeros in the first.
//! - `hash` is the SHA-256 of the line with `,"hash":"<64 hex>"` and the line feed removed.
//!   So it covers `prev`, and with it all earlier lines.
//!
//! A verifier needs no canonical JSON: it removes the last 75 bytes `,"hash":"…"}` from the line, adds `}`, hashes, and
//! compares.
//!
//! **Torn lines.** A process or machine that fails during a write leaves bytes after the last line that do not end like
//! a line. The next writer keeps them, ends them with a line feed and continues with the event `recovered`, whose
//! `torn` is the SHA-256 of these bytes and whose `bytes` is their number. [`verify()`] accepts exactly that, and
//! counts it.
//!
//! **Not a regular file.** A FIFO or a device is written to and never read: every opening starts a chain of its own,
//! with `seq` 1.
//!
//! # Events
//!
//! | event | when | fields |
//! |---|---|---|
//! | `open` | a process opened the log | `version`, `pid` |
//! | `recovered` | torn bytes were found before this line | `torn`, `bytes` |
//! | `lost` | lines before this one could not be written | `lines` |
//! | `call-started` | a component is called | `function` |
//! | `host-call` | an import of the component returned | `function`, `outcome`, `duration_us`, and its subject |
//! | `refused` | a statement that the SQL policy does not allow | `statement` (SHA-256), `why` |
//! | `limit` | a limit was reached | `message` |
//! | `consent` | consent was requested | `granted`, `why`, `orders` |
//! | `order` | before a signal (`outcome` is `sending`) and when its outcome is known | see below |
//! | `order` with `statement` | likewise for a statement that could do more than read statistics | see below |
//! | `resize`, `reconnect` | likewise for a change of a pool | see below |
//! | `call-ended` | | `function`, `outcome`, `duration_us` |
//!
//! All events of a call have `call`, a random identifier, `plugin` and `digest` (absent when the host's own caller
//! acts) and `tenant` (absent without tenants). `outcome` of a call is `ok` or the kind of its fault, or `given-up` for
//! a host call that had not returned when the call ended. Statements are recorded as the SHA-256 of their text;
//! parameters, rows and secrets never are.
//!
//! An `order` has `by` (role), `server`, `database`, `pid`, `backend_start`, `signal`, `state`, `state_change`,
//! `reason`, `dry_run`, `outcome` and `detail`. Outcomes are `sending`, then one of `signalled`, `gone`, `changed`,
//! `survived`, `denied`, `failed`, `would-signal`; the line with the outcome of a `sending` has its `seq` in the field
//! `sending`. A `sending` without an outcome belongs to a process that died, or to a call that was cancelled: it may or
//! may not have been sent.
//!
//! An `order` that is a statement has `by`, `server`, `database`, `statement` (SHA-256), `why` (the part that the
//! strict checker does not admit), `outcome` and `detail`. Outcomes are `sending`, then `executed` or `failed`.
//!
//! A `resize` or `reconnect` has `by`, `server`, `database`, `controller`, `pool`, `size`, `before`, `after`, `reason`,
//! `dry_run`, `outcome` and `detail`, as far as they apply. Outcomes are `sending`, then one of `executed`,
//! `unexecuted` (the read-back shows another size), `denied`, `failed`, `would-resize`, `would-reconnect`.
//!
//! # Guarantees
//!
//! A changed, removed, inserted, repeated or moved line is detected. Limits of a chain without a key: a user who can
//! rewrite the whole file can write another chain, and truncation leaves a valid chain. So store the head elsewhere
//! (`archon-pool audit verify` prints it, `--head` checks it), ship the lines to another machine, or make the file
//! append-only (`chattr +a`).
//!
#![doc = include_str!("../../docs/audit.md")]

mod chain;
mod hour;
mod line;
mod log;
mod orders;
mod verify;

pub use self::line::Head;
pub use self::log::Audit;
pub use self::orders::{Count, Orders, outcomes};
pub use self::verify::{Broken, Summary, Unfinished, verify};

#[cfg(test)]
mod tests;
