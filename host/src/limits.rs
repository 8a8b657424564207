//! What one call may use. Every limit is always on, can be set, and has an error of its own that
//! names it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use archon_pool_plugin::fault::{Fault, kind};
use wasmtime::ResourceLimiter;

/// What one call may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Wall-clock time of the whole call, waiting for the server included.
    pub deadline: Duration,
    /// Time that the component itself may compute; waiting for the host does not count, except in WASI:
    /// what a component sleeps there (`poll`) is counted as computed.
    pub cpu: Duration,
    /// Bytes over all of the component's memories and tables.
    pub memory: usize,
    /// Size of a component's file, bytes.
    pub component_bytes: u64,
    /// Rows that one statement hands over; more are cut off and reported as truncated.
    pub rows: u32,
    /// Bytes that one batch of statements hands over; what is more is cut off and reported as truncated.
    pub answer_bytes: usize,
    /// Statements in one batch, and views in one `show`.
    pub statements: usize,
    /// Calls of imported functions.
    pub host_calls: u32,
    /// Fresh connections of one call of the component, over all of its `probe`s.
    pub probes: u32,
    /// Sessions open at the same time.
    pub sessions: usize,
    /// Handles that the component holds at the same time.
    pub handles: usize,
    /// Orders in one `deliver`.
    pub orders: usize,
    /// Bytes that the component may write to its standard output and error; the rest is dropped.
    pub output_bytes: usize,
    /// Time to open a connection, TLS and authentication included.
    pub connect_timeout: Duration,
    /// `statement_timeout` of every session.
    pub statement_timeout: Duration,
    /// `lock_timeout` of every session.
    pub lock_timeout: Duration,
    /// How long to wait for signalled sessions to leave.
    pub leave_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(60),
            cpu: Duration::from_secs(10),
            memory: 256 << 20,
            component_bytes: 64 << 20,
            rows: 100_000,
            answer_bytes: 32 << 20,
            statements: 64,
            host_calls: 1_000,
            probes: 16,
            sessions: 4,
            handles: 1_000,
            orders: 1_000,
            output_bytes: 64 << 10,
            connect_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(15),
            lock_timeout: Duration::from_secs(2),
            leave_timeout: Duration::from_secs(3),
        }
    }
}

/// A limit that was reached. Those that end the component travel through wasmtime as an error and
/// are found there again by their type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    Cpu(Duration),
    Memory { wanted: usize, limit: usize },
    ComponentBytes { size: u64, limit: u64 },
    Statements { wanted: usize, limit: usize },
    HostCalls(u32),
    Probes { wanted: u32, limit: u32 },
    Sessions(usize),
    Orders { wanted: usize, limit: usize },
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu(limit) => {
                write!(f, "the component computed for more than {} ms: limit `cpu`", limit.as_millis())
            }
            Self::Memory { wanted, limit } => {
                write!(f, "the component asked for {wanted} bytes of memory, {limit} are allowed: limit `memory`")
            }
            Self::ComponentBytes { size, limit } => {
                write!(f, "the component has {size} bytes, {limit} are allowed: limit `component_bytes`")
            }
            Self::Statements { wanted, limit } => {
                write!(f, "the batch has {wanted} statements, {limit} are allowed: limit `statements`")
            }
            Self::HostCalls(limit) => {
                write!(f, "the component called the host more than {limit} times: limit `host_calls`")
            }
            Self::Probes { wanted, limit } => {
                write!(f, "{wanted} probes were asked for in this call, {limit} are allowed: limit `probes`")
            }
            Self::Sessions(limit) => write!(f, "{limit} sessions are open already: limit `sessions`"),
            Self::Orders { wanted, limit } => {
                write!(f, "{wanted} orders were given, {limit} are allowed: limit `orders`")
            }
        }
    }
}

impl std::error::Error for Reached {}

impl From<Reached> for Fault {
    fn from(reached: Reached) -> Self {
        Self::new(kind::LIMIT_EXCEEDED, reached.to_string())
    }
}

/// How long the component has computed.
///
/// Epochs tick on while the component waits for the host, so they only say *when to look*; what is
/// held against the budget is this clock, which every imported function stops.
#[derive(Debug, Default)]
pub(crate) struct GuestTime(Mutex<Spent>);

#[derive(Debug, Default)]
struct Spent {
    before: Duration,
    since: Option<Instant>,
}

impl GuestTime {
    pub(crate) fn resume(&self) {
        self.locked().since = Some(Instant::now());
    }

    fn pause(&self) {
        let mut spent = self.locked();
        if let Some(since) = spent.since.take() {
            spent.before += since.elapsed();
        }
    }

    pub(crate) fn spent(&self) -> Duration {
        let spent = self.locked();
        spent.before + spent.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Stops the clock until the returned value is dropped.
    pub(crate) fn stopped(self: &Arc<Self>) -> Stopped {
        self.pause();
        Stopped(Arc::clone(self))
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Spent> {
        // Nothing that holds the lock can panic halfway through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The clock stands still while this lives.
pub(crate) struct Stopped(Arc<GuestTime>);

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.resume();
    }
}

/// Counts the bytes of all memories and tables together. Refusing with an error rather than with
/// "no" ends the component there and then, and keeps the reason.
#[derive(Debug)]
pub(crate) struct Memory {
    used: usize,
    limit: usize,
}

/// What an element of a table weighs.
const TABLE_ELEMENT: usize = size_of::<usize>();

impl Memory {
    pub(crate) fn new(limit: usize) -> Self {
        Self { used: 0, limit }
    }

    fn grow(&mut self, by: usize) -> wasmtime::Result<bool> {
        let wanted = self.used.saturating_add(by);
        if wanted > self.limit {
            return Err(wasmtime::Error::new(Reached::Memory { wanted, limit: self.limit }));
        }
        self.used = wanted;
        Ok(true)
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.grow(desired.saturating_sub(current))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.grow(desired.saturating_sub(current).saturating_mul(TABLE_ELEMENT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_the_host_is_not_computing() {
        let time = Arc::new(GuestTime::default());
        time.resume();
        let stopped = time.stopped();
        std::thread::sleep(Duration::from_millis(20));
        assert!(time.spent() < Duration::from_millis(10));
        drop(stopped);
        std::thread::sleep(Duration::from_millis(20));
        assert!(time.spent() >= Duration::from_millis(20));
    }

    #[test]
    fn memory_is_counted_over_everything() {
        let mut memory = Memory::new(1_000);
        assert!(memory.memory_growing(0, 600, None).is_ok());
        assert!(memory.memory_growing(0, 300, None).is_ok());
        let error = memory.table_growing(0, 100, None).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Reached::Memory { wanted: 1_700, limit: 1_000 }));
    }

    #[test]
    fn each_error_names_its_setting() {
        let fault = Fault::from(Reached::HostCalls(7));
        assert_eq!(fault.kind, kind::LIMIT_EXCEEDED);
        assert!(fault.message.ends_with("limit `host_calls`"), "{}", fault.message);
    }
}
