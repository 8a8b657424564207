//! Section of the suspected leaks.

use archon_pool_contract::report::{ConnectionMetric, Group, LeakDetection};

use crate::page::Page;
use crate::style::{BAD, DIM, GOOD, INDENT};
use crate::table::{Table, number, text, word};
use crate::text::{client, count, duration, named, place, state};

const MOST_SUSPECTS: usize = 20;
const MOST_EXCLUDED: usize = 5;
const MOST_GROUPS: usize = 10;

/// Adds the section.
pub(super) fn leaks(page: &mut Page, leaks: &LeakDetection) {
    page.title("Leaks");
    let (mark, style) = if leaks.detected { ("✖", BAD) } else { ("✔", GOOD) };
    let verdict = format!(
        "{}, highest confidence {} %: {}",
        count(leaks.suspected_connections.len().max(leaks.total_suspected as usize), "suspect"),
        leaks.confidence,
        leaks.recommendation
    );
    if !leaks.coverage.complete && !leaks.detected {
        // An incomplete check is not shown as success.
        page.paragraph(&verdict);
    } else {
        page.item(INDENT, mark, style, &verdict);
    }
    suspects(page, &leaks.suspected_connections);
    excluded(page, &leaks.excluded_connections);
    groups(page, &leaks.groups);
}

fn suspects(page: &mut Page, suspects: &[ConnectionMetric]) {
    if suspects.is_empty() {
        return;
    }
    let mut table = Table::new([
        number("pid"),
        text("application"),
        text("role"),
        text("client"),
        word("state"),
        number("idle"),
        number("sure"),
        text("because"),
    ]);
    for suspect in suspects {
        table.row([
            suspect.pid.to_string(),
            named(&suspect.application),
            suspect.role.clone(),
            place(suspect.client.as_deref(), suspect.through.as_ref()),
            state(&suspect.state),
            duration(suspect.idle_time),
            format!("{} %", suspect.confidence),
            suspect.evidence.first().map_or_else(String::new, |evidence| evidence.value.clone()),
        ]);
    }
    page.blank();
    page.table(table, MOST_SUSPECTS);
    through(page, suspects);
}

/// Adds the server's own view of suspects that connect through a pooler.
fn through(page: &mut Page, suspects: &[ConnectionMetric]) {
    let pooled: Vec<_> = suspects.iter().filter_map(|suspect| Some((suspect.pid, suspect.through.as_ref()?))).collect();
    if pooled.is_empty() {
        return;
    }
    page.blank();
    page.paragraph("Known by the pooler; the server shows:");
    for (pid, through) in pooled.iter().take(MOST_SUSPECTS) {
        let (application, address) = (named(&through.server_application), client(through.server_address.as_deref()));
        let (pooler, mode) = (&through.pooler, &through.mode);
        page.item(INDENT, "·", DIM, &format!("pid {pid}: {application} from {address} ({pooler}, {mode} mode)"));
    }
    page.more(pooled.len().saturating_sub(MOST_SUSPECTS));
}

/// Adds the excluded sessions with the reason, so that an operator can correct it.
fn excluded(page: &mut Page, excluded: &[ConnectionMetric]) {
    if excluded.is_empty() {
        return;
    }
    page.blank();
    page.paragraph(&format!("{} would be suspected too, but not judged:", count(excluded.len(), "session")));
    for session in excluded.iter().take(MOST_EXCLUDED) {
        let (pid, application) = (session.pid, named(&session.application));
        page.item(INDENT, "·", DIM, &format!("pid {pid}, {application}: {}", session.exclusions.join("; ")));
    }
    page.more(excluded.len().saturating_sub(MOST_EXCLUDED));
}

fn groups(page: &mut Page, groups: &[Group]) {
    if groups.is_empty() {
        return;
    }
    page.blank();
    page.paragraph("Groups of sessions with the same application, role, database and client:");
    let mut table = Table::new([
        text("application"),
        text("role"),
        text("database"),
        text("client"),
        number("sessions"),
        number("idle"),
        number("suspects"),
        number("idle for"),
        number("usually"),
        number("growth"),
    ]);
    for group in groups {
        table.row([
            named(&group.application),
            group.role.clone(),
            group.database.clone(),
            client(group.client.as_deref()),
            group.sessions.to_string(),
            group.idle.to_string(),
            group.suspected.to_string(),
            group.median_idle.map_or_else(String::new, duration),
            group.usual_idle.map_or_else(String::new, duration),
            group
                .growth
                .map_or_else(String::new, |growth| if growth == 0 { "0".into() } else { format!("{growth:+}") }),
        ]);
    }
    page.table(table, MOST_GROUPS);
}
