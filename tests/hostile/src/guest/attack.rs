//! Attacks by name.

use serde::Deserialize;

use super::{flood, hog, kill, pool, spy, sql};

#[derive(Deserialize)]
pub(super) struct Request {
    pub(super) attack: Attack,
}

/// Attack with its parameters.
#[derive(Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(super) enum Attack {
    /// Loops without end.
    Spin,
    /// Loops without end, calling the host between bursts.
    SpinBetweenCalls,
    /// Allocates all memory in one piece.
    MemoryAtOnce,
    /// Allocates all memory in small pieces.
    MemoryInCrumbs,
    /// Recurses without end.
    Recurse,
    /// Calls the host without end.
    CallFlood,
    /// Looks up a credential without end and keeps every handle.
    CredentialHoard,
    /// Opens sessions and keeps them, until one is refused.
    SessionHoard,
    /// Opens a session and leaks its handle; the answer is valid.
    SessionLeak,
    /// Requests this many probes, as often as they are granted.
    ProbeFlood { count: u32 },
    /// Requests the pooler's console without end.
    ConsoleFlood,
    /// Opens consoles and keeps them, until one is refused.
    ConsoleHoard,
    /// Runs steps on one console, repeatedly if `flood` is set.
    Pool {
        steps: Vec<pool::Step>,
        #[serde(default)]
        flood: bool,
    },
    /// Sends a statement of this many bytes.
    HugeStatement { bytes: usize },
    /// Sends a statement with this many parameters.
    ManyParameters { count: usize },
    /// Sends a statement with a parameter of this many bytes.
    HugeParameter { bytes: usize },
    /// Sends this many statements in one batch.
    ManyStatements { count: usize },
    /// Looks up a credential with a name of this many bytes.
    HugeName { bytes: usize },
    /// Delivers this many orders at once.
    ManyOrders { count: usize },
    /// Delivers an order with a reason of this many bytes.
    HugeReason { bytes: usize },
    /// Returns an answer of this many bytes.
    HugeAnswer { bytes: usize },
    /// Returns an answer of this many lists side by side.
    ManyValues { count: usize },
    /// Returns an answer of this many nested lists.
    NestedAnswer { depth: usize },
    /// Returns the given answer.
    Answer { text: String },
    /// Sends batches of statements, one after another in one session. With `sessions`, batch i goes to session i
    /// modulo that number.
    Query { batches: Vec<Vec<String>>, sessions: Option<usize>, max_rows: Option<u32> },
    /// Repeats the same batch until the session is refused or lost.
    QueryForEver { batch: Vec<String> },
    /// Delivers rounds of orders, each by the next of this many sessions.
    Deliver { rounds: Vec<Vec<kill::Order>>, sessions: Option<usize>, dry_run: bool, before: Option<Vec<String>> },
    /// Delivers orders against the delivering session itself, whose identity a statement returns.
    DeliverToMyself { identity: String },
    /// Searches for a secret, which is given in disguise, in all accessible data.
    Spy { disguised: Vec<u8>, names: Vec<String>, statements: Vec<String> },
}

impl Attack {
    pub(super) fn run(self) -> String {
        let heard = match self {
            Self::Spin => hog::spin(),
            Self::SpinBetweenCalls => hog::spin_between_calls(),
            Self::MemoryAtOnce => hog::memory_at_once(),
            Self::MemoryInCrumbs => hog::memory_in_crumbs(),
            Self::Recurse => hog::recurse_for_ever(),
            Self::CallFlood => flood::calls(),
            Self::CredentialHoard => flood::credentials(),
            Self::SessionHoard => flood::sessions(),
            Self::SessionLeak => flood::leaked_session(),
            Self::ProbeFlood { count } => flood::probes(count),
            Self::ConsoleFlood => flood::consoles(),
            Self::ConsoleHoard => pool::hoard(),
            Self::Pool { steps, flood } => pool::steps(&steps, flood),
            Self::HugeStatement { bytes } => flood::statement(bytes),
            Self::ManyParameters { count } => flood::parameters(count, 1),
            Self::HugeParameter { bytes } => flood::parameters(1, bytes),
            Self::ManyStatements { count } => flood::statements(count),
            Self::HugeName { bytes } => flood::name(bytes),
            Self::ManyOrders { count } => flood::orders(count, 1),
            Self::HugeReason { bytes } => flood::orders(1, bytes),
            Self::HugeAnswer { bytes } => return flood::answer(bytes),
            Self::ManyValues { count } => return format!("[{}0]", "[0],".repeat(count)),
            Self::NestedAnswer { depth } => return format!("{}{}", "[".repeat(depth), "]".repeat(depth)),
            Self::Answer { text } => return text,
            Self::Query { batches, sessions, max_rows } => sql::query(&batches, sessions, max_rows),
            Self::QueryForEver { batch } => sql::for_ever(&batch),
            Self::Deliver { rounds, sessions, dry_run, before } => {
                kill::deliver(&rounds, sessions, dry_run, before.as_deref())
            }
            Self::DeliverToMyself { identity } => kill::deliver_to_myself(&identity),
            Self::Spy { disguised, names, statements } => spy::search(&disguised, &names, &statements),
        };
        heard.into_answer()
    }
}
