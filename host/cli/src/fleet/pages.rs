//! Pages of `fleet status` and `fleet report`.

#[cfg(feature = "nats")]
use archon_pool::Fault;
#[cfg(feature = "nats")]
use archon_pool_contract::host_api::Outcome;
#[cfg(feature = "nats")]
use archon_pool_fleet::nats::TargetEntry;
use archon_pool_fleet::{Counts, FleetReport};
#[cfg(feature = "nats")]
use archon_pool_fleet::{Plan, PlannedSession, PlannedTarget, Unread};
use archon_pool_report::page::Page;
use archon_pool_report::sanitize;
use archon_pool_report::style::{BAD, DIM, DOUBTFUL, GOOD, INDENT, REMARK};
use archon_pool_report::table::{Table, number, text, word};
#[cfg(feature = "nats")]
use archon_pool_report::text::count;
use archon_pool_report::text::duration;

use super::overview::Overview;

/// Rows of a table; `--json` has all.
const ROWS: usize = 40;

/// Renders the numbers of targets by state, and those that need attention.
pub(crate) fn status(overview: &Overview, width: usize) -> String {
    let Overview { reports, paused, overdue, without_round } = overview;
    let mut page = Page::new(width);
    page.title("Fleet");
    let targets = reports.len() + paused.len() + without_round;
    page.item(INDENT, "✔", GOOD, &format!("{} of {targets} targets are healthy", overview.count(0)));
    for (count, mark, style, state) in [
        (overview.count(1), "▲", DOUBTFUL, "with findings"),
        (overview.count(3), "✖", BAD, "could not be read"),
        (overdue.len(), "✖", BAD, "without a report for more than three intervals: is a worker of their zone running?"),
        (*without_round, "●", REMARK, "before their first round"),
        (paused.len(), "●", REMARK, "paused"),
    ] {
        if count > 0 {
            page.item(INDENT, mark, style, &format!("{count} {state}"));
        }
    }
    for (id, reason) in paused.iter().take(ROWS) {
        page.item(2 * INDENT, "·", DIM, &format!("{id}: {}", sanitize::line(reason)));
    }
    let mut attention: Vec<&FleetReport> = reports.iter().filter(|report| report.exit != 0).collect();
    attention.sort_by_key(|report| std::cmp::Reverse((report.exit, report.count("critical"), report.count("warning"))));
    if !attention.is_empty() {
        page.title("Need attention");
        table(&mut page, &attention);
    }
    page.finish()
}

/// Renders the targets of a fleet with many workers.
#[cfg(feature = "nats")]
pub(crate) fn targets(entries: &[TargetEntry], width: usize) -> String {
    let mut page = Page::new(width);
    page.title("Targets");
    let columns = [word("target"), word("zone"), text("server"), number("every"), text("tags"), text("paused")];
    let mut table = Table::new(columns);
    for entry in entries {
        let paused = if entry.enabled { "" } else { entry.paused.as_deref().unwrap_or("yes") };
        table.row([
            sanitize::line(&entry.id),
            sanitize::line(&entry.zone),
            sanitize::line(entry.server.as_deref().unwrap_or_default()),
            duration(entry.every * 1_000),
            sanitize::line(&entry.tags.join(", ")),
            sanitize::line(paused),
        ]);
    }
    match entries {
        [] => page.paragraph("none: `archon-pool fleet targets import` adds them"),
        _ => page.table(table, ROWS),
    }
    page.finish()
}

/// Outcomes of the sessions of one target.
#[cfg(feature = "nats")]
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) planned: PlannedTarget,
    pub(crate) outcomes: Result<Vec<Outcome>, Fault>,
}

/// Renders a plan, with the command that carries it out.
#[cfg(feature = "nats")]
pub(crate) fn plan(plan: &Plan, command: &str, width: usize) -> String {
    let mut page = Page::new(width);
    page.title(&format!(
        "{} of {} would be ended",
        count(plan.sessions(), "session"),
        count(plan.targets.len(), "target")
    ));
    let columns = [word("target"), number("pid"), text("application"), text("role"), text("state"), text("reason")];
    let mut table = Table::new(columns);
    for target in &plan.targets {
        for PlannedSession { pid, application, role, state, reason, .. } in &target.sessions {
            let [application, role, state, reason] =
                [application, role, state, reason].map(|text| sanitize::line(text));
            table.row([target.id.clone(), pid.to_string(), application, role, state, reason]);
        }
    }
    if plan.sessions() > 0 {
        page.table(table, ROWS);
    }
    for Unread { id, why } in plan.unread.iter().take(ROWS) {
        page.item(INDENT, "✖", BAD, &format!("{id} could not be read: {}", sanitize::line(why)));
    }
    if plan.sessions() > 0 {
        page.title("To carry it out");
        page.verbatim(INDENT, command);
    }
    page.finish()
}

/// Renders the outcomes of a plan.
#[cfg(feature = "nats")]
pub(crate) fn applied(applied: &[Applied], width: usize) -> String {
    let mut page = Page::new(width);
    let outcomes = || applied.iter().filter_map(|one| one.outcomes.as_ref().ok()).flatten();
    let ended = outcomes().filter(|outcome| matches!(outcome, Outcome::Signalled)).count();
    let planned: usize = applied.iter().map(|one| one.planned.sessions.len()).sum();
    page.title(&format!("{ended} of {} ended", count(planned, "session")));
    for Applied { planned, outcomes } in applied {
        match outcomes {
            Err(fault) => {
                let why = sanitize::line(&fault.message);
                page.item(INDENT, "✖", BAD, &format!("{}: {why} ({})", planned.id, fault.kind));
            }
            Ok(outcomes) => {
                for (session, outcome) in planned.sessions.iter().zip(outcomes) {
                    let (mark, style, said) = match outcome {
                        Outcome::Signalled => ("✔", GOOD, "ended".to_owned()),
                        Outcome::Gone => ("·", DIM, "had left already".to_owned()),
                        Outcome::Changed => ("·", DIM, "was used since the plan, and is spared".to_owned()),
                        Outcome::Survived => ("▲", DOUBTFUL, "was signalled and has not left yet".to_owned()),
                        Outcome::Denied(why) => ("▲", DOUBTFUL, format!("denied: {}", sanitize::line(why))),
                        Outcome::Failed(fault) => ("✖", BAD, format!("failed: {}", sanitize::line(&fault.message))),
                    };
                    page.item(INDENT, mark, style, &format!("{} {}: {said}", planned.id, session.pid));
                }
            }
        }
    }
    page.finish()
}

/// Renders one line for each target.
pub(crate) fn list(reports: &[FleetReport], width: usize) -> String {
    let mut page = Page::new(width);
    page.title("Last reports");
    if reports.is_empty() {
        page.paragraph("none: `archon-pool fleet run` makes them");
    } else {
        table(&mut page, &reports.iter().collect::<Vec<_>>());
    }
    page.finish()
}

fn table(page: &mut Page, reports: &[&FleetReport]) {
    let mut table =
        Table::new([word("target"), number("round"), number("sessions"), number("suspects"), text("worst")]);
    for report in reports {
        let of_counts = |number: fn(&Counts) -> u32| {
            report.counts.as_ref().map(|counts| number(counts).to_string()).unwrap_or_default()
        };
        let worst = match (&report.fault, report.findings.first()) {
            (Some(fault), _) => format!("{} ({})", fault.message, fault.kind),
            (None, Some(finding)) => format!("{} {}: {}", finding.severity, finding.id, finding.text),
            (None, None) => String::new(),
        };
        let (sessions, suspects) = (of_counts(|counts| counts.total), of_counts(|counts| counts.suspects));
        table.row([report.id.clone(), report.round.to_string(), sessions, suspects, worst]);
    }
    page.table(table, ROWS);
}

/// Renders the last report of one target.
pub(crate) fn report(report: &FleetReport, width: usize) -> String {
    let mut page = Page::new(width);
    page.title(&report.id);
    page.field("round", &report.round.to_string());
    if let Some(at) = &report.at {
        page.field(if report.fault.is_some() { "last success" } else { "time" }, at);
    }
    if let Some(fault) = &report.fault {
        page.item(INDENT, "✖", BAD, &format!("it could not be read: {} ({})", fault.message, fault.kind));
    }
    if let Some(Counts { total, active, idle, idle_in_transaction, waiting, .. }) = report.counts {
        let counts = format!(
            "{total}: {active} active, {idle} idle, {idle_in_transaction} idle in transaction, {waiting} waiting"
        );
        page.field("sessions", &counts);
    }
    if report.fault.is_none() {
        page.title("Findings");
    }
    if report.fault.is_none() && report.findings.is_empty() {
        page.item(INDENT, "✔", GOOD, "none");
    }
    for finding in &report.findings {
        archon_pool_report::finding(&mut page, finding);
    }
    if !report.suspects.is_empty() {
        page.title("Suspected leaks");
        let columns = [number("pid"), text("application"), text("role"), text("state"), word("idle"), number("%")];
        let mut table = Table::new(columns);
        for suspect in &report.suspects {
            table.row([
                suspect.pid.to_string(),
                suspect.application.clone(),
                suspect.role.clone(),
                suspect.state.clone(),
                duration(suspect.idle_time),
                suspect.confidence.to_string(),
            ]);
        }
        page.table(table, ROWS);
    }
    if report.truncated {
        page.paragraph("Some findings or suspects were left out, because the report would be too large.");
    }
    page.finish()
}
