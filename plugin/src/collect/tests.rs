//! The statements that a collection sends, by the answers that the carry already has.

use archon_pool_contract::catalogue::{self, Entry};
use archon_pool_contract::fault::Fault;
use archon_pool_contract::host_api::{Answer, HostApi, Order, Outcome, ProbeTiming};
use archon_pool_contract::params::{Action, Options};
use archon_pool_contract::report::Report;
use archon_pool_contract::rows::{RowSet, Statement};
use archon_pool_contract::value::Value;

use crate::execute;
use crate::fixture::NOW;

const SECOND: i64 = 1_000_000;

/// A server with no sessions but one of an application, and the batches that it was asked for.
struct Server {
    identity: &'static str,
    now: i64,
    calls: i64,
    exec_ms: f64,
    entries: i64,
    is_counted: bool,
    texts: Answer,
    asked: Vec<Vec<&'static str>>,
}

fn set(columns: &[(&str, Value)]) -> RowSet {
    let row = columns.iter().map(|(_, value)| value.clone()).collect();
    RowSet::of_values(columns.iter().map(|(name, _)| (*name, 0)), &[row]).expect("a value a column")
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

impl Server {
    fn new() -> Self {
        let heaviest = r#"{"slow":[{"query":"SELECT 'a'","calls":2,"meanMs":2000.00049,"totalMs":4000.0}]}"#;
        let texts = Ok(set(&[("document", text(heaviest))]));
        Self {
            identity: "20261123000000000000/5",
            now: NOW,
            calls: 10,
            exec_ms: 50.0,
            entries: 40,
            is_counted: true,
            texts,
            asked: Vec::new(),
        }
    }

    fn answer(&self, entry: Entry) -> Answer {
        let no = Value::Boolean(false);
        Ok(if entry == catalogue::SERVER {
            set(&[
                ("at", Value::Timestamp(self.now - 1)),
                ("version_num", Value::Int64(150_018)),
                ("identity", text(self.identity)),
                ("database", text("shop")),
                ("role", text("monitor")),
                ("in_recovery", no.clone()),
                ("max_connections", Value::Int64(100)),
                ("superuser_reserved", Value::Int64(3)),
                ("reserved", Value::Int64(0)),
                ("database_limit", Value::Null),
                ("superuser", no.clone()),
                ("signals_backends", no.clone()),
                ("owns_database", no.clone()),
                ("supabase", no),
            ])
        } else if entry == catalogue::CLOCK {
            set(&[("at", Value::Timestamp(self.now))])
        } else if entry == catalogue::COUNTERS {
            set(&[
                ("at", Value::Timestamp(self.now)),
                ("stats_reset", Value::Null),
                ("transactions", Value::Int64(self.calls)),
                ("sessions", Value::Null),
                ("abandoned", Value::Null),
                ("active_ms", Value::Null),
                ("backends", Value::Int64(1)),
            ])
        } else if entry == catalogue::STATEMENT_COUNTS && !self.is_counted {
            RowSet::default()
        } else if entry == catalogue::STATEMENT_COUNTS {
            let own = format!(r#""entries":{},"ownCalls":1000000,"ownExecMs":1.0"#, self.entries);
            set(&[("document", text(&format!(r#"{{"calls":{},"execMs":{},{own}}}"#, self.calls, self.exec_ms)))])
        } else if entry == catalogue::STATEMENTS {
            return self.texts.clone();
        } else if entry == catalogue::SETTINGS {
            set(&[("name", text("track_activities")), ("value", text("on")), ("unit", Value::Null)])
        } else {
            RowSet::default()
        })
    }

    /// Makes a call some seconds after the last one, in which statements took `mean_ms` each.
    fn look(&mut self, seconds: i64, mean_ms: f64, carry: Option<&str>) -> Report {
        self.now += seconds * SECOND;
        self.calls += 2;
        self.exec_ms += 2.0 * mean_ms;
        self.asked.clear();
        let options = Options { sample_ms: 0, ..Options::default() };
        execute::execute(self, Action::DetectLeaks, None, &options, carry).expect("a report")
    }

    fn asked(&self, batch: usize, entry: Entry) -> bool {
        self.asked.get(batch).is_some_and(|batch| batch.contains(&entry.id))
    }
}

impl HostApi for Server {
    fn open(&mut self, _: Option<&str>) -> Result<(), Fault> {
        Ok(())
    }

    fn query(&mut self, batch: &[Statement]) -> Result<Vec<Answer>, Fault> {
        let entry =
            |statement: &Statement| *catalogue::ALL.iter().find(|entry| entry.sql == statement.sql).expect("known");
        self.asked.push(batch.iter().map(|statement| entry(statement).id).collect());
        Ok(batch.iter().map(|statement| self.answer(entry(statement))).collect())
    }

    fn probe(&mut self, _: u32, _: u32) -> Result<Vec<Result<ProbeTiming, Fault>>, Fault> {
        Ok(Vec::new())
    }

    fn deliver(&mut self, _: &[Order], _: bool) -> Option<Result<Vec<Outcome>, Fault>> {
        None
    }
}

#[test]
fn the_first_look_asks_for_the_settings_and_the_next_minute_does_without() {
    let mut server = Server::new();
    let first = server.look(0, 1.0, None);
    assert!(
        server.asked.len() == 1 && server.asked(0, catalogue::SETTINGS) && server.asked(0, catalogue::ROLE_SETTINGS)
    );
    let second = server.look(20, 1.0, Some(&first.carry));
    let third = server.look(20, 1.0, Some(&second.carry));
    assert!(server.asked.len() == 1 && !server.asked(0, catalogue::SETTINGS), "{:?}", server.asked);
    server.look(20, 1.0, Some(&third.carry));
    assert!(server.asked.len() == 1 && server.asked(0, catalogue::SETTINGS), "expected: one round trip");
    server.look(60, 1.0, Some(&second.carry));
    assert_eq!(server.asked[1], [catalogue::SETTINGS.id, catalogue::ROLE_SETTINGS.id], "not expected: a second one");
}

#[test]
fn settings_of_another_server_are_not_used() {
    let mut server = Server::new();
    let first = server.look(0, 1.0, None);
    server.identity = "20270101000000000000/5";
    server.look(1, 1.0, Some(&first.carry));
    assert_eq!(server.asked[1], [catalogue::SETTINGS.id, catalogue::ROLE_SETTINGS.id]);
}

#[test]
fn few_statements_are_counted_in_every_look_and_many_once_a_minute() {
    let counted = |server: &Server| server.asked.iter().flatten().any(|id| *id == catalogue::STATEMENT_COUNTS.id);
    let mut server = Server::new();
    let mut carry = server.look(0, 1.0, None).carry;
    for mean in [2.0, 3.0, 4.0] {
        let report = server.look(10, mean, Some(&carry));
        assert_eq!((counted(&server), report.pool_stats.timing.avg_query_time), (true, Some(mean)));
        carry = report.carry;
    }
    server.entries = 5_000;
    for (seconds, is_counted, mean) in
        [(10, true, 5.0), (10, false, 5.0), (30, false, 5.0), (20, true, 5.0), (20, false, 5.0), (90, true, 5.0)]
    {
        let report = server.look(seconds, 5.0, Some(&carry));
        let found = report.pool_stats.timing.avg_query_time;
        assert_eq!((counted(&server), found), (is_counted, Some(mean)), "after {seconds} s more");
        carry = report.carry;
    }
}

#[test]
fn the_mean_of_many_statements_is_kept_until_they_are_counted_again() {
    let mut server = Server::new();
    server.entries = 5_000;
    let first = server.look(0, 1.0, None);
    let second = server.look(10, 2.0, Some(&first.carry));
    let kept = server.look(10, 50.0, Some(&second.carry));
    assert_eq!(kept.pool_stats.timing.avg_query_time, Some(2.0));
    let again = server.look(60, 98.0, Some(&kept.carry));
    assert_eq!(again.pool_stats.timing.avg_query_time, Some(74.0), "of two looks with two statements each");
    server.identity = "20270101000000000000/5";
    server.look(1, 1.0, Some(&second.carry));
    assert!(server.asked[1].contains(&catalogue::STATEMENT_COUNTS.id), "the carry was of another server");
}

/// The texts were not asked for, and their absence was kept for a minute.
#[test]
fn a_late_call_that_finds_statements_slow_asks_for_their_texts() {
    let mut server = Server::new();
    server.entries = 5_000;
    let first = server.look(0, 1.0, None);
    let quick = server.look(10, 1.0, Some(&first.carry));
    let slow = server.look(90, 5_000.0, Some(&quick.carry));
    assert_eq!(server.asked[1..].concat().last(), Some(&catalogue::STATEMENTS.id), "{:?}", server.asked);
    let evidence =
        |report: &Report| report.findings.iter().find(|found| found.id == "slow-queries").unwrap().evidence.len();
    assert_eq!(evidence(&slow), 1);
    let quick_again = server.look(200, 1.0, Some(&slow.carry));
    assert!(!server.asked.concat().contains(&catalogue::STATEMENTS.id), "{:?}", server.asked);
    assert!(quick_again.findings.iter().all(|finding| finding.id != "slow-queries"));
}

/// A mean of any age was reported as if it was new.
#[test]
fn a_mean_is_not_reported_where_statements_cannot_be_counted_any_more() {
    let missing =
        "avgQueryTime is not measurable: pg_stat_statements is not installed in this database or not readable";
    let mut server = Server::new();
    server.entries = 5_000;
    let first = server.look(0, 1.0, None);
    let second = server.look(10, 2_500.0, Some(&first.carry));
    server.is_counted = false;
    let mut carry = second.carry;
    for seconds in [86_400, 10, 10] {
        let report = server.look(seconds, 1.0, Some(&carry));
        assert_eq!(report.pool_stats.timing.avg_query_time, None, "{seconds}");
        assert!(report.notes.iter().any(|note| note == missing), "{:?}", report.notes);
        carry = report.carry;
    }
    server.is_counted = true;
    let report = server.look(10, 1.0, Some(&carry));
    let first = "avgQueryTime is not measurable: statements were counted for the first time";
    assert!(report.notes.iter().any(|note| note == first), "{:?}", report.notes);
}

#[test]
fn a_reset_of_the_statement_statistics_is_told_and_counts_anew() {
    let mut server = Server::new();
    server.entries = 5_000;
    let first = server.look(0, 1.0, None);
    let second = server.look(10, 2.0, Some(&first.carry));
    (server.calls, server.exec_ms) = (0, 0.0);
    let reset = server.look(60, 2.0, Some(&second.carry));
    assert_eq!(reset.pool_stats.timing.avg_query_time, None);
    assert!(reset.notes.iter().any(|note| note.ends_with("was reset in between")), "{:?}", reset.notes);
    let after = server.look(10, 3.0, Some(&reset.carry));
    assert_eq!(after.pool_stats.timing.avg_query_time, Some(3.0), "counted at once");
}

#[test]
fn texts_are_asked_for_when_statements_are_slow_and_once_a_minute() {
    let mut server = Server::new();
    let first = server.look(0, 1.0, None);
    let quick = server.look(5, 999.0, Some(&first.carry));
    assert_eq!(server.asked.len(), 1, "{:?}", server.asked);
    assert!(quick.findings.iter().all(|finding| finding.id != "slow-queries"));
    let slow = server.look(5, 1_001.0, Some(&quick.carry));
    assert_eq!(server.asked[1], [catalogue::STATEMENTS.id]);
    let evidence =
        |report: &Report| report.findings.iter().find(|found| found.id == "slow-queries").unwrap().evidence.clone();
    assert_eq!(evidence(&slow), ["2 calls, mean 2.0 s: SELECT ?"]);
    let still = server.look(5, 1_001.0, Some(&slow.carry));
    assert_eq!((server.asked.len(), evidence(&still)), (1, evidence(&slow)), "kept");
    let between = server.look(5, 1.0, Some(&still.carry));
    let again = server.look(5, 1_001.0, Some(&between.carry));
    assert_eq!(server.asked.len(), 1, "once a minute, whatever was in between");
    server.look(60, 1_001.0, Some(&again.carry));
    assert!(server.asked(1, catalogue::STATEMENTS));
}

#[test]
fn texts_that_cannot_be_converted_leave_the_figures_and_a_note_for_the_minute() {
    let mut server = Server::new();
    let refused = Fault { sqlstate: Some("22021".to_owned()), ..Fault::new("query-failed", "invalid byte sequence") };
    server.texts = Err(refused);
    let mut carry = server.look(0, 1.0, None).carry;
    for asked in [2, 1] {
        let report = server.look(5, 1_500.0, Some(&carry));
        assert_eq!((server.asked.len(), report.pool_stats.timing.avg_query_time), (asked, Some(1_500.0)));
        let notes: Vec<_> =
            report.notes.iter().filter(|note| note.contains("heaviest statements are not shown")).collect();
        assert_eq!(notes.len(), 1, "{:?}", report.notes);
        carry = report.carry;
    }
}
