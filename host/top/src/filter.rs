//! Filter of sessions: `state:idle app:web* >5m`.

use crate::session::{Session, Verdict};
use crate::sort::Span;

/// Terms that all must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    is_negated: bool,
    condition: Condition,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    /// A field has this pattern, in lower case.
    Field(Field, String),
    /// The shown duration is longer, milliseconds.
    Longer(u64),
    /// The shown duration is shorter, milliseconds.
    Shorter(u64),
    /// Any text of the session contains this, in lower case.
    Anywhere(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Application,
    Role,
    Database,
    Client,
    State,
    Wait,
    Pid,
    Verdict,
    Statement,
}

/// The names of the fields.
const FIELDS: [(&str, Field); 13] = [
    ("app", Field::Application),
    ("application", Field::Application),
    ("role", Field::Role),
    ("user", Field::Role),
    ("db", Field::Database),
    ("database", Field::Database),
    ("client", Field::Client),
    ("state", Field::State),
    ("wait", Field::Wait),
    ("pid", Field::Pid),
    ("verdict", Field::Verdict),
    ("sql", Field::Statement),
    ("statement", Field::Statement),
];

/// Short names of states.
const STATES: [(&str, &str); 3] =
    [("tx", "idle in transaction*"), ("aborted", "idle in transaction (aborted)"), ("waiting", "active")];

impl Filter {
    /// Reads a filter; the error says which term is not understood.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Ok(Self { terms: text.split_whitespace().map(term).collect::<Result<_, _>>()? })
    }

    /// Returns true if it holds for every session.
    pub(crate) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Returns true if all terms hold for a session.
    pub(crate) fn admits(&self, session: &Session, span: Span) -> bool {
        self.terms.iter().all(|term| term.condition.holds(session, span) != term.is_negated)
    }
}

fn term(word: &str) -> Result<Term, String> {
    let (is_negated, rest) = word.strip_prefix('!').map_or((false, word), |rest| (true, rest));
    let condition = if let Some(longer) = rest.strip_prefix('>') {
        Condition::Longer(milliseconds(longer)?)
    } else if let Some(shorter) = rest.strip_prefix('<') {
        Condition::Shorter(milliseconds(shorter)?)
    } else if let Some((name, pattern)) = rest.split_once(':') {
        let field = FIELDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let Some((_, field)) = field else {
            return Err(format!("'{name}:' is no field: app, role, db, client, state, wait, pid, verdict, sql"));
        };
        Condition::Field(*field, pattern_of(*field, &pattern.to_lowercase()))
    } else {
        Condition::Anywhere(rest.to_lowercase())
    };
    Ok(Term { is_negated, condition })
}

fn pattern_of(field: Field, pattern: &str) -> String {
    let state = STATES.iter().find(|(short, _)| field == Field::State && *short == pattern);
    state.map_or(pattern, |(_, state)| state).to_owned()
}

/// Reads a duration: `500ms`, `10s`, `5m`, `2h`, `1d`; a number alone means seconds.
fn milliseconds(text: &str) -> Result<u64, String> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(format!("'{unit}' is no unit: ms, s, m, h, d")),
    };
    let number: u64 = number.parse().map_err(|_| "a duration is a number with ms, s, m, h or d".to_owned())?;
    Ok(number.saturating_mul(factor))
}

impl Condition {
    fn holds(&self, session: &Session, span: Span) -> bool {
        match self {
            Self::Longer(ms) => span.of(session).is_some_and(|it| it > *ms),
            Self::Shorter(ms) => span.of(session).is_some_and(|it| it < *ms),
            Self::Anywhere(word) => {
                let Session { application, role, database, client, state, statement, .. } = session;
                [application, role, database, client, state, statement].into_iter().any(|text| contains(text, word))
                    || session.pid.to_string() == *word
            }
            Self::Field(field, pattern) => match field {
                Field::Application => is_like(&session.application, pattern),
                Field::Role => is_like(&session.role, pattern),
                Field::Database => is_like(&session.database, pattern),
                Field::Client => is_like(&session.client, pattern),
                Field::State => is_like(&session.state, pattern),
                Field::Wait => is_like(session.wait.as_deref().unwrap_or_default(), pattern),
                Field::Pid => is_like(&session.pid.to_string(), pattern),
                Field::Verdict => is_like(session.verdict.word(), pattern) || is_letter(session.verdict, pattern),
                Field::Statement => contains(&session.statement, pattern) || is_like(&session.statement, pattern),
            },
        }
    }
}

fn is_letter(verdict: Verdict, pattern: &str) -> bool {
    verdict.letter().eq_ignore_ascii_case(pattern)
}

fn contains(text: &str, word: &str) -> bool {
    if text.is_ascii() && word.is_ascii() {
        let (text, word) = (text.as_bytes(), word.as_bytes());
        return word.is_empty() || text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word));
    }
    text.to_lowercase().contains(word)
}

/// Compares with a pattern in lower case: `*` stands for anything, `?` for one character.
fn is_like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.to_lowercase().chars().collect(), pattern.chars().collect());
    let (mut at, mut of) = (0, 0);
    // The latest star, and where its text ends if it is one character longer.
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(of) {
            Some('*') => {
                star = Some((of, at));
                of += 1;
            }
            Some(letter) if *letter == '?' || *letter == text[at] => (at, of) = (at + 1, of + 1),
            _ => match &mut star {
                Some((star, end)) => {
                    *end += 1;
                    (at, of) = (*end, *star + 1);
                }
                None => return false,
            },
        }
    }
    pattern[of..].iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use crate::tests::fixture::session;

    use super::*;

    fn admits(filter: &str, session: &Session) -> bool {
        Filter::parse(filter).expect(filter).admits(session, Span::State)
    }

    #[test]
    fn all_terms_must_hold() {
        let idle = session(7, "web-1", "idle", 400_000);
        for filter in ["state:idle app:web* >5m", "", "WEB", "pid:7", "7", "app:web-?", "!app:cron <1h", "user:app"] {
            assert!(admits(filter, &idle), "{filter}");
        }
        for filter in ["state:tx", "app:web", ">10m", "<5s", "cron", "state:idle app:web* >7m", "!web"] {
            assert!(!admits(filter, &idle), "{filter}");
        }
    }

    #[test]
    fn states_have_short_names() {
        let open = session(7, "web", "idle in transaction", 10);
        assert!(admits("state:tx", &open) && !admits("state:idle", &open) && admits("state:idle*", &open));
        assert!(admits("state:aborted", &session(7, "web", "idle in transaction (aborted)", 10)));
        assert!(admits("verdict:ordinary", &open) && !admits("verdict:suspect", &open));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (filter, words) in [("apps:web", "'apps:' is no field"), (">5x", "'x' is no unit"), (">", "a duration")] {
            assert!(Filter::parse(filter).expect_err(filter).contains(words), "{filter}");
        }
    }

    #[test]
    fn durations_have_units() {
        for (text, ms) in [("500ms", 500), ("10", 10_000), ("5m", 300_000), ("2h", 7_200_000), ("1d", 86_400_000)] {
            assert_eq!(milliseconds(text), Ok(ms));
        }
        assert_eq!(milliseconds("99999999999999999999d").ok(), None);
        assert_eq!(milliseconds("18446744073709551615d"), Ok(u64::MAX));
    }
}
