//! The audit log: calls of components, the host's decisions, and every signal before it is sent. JSON lines,
//! append-only, each chained to the one before it.
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
//! | `resize`, `reconnect` | likewise for a change of a pool | see below |
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
//! A `resize` or `reconnect` has `by`, `server`, `database`, `controller`, `pool`, `size`, `before`, `after`, `reason`,
//! `dry_run`, `outcome` and `detail`, as far as there is something to say. Outcomes are `sending`, then one of
//! `executed`, `unexecuted` (the read-back shows another size), `denied`, `failed`, `would-resize`, `would-reconnect`.
//!
//! # Guarantees
//!
//! A changed, removed, inserted, repeated or moved line is found. What a chain without a key cannot do:
//! whoever may rewrite the whole file can write another chain, and a tail that was cut off leaves a chain
//! that is whole. So anchor the head elsewhere (`archon-pool audit verify` prints it, `--head` checks it),
//! ship the lines to another machine, or make the file append-only (`chattr +a`).
//!
#![doc = include_str!("../../docs/audit.md")]

mod chain;
mod hour;
mod line;
mod log;
mod verify;

pub use self::line::Head;
pub use self::log::Audit;
pub use self::verify::{Broken, Summary, Unfinished, verify};

#[cfg(test)]
mod tests;
