//! Parts of the sessions that share one database, role, name and address, each an application of its own.
//!
//! Drivers give the same name to all their applications, or none. Sessions of one application run the same statements,
//! sooner or later; so two of them belong together once both have run one, at any look. A set of sessions that works
//! and has no statement in common with another one that works is an application of its own.

use archon_pool_contract::params::Options;
use archon_pool_contract::snapshot::{Backend, State};

use crate::application;
use crate::fast_map::Map;

use super::session_history::Known;
use super::statements::Statements;

/// An application works if one of its sessions was used within this many times `idleTimeoutMs`.
const STILL_WORKS: u64 = 2;
/// So many sessions that work show an application.
const APPLICATION: usize = 2;

/// Part of a pool key's sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// Indexes of its members among the sessions of the key.
    pub members: Vec<usize>,
    /// False if it is not known which of several applications they belong to: they show nothing about each other.
    pub is_application: bool,
}

/// The parts of the sessions of a key.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// At least one, each with at least one member.
    pub parts: Vec<Part>,
    /// Fingerprint of each session's application; 0 if it has run no statement of one.
    pub applications: Vec<u32>,
}

impl Parts {
    /// Divides the sessions of a key.
    pub fn of(
        members: &[&Backend],
        known: &[Known<'_>],
        now: i64,
        options: &Options,
        statements: &Statements<'_>,
    ) -> Self {
        let applications = applications(members, known, statements);
        let limit_ms = options.idle_timeout_ms.saturating_mul(STILL_WORKS);
        // An application that chose its name has code paths that lose sessions, and show nothing else. Several that
        // share a driver's default fall silent at different times.
        let has_own_name = members.first().is_some_and(|member| application::is_own(member.family()));
        let mut sizes = Map::<u32, (usize, bool)>::default();
        for ((member, known), &application) in members.iter().zip(known).zip(&applications) {
            let (size, works) = sizes.entry(application).or_default();
            *size += 1;
            let worked = known.is_some_and(|(_, before)| before.returns > 0);
            *works |= worked && (!has_own_name || is_used(member, now, limit_ms));
        }
        let works = |application: u32| application != 0 && sizes.get(&application).is_some_and(|(_, works)| *works);
        let several = |application: u32| sizes.get(&application).is_some_and(|(size, _)| *size >= APPLICATION);
        let working: Vec<u32> = sizes.keys().copied().filter(|&application| works(application)).collect();
        if working.len() <= 1 {
            let all = Part { members: (0..members.len()).collect(), is_application: true };
            return Self { parts: vec![all], applications };
        }
        // The others can only belong to an application that has several sessions, if there is no more than one.
        let mut of_several = working.iter().filter(|&&application| several(application));
        let owner = of_several.next().copied().filter(|_| of_several.next().is_none());
        let mut parts = Vec::<Part>::new();
        let mut numbers = Map::<Option<u32>, usize>::default();
        for (at, &application) in applications.iter().enumerate() {
            let of = if works(application) { Some(application) } else { owner };
            let number = *numbers.entry(of).or_insert_with(|| {
                parts.push(Part { members: Vec::new(), is_application: of.is_some() });
                parts.len() - 1
            });
            parts[number].members.push(at);
        }
        Self { parts, applications }
    }
}

/// Returns the fingerprint of each session's application: the smallest of its sessions' statements.
fn applications(members: &[&Backend], known: &[Known<'_>], statements: &Statements<'_>) -> Vec<u32> {
    let mut roots = Map::<u32, u32>::default();
    let pairs: Vec<(u32, u32)> = members
        .iter()
        .zip(known)
        .map(|(member, known)| {
            let before = known.map_or(0, |(_, before)| before.application);
            (before, statements.last_of(member).fingerprint)
        })
        .collect();
    for &(before, now) in &pairs {
        if before != 0 && now != 0 && before != now {
            let (one, other) = (root(&mut roots, before), root(&mut roots, now));
            if one != other {
                roots.insert(one.max(other), one.min(other));
            }
        }
    }
    pairs.iter().map(|&(before, now)| root(&mut roots, if before == 0 { now } else { before })).collect()
}

/// Follows the links from a fingerprint to the smallest of its set, and shortens them.
fn root(roots: &mut Map<u32, u32>, of: u32) -> u32 {
    let mut smallest = of;
    while let Some(&next) = roots.get(&smallest) {
        smallest = next;
    }
    if smallest != of {
        roots.insert(of, smallest);
    }
    smallest
}

/// Returns true if a session is in use, or was used lately.
fn is_used(member: &Backend, now: i64, limit_ms: u64) -> bool {
    match member.state() {
        State::Idle | State::IdleInTransaction | State::Aborted => member.idle_ms(now) < limit_ms,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{NOW, idle};
    use crate::leaks::observed_session::ObservedSession;

    /// A session of an application with this name that ran a statement last and has been idle for so many seconds, and
    /// how often it was seen to work.
    fn session(pid: i32, name: &str, query: &str, idle_s: i64, returns: u32) -> (Backend, ObservedSession) {
        let backend = Backend { application: name.to_owned(), query: query.to_owned(), ..idle(pid, idle_s) };
        (backend, ObservedSession { pid, returns, ..ObservedSession::default() })
    }

    /// Process ids of each part, and whether it is an application.
    fn parts(sessions: &[(Backend, ObservedSession)]) -> Vec<(Vec<i32>, bool)> {
        let members: Vec<&Backend> = sessions.iter().map(|(backend, _)| backend).collect();
        let known: Vec<Known<'_>> = sessions.iter().map(|(_, observed)| Some((0, observed))).collect();
        let statements = Statements::of(members.iter().copied());
        let found = Parts::of(&members, &known, NOW, &Options::default(), &statements).parts;
        let pids = |part: Part| (part.members.iter().map(|&at| members[at].pid).collect(), part.is_application);
        found.into_iter().map(pids).collect()
    }

    #[test]
    fn sessions_that_share_statements_are_one_application() {
        let (a, b) = ("SELECT 1 FROM a", "SELECT 1 FROM b");
        let found = parts(&[session(1, "", a, 1, 2), session(2, "", a, 1, 1), session(3, "", "COMMIT", 900, 0)]);
        assert_eq!(found, [(vec![1, 2, 3], true)]);
        // One that ran both links those that ran one of them.
        let mut both = session(3, "", b, 1, 1);
        let first = session(1, "", a, 1, 1);
        both.1.application = Statements::of([&first.0].into_iter()).last_of(&first.0).fingerprint;
        assert_eq!(parts(&[first, session(2, "", b, 1, 1), both]), [(vec![1, 2, 3], true)]);
    }

    #[test]
    fn applications_without_a_common_statement_are_divided() {
        let (a, b) = ("SELECT 1 FROM a", "SELECT 1 FROM b");
        let found = parts(&[
            session(1, "", a, 1, 2),
            session(2, "", a, 900, 0),
            session(3, "", b, 1, 2),
            session(4, "", b, 1, 0),
            session(5, "", "COMMIT", 900, 0),
        ]);
        assert_eq!(found, [(vec![1, 2], true), (vec![3, 4], true), (vec![5], false)]);
    }

    /// The code path that loses sessions shows a statement of its own, and works no more.
    #[test]
    fn lost_sessions_stay_with_the_application_that_chose_the_name() {
        let (work, loses) = ("SELECT 1 FROM a", "SELECT 1 FROM b");
        let sessions = |name: &str| {
            [
                session(1, name, work, 1, 5),
                session(2, name, work, 1, 5),
                session(3, name, loses, 900, 1),
                session(4, name, loses, 950, 1),
            ]
        };
        assert_eq!(parts(&sessions("checkout")), [(vec![1, 2, 3, 4], true)]);
        assert_eq!(parts(&sessions("postgres.js")), [(vec![1, 2], true), (vec![3, 4], true)]);
    }
}
