//! Limits of one call. Every limit is always on, can be set, and has an error of its own that names it.
//!
#![doc = include_str!("../../docs/limits.md")]

use std::fmt;
use std::time::Duration;

use archon_pool_contract::fault::{Fault, kind};
use wasmtime::ResourceLimiter;

mod setting;

/// Limits of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Wall-clock time of the whole call, waiting for the server included.
    pub deadline: Duration,
    /// CPU time that the component itself may use. Waiting does not count.
    pub cpu: Duration,
    /// WebAssembly instructions that the component may execute, approximately: the same on every machine, whereas `cpu`
    /// depends on its load. Those of the built-in components are counted by an engine whose limit is not the default.
    pub fuel: u64,
    /// Bytes of stack that the component's functions may use. Applied when the engine is created.
    pub stack: usize,
    /// Bytes over all of the component's memories and tables.
    pub memory: usize,
    /// Core instances that the component consists of; its memories and its tables may be as many each.
    pub instances: usize,
    /// Size of a component's file, bytes. Applied when the engine is created.
    pub component_bytes: u64,
    /// Time to compile a component, once, when it is loaded. Applied when the engine is created.
    pub compile_time: Duration,
    /// Rows that one statement returns; more are cut off and reported as truncated.
    pub rows: u32,
    /// Rows that all statements of one call return; more are cut off and reported as truncated, and the next batch is
    /// refused.
    pub answer_rows: usize,
    /// Bytes that all statements of one call return; more are cut off and reported as truncated, and the next batch is
    /// refused.
    pub answer_bytes: usize,
    /// Bytes of statements, parameters and reasons that the component passes to the host in one call.
    pub request_bytes: usize,
    /// Bytes that the component passes to the host at once: the arguments of one imported function, or
    /// its answer. Counted as the host holds them, which is more than their text.
    pub message_bytes: usize,
    /// Bytes of the JSON text that the component answers with; an eighth as many values may be in it.
    pub report_bytes: usize,
    /// Statements in one batch, and views in one `show`.
    pub statements: usize,
    /// Calls of imported functions.
    pub host_calls: u32,
    /// Fresh connections of one call of the component, over all of its `probe`s.
    pub probes: u32,
    /// Sessions and consoles open at the same time.
    pub sessions: usize,
    /// Handles that the component holds at the same time.
    pub handles: usize,
    /// Orders of one call, over all of its deliveries.
    pub orders: usize,
    /// Bytes that the component may write to its standard output and error; the rest is dropped.
    pub output_bytes: usize,
    /// Bytes that a server or a pooler sends until its session or console is ready.
    pub start_bytes: usize,
    /// Bytes of one message of PostgreSQL's protocol, by its length field.
    pub protocol_message_bytes: usize,
    /// Bytes of the answer to one statement, of the host's own or the component's, or to one view of a console.
    pub statement_bytes: usize,
    /// Bytes of one answer of the Management API; an eighth as many values may be in it.
    pub api_bytes: usize,
    /// Time to open a connection, TLS and authentication included.
    pub connect_timeout: Duration,
    /// `statement_timeout` of every session.
    pub statement_timeout: Duration,
    /// `lock_timeout` of every session.
    pub lock_timeout: Duration,
    /// Time to wait for signalled sessions to end.
    pub leave_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(60),
            cpu: Duration::from_secs(10),
            fuel: 50_000_000_000,
            stack: 1 << 20,
            memory: 256 << 20,
            instances: 100,
            component_bytes: 64 << 20,
            compile_time: Duration::from_secs(60),
            rows: 100_000,
            answer_rows: 500_000,
            answer_bytes: 64 << 20,
            request_bytes: 16 << 20,
            message_bytes: 128 << 20,
            report_bytes: 16 << 20,
            statements: 64,
            host_calls: 1_000,
            probes: 16,
            sessions: 4,
            handles: 1_000,
            orders: 1_000,
            output_bytes: 64 << 10,
            start_bytes: 1 << 20,
            protocol_message_bytes: 32 << 20,
            statement_bytes: 64 << 20,
            api_bytes: 8 << 20,
            connect_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(15),
            lock_timeout: Duration::from_secs(2),
            leave_timeout: Duration::from_secs(3),
        }
    }
}

/// Bytes of a JSON text for each of its values, at least: a parsed value is ten times as large.
pub const BYTES_PER_VALUE: usize = 8;

/// Depth to which arrays and objects of a JSON text may be nested.
pub const DEPTH: usize = 64;

/// A limit that was reached. Those that end the component pass through wasmtime as an error and are downcast again by
/// their type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the field of the same name of [`Limits`], with what was wanted")]
pub enum LimitError {
    Cpu(Duration),
    Fuel(u64),
    Stack(usize),
    Memory { wanted: usize, limit: usize },
    Instances(usize),
    ComponentBytes { size: u64, limit: u64 },
    CompileTime(Duration),
    AnswerRows(usize),
    AnswerBytes(usize),
    RequestBytes { wanted: usize, limit: usize },
    MessageBytes(usize),
    ReportBytes(usize),
    Handles(usize),
    Statements { wanted: usize, limit: usize },
    HostCalls(u32),
    Probes { wanted: u32, limit: u32 },
    Sessions(usize),
    Orders { wanted: usize, limit: usize },
    StartBytes(usize),
    ProtocolMessageBytes(usize),
    StatementBytes(usize),
    ApiBytes(usize),
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu(limit) => {
                write!(f, "the component computed for more than {} ms: limit `cpu`", limit.as_millis())
            }
            Self::Fuel(limit) => {
                write!(f, "the component executed more than {limit} instructions: limit `fuel`")
            }
            Self::Stack(limit) => {
                write!(f, "the component needs more than {limit} bytes of stack: limit `stack`")
            }
            Self::Memory { wanted, limit } => {
                write!(f, "the component asked for {wanted} bytes of memory, {limit} are allowed: limit `memory`")
            }
            Self::ComponentBytes { size, limit } => {
                write!(f, "the component has {size} bytes, {limit} are allowed: limit `component_bytes`")
            }
            Self::Instances(limit) => {
                write!(f, "the component has more than {limit} instances, memories or tables: limit `instances`")
            }
            Self::CompileTime(limit) => {
                write!(f, "the component was not compiled within {} ms: limit `compile_time`", limit.as_millis())
            }
            Self::AnswerRows(limit) => {
                write!(f, "the component has had the {limit} rows that one call may read: limit `answer_rows`")
            }
            Self::AnswerBytes(limit) => {
                write!(f, "the component has had the {limit} bytes that one call may read: limit `answer_bytes`")
            }
            Self::RequestBytes { wanted, limit } => write!(
                f,
                "the component has given {wanted} bytes of statements and reasons, {limit} are allowed: \
                 limit `request_bytes`"
            ),
            Self::MessageBytes(limit) => {
                write!(f, "the component passed more than {limit} bytes at once: limit `message_bytes`")
            }
            Self::ReportBytes(limit) => write!(
                f,
                "the component answered with more than {limit} bytes, or {} values: limit `report_bytes`",
                limit / BYTES_PER_VALUE
            ),
            Self::Handles(limit) => {
                write!(f, "the component held more than {limit} handles: limit `handles`")
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
                write!(f, "{wanted} orders were given in this call, {limit} are allowed: limit `orders`")
            }
            Self::StartBytes(limit) => {
                write!(f, "the server sent more than {limit} bytes before the session was ready: limit `start_bytes`")
            }
            Self::ProtocolMessageBytes(limit) => {
                write!(f, "the server sent a message of more than {limit} bytes: limit `protocol_message_bytes`")
            }
            Self::StatementBytes(limit) => {
                write!(f, "the server sent more than {limit} bytes for one statement: limit `statement_bytes`")
            }
            Self::ApiBytes(limit) => write!(
                f,
                "the Management API answered with more than {limit} bytes or {} values, or with more than {DEPTH} in one \
                 another: limit `api_bytes`",
                limit / BYTES_PER_VALUE
            ),
        }
    }
}

impl std::error::Error for LimitError {}

impl From<LimitError> for Fault {
    fn from(reached: LimitError) -> Self {
        Self::new(kind::LIMIT_EXCEEDED, reached.to_string())
    }
}

/// Counts the bytes of all memories and tables together. Refusing with an error rather than with `false` ends the
/// component immediately, and keeps the reason.
#[derive(Debug)]
pub(crate) struct Memory {
    used: usize,
    limit: usize,
    instances: usize,
    memories: usize,
}

/// Bytes of an element of a table.
const TABLE_ELEMENT: usize = size_of::<usize>();

impl Memory {
    /// Creates the counter. `memories` is the number of memories, and of tables, that the engine has for a call.
    pub(crate) fn new(limits: &Limits, memories: usize) -> Self {
        let memories = memories.min(limits.instances);
        Self { used: 0, limit: limits.memory, instances: limits.instances, memories }
    }

    fn grow(&mut self, by: usize) -> wasmtime::Result<bool> {
        let wanted = self.used.saturating_add(by);
        if wanted > self.limit {
            return Err(wasmtime::Error::new(LimitError::Memory { wanted, limit: self.limit }));
        }
        self.used = wanted;
        Ok(true)
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // The engine refuses growth beyond the declared maximum, without ending the component.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(true);
        }
        self.grow(desired.saturating_sub(current))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(true);
        }
        self.grow(desired.saturating_sub(current).saturating_mul(TABLE_ELEMENT))
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        self.memories
    }

    fn memories(&self) -> usize {
        self.memories
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_counted_over_all_memories_and_tables() {
        let mut memory = Memory::new(&Limits { memory: 1_000, ..Limits::default() }, 1);
        assert!(memory.memory_growing(0, 600, None).is_ok());
        assert!(memory.memory_growing(0, 300, None).is_ok());
        let error = memory.table_growing(0, 100, None).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&LimitError::Memory { wanted: 1_700, limit: 1_000 }));
    }

    #[test]
    fn each_error_names_its_setting() {
        let fault = Fault::from(LimitError::HostCalls(7));
        assert_eq!(fault.kind, kind::LIMIT_EXCEEDED);
        assert!(fault.message.ends_with("limit `host_calls`"), "{}", fault.message);
    }
}
