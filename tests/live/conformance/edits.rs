//! Edits recordings: replaces answers by others that no server can be made to give in a test.

mod values;

use archon_pool::cassette::{
    Answer, Asked, Call, Cassette, Console, Credential, Exchange, Open, RowSet, Session, Statement,
};
use archon_pool_contract::catalogue::{self, Entry};
use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::host_api::Outcome;
use archon_pool_contract::value::Value;

use super::MISMATCH;

/// Case derived from a recording.
pub(super) struct Edit {
    pub(super) name: &'static str,
    /// Name of the recording.
    pub(super) of: &'static str,
    pub(super) edit: fn(&mut Cassette),
}

const fn edit(name: &'static str, of: &'static str, edit: fn(&mut Cassette)) -> Edit {
    Edit { name, of, edit }
}

pub(super) const ALL: &[Edit] = &[
    edit("faults-of-opening", "monitor", faults_of_opening),
    edit("faults-of-statements", "monitor", faults_of_statements),
    edit("faults-of-probes", "health-check", faults_of_probes),
    edit("faults-of-poolers", "full-analysis", faults_of_poolers),
    edit("faults-of-acting", "kill-idle", faults_of_acting),
    edit("faults-of-scaling", "auto-scale", faults_of_scaling),
    edit("kill-outcomes", "kill-idle", kill_outcomes),
    edit("resize-outcomes", "auto-scale", resize_outcomes),
    edit("reconnect-refused", "reconnect", reconnect_refused),
    edit("slow-statements", "monitor", slow_statements),
    edit("odd-text", "detect-leaks", values::odd_text),
    edit("invalid-text", "monitor", values::invalid_text),
    edit("odd-times", "detect-leaks", values::odd_times),
    edit("long-ago", "detect-leaks", values::long_ago),
    edit("large-numbers", "monitor", values::large_numbers),
    edit("odd-floats", "monitor", values::odd_floats),
    edit("unexpected-types", "monitor", values::unexpected_types),
    edit("no-rows", "monitor", values::no_rows),
    edit("truncated-rows", "full-analysis", values::truncated_rows),
    edit("another-server", "detect-leaks", another_server),
    edit("another-carry", "detect-leaks", another_carry),
    edit("odd-input", "monitor", odd_input),
    edit(MISMATCH, "monitor", mismatch),
];

/// Returns the answer to a statement, in the first batch that contains it.
pub(super) fn answer_of(call: &mut Call, entry: Entry) -> &mut Answer<RowSet> {
    let sha256 = entry.sha256();
    let found = call.exchanges.iter_mut().find_map(|exchange| {
        let Exchange::Query(Asked { with, answer: Answer::Ok(answers) }) = exchange else { return None };
        with.batch.iter().zip(answers).find(|(statement, _)| statement.sql == sha256).map(|(_, answer)| answer)
    });
    found.unwrap_or_else(|| panic!("the recording has no answer to {}", entry.id))
}

/// Returns the rows of an answer that is no fault.
pub(super) fn set_of(call: &mut Call, entry: Entry) -> &mut RowSet {
    match answer_of(call, entry) {
        Answer::Ok(set) => set,
        Answer::Err(fault) => panic!("the recording has a fault for {}: {fault}", entry.id),
    }
}

/// Changes a column's values, row by row; in rows of sessions, only those of client backends.
fn change(call: &mut Call, entry: Entry, column: &str, mut change: impl FnMut(usize, &mut Value)) {
    let set = set_of(call, entry);
    let index = set.columns.iter().position(|(name, _)| name == column);
    let index = index.unwrap_or_else(|| panic!("{} has no column {column}", entry.id));
    let kind = set.columns.iter().position(|(name, _)| name == "backend_type");
    let rows =
        set.rows.iter_mut().filter(|row| kind.is_none_or(|kind| row[kind] == Value::Text("client backend".into())));
    rows.enumerate().for_each(|(number, row)| change(number, &mut row[index]));
}

/// Replaces a column's values, from the first row on.
fn put(call: &mut Call, entry: Entry, column: &str, values: &[Value]) {
    change(call, entry, column, |number, value| {
        if let Some(new) = values.get(number) {
            *value = new.clone();
        }
    });
}

/// Replaces all of a column's values.
fn fill(call: &mut Call, entry: Entry, column: &str, value: &Value) {
    let set = set_of(call, entry);
    let index = set.columns.iter().position(|(name, _)| name == column).expect("a column");
    set.rows.iter_mut().for_each(|row| row[index] = value.clone());
}

/// Keeps the first call, with one copy for each change.
fn vary(cassette: &mut Cassette, changes: &[&dyn Fn(&mut Call)]) {
    let first = cassette.calls[0].clone();
    let varied = |change: &&dyn Fn(&mut Call)| {
        let mut call = first.clone();
        change(&mut call);
        call
    };
    cassette.calls = changes.iter().map(varied).collect();
}

fn fault(kind: &str, message: &str, sqlstate: Option<&str>, retryable: bool) -> Fault {
    Fault { kind: kind.into(), message: message.into(), sqlstate: sqlstate.map(Into::into), retryable }
}

/// Replaces the answer of every exchange of an import.
macro_rules! answer {
    ($call:expr, $import:ident, $answer:expr) => {
        for exchange in &mut $call.exchanges {
            if let Exchange::$import(asked) = exchange {
                asked.answer = $answer;
            }
        }
    };
}

fn faults_of_opening(cassette: &mut Cassette) {
    let first = cassette.calls[0].clone();
    let mut calls = Vec::new();
    for (kind, sqlstate, retryable) in [
        (kind::CREDENTIALS_NOT_FOUND, None, false),
        (kind::CREDENTIAL_INVALID, None, false),
        (kind::AUTHENTICATION_FAILED, Some("28P01"), false),
        (kind::DATABASE_NOT_FOUND, Some("3D000"), false),
        (kind::SERVER_UNREACHABLE, None, true),
        (kind::TLS_FAILED, None, false),
        (kind::TOO_MANY_CONNECTIONS, Some("53300"), true),
        (kind::INSUFFICIENT_PRIVILEGE, Some("42501"), false),
        (kind::LIMIT_EXCEEDED, None, false),
        ("of-tomorrow", None, false),
    ] {
        let fault = fault(kind, "what happened: \"quoted\", \u{1f418}", sqlstate, retryable);
        let mut call = first.clone();
        call.exchanges.retain(|exchange| matches!(exchange, Exchange::Lookup(_)));
        if kind.starts_with("credential") {
            answer!(call, Lookup, Answer::Err(fault.clone()));
        } else {
            call.exchanges.push(Asked::exchange(Open { credential: 1 }, Err(fault)));
        }
        calls.push(call);
    }
    cassette.calls = calls;
}

fn faults_of_statements(cassette: &mut Cassette) {
    let lost = || fault(kind::CONNECTION_LOST, "the server closed the connection", Some("57P01"), true);
    vary(
        cassette,
        &[
            &|call| {
                for (entry, fault) in [
                    (catalogue::LOCKS, fault(kind::QUERY_CANCELED, "statement timeout", Some("57014"), false)),
                    (catalogue::PREPARED, fault(kind::INSUFFICIENT_PRIVILEGE, "no", Some("42501"), false)),
                    (catalogue::TEMP_OBJECTS, fault(kind::QUERY_FAILED, "division by zero", Some("22012"), false)),
                    (catalogue::STATEMENT_COUNTS, fault(kind::QUERY_FAILED, "column", Some("42703"), false)),
                    (catalogue::ROLES, fault(kind::UNSUPPORTED_TYPE, "column 'x' has type y", None, false)),
                    (catalogue::SETTINGS, fault(kind::UNEXPECTED_ANSWER, "it is no UTF-8", None, false)),
                    (catalogue::SESSIONS, fault(kind::QUERY_FAILED, "gone", None, false)),
                    (catalogue::PAUSE, fault(kind::QUERY_CANCELED, "cancelled", Some("57014"), false)),
                ] {
                    *answer_of(call, entry) = Answer::Err(fault);
                }
            },
            &|call| {
                *answer_of(call, catalogue::ACTIVITY) =
                    Answer::Err(fault(kind::QUERY_CANCELED, "statement timeout", Some("57014"), false));
            },
            &|call| answer!(call, Query, Answer::Err(lost())),
            &|call| {
                answer!(call, Query, Answer::Err(fault(kind::NOT_APPROVED, "statement 0 is not sent", None, false)))
            },
        ],
    );
}

fn faults_of_probes(cassette: &mut Cassette) {
    let unreachable = || fault(kind::SERVER_UNREACHABLE, "nothing answers at 127.0.0.1:1", None, true);
    vary(
        cassette,
        &[
            &|call| answer!(call, Probe, Answer::Err(fault(kind::LIMIT_EXCEEDED, "limit `probes`", None, false))),
            &|call| {
                for exchange in &mut call.exchanges {
                    if let Exchange::Probe(Asked { answer: Answer::Ok(outcomes), .. }) = exchange {
                        outcomes.iter_mut().skip(1).for_each(|outcome| *outcome = Answer::Err(unreachable()));
                    }
                }
            },
            &|call| {
                for exchange in &mut call.exchanges {
                    if let Exchange::Probe(Asked { answer: Answer::Ok(outcomes), .. }) = exchange {
                        for outcome in outcomes {
                            if let Answer::Ok(timing) = outcome {
                                (timing.connect_us, timing.round_trip_us) = (u64::MAX, (1 << 53) + 1);
                            }
                        }
                    }
                }
            },
        ],
    );
}

fn faults_of_poolers(cassette: &mut Cassette) {
    let refused = || fault(kind::AUTHENTICATION_FAILED, "the pooler's console cannot be opened", None, false);
    vary(
        cassette,
        &[
            &|call| answer!(call, OpenConsole, Answer::Err(refused())),
            &|call| answer!(call, Kind, Answer::Ok("of-tomorrow".into())),
            &|call| answer!(call, Show, Answer::Err(fault(kind::CONNECTION_LOST, "it is gone", None, true))),
            &|call| {
                for exchange in &mut call.exchanges {
                    if let Exchange::Show(Asked { answer: Answer::Ok(answers), .. }) = exchange {
                        let unsupported = fault(kind::UNSUPPORTED_VIEW, "PgBouncer 1.0 has no such view", None, false);
                        answers.iter_mut().skip(2).for_each(|answer| *answer = Answer::Err(unsupported.clone()));
                    }
                }
            },
        ],
    );
}

fn faults_of_acting(cassette: &mut Cassette) {
    vary(
        cassette,
        &[
            &|call| answer!(call, Deliver, Answer::Err(fault(kind::NOT_APPROVED, "not today", None, false))),
            &|call| {
                answer!(call, Deliver, Answer::Err(fault(kind::CONNECTION_LOST, "it is gone", Some("57P01"), true)))
            },
            // A host that returns fewer outcomes than it got orders.
            &|call| answer!(call, Deliver, Answer::Ok(vec![Outcome::Signalled])),
        ],
    );
}

fn kill_outcomes(cassette: &mut Cassette) {
    let failed = fault(kind::INSUFFICIENT_PRIVILEGE, "must be a member of the role", Some("42501"), false);
    let outcomes = [
        Outcome::Signalled,
        Outcome::Gone,
        Outcome::Changed,
        Outcome::Survived,
        Outcome::Denied("the cap of 0 ended sessions is reached \u{1f418}".into()),
        Outcome::Failed(failed),
        Outcome::Signalled,
    ];
    answer!(cassette.calls[0], Deliver, Answer::Ok(outcomes.to_vec()));
}

/// Changes the outcome of every resize.
fn resized(cassette: &mut Cassette, change: impl Fn(&mut archon_pool_contract::host_api::SizeOutcome)) {
    for exchange in cassette.calls.iter_mut().flat_map(|call| &mut call.exchanges) {
        if let Exchange::Resize(Asked { answer: Answer::Ok(outcome), .. }) = exchange {
            change(outcome);
        }
    }
}

fn resize_outcomes(cassette: &mut Cassette) {
    resized(cassette, |outcome| {
        (outcome.before, outcome.after, outcome.executed) = (None, outcome.before, false);
        outcome.note = "it is still what it was \u{1f418}".into();
    });
    // The input of a later call contains the real result of the previous one.
    cassette.calls.truncate(1);
}

fn faults_of_scaling(cassette: &mut Cassette) {
    cassette.calls.truncate(1);
    answer!(cassette.calls[0], Resize, Answer::Err(fault(kind::CONNECTION_LOST, "it is gone", None, true)));
}

fn reconnect_refused(cassette: &mut Cassette) {
    for call in &mut cassette.calls {
        let refused = fault(kind::INSUFFICIENT_PRIVILEGE, "add it to admin_users", Some("08P01"), false);
        answer!(call, Reconnect, Answer::Err(refused.clone()));
    }
}

/// Connects the second call to another server, with the carry of the first: it asks for the settings of that one.
fn another_server(cassette: &mut Cassette) {
    cassette.calls.truncate(2);
    let identity = Value::Text("20200101000000000000/1".into());
    put(&mut cassette.calls[1], catalogue::SERVER, "identity", &[identity]);
    let asked = [catalogue::SETTINGS, catalogue::ROLE_SETTINGS];
    let answers = asked.map(|entry| answer_of(&mut cassette.calls[0], entry).clone());
    let query = cassette.calls[1].exchanges.iter_mut().find_map(|exchange| match exchange {
        Exchange::Query(asked) => Some(asked),
        _ => None,
    });
    let mut with = query.expect("a batch").with.clone();
    with.batch = asked.map(|entry| Statement::new(entry.sql, Vec::new(), with.batch[0].max_rows)).to_vec();
    cassette.calls[1].exchanges.push(Asked::exchange(with, Ok(answers.to_vec())));
}

/// Makes statements slow during the sample, so that their texts are asked for in a second batch.
fn slow_statements(cassette: &mut Cassette) {
    const TEXT: u32 = 25;
    let document = |text: &str| {
        let (columns, rows) = (vec![("document".to_owned(), TEXT)], vec![vec![Value::Text(text.into())]]);
        RowSet { columns, rows, truncated: false }
    };
    let slow = |texts: Answer<RowSet>| {
        move |call: &mut Call| {
            let query = call.exchanges.iter_mut().find_map(|exchange| match exchange {
                Exchange::Query(asked) => Some(asked),
                _ => None,
            });
            let Asked { with, answer: Answer::Ok(answers) } = query.expect("a batch") else { unreachable!() };
            let counts = catalogue::STATEMENT_COUNTS.sha256();
            let counted = with.batch.iter().zip(answers).filter(|(statement, _)| statement.sql == counts);
            for ((_, answer), (calls, ms)) in counted.zip([(7, "0.5"), (17, "15000.25")]) {
                let own = r#""entries" : 3, "ownCalls" : 900000, "ownExecMs" : 1.5"#;
                *answer = Answer::Ok(document(&format!(r#"{{"calls" : {calls}, "execMs" : {ms}, {own}}}"#)));
            }
            let mut with = with.clone();
            with.batch = vec![Statement::new(catalogue::STATEMENTS.sql, Vec::new(), with.batch[0].max_rows)];
            call.exchanges.push(Asked::exchange(with, Ok(vec![texts.clone()])));
        }
    };
    let heaviest = r#"{"slow" : [{"query" : "SELECT pg_sleep($1) -- \ud83d\udc18", "calls" : 9007199254740993,
        "meanMs" : 1499.9996, "totalMs" : 14999.75}, {"query" : null, "calls" : 1, "meanMs" : 0, "totalMs" : 0}]}"#;
    let unconverted = fault(kind::QUERY_FAILED, "invalid byte sequence for encoding", Some("22021"), false);
    let [shown, refused] = [Answer::Ok(document(heaviest)), Answer::Err(unconverted)].map(slow);
    vary(cassette, &[&shown, &refused]);
}

/// Replaces the carry by invalid and foreign ones.
fn another_carry(cassette: &mut Cassette) {
    let carried = |carry: &'static str| {
        move |call: &mut Call| {
            let mut input: serde_json::Value = serde_json::from_str(&call.input).expect("JSON");
            input["carry"] = serde_json::from_str(carry).expect("JSON");
            call.input = input.to_string();
        }
    };
    let [empty, text, version, list] =
        ["{}", "\"hello\"", r#"{"version":99,"server":"x"}"#, "[1,[2,[3]]]"].map(carried);
    vary(cassette, &[&empty, &text, &version, &list]);
}

/// Replaces the input by requests that are rejected before a session is opened.
fn odd_input(cassette: &mut Cassette) {
    let given = |input: &'static str| {
        move |call: &mut Call| {
            call.input = input.to_owned();
            call.exchanges.clear();
        }
    };
    let [action, option, range, list] = [
        r#"{"action":"drop-tables"}"#,
        r#"{"action":"monitor","options":{"\u00fc\ud83d\ude00":1}}"#,
        r#"{"action":"monitor","options":{"minSize":9007199254740993}}"#,
        "[1,2,3]",
    ]
    .map(given);
    vary(cassette, &[&action, &option, &range, &list]);
}

fn mismatch(cassette: &mut Cassette) {
    vary(
        cassette,
        &[
            &|call| call.exchanges.clear(),
            &|call| call.exchanges.retain(|exchange| !matches!(exchange, Exchange::Query(_))),
            // The resource numbers of the cassette are decisive.
            &|call| answer!(call, Lookup, Answer::Ok(Credential { credential: u32::MAX })),
            &|call| answer!(call, Open, Answer::Ok(Session { session: 0 })),
            // A missing exchange of an import without an error result ends the call.
            &|call| call.exchanges.retain(|exchange| !matches!(exchange, Exchange::AccessPath(_))),
            &|call| answer!(call, OpenConsole, Answer::Ok(Console { console: 7 })),
        ],
    );
}
