//! Pages of `fleet`.

use std::collections::BTreeMap;

use anstream::adapter::strip_str;
use archon_pool::Fault;
use archon_pool_contract::fault::kind;
use archon_pool_contract::host_api::Outcome;
use archon_pool_fleet::nats::TargetEntry;
use archon_pool_fleet::{FleetReport, Plan, PlannedSession, PlannedTarget, State};
use insta::assert_snapshot;
use serde_json::json;

use super::fixture;
use crate::fleet::overview::Overview;
use crate::fleet::pages;
use crate::fleet::pages::Applied;
use crate::terminal::FIXED_WIDTH;

fn plain(page: &str) -> String {
    strip_str(page).to_string()
}

fn reports() -> Vec<FleetReport> {
    let unreachable = Fault::new(kind::SERVER_UNREACHABLE, "no PostgreSQL server answers at db3:5432");
    let outcomes = [("billing", Ok(fixture::healthy())), ("shop", Ok(fixture::full())), ("stock", Err(unreachable))];
    let report = |(id, outcome): (&str, Result<_, _>)| State::default().after(id, outcome.as_ref(), None).1;
    outcomes.into_iter().map(report).collect()
}

fn plan() -> Plan {
    let session = |pid, application: &str| PlannedSession {
        pid,
        backend_start: 1_700_000_000_000_000,
        state: "idle in transaction".to_owned(),
        state_change: 1_700_000_001_000_000,
        role: "app".to_owned(),
        application: application.to_owned(),
        reason: "idle in transaction for 12 min".to_owned(),
    };
    let sessions = [812, 813, 814].map(|pid| session(pid, "invoice-worker")).to_vec();
    let target = PlannedTarget { id: "shop".into(), credential: "shop".into(), max_kill_percentage: 25, sessions };
    let unread = serde_json::from_value(json!({ "id": "stock", "why": "no server answers (server-unreachable)" }));
    Plan { v: 1, targets: vec![target], unread: vec![unread.expect("a target")] }
}

#[test]
fn status_of_a_fleet() {
    let paused = BTreeMap::from([("old".to_owned(), "it is moved".to_owned())]);
    let overview = Overview { reports: reports(), paused, overdue: vec!["shop".to_owned()], without_round: 2 };
    assert_snapshot!(plain(&pages::status(&overview, FIXED_WIDTH)));
}

#[test]
fn last_reports_of_a_fleet() {
    assert_snapshot!(plain(&pages::list(&reports(), FIXED_WIDTH)));
    assert_snapshot!(plain(&pages::list(&[], FIXED_WIDTH)));
}

#[test]
fn last_report_of_one_target() {
    for report in reports() {
        assert_snapshot!(plain(&pages::report(&report, FIXED_WIDTH)));
    }
}

#[test]
fn targets_of_a_fleet() {
    let target = |id: &str, paused: Option<&str>| -> TargetEntry {
        let entry = json!({
            "v": 1, "id": id, "zone": "eu", "server": "db1:5432", "credential": id, "options": {}, "every": 60,
            "probeEvery": null, "tags": ["prod", "web"], "enabled": paused.is_none(), "paused": paused,
        });
        serde_json::from_value(entry).expect("a target")
    };
    let entries = [target("billing", None), target("shop", Some("poison: 3 calls in a row ended their worker"))];
    assert_snapshot!(plain(&pages::targets(&entries, FIXED_WIDTH)));
}

#[test]
fn plan_of_a_fleet() {
    assert_snapshot!(plain(&pages::plan(&plan(), "archon-pool fleet apply plan.json --digest 3f2a", FIXED_WIDTH)));
}

#[test]
fn outcomes_of_a_plan() {
    let planned = plan().targets.remove(0);
    let outcomes =
        vec![Outcome::Signalled, Outcome::Changed, Outcome::Denied("the fleet's budget is used up".to_owned())];
    let lost = Fault::new(kind::SERVER_UNREACHABLE, "no PostgreSQL server answers at db3:5432");
    let applied = [
        Applied { planned: planned.clone(), outcomes: Ok(outcomes) },
        Applied { planned: PlannedTarget { id: "stock".to_owned(), ..planned }, outcomes: Err(lost) },
    ];
    assert_snapshot!(plain(&pages::applied(&applied, FIXED_WIDTH)));
}
