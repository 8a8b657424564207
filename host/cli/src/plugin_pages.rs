//! Pages of a policy file and of the plugin folder.

use archon_pool::plugin_store::Entry;
use archon_pool::policy_file::{Change, Proposal, Signals};

use archon_pool_report::page::Page;
use archon_pool_report::sanitize;
use archon_pool_report::style::{BAD, DOUBTFUL, INDENT, TITLE};
use archon_pool_report::table::{Table, number, text, word};

/// Digits of a digest that distinguish components at a glance; `--json` has all of them.
const GLANCE: usize = 16;

/// Renders the content of a policy file and its differences to the existing one, with full texts on request.
pub(crate) fn proposal(proposal: &Proposal, show: bool, width: usize) -> String {
    let mut page = Page::new(width);
    let component = proposal.component();
    page.title(&sanitize::line(&component.name));
    page.field("world", component.world.name());
    page.field("sha256", &component.sha256.to_string());
    if let Some(version) = &component.skill_version {
        page.field("version", &sanitize::line(version));
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
        let purpose = format!("({}) {}", change_word(change), sanitize::line(&statement.purpose));
        page.item(INDENT, &statement.id, style, &purpose);
        page.verbatim(2 * INDENT, &format!("sha256 {}", statement.sha256));
        if let Some(why) = why {
            page.item(2 * INDENT, "could do more than read statistics:", BAD, why);
            for line in sanitize::lines(sql).lines() {
                page.styled_verbatim(BAD, &format!("{:1$}{line}", "", 2 * INDENT));
            }
            page.blank();
        } else if show {
            page.verbatim(2 * INDENT, &sanitize::lines(sql));
            page.blank();
        }
    }
    for gone in proposal.gone() {
        any = true;
        page.item(INDENT, &sanitize::line(&gone.id), DOUBTFUL, "(gone)");
    }
    if !any {
        page.paragraph("none: it may send no SQL");
    }
    page.finish()
}

/// Describes the changes that the component may make, given its statements that could do more than read statistics.
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

/// Names the change of a statement.
pub(crate) fn change_word(change: Change) -> &'static str {
    match change {
        Change::Same => "same",
        Change::New => "new",
        Change::Changed => "changed",
    }
}

/// Renders the plugin folder.
pub(crate) fn plugins(entries: &[Entry], width: usize) -> String {
    let mut page = Page::new(width);
    let columns = [word("name"), word("world"), number("KiB"), word("sha256"), text("policy"), text("signature")];
    let mut table = Table::new(columns);
    for entry in entries {
        let digest = entry.sha256.map(|digest| digest.to_string());
        table.row([
            sanitize::line(&entry.name),
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
        page.item(INDENT, &sanitize::line(&entry.name), BAD, &sanitize::line(&fault.to_string()));
    }
    page.finish()
}
