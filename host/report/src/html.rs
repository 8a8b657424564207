//! HTML page of a report: one file without scripts, fonts or pictures, that reaches nothing. The same report as a page
//! that changes while it is open, and the overview of many targets ([`live`]).
//!
//! Texts of a server or a component are escaped by the templates; a page cannot be changed by them. Control characters
//! and those that reorder a line are replaced in the finished page, so that no place can be missed.

mod actions;
mod body;
mod chart;
mod findings;
mod fleet;
mod health;
pub mod live;
mod locks;
mod origin;
mod parts;
mod pool;
mod rounds;
mod scaling;
mod suspects;
mod table;
mod verdict;

use maud::{DOCTYPE, PreEscaped, html};

use self::body::{STYLE, content, title};
use crate::document::Document;
use crate::sanitize;
use crate::verdict::Verdict;

pub use self::fleet::fleet;

/// The page may use its own styles and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Renders the whole page.
pub fn page(document: &Document<'_>) -> String {
    let verdict = Verdict::of(document.latest());
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title(document.latest(), &verdict)) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (verdict::verdict(document.latest(), &verdict)) (content(document)) } }
        }
    };
    sanitize::lines(&page.into_string())
}

/// Renders the `<main>` of the page alone.
pub fn main(document: &Document<'_>) -> String {
    let verdict = verdict::verdict(document.latest(), &Verdict::of(document.latest()));
    sanitize::lines(&html! { main { (verdict) (content(document)) } }.into_string())
}
