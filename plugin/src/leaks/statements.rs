//! Last statements of sessions. Many ran the same one: each text is read once.

use archon_pool_contract::snapshot::Backend;
use archon_pool_contract::statement_text;

use crate::fast_map::{Map, Name};
use crate::statement_kind::StatementKind;

/// Classification of a session's last statement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LastStatement {
    /// The same for all statements that differ in nothing but their literals.
    pub reads: usize,
    /// Fingerprint of the text without its literals, the same in every call; 0 if it shows nothing of an application.
    pub fingerprint: u32,
    /// True for a statement of the driver or the pool, not of the application.
    pub is_housekeeping: bool,
    /// True for a statement by which pools clean up a returned session.
    pub cleans_up: bool,
    /// True if it shows where in an application it comes from; transaction control and pings do not.
    pub is_code_path: bool,
}

/// The last statements of all sessions.
#[derive(Debug)]
pub struct Statements<'a> {
    by_text: Map<Name<'a>, LastStatement>,
    /// By address, because each session's is looked up several times: the text is neither hashed nor compared then.
    by_place: Map<Place, LastStatement>,
    /// Text of each without its literals.
    texts: Vec<String>,
}

/// Address and length of a text: unique as long as the text is borrowed.
type Place = (usize, usize);

/// FNV-1a of a text in 24 bits, never 0: short in the carry, and two statements of one client rarely collide.
fn fingerprint(text: &str) -> u32 {
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    ((hash >> 24) ^ (hash & 0x00ff_ffff)).max(1)
}

fn place(text: &str) -> Place {
    (text.as_ptr().addr(), text.len())
}

impl<'a> Statements<'a> {
    /// Classifies the last statement of each session.
    pub fn of(backends: impl Iterator<Item = &'a Backend>) -> Self {
        let mut normalised = Map::<String, LastStatement>::default();
        let mut by_text = Map::<Name<'a>, LastStatement>::default();
        let mut by_place = Map::default();
        for backend in backends {
            let statement = *by_text.entry(Name(&backend.query)).or_insert_with(|| {
                let reads = normalised.len();
                let text = statement_text::normalise(&backend.query);
                let shows = fingerprint(&text);
                *normalised.entry(text).or_insert_with(|| {
                    let StatementKind { is_housekeeping, cleans_up, is_code_path } = StatementKind::of(&backend.query);
                    let fingerprint = if is_code_path { shows } else { 0 };
                    LastStatement { reads, fingerprint, is_housekeeping, cleans_up, is_code_path }
                })
            });
            by_place.insert(place(&backend.query), statement);
        }
        let mut texts = vec![String::new(); normalised.len()];
        for (text, statement) in normalised {
            texts[statement.reads] = text;
        }
        Self { by_text, by_place, texts }
    }

    /// A session's last statement without its literals.
    pub fn text_of(&self, backend: &Backend) -> String {
        let known = self.texts.get(self.last_of(backend).reads);
        known.cloned().unwrap_or_else(|| statement_text::normalise(&backend.query))
    }

    /// The last statement of one of these sessions; of another one nothing is known, so it is taken for its driver's.
    pub fn last_of(&self, backend: &Backend) -> LastStatement {
        let unknown = LastStatement { reads: usize::MAX, is_housekeeping: true, ..LastStatement::default() };
        let found = self.by_place.get(&place(&backend.query)).or_else(|| self.by_text.get(&Name(&backend.query)));
        found.copied().unwrap_or(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::idle;

    #[test]
    fn statements_that_differ_in_literals_are_equal() {
        let ran = |query: &str| Backend { query: query.to_owned(), ..idle(1, 5) };
        let sessions = ["SELECT 1 FROM a", "SELECT 2 FROM a", "DISCARD ALL", "SELECT 1 FROM b"].map(ran);
        let statements = Statements::of(sessions.iter());
        let [one, two, discard, other] = sessions.each_ref().map(|session| statements.last_of(session));
        assert_eq!(one, two);
        assert_ne!(one.reads, other.reads);
        assert!(discard.is_housekeeping && discard.cleans_up && !one.is_housekeeping);
        assert!(statements.last_of(&ran("SELECT 3 FROM c")).is_housekeeping);
        let read = [&sessions[1], &sessions[3], &ran("SELECT 3 FROM c")].map(|session| statements.text_of(session));
        assert_eq!(read, ["SELECT ? FROM a", "SELECT ? FROM b", "SELECT ? FROM c"]);
    }
}
