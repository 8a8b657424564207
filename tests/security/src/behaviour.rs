//! Hostile behaviour of a server, and the fault that a client has to return.

use serde_json::{Value, json};

use crate::scram::Scram;

/// Type of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A PostgreSQL server.
    Postgres,
    /// PgBouncer's admin console.
    Console,
    /// Supabase's Management API, over plain HTTP.
    Management,
}

impl Kind {
    /// Returns the name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Console => "console",
            Self::Management => "management",
        }
    }
}

/// Stage at which the server begins to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// After the connection is accepted.
    Accept,
    /// After the client's request for TLS.
    Tls,
    /// After the client's startup packet.
    Startup,
    /// After the client's check of its session settings.
    Setup,
    /// After a statement of the component, a console command or an HTTP request.
    Statement,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Tls => "tls",
            Self::Startup => "startup",
            Self::Setup => "setup",
            Self::Statement => "statement",
        }
    }
}

/// Continuation after the first bytes of a behaviour.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Then {
    /// Sends nothing, and keeps the connection open.
    Silence,
    /// Closes the connection.
    Close,
    /// Repeats these bytes without end, as fast as the client reads them; the number counts up from zero.
    Repeat(fn(u64) -> Vec<u8>),
    /// Sends these bytes, one per second, and nothing after them.
    Trickle(fn() -> Vec<u8>),
    /// Runs SCRAM with an invalid step.
    Scram(Scram),
    /// Continues the session, and answers each later request in the same way.
    Continue,
}

/// Hostile behaviour.
#[derive(Debug, Clone, Copy)]
pub struct Behaviour {
    /// Type of server that shows it.
    pub kind: Kind,
    /// Name on the command line.
    pub name: &'static str,
    /// Description of the behaviour.
    pub does: &'static str,
    /// Stage at which it begins.
    pub stage: Stage,
    pub(crate) first: fn() -> Vec<u8>,
    pub(crate) then: Then,
    /// Fault kinds that a client may return.
    pub faults: &'static [&'static str],
    /// Limit that the fault's message has to name.
    pub limit: Option<&'static str>,
    /// Text that the fault's message has to contain.
    pub says: Option<&'static str>,
}

impl Kind {
    /// Creates a behaviour.
    pub(crate) const fn at(
        self,
        stage: Stage,
        name: &'static str,
        does: &'static str,
        first: fn() -> Vec<u8>,
        then: Then,
        faults: &'static [&'static str],
    ) -> Behaviour {
        Behaviour { kind: self, name, does, stage, first, then, faults, limit: None, says: None }
    }

    /// Creates a behaviour that exceeds a limit.
    pub(crate) const fn beyond(
        self,
        stage: Stage,
        name: &'static str,
        does: &'static str,
        first: fn() -> Vec<u8>,
        then: Then,
        limit: &'static str,
    ) -> Behaviour {
        Behaviour { limit: Some(limit), ..self.at(stage, name, does, first, then, &["limit-exceeded"]) }
    }
}

impl Behaviour {
    /// Returns the `sslmode` that a client needs to reach the stage.
    pub fn sslmode(&self) -> &'static str {
        if self.stage == Stage::Tls { "require" } else { "disable" }
    }

    fn to_json(self) -> Value {
        json!({
            "kind": self.kind.name(), "name": self.name, "does": self.does, "stage": self.stage.name(),
            "sslmode": self.sslmode(), "faults": self.faults, "limit": self.limit, "says": self.says,
        })
    }
}

/// Finds a behaviour by name.
pub fn find(kind: &str, name: &str) -> Option<&'static Behaviour> {
    crate::behaviours().find(|behaviour| behaviour.kind.name() == kind && behaviour.name == name)
}

/// Lists all behaviours as JSON, for hosts in other languages.
pub fn list() -> Value {
    crate::behaviours().map(|behaviour| behaviour.to_json()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_at_least_fifteen_behaviours_with_unique_names() {
        for kind in [Kind::Postgres, Kind::Console, Kind::Management] {
            let mut names: Vec<_> =
                crate::behaviours().filter(|each| each.kind == kind).map(|each| each.name).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert!(count >= 15 && names.len() == count, "{}: {names:?}", kind.name());
        }
    }
}
