//! Recording and replay of imports, between a component and its imports.

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::rows::RowSet;
use async_trait::async_trait;

use crate::bindings::backends::{Order, Outcome};
use crate::bindings::database::{ProbeTiming, Statement};
use crate::bindings::scaling::{ReconnectOutcome, SizeOrder, SizeOutcome};
use crate::digest::Digest;

/// Records or answers the imports of a host's calls.
pub trait Interceptor: Send + Sync {
    /// Returns true if calls are answered without the host: then no credential is looked up, nothing is reached or
    /// changed, and no audit event is recorded.
    fn replays(&self) -> bool;

    /// Begins a call of a component's function; `input` is its JSON text. A fault refuses the call.
    fn begin(&self, component: &str, digest: Digest, function: &str, input: &str) -> Result<CallMode, Fault>;
}

/// Recording or replay of one call.
#[derive(Default)]
pub enum CallMode {
    /// The imports are called.
    #[default]
    Off,
    /// The imports are called, and recorded with their answers.
    Recording(Box<dyn CallRecorder>),
    /// The imports are answered by a replayer and not called.
    Replaying(Box<dyn CallReplayer>),
}

impl CallMode {
    /// Returns true if imports are answered by a replayer.
    pub fn is_replaying(&self) -> bool {
        matches!(self, Self::Replaying(_))
    }
}

/// Records the imports of one call.
#[async_trait]
pub trait CallRecorder: Send + Sync {
    /// Adds an import with its answer.
    fn record(&mut self, call: ImportCall, answer: Result<ImportAnswer, Fault>);

    /// Ends the call with the component's result.
    async fn end(self: Box<Self>, result: &Result<String, Fault>);
}

/// Answers the imports of one call.
pub trait CallReplayer: Send + Sync {
    /// Returns the answer to an import, or its fault. The variant of the answer belongs to the call.
    fn answer(&mut self, call: &ImportCall) -> Result<ImportAnswer, Fault>;
}

/// A call of an import with its arguments. Handles are the numbers that the component has for them.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the WIT interfaces describe the arguments")]
pub enum ImportCall {
    /// `credentials.lookup`; answered by a handle.
    Lookup { name: Option<String> },
    /// `credential.name`; answered by a text.
    CredentialName { credential: u32 },
    /// `session.open`; answered by a handle.
    OpenSession { credential: u32 },
    /// `session.access-path`; answered by a text.
    AccessPath { session: u32 },
    /// `session.notes`; answered by texts.
    Notes { session: u32 },
    /// `session.query`; answered by row sets.
    Query { session: u32, batch: Vec<Statement> },
    /// `database.probe`; answered by timings.
    Probe { credential: u32, count: u32, timeout_ms: u32 },
    /// `console.open`; answered by a handle.
    OpenConsole { credential: u32 },
    /// `console.kind`; answered by a text.
    ConsoleKind { console: u32 },
    /// `console.show`; answered by row sets.
    Show { console: u32, views: Vec<String> },
    /// `backends.deliver`; answered by outcomes.
    Deliver { session: u32, orders: Vec<Order>, dry_run: bool },
    /// `scaling.resize`; answered by a size.
    Resize { console: u32, order: SizeOrder, dry_run: bool },
    /// `scaling.reconnect`; answered by a reconnect.
    Reconnect { console: u32, database: String, reason: String, dry_run: bool },
}

/// The answer to an import.
#[derive(Debug, Clone)]
pub enum ImportAnswer {
    /// A handle's number.
    Handle(u32),
    /// A text.
    Text(String),
    /// A list of texts.
    Texts(Vec<String>),
    /// One answer for each statement or view.
    RowSets(Vec<Result<RowSet, Fault>>),
    /// One measurement for each probe.
    Timings(Vec<Result<ProbeTiming, Fault>>),
    /// One outcome for each order.
    Outcomes(Vec<Outcome>),
    /// The outcome of a resize.
    Size(SizeOutcome),
    /// The outcome of a reconnect.
    ReconnectOutcome(ReconnectOutcome),
}

/// Takes an answer of one kind; any other belongs to another import, which is a fault of the replayer.
macro_rules! takes {
    ($($name:ident: $kind:ident($inner:ty)),* $(,)?) => {
        impl ImportAnswer {
            $(
                #[doc = concat!("Takes a [`Self::", stringify!($kind), "`]. Fails for the answer of another import.")]
                pub fn $name(self) -> Result<$inner, Fault> {
                    if let Self::$kind(answer) = self { Ok(answer) } else { Err(mismatch()) }
                }
            )*
        }
    };
}

takes! {
    into_handle: Handle(u32),
    into_text: Text(String),
    into_texts: Texts(Vec<String>),
    into_row_sets: RowSets(Vec<Result<RowSet, Fault>>),
    into_timings: Timings(Vec<Result<ProbeTiming, Fault>>),
    into_outcomes: Outcomes(Vec<Outcome>),
    into_size: Size(SizeOutcome),
    into_reconnect: ReconnectOutcome(ReconnectOutcome),
}

fn mismatch() -> Fault {
    Fault::new(kind::CASSETTE_MISMATCH, "the answer is that of another import")
}
