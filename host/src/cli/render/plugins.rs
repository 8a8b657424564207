//! Policy files and the plugin folder for readers.

use archon_pool::plugin_store::Entry;
use archon_pool::policy_file::{Change, Proposal, Signals};

use super::super::approve;
use super::super::clean;
use super::page::{BAD, DOUBTFUL, INDENT, Page, TITLE};
use super::table::{Table, number, text, word};

/// Digits of a digest that tell components apart at a glance; `--json` has all of them.
const GLANCE: usize = 16;

/// What a policy file would approve, and what is other than before. Texts in full when wanted.
pub(crate) fn proposal(proposal: &Proposal, show: bool, width: usize) -> String {
    let mut page = Page::new(width);
    let component = proposal.component();
    page.title(&clean::line(&component.name));
    page.field("world", component.world.name());
    page.field("sha256", &component.sha256.to_string());
    if let Some(version) = &component.skill_version {
        page.field("version", &clean::line(version));
    }
    let signals = proposal.signals();
    page.field("changes", &changes(signals, proposal.acting().count()));

    page.title("Statements");
    let mut any = false;
    for (statement, sql, change, why) in proposal.statements() {
        any = true;
        let style = match (why, change) {
            (Some(_), _) => BAD,
            (None, Change::Same) => TITLE,
            (None, _) => DOUBTFUL,
        };
        let purpose = format!("({}) {}", approve::name(change), clean::line(&statement.purpose));
        page.item(INDENT, &statement.id, style, &purpose);
        page.verbatim(2 * INDENT, &format!("sha256 {}", statement.sha256));
        if let Some(why) = why {
            page.item(2 * INDENT, "could do more than read statistics:", BAD, &why.to_string());
            for line in clean::lines(sql).lines() {
                page.styled(BAD, &format!("{:1$}{line}", "", 2 * INDENT));
            }
            page.blank();
        } else if show {
            page.verbatim(2 * INDENT, &clean::lines(sql));
            page.blank();
        }
    }
    for gone in proposal.gone() {
        any = true;
        page.item(INDENT, &clean::line(&gone.id), DOUBTFUL, "(gone)");
    }
    if !any {
        page.paragraph("none: it may send no SQL");
    }
    page.finish()
}

/// What the component may change, with so many statements that could do more than read statistics.
fn changes(signals: &Signals, acting: usize) -> String {
    let are = if acting == 1 { "1 statement in red".to_owned() } else { format!("{acting} statements in red") };
    match (signals.apply, acting) {
        (false, 0) => "none: signals.apply = false".to_owned(),
        (false, _) => format!("whatever the {are} can do, not sent while signals.apply = false"),
        (true, 0) => format!("with --apply, at most {} % of sessions", signals.max_kill_percentage),
        (true, _) => format!(
            "with --apply, at most {} % of sessions, and whatever the {are} can do, which no cap counts",
            signals.max_kill_percentage
        ),
    }
}

/// What stands in the plugin folder.
pub(crate) fn plugins(entries: &[Entry], width: usize) -> String {
    let mut page = Page::new(width);
    let columns = [word("name"), word("world"), number("KiB"), word("sha256"), text("policy"), text("signature")];
    let mut table = Table::new(columns);
    for entry in entries {
        let digest = entry.sha256.map(|digest| digest.to_string());
        table.row([
            clean::line(&entry.name),
            entry.world.map_or("-", |world| world.name()).to_owned(),
            entry.bytes.map_or("-".to_owned(), |bytes| bytes.div_ceil(1024).to_string()),
            digest.map_or("-".to_owned(), |digest| format!("{}…", &digest[..GLANCE])),
            entry.policy.to_string(),
            entry.signature.to_string(),
        ]);
    }
    page.table(table, entries.len());
    let troubles = entries.iter().filter_map(|entry| Some((entry, entry.trouble.as_ref()?)));
    for (index, (entry, fault)) in troubles.enumerate() {
        if index == 0 {
            page.title("Not loaded");
        }
        page.item(INDENT, &clean::line(&entry.name), BAD, &clean::line(&fault.to_string()));
    }
    page.finish()
}
