//! Section of the suspected leaks.

use archon_pool_contract::report::{ConnectionMetric, Group, LeakDetection};

use crate::outcomes;
use crate::page::Page;
use crate::style::{BAD, DIM, GOOD, INDENT};
use crate::table::{Table, number, text, word};
use crate::text::{client, count, duration, named, place, server_view, state};

const MOST_SUSPECTS: usize = 20;
/// Different pieces of evidence that are listed.
const MOST_EVIDENCE: usize = 10;
/// Applications in the line of the suspects that are not listed.
const MOST_OWNERS: usize = 3;
/// Minimum width of a page for the address of the client.
const WIDE: usize = 90;
/// Minimum width of a page for role and state.
const MIDDLE: usize = 72;
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
        page.table_of(lines(found, page.width()), MOST_SUSPECTS, || {
            outcomes::owners(found.iter().skip(MOST_SUSPECTS).map(|suspect| &*suspect.application), MOST_OWNERS)
        });
        evidence(page, found);
        through(page, found);
    }
    excluded(page, &leaks.excluded_connections);
    if !leaks.groups.is_empty() {
        page.blank();
        page.paragraph("Groups of sessions with the same application, role, database and client:");
        let table = if page.is_narrow() { short_groups(&leaks.groups) } else { groups(&leaks.groups) };
        page.table(table, MOST_GROUPS);
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

/// Lists the suspects in one line each, in as many columns as fit.
fn lines(suspects: &[ConnectionMetric], width: usize) -> Table {
    let (is_middle, is_wide) = (width >= MIDDLE, width >= WIDE);
    let mut columns = vec![number("pid"), text("application")];
    columns.extend(is_middle.then(|| text("role")));
    columns.extend(is_wide.then(|| text("client")));
    columns.extend(is_middle.then(|| word("state")));
    columns.extend([number("idle"), number("sure")]);
    let mut table = Table::new(columns).one_line();
    for suspect in suspects {
        let mut row = vec![suspect.pid.to_string(), named(&suspect.application)];
        row.extend(is_middle.then(|| suspect.role.clone()));
        row.extend(is_wide.then(|| place(suspect.client.as_deref(), suspect.through.as_ref())));
        row.extend(is_middle.then(|| state(&suspect.state)));
        row.extend([duration(suspect.idle_time), format!("{} %", suspect.confidence)]);
        table.row(row);
    }
    table
}

/// Adds the strongest evidence of all suspects, equal ones once.
fn evidence(page: &mut Page, suspects: &[ConnectionMetric]) {
    let mut groups: Vec<(&str, Vec<&ConnectionMetric>)> = Vec::new();
    for suspect in suspects {
        let Some(evidence) = suspect.evidence.first() else { continue };
        match groups.iter_mut().find(|(value, _)| *value == evidence.value) {
            Some((_, group)) => group.push(suspect),
            None => groups.push((&evidence.value, vec![suspect])),
        }
    }
    for (value, group) in groups.iter().take(MOST_EVIDENCE) {
        let whose = match group.as_slice() {
            [only] => format!("pid {}, {}", only.pid, named(&only.application)),
            many => outcomes::owners(many.iter().map(|suspect| &*suspect.application), MOST_OWNERS),
        };
        page.item(INDENT, "·", DIM, &format!("{whose}: {value}"));
    }
    page.more(groups.len().saturating_sub(MOST_EVIDENCE));
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

/// Lists the groups in one line each, for a narrow page.
fn short_groups(groups: &[Group]) -> Table {
    let mut table =
        Table::new([text("application"), number("sessions"), number("idle"), number("suspects")]).one_line();
    for group in groups {
        let numbers = [group.sessions, group.idle, group.suspected].map(|number| number.to_string());
        table.row([&[named(&group.application)][..], &numbers].concat());
    }
    table
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
