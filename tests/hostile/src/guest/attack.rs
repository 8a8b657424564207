//! The attacks by name.

use serde::Deserialize;

use super::{flood, hog, kill, pool, spy, sql};

#[derive(Deserialize)]
pub(super) struct Request {
    pub(super) attack: Attack,
}

/// What to try, with its numbers and texts.
#[derive(Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(super) enum Attack {
    /// Computes for ever.
    Spin,
    /// Computes for ever, calling the host between two bursts.
    SpinBetweenCalls,
    /// Asks for all memory in one piece.
    MemoryAtOnce,
    /// Asks for all memory in small pieces.
    MemoryInCrumbs,
    /// Calls itself for ever.
    Recurse,
    /// Calls the host for ever.
    CallFlood,
    /// Looks a credential up for ever and keeps every handle.
    CredentialHoard,
    /// Opens sessions and keeps them, until one is refused.
    SessionHoard,
    /// Opens a session and leaks its handle; the answer is honest.
    SessionLeak,
    /// Asks for so many probes, as often as they are granted.
    ProbeFlood { count: u32 },
    /// Asks for the pooler's console for ever.
    ConsoleFlood,
    /// Opens consoles and keeps them, until one is refused.
    ConsoleHoard,
    /// Steps on one console, over and over when it is to be a flood.
    Pool {
        steps: Vec<pool::Step>,
        #[serde(default)]
        flood: bool,
    },
    /// A statement with so many letters.
    HugeStatement { bytes: usize },
    /// A statement with so many parameters.
    ManyParameters { count: usize },
    /// A statement with a parameter of so many letters.
    HugeParameter { bytes: usize },
    /// So many statements in one batch.
    ManyStatements { count: usize },
    /// A lookup of a credential with so long a name.
    HugeName { bytes: usize },
    /// So many orders in one delivery.
    ManyOrders { count: usize },
    /// An order with so long a reason.
    HugeReason { bytes: usize },
    /// An answer with so many letters.
    HugeAnswer { bytes: usize },
    /// An answer of so many lists side by side.
    ManyValues { count: usize },
    /// An answer of so many lists in one another.
    NestedAnswer { depth: usize },
    /// An answer as it is given.
    Answer { text: String },
    /// Batches of statements, one after another in one session. With `sessions`, batch i goes to
    /// session i modulo that number.
    Query { batches: Vec<Vec<String>>, sessions: Option<usize>, max_rows: Option<u32> },
    /// The same batch again and again, until the session is refused or lost.
    QueryForEver { batch: Vec<String> },
    /// Rounds of orders, each delivered in turn by one of so many sessions.
    Deliver { rounds: Vec<Vec<kill::Order>>, sessions: Option<usize>, dry_run: bool, before: Option<Vec<String>> },
    /// Orders against the very session that delivers them, whose identity a statement tells.
    DeliverToMyself { identity: String },
    /// Looks for a secret, which is given disguised, in all that it can see.
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
