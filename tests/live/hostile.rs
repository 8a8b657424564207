//! Hostile suite: real components that attack the host, its server or other tenants. Each is stopped with the error
//! of its row, and afterwards all others are served as before.
//!
//! A family is a table of [`Attack`]s and one test. `tests/ATTACKS.md` lists all the tables.

mod abi;
pub(crate) mod attacked_server;
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

use self::attacked_server::{AttackInput, Rules};

/// Attack with its expected end.
pub(crate) struct Attack {
    /// Description of the attempt.
    tries: &'static str,
    with: Payload,
    /// Rules that apply to the attacker.
    under: fn() -> Rules,
    /// Mechanism that stops it.
    stopped_by: &'static str,
    ends: Ends,
}

/// Creates an attack by the hostile component in Rust.
const fn planned(
    tries: &'static str,
    plan: fn(&AttackInput) -> Value,
    under: fn() -> Rules,
    stopped_by: &'static str,
    ends: Ends,
) -> Attack {
    Attack { tries, with: Payload::Rust(plan), under, stopped_by, ends }
}

/// Component that carries out an attack.
pub(crate) enum Payload {
    /// Hostile component in Rust, with its request.
    Rust(fn(&AttackInput) -> Value),
    /// Custom component.
    Wat(fn() -> Vec<u8>),
    /// Component whose compilation exceeds the time limit.
    SlowToCompile(fn() -> Vec<u8>),
}

/// Expected end of an attack.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ends {
    /// The host ends the call, or does not load the component, with this kind of fault and this text.
    Fault(&'static str, &'static str),
    /// The component gets this text in the last answer, and the call continues.
    Response(&'static str),
    /// The attack has no effect, and the component gets no error.
    NoEffect,
}

impl Ends {
    /// Returns the text for the table.
    fn error(self) -> String {
        match self {
            Self::Fault(kind, words) => format!("call ends: `{kind}`, “{words}”"),
            Self::Response(words) => format!("component receives: “{words}”"),
            Self::NoEffect => "none: it changes nothing".into(),
        }
    }
}

/// Creates a request that names an attack, and asks for all sessions to be ended at once, so that everything is
/// permitted.
fn request(attack: Value) -> Value {
    let options = serde_json::json!({ "maxKillPercentage": 100, "idleTimeoutMs": 0, "idleInTransactionTimeoutMs": 0 });
    let mut request = serde_json::json!({ "action": "kill-idle", "options": options });
    request["attack"] = attack;
    request
}
