//! Page of the differences between two reports.

use serde_json::Value;

use crate::comparison::Difference;
use crate::page::Page;
use crate::sanitize;
use crate::style::{BAD, DOUBTFUL, GOOD, INDENT};

/// Maximum number of lines of a section.
const MOST: usize = 40;

/// The sections with their fields.
const SECTIONS: [(&str, &[&str]); 5] = [
    ("FINDINGS", &["findings"]),
    ("SUSPECTED SESSIONS", &["leakDetection", "suspectedConnections"]),
    ("POOL", &["poolStats"]),
    ("SCALING", &["scaling"]),
    ("ACTIONS", &["actions"]),
];

/// Renders the differences.
pub fn differences(differences: &[Difference], width: usize) -> String {
    let mut page = Page::new(width);
    if differences.is_empty() {
        page.styled(GOOD, "No difference");
        return page.finish();
    }
    let mut rest: Vec<&Difference> = differences.iter().collect();
    for (title, place) in SECTIONS {
        let (section, others): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|it| it.path.iter().zip(place).all(|(a, b)| a == b));
        rest = others;
        sections(&mut page, title, place.len(), &section);
    }
    sections(&mut page, "OTHER", 0, &rest);
    page.finish()
}

fn sections(page: &mut Page, title: &str, depth: usize, section: &[&Difference]) {
    if section.is_empty() {
        return;
    }
    page.title(title);
    for it in section.iter().take(MOST) {
        let place = it.path[depth..].join(" ");
        let (mark, style, text) = match (&it.before, &it.after) {
            (None, Some(after)) => ("+", BAD, format!("{place}: {}", summary(after))),
            (Some(before), None) => ("-", GOOD, format!("{place}: {}", summary(before))),
            (before, after) => {
                let [before, after] = [before, after].map(|value| value.as_ref().map_or_else(String::new, summary));
                ("~", DOUBTFUL, format!("{place}: {before} → {after}"))
            }
        };
        page.item(INDENT, mark, style, &sanitize::line(&text));
    }
    page.more(section.len().saturating_sub(MOST));
}

/// Summarises a value in one line: the most informative fields of an object.
fn summary(value: &Value) -> String {
    let field = |name: &str| value.get(name).map(summary);
    match value {
        Value::String(text) => text.clone(),
        Value::Object(_) => {
            let finding = || Some(format!("{}: {}", field("severity")?, field("text")?));
            let session = || {
                let (role, application, client) = (field("role")?, field("application")?, field("client")?);
                Some(format!("{role} {application} {client}, {} %", field("confidence")?))
            };
            let action = || field("reason");
            finding().or_else(session).or_else(action).unwrap_or_else(|| value.to_string())
        }
        other => other.to_string(),
    }
}
