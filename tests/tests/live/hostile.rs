//! The hostile suite: real components that attack the host, its server or its neighbours. Each is
//! stopped with the error that its row says, and afterwards everybody else is served as before.
//!
//! A family is a table of [`Attack`]s and one test. `tests/ATTACKS.md` holds all the tables.

mod abi;
pub(crate) mod arena;
mod cpu_memory;
pub(crate) mod loading;
mod overview;
mod pools;
pub(crate) mod secrets;
mod signals;
mod sql;
mod typed;
mod wat;

use serde_json::Value;

use self::arena::{Rules, Scene};

/// One attack, and how it ends.
pub(crate) struct Attack {
    /// What it tries.
    tries: &'static str,
    with: Weapon,
    /// What it is up against.
    under: fn() -> Rules,
    /// What stops it.
    stopped_by: &'static str,
    ends: Ends,
}

/// An attack by the hostile component in Rust.
const fn planned(
    tries: &'static str,
    plan: fn(&Scene) -> Value,
    under: fn() -> Rules,
    stopped_by: &'static str,
    ends: Ends,
) -> Attack {
    Attack { tries, with: Weapon::Rust(plan), under, stopped_by, ends }
}

/// What an attack is carried out with.
pub(crate) enum Weapon {
    /// The hostile component in Rust; the request says what to do.
    Rust(fn(&Scene) -> Value),
    /// A component of its own.
    Wat(fn() -> Vec<u8>),
    /// A component that takes longer to compile than it may.
    Bomb(fn() -> Vec<u8>),
}

/// How an attack ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ends {
    /// The host ends the call, or does not load the component, with this kind of fault and these words.
    Fault(&'static str, &'static str),
    /// The component is told so in the last answer that it gets, and the call goes on.
    Told(&'static str),
    /// The component gets nowhere, though nobody tells it so.
    InVain,
}

impl Ends {
    /// For the table.
    fn error(self) -> String {
        match self {
            Self::Fault(kind, words) => format!("call ends: `{kind}`, “{words}”"),
            Self::Told(words) => format!("component hears: “{words}”"),
            Self::InVain => "none: it changes nothing".into(),
        }
    }
}

/// A request that names an attack, and asks for sessions to be ended, all and at once, so that everything
/// is open to it.
fn request(attack: Value) -> Value {
    let options = serde_json::json!({ "maxKillPercentage": 100, "idleTimeoutMs": 0, "idleInTransactionTimeoutMs": 0 });
    let mut request = serde_json::json!({ "action": "kill-idle", "options": options });
    request["attack"] = attack;
    request
}
