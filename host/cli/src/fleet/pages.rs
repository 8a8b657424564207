//! Pages of `fleet status` and `fleet report`.

use archon_pool_fleet::{Counts, FleetReport};
use archon_pool_report::page::Page;
use archon_pool_report::style::{BAD, DOUBTFUL, GOOD, INDENT};
use archon_pool_report::table::{Table, number, text, word};
use archon_pool_report::text::duration;

/// Rows of a table; `--json` has all.
const ROWS: usize = 40;

/// Renders the numbers of targets by state, and those that need attention.
pub(super) fn status(reports: &[FleetReport], width: usize) -> String {
    let mut page = Page::new(width);
    let count = |exit| reports.iter().filter(|report| report.exit == exit).count();
    page.title("Fleet");
    page.item(INDENT, "✔", GOOD, &format!("{} of {} targets are healthy", count(0), reports.len()));
    for (exit, mark, style, state) in [(1, "▲", DOUBTFUL, "have findings"), (3, "✖", BAD, "could not be read")] {
        if count(exit) > 0 {
            page.item(INDENT, mark, style, &format!("{} {state}", count(exit)));
        }
    }
    let mut attention: Vec<&FleetReport> = reports.iter().filter(|report| report.exit != 0).collect();
    attention.sort_by_key(|report| std::cmp::Reverse((report.exit, report.count("critical"), report.count("warning"))));
    if !attention.is_empty() {
        page.title("Need attention");
        table(&mut page, &attention);
    }
    page.finish()
}

/// Renders one line for each target.
pub(super) fn list(reports: &[FleetReport], width: usize) -> String {
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
pub(super) fn report(report: &FleetReport, width: usize) -> String {
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
