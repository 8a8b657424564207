//! A plan: the changes that were shown, their digest, and the check that nothing else is made.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use archon_pool_contract::params::Action;
use archon_pool_contract::snapshot::SessionKey;
use archon_pool_core::consent::{Act, Decision, Proposal};
use archon_pool_core::digest::Digest;
use archon_pool_core::policy::Policy;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::untrusted::{state, text};

/// Time in which a client may ask for consent to a plan.
pub const FRESH: Duration = Duration::from_secs(120);

/// Time in which a person may apply a plan. Sessions that were used since are spared whatever the time.
pub const LASTING: Duration = Duration::from_secs(900);

/// Letters of a plan's id: the beginning of its digest.
const ID_LETTERS: usize = 16;

/// Sessions that a question lists; all are in the plan.
const MOST_LISTED: usize = 10;

/// Changes that were shown to a client, and are made only after a person's consent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// Time at which it was made, milliseconds since 1970.
    pub made_at_ms: u64,
    /// Distinguishes plans of the same changes.
    pub salt: u64,
    /// The client that asked for it, such as `mcp:claude-code`.
    pub author: String,
    /// Name of the credential; none for the default.
    pub credential: Option<String>,
    /// Options of the contract that the client gave.
    pub options: Map<String, Value>,
    /// The changes.
    pub change: Change,
}

/// The changes of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Change {
    /// The end of sessions.
    End {
        /// The sessions.
        sessions: Vec<Ending>,
        /// The cap under which they were chosen, percent.
        max_kill_percentage: u32,
    },
    /// Another size of a pool.
    Resize {
        /// The pool; none for the one that the console controls by default.
        pool: Option<String>,
        /// The size that it has.
        from: u32,
        /// The size that it gets.
        to: u32,
        /// Reason for the size.
        reason: String,
    },
}

/// A session that a plan would end, in the state in which it was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ending {
    /// Process id.
    pub pid: i32,
    /// Start of the session, microseconds since 1970.
    pub backend_start: i64,
    /// `state` in `pg_stat_activity`.
    pub state: String,
    /// Time of its last use, microseconds since 1970.
    pub state_change: i64,
    /// Application name.
    pub application: String,
    /// Role name.
    pub role: String,
    /// Milliseconds since its last use, when it was shown.
    pub idle_ms: u64,
}

impl Plan {
    /// Returns the digest of everything in the plan.
    pub fn digest(&self) -> String {
        Digest::of(serde_json::to_string(self).unwrap_or_default().as_bytes()).to_string()
    }

    /// Returns its id: the beginning of the digest.
    pub fn id(&self) -> String {
        self.digest().chars().take(ID_LETTERS).collect()
    }

    /// Returns the number that a person types as consent: of sessions to end, or the new size of the pool.
    pub fn number(&self) -> u32 {
        match &self.change {
            Change::End { sessions, .. } => u32::try_from(sessions.len()).unwrap_or(u32::MAX),
            Change::Resize { to, .. } => *to,
        }
    }

    /// Returns the action that makes the changes.
    pub fn action(&self) -> Action {
        match self.change {
            Change::End { .. } => Action::KillIdle,
            Change::Resize { .. } => Action::AutoScale,
        }
    }

    /// Returns the command with which a person applies it.
    pub fn command(&self) -> String {
        format!("archon-pool apply {}", self.id())
    }

    /// Returns true if the plan was made within this time.
    pub fn is_within(&self, time: Duration) -> bool {
        now_ms().saturating_sub(self.made_at_ms) <= u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
    }

    /// Returns the input of the component. It computes the plan again, for the sessions of this one and from the server as
    /// it is now; what else it wants to change is refused by the host and by [`Plan::decide`].
    pub fn input(&self) -> Value {
        let mut options = self.options.clone();
        options.insert("dryRun".into(), false.into());
        match &self.change {
            Change::End { sessions, .. } => {
                let key = |it: &Ending| SessionKey { pid: it.pid, backend_start: it.backend_start };
                options.insert("only".into(), json!(sessions.iter().map(key).collect::<Vec<_>>()));
                // The host's cap is the plan's; the choice of sessions was made.
                options.insert("maxKillPercentage".into(), 100.into())
            }
            Change::Resize { to, .. } => {
                options.insert("minSize".into(), (*to).into());
                options.insert("maxSize".into(), (*to).into())
            }
        };
        json!({ "action": self.action().name(), "options": options })
    }

    /// Returns a policy under which no more sessions are ended than by the plan's cap.
    pub fn policy(&self, policy: &Policy) -> Policy {
        let policy = policy.clone();
        match &self.change {
            Change::End { max_kill_percentage, .. } => {
                let max_kill_percentage = policy.max_kill_percentage.min(*max_kill_percentage);
                Policy { max_kill_percentage, ..policy }
            }
            Change::Resize { .. } => policy,
        }
    }

    /// Decides about the host's request: consent was given to these sessions in the state in which they were shown, or
    /// to this size, and to nothing else.
    pub fn decide(&self, proposal: &Proposal) -> Decision {
        match (&self.change, &proposal.act) {
            (Change::End { sessions, .. }, Act::End { orders, .. }) => {
                let is_shown = |order: &archon_pool_contract::host_api::Order| {
                    sessions.iter().any(|it| {
                        let key = SessionKey { pid: it.pid, backend_start: it.backend_start };
                        key == order.target && it.state == order.state && it.state_change == order.state_change
                    })
                };
                match orders.iter().find(|order| !is_shown(order)) {
                    None => Ok(()),
                    Some(order) => Err(format!("session {} was used since the plan: plan again", order.target.pid)),
                }
            }
            (Change::Resize { pool, from, to, .. }, Act::Resize { before, order }) => {
                if (from, to, pool) == (before, &order.size, &order.pool) {
                    Ok(())
                } else {
                    Err(format!("the plan is from {from} to {to}, and this would be from {before} to {}", order.size))
                }
            }
            _ => Err("only the changes of the plan were shown".to_owned()),
        }
    }

    /// Returns all changes as lines for a person, with texts of the server quoted.
    pub fn lines(&self) -> Vec<String> {
        let id = self.id();
        match &self.change {
            Change::End { sessions, .. } => {
                let heading = format!("End {} by plan {id}:", counted(sessions.len()));
                std::iter::once(heading).chain(sessions.iter().map(Ending::line)).collect()
            }
            Change::Resize { pool, from, to, reason } => {
                let pool = pool.as_deref().map_or("the pool".to_owned(), |pool| format!("pool {}", quoted(pool)));
                vec![format!("Resize {pool} from {from} to {to} by plan {id}: {}", quoted(reason))]
            }
        }
    }

    /// Returns the question to a person: the first changes, and the number to type.
    pub fn question(&self) -> String {
        let mut lines = self.lines();
        let more = lines.len().saturating_sub(1 + MOST_LISTED);
        lines.truncate(1 + MOST_LISTED);
        if more > 0 {
            lines.push(format!("… and {more} more"));
        }
        let what = match self.change {
            Change::End { .. } => "the number of sessions to end",
            Change::Resize { .. } => "the new size",
        };
        lines.push(format!("Type {what}: {}", self.number()));
        lines.join("\n")
    }
}

impl Ending {
    fn line(&self) -> String {
        let seconds = self.idle_ms / 1_000;
        let (application, role) = (quoted(&self.application), quoted(&self.role));
        format!("pid {}, {} for {seconds} s, application {application}, role {role}", self.pid, state(&self.state))
    }
}

/// Returns true for a text that can be the id of a plan.
pub fn is_id(text: &str) -> bool {
    text.len() == ID_LETTERS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Returns the time now, milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

fn quoted(name: &str) -> String {
    Value::from(text(name)).to_string()
}

fn counted(sessions: usize) -> String {
    if sessions == 1 { "one session".to_owned() } else { format!("{sessions} sessions") }
}

#[cfg(test)]
mod tests;
