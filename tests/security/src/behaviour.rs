//! One way to misbehave, and the fault that answers it.

use serde_json::{Value, json};

use crate::scram::Scram;

/// The kind of server.
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
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Console => "console",
            Self::Management => "management",
        }
    }
}

/// The point at which the server begins to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The connection is accepted.
    Accept,
    /// The client asks for TLS.
    Tls,
    /// The client has sent its startup packet.
    Startup,
    /// The client asks whether its settings hold.
    Setup,
    /// The client has sent a statement of the component's, a console command or an HTTP request.
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

/// The bytes that a behaviour sends after its first ones.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Then {
    /// None, and the connection stays open.
    Silence,
    /// None, and the connection is closed.
    Close,
    /// These for ever, as fast as the client reads them; the number counts up from zero.
    Repeat(fn(u64) -> Vec<u8>),
    /// These, one a second, and nothing after them.
    Trickle(fn() -> Vec<u8>),
    /// SCRAM, with this step of it wrong.
    Scram(Scram),
    /// The session goes on, and each later request is answered in the same way.
    Continue,
}

/// A behaviour.
#[derive(Debug, Clone, Copy)]
pub struct Behaviour {
    /// The server that shows it.
    pub kind: Kind,
    /// Its name on the command line.
    pub name: &'static str,
    /// A description for people.
    pub does: &'static str,
    /// The point at which it begins.
    pub stage: Stage,
    pub(crate) first: fn() -> Vec<u8>,
    pub(crate) then: Then,
    /// The kinds of fault with which a client may answer.
    pub faults: &'static [&'static str],
    /// The limit that the fault's message has to name.
    pub limit: Option<&'static str>,
    /// A text that the fault's message has to contain.
    pub says: Option<&'static str>,
}

impl Kind {
    /// A behaviour of such a server.
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

    /// A behaviour that runs into a limit.
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
    /// The `sslmode` that a client needs to get to the stage.
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

/// The behaviour of this name; none when there is none.
pub fn find(kind: &str, name: &str) -> Option<&'static Behaviour> {
    crate::behaviours().find(|behaviour| behaviour.kind.name() == kind && behaviour.name == name)
}

/// All behaviours as JSON, for hosts in other languages.
pub fn list() -> Value {
    crate::behaviours().map(|behaviour| behaviour.to_json()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_at_least_fifteen_behaviours_under_names_of_their_own() {
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
