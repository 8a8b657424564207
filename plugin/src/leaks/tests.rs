use proptest::prelude::*;

use crate::analyse::analyse_snapshot;
use crate::clock;
use crate::fixture::{NOW, ago, forgotten, idle, in_state, judge, snapshot};
use crate::memory::Memory;

use super::*;

fn confidence_of(judged: &[Judged<'_>], pid: i32) -> u32 {
    judged.iter().find(|judged| judged.backend.pid == pid).map_or(0, |judged| judged.confidence)
}

fn suspects(backends: Vec<Backend>) -> Vec<i32> {
    let report = analyse_snapshot(&snapshot(backends), &Options::default(), None);
    report.leak_detection.suspected_connections.iter().map(|suspect| suspect.pid).collect()
}

/// One session forgotten by every request, one request a minute.
fn forgetful(count: i32) -> Vec<Backend> {
    (0..count).map(|n| forgotten(100 + n, 330 + i64::from(count - n) * 60)).collect()
}

#[test]
fn connections_forgotten_one_by_one_are_suspected() {
    let found = suspects(forgetful(14));
    assert!(found.len() >= 6, "found {found:?}");
    assert!(found.contains(&100), "the oldest is among them");
}

#[test]
fn a_warm_pool_has_no_suspect_at_any_idle_age() {
    // Opened together, idle since: nothing was opened past them.
    let opened = ago(7_200);
    let pool = (0..40).map(|pid| Backend { backend_start: Some(opened), ..idle(pid, 7_000) }).collect();
    assert_eq!(suspects(pool), [0; 0]);
}

/// A pool opened `opened_s` ago, of which the last `at_work` sessions were used just now and the others `silent_s` ago.
fn pool(pids: std::ops::Range<i32>, opened_s: i64, silent_s: i64, at_work: i32) -> Vec<Backend> {
    let last = pids.end - at_work;
    pids.map(|pid| {
        let idle_s = if pid < last { silent_s } else { 1 };
        let query = "SELECT n FROM stock WHERE id = 5".to_owned();
        Backend { backend_start: Some(ago(opened_s)), query, ..idle(pid, idle_s) }
    })
    .collect()
}

#[test]
fn the_reserve_of_a_pool_is_not_suspected_when_a_client_of_the_same_name_leaks() {
    let mut backends = forgetful(14);
    backends.extend(pool(1..5, 7_000, 6_990, 2));
    let found = suspects(backends);
    assert!(found.contains(&100) && !found.iter().any(|pid| *pid < 100), "found {found:?}");
}

#[test]
fn sessions_of_a_pool_replaced_by_a_new_one_are_suspected() {
    let mut backends = pool(1..6, 9_000, 3_000, 0);
    backends.extend(pool(6..11, 2_990, 100, 3));
    assert_eq!(suspects(backends), [1, 2, 3, 4, 5]);
}

#[test]
fn sessions_of_a_machine_replaced_by_another_are_suspected() {
    let elsewhere = |mut pool: Vec<Backend>| {
        pool.iter_mut().for_each(|backend| backend.client_address = Some("10.0.0.8".into()));
        pool
    };
    let dead = || pool(1..6, 9_000, 3_000, 0);
    let after = elsewhere(pool(6..11, 2_950, 100, 3));
    assert_eq!(suspects(dead().into_iter().chain(after).collect()), [1, 2, 3, 4, 5]);
    // The new version was there before the old one had nothing left to do.
    let before = elsewhere(pool(6..11, 3_100, 100, 3));
    assert_eq!(suspects(dead().into_iter().chain(before).collect()), [0; 0]);
}

/// A session was suspected for not having been cleaned up although its last text ends with the clean-up.
#[test]
fn a_session_whose_work_and_clean_up_are_in_one_text_was_given_back() {
    let ran = |pid, idle_s, query: &str| Backend { query: query.to_owned(), ..idle(pid, idle_s) };
    for text in ["INSERT INTO a VALUES (1); ROLLBACK", "BEGIN;ROLLBACK;", "UPDATE a SET b = 1; DISCARD ALL"] {
        let mut backends = vec![ran(1, 2_000, text)];
        backends.extend((3..9).map(|pid| ran(pid, 2, "ROLLBACK")));
        assert_eq!(suspects(backends), [0; 0], "{text}");
    }
}

/// Sessions that had just been lost were counted as proof that their pool does not clean up.
#[test]
fn a_lost_session_of_a_pool_that_runs_clean_up_statements_is_suspected() {
    let ran = |pid, idle_s, query: &str| Backend { query: query.to_owned(), ..idle(pid, idle_s) };
    let mut backends = vec![ran(1, 2_000, "SELECT n FROM stock WHERE id = 5")];
    backends.push(ran(2, 100, "SELECT n FROM stock WHERE id = 6"));
    backends.extend((3..9).map(|pid| ran(pid, 2, "ROLLBACK")));
    assert_eq!(suspects(backends), [1]);
}

#[test]
fn a_full_server_of_busy_sessions_has_no_suspect() {
    let busy = (0..97).map(|pid| in_state(pid, "active", 2)).collect();
    assert_eq!(suspects(busy), [0; 0]);
}

#[test]
fn an_open_transaction_is_suspected_once_it_holds_locks() {
    let open = |seconds| Backend { has_xid: true, relation_locks: 2, ..in_state(1, "idle in transaction", seconds) };
    assert_eq!(suspects(vec![open(30)]), [0; 0], "below its threshold");
    assert_eq!(suspects(vec![open(90)]), [1]);
}

#[test]
fn a_failed_transaction_without_rollback_is_suspected() {
    let aborted = in_state(1, "idle in transaction (aborted)", 240);
    assert_eq!(suspects(vec![aborted]), [1]);
}

#[test]
fn waiting_clients_are_evidence_against_an_unused_connection() {
    // Compared before the confidence is rounded: it is near its end already.
    let log_odds = |waiting| -> f64 {
        let mut snapshot = snapshot(vec![in_state(32_688, "idle in transaction (aborted)", 61)]);
        let mut console = crate::pooler::recorded::console(crate::pooler::recorded::OLD);
        console.pooler.pools[0].clients_waiting = waiting;
        snapshot.backends[0].client_address = Some("127.0.0.1".into());
        crate::pooler::attribution::attribute(&mut snapshot.backends, &console);
        snapshot.pooler = Some(console.pooler);
        let judged = judge(&snapshot, &Options::default());
        judged.iter().flat_map(|judged| &judged.pieces).map(Piece::weight).sum()
    };
    assert!(log_odds(3) > log_odds(0), "{} and {}", log_odds(3), log_odds(0));
}

#[test]
fn each_exclusion_outweighs_all_evidence() {
    let leaked = || Backend { has_xid: true, relation_locks: 2, ..in_state(1, "idle in transaction", 3_600) };
    for (name, backend) in [
        ("protected-service", Backend { role: Some("supabase_auth_admin".into()), ..leaked() }),
        ("protected-service", Backend { application: "pg_dump".into(), ..leaked() }),
        ("pooler-owned", Backend { application: "Supavisor".into(), ..leaked() }),
        ("human-tool", Backend { application: "psql".into(), ..leaked() }),
        ("advisory-lock", Backend { advisory_locks: 1, ..leaked() }),
    ] {
        let report = analyse_snapshot(&snapshot(vec![backend]), &Options::default(), None);
        assert!(!report.leak_detection.detected, "{name}");
        let excluded = &report.leak_detection.excluded_connections;
        assert_eq!(excluded.iter().map(|session| session.exclusions.clone()).collect::<Vec<_>>(), [[name]]);
    }
}

#[test]
fn listeners_are_recognised_after_their_last_statement_changed() {
    let mut listener = Backend { query: "LISTEN jobs".into(), ..idle(1, 4_000) };
    let first = analyse_snapshot(&snapshot(vec![listener.clone()]), &Options::default(), None);
    listener.query = "SELECT 1".into();
    let second = snapshot(vec![listener]);
    let memory = Memory::recall(Some(&first.carry), &second, &mut Vec::new());
    let judged = crate::fixture::judge_with(&second, &Options::default(), &memory);
    assert!(judged[0].exclusions.contains(&&purpose::LISTENS));
}

#[test]
fn hidden_sessions_withhold_the_classification() {
    let mut backends = vec![in_state(1, "idle in transaction (aborted)", 3_600)];
    backends.push(Backend { pid: 2, hidden: true, role: Some("other".into()), ..Backend::default() });
    let report = analyse_snapshot(&snapshot(backends), &Options::default(), None);
    assert!(!report.leak_detection.detected);
    assert!(report.leak_detection.recommendation.starts_with("No verdict"));
    assert_eq!((report.coverage.seen, report.coverage.hidden, report.coverage.percent), (1, 1, 50.0));
    assert_eq!(report.findings.iter().filter(|finding| finding.id == "incomplete-coverage").count(), 1);
}

#[test]
fn filters_narrow_the_analysis() {
    let options = |include: &str, exclude: &str| {
        let json = format!(r#"{{"options":{{"include":{include},"exclude":{exclude}}}}}"#);
        archon_pool_contract::params::Request::from_json(&json).expect("valid").options.validate().expect("valid")
    };
    let snapshot = snapshot(vec![in_state(1, "idle in transaction", 3_600)]);
    for (include, exclude, expected) in [
        ("{}", "{}", vec![]),
        (r#"{"applications":["check*"]}"#, "{}", vec![]),
        (r#"{"applications":["web*"]}"#, "{}", vec![&exclusions::NOT_INCLUDED]),
        (r#"{"roles":["app"],"networks":["10.0.0.0/8"]}"#, "{}", vec![]),
        (r#"{"roles":["app"],"networks":["192.168.0.0/16"]}"#, "{}", vec![&exclusions::NOT_INCLUDED]),
        ("{}", r#"{"networks":["10.0.0.0/24"]}"#, vec![&exclusions::EXCLUDED]),
        ("{}", r#"{"databases":["shop"]}"#, vec![&exclusions::EXCLUDED]),
    ] {
        assert_eq!(judge(&snapshot, &options(include, exclude))[0].exclusions, expected, "{include} {exclude}");
    }
}

#[test]
fn sessions_of_a_group_that_stay_unused_after_opening_are_evidence() {
    let mut carry = None;
    for size in [4, 6, 8, 10] {
        let backends = (0..size).map(|pid| idle(pid, 400)).collect();
        carry = Some(analyse_snapshot(&snapshot(backends), &Options::default(), carry.as_deref()).carry);
    }
    let next = snapshot((0..12).map(|pid| idle(pid, 400)).collect());
    let memory = Memory::recall(carry.as_deref(), &next, &mut Vec::new());
    let judged = crate::fixture::judge_with(&next, &Options::default(), &memory);
    let evidence: Vec<_> = judged[0].pieces.iter().map(|piece| piece.rule.id).collect();
    assert!(evidence.contains(&"none-returns") && evidence.contains(&"passed-over"), "{evidence:?}");
}

#[test]
fn the_last_statement_in_a_report_has_no_literals() {
    let leaked = Backend {
        query: "UPDATE t SET pin = 'secret' WHERE id = 9".into(),
        has_xid: true,
        ..in_state(1, "idle in transaction", 900)
    };
    let report = analyse_snapshot(&snapshot(vec![leaked]), &Options::default(), None);
    assert_eq!(report.leak_detection.suspected_connections[0].last_query, "UPDATE t SET pin = ? WHERE id = ?");
    assert!(!serde_json::to_string(&report).expect("serialises").contains("secret"));
}

proptest! {
    #[test]
    fn confidence_grows_with_idle_age(first in 301_i64..100_000, more in 0_i64..100_000) {
        let state = "idle in transaction";
        let judged_at = |seconds| confidence_of(&judge(&snapshot(vec![in_state(1, state, seconds)]), &Options::default()), 1);
        prop_assert!(judged_at(first) <= judged_at(first + more));
    }

    #[test]
    fn any_session_is_classified_without_a_panic(
        start in proptest::option::of(any::<i64>()), change in proptest::option::of(any::<i64>()),
        xmin in proptest::option::of(any::<i64>()), state in prop_oneof!["idle", "idle in transaction", "idle in transaction \\(aborted\\)", "active", "starting", "[a-z ]{0,9}"], query in "\\PC{0,80}", pid in any::<i32>(),
    ) {
        let odd = Backend { pid, backend_start: start, state_change: change, xmin_age: xmin, state: Some(state), query, ..idle(1, 1) };
        let report = analyse_snapshot(&snapshot(vec![odd, idle(2, 900)]), &Options::default(), None);
        prop_assert!(report.leak_detection.confidence <= 100);
        prop_assert_eq!(report.timestamp.as_str(), clock::iso(NOW));
    }
}
