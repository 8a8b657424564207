//! Section of the suspected leaks.

use archon_pool_contract::report::{ConnectionMetric, Group, LeakDetection};

use crate::page::Page;
use crate::style::{BAD, DIM, GOOD, INDENT};
use crate::table::{Table, number, text, word};
use crate::text::{client, count, duration, named, place, server_view, state};

const MOST_SUSPECTS: usize = 20;
const MOST_EXCLUDED: usize = 5;
const MOST_GROUPS: usize = 10;

/// Adds the section.
pub(super) fn leaks(page: &mut Page, leaks: &LeakDetection) {
    page.title("Leaks");
    let (mark, style) = if leaks.detected { ("✖", BAD) } else { ("✔", GOOD) };
    let verdict = summary(leaks);
    if !leaks.coverage.complete && !leaks.detected {
        // An incomplete check is not shown as success.
        page.paragraph(&verdict);
    } else {
        page.item(INDENT, mark, style, &verdict);
    }
    let found = &leaks.suspected_connections;
    if !found.is_empty() {
        page.blank();
        page.table(suspects(found), MOST_SUSPECTS);
        through(page, found);
    }
    excluded(page, &leaks.excluded_connections);
    if !leaks.groups.is_empty() {
        page.blank();
        page.paragraph("Groups of sessions with the same application, role, database and client:");
        page.table(groups(&leaks.groups), MOST_GROUPS);
    }
}

/// Returns the number of suspects.
pub(super) fn suspected(leaks: &LeakDetection) -> usize {
    leaks.suspected_connections.len().max(leaks.total_suspected as usize)
}

/// Formats the number of suspects, the highest confidence and the recommendation.
pub(super) fn summary(leaks: &LeakDetection) -> String {
    let suspects = count(suspected(leaks), "suspect");
    format!("{suspects}, highest confidence {} %: {}", leaks.confidence, leaks.recommendation)
}

/// Lists the suspects with their strongest evidence.
pub(super) fn suspects(suspects: &[ConnectionMetric]) -> Table {
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
    table
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
        page.item(INDENT, "·", DIM, &format!("pid {pid}: {}", server_view(through)));
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

/// Lists the groups of sessions.
pub(super) fn groups(groups: &[Group]) -> Table {
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
    table
}
