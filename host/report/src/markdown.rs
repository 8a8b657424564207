//! Markdown of a report for a ticket, in the dialect that GitHub, GitLab and Gitea share.
//!
//! Texts of a server or a component are escaped: they make no markup, no link, no mention and no reference.

mod escape;
mod part;
mod sections;

use crate::document::Document;
use crate::overview;
use crate::verdict::Verdict;

use self::escape::inline;
use self::part::Part;

/// Maximum size, bytes: GitHub refuses a text of more than 65,536 characters.
const MOST: usize = 60_000;

/// Renders the whole text.
pub fn page(document: &Document<'_>) -> String {
    let report = document.latest();
    let verdict = Verdict::of(report);
    let mut head = Part::default();
    head.paragraph(&format!("# {} {}: {}", verdict.mark, verdict.level, inline(&verdict.sentence)));
    head.paragraph(&inline(&verdict.facts.join(" · ")));
    head.paragraph(&inline(&overview::moment(report)));
    let (mut text, mut left_out) = (head.finish(), 0);
    for section in sections::all(document) {
        let section = section.finish();
        if text.len() + section.len() > MOST {
            left_out += 1;
        } else {
            text.push_str(&section);
        }
    }
    if left_out > 0 {
        text.push_str(&format!("… and {left_out} more sections: the HTML page and the JSON have them all.\n"));
    }
    text
}
