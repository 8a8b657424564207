//! Prepared statements of a kept session: the server plans a statement of the catalogue for as long as it executes it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use tokio_postgres::Client;

/// SQLSTATE of a prepared statement that does not exist.
const UNKNOWN_STATEMENT: &str = "26000";
/// Class of SQLSTATEs about resources. The server stores the whole answer of an `EXECUTE` before it sends it, in a
/// temporary file if it exceeds `work_mem`, for which the disk may be too full.
const RESOURCES: &str = "53";
/// SQLSTATEs and classes of errors that pass: a timeout of a lock or of the statement, resources, a conflict.
const PASSING: [&str; 4] = ["55P03", "57014", RESOURCES, "40"];

/// Statements that the session ran, and those of them that are prepared.
///
/// They are prepared by `PREPARE` under names that are random for each session. A pooler that passes on the session's
/// settings cannot be distinguished from a server: on another server connection such a name is unknown, and never that of
/// another statement, as the driver's own `s1`, `s2` … would be.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Beginning of the names.
    prefix: String,
    statements: Mutex<Statements>,
}

#[derive(Debug, Default)]
struct Statements {
    by_text: HashMap<String, Preparation>,
    /// True after the server did not know a name: a pooler is in between.
    given_up: bool,
}

#[derive(Debug)]
enum Preparation {
    /// Run as a text, and to be prepared before the next call.
    Noted,
    /// Run by this `EXECUTE`.
    Prepared(String),
    /// Run as a text, because the server refused to prepare it.
    Refused,
}

/// Returns true if a statement that failed so could succeed as a text.
pub(super) fn is_at_fault(sqlstate: &str) -> bool {
    sqlstate == UNKNOWN_STATEMENT || sqlstate.starts_with(RESOURCES)
}

impl Prepared {
    pub(super) fn new() -> Self {
        Self { prefix: format!("archon_pool_{:016x}_", rand::random::<u64>()), statements: Mutex::default() }
    }

    /// Returns the text that executes the prepared statement. One that is not prepared is noted for [`Self::prepare`].
    pub(super) fn execution(&self, text: &str) -> Option<String> {
        let mut statements = self.locked();
        if statements.given_up {
            return None;
        }
        match statements.by_text.get(text) {
            Some(Preparation::Prepared(execution)) => Some(execution.clone()),
            Some(_) => None,
            None => {
                statements.by_text.insert(text.to_owned(), Preparation::Noted);
                None
            }
        }
    }

    /// Prepares the noted statements in one round trip, and returns true if there were any. Fails when the connection is
    /// lost.
    pub(super) async fn prepare(&self, client: &Client) -> Result<bool, tokio_postgres::Error> {
        let noted = self.noted();
        let preparing = noted.iter().map(async |(text, name)| {
            (text, name, client.batch_execute(&format!("/* archon-pool */ PREPARE {name} AS {text}")).await)
        });
        // All are sent before the first answer is waited for.
        for (text, name, prepared) in join_all(preparing).await {
            let preparation = match prepared {
                Ok(()) => Preparation::Prepared(format!("EXECUTE {name}")),
                Err(error) if error.is_closed() => return Err(error),
                Err(error) if error.code().is_some_and(|code| PASSING.iter().any(|it| code.code().starts_with(it))) => {
                    Preparation::Noted
                }
                Err(error) => {
                    tracing::debug!(%error, "a statement of the catalogue cannot be prepared");
                    Preparation::Refused
                }
            };
            self.locked().by_text.insert(text.clone(), preparation);
        }
        Ok(!noted.is_empty())
    }

    /// Returns the noted statements, each with its name.
    fn noted(&self) -> Vec<(String, String)> {
        let statements = self.locked();
        let named = |(at, (text, preparation)): (usize, (&String, &Preparation))| {
            matches!(preparation, Preparation::Noted)
                .then(|| (text.clone(), format!("{}{}_{at}", self.prefix, statements.by_text.len())))
        };
        statements.by_text.iter().enumerate().filter_map(named).collect()
    }

    /// Forgets the statements, which the server no longer has.
    pub(super) fn clear(&self) {
        self.locked().by_text.clear();
    }

    /// Prepares nothing in this session from now on. Returns true if something was prepared.
    pub(super) fn give_up(&self) -> bool {
        let mut statements = self.locked();
        let any = statements.by_text.values().any(|preparation| matches!(preparation, Preparation::Prepared(_)));
        *statements = Statements { by_text: HashMap::new(), given_up: true };
        any
    }

    fn locked(&self) -> MutexGuard<'_, Statements> {
        // Nothing that holds the lock can panic halfway through a change.
        self.statements.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_noted_once_under_a_name_of_this_session_alone() {
        let (one, other) = (Prepared::new(), Prepared::new());
        for prepared in [&one, &other] {
            assert_eq!(prepared.execution("SELECT 1"), None);
            assert_eq!(prepared.execution("SELECT 1"), None);
        }
        let (noted, others) = (one.noted(), other.noted());
        assert_eq!((noted.len(), others.len()), (1, 1));
        assert_ne!(noted[0].1, others[0].1);
    }

    #[test]
    fn nothing_is_noted_after_giving_up() {
        let prepared = Prepared::new();
        prepared.execution("SELECT 1");
        assert!(!prepared.give_up(), "nothing was prepared");
        prepared.execution("SELECT 1");
        assert_eq!(prepared.noted(), []);
    }
}
