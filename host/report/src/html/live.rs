//! Pages that change while they are open: a script exchanges their `<main>` with each event of a server. Without
//! scripts they are reloaded.

use archon_pool_contract::fault::Fault;
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::document::Document;
use crate::text::{count, duration};
use crate::verdict::Verdict;
use crate::{hints, sanitize};

use super::body::{STYLE, content, title};
use super::verdict;

/// Script of the pages, for a path of its own: their policy forbids scripts in a page.
pub const SCRIPT: &str = include_str!("live.js");

/// Seconds until a page is reloaded without scripts.
const RELOAD: u32 = 30;

/// Addresses of a page.
#[derive(Debug, Clone, Copy)]
pub struct Addresses<'a> {
    /// Path of [`SCRIPT`].
    pub script: &'a str,
    /// Path of the events, each with a `<main>`.
    pub events: &'a str,
    /// Identity of the `<main>` in the page.
    pub seen: &'a str,
    /// Identity of the program: the page of another one is reloaded.
    pub build: &'a str,
}

/// Target that is watched: its last report, and its fault since then.
#[derive(Debug, Clone)]
pub struct Watched<'a> {
    /// Name.
    pub name: &'a str,
    /// Path of its page.
    pub path: &'a str,
    /// Last report; none before the first.
    pub document: Option<Document<'a>>,
    /// Failed rounds since then.
    pub trouble: Option<Trouble<'a>>,
    /// End of the last round, seconds since 1970.
    pub at: Option<f64>,
}

/// Rounds of a target that have failed in a row.
#[derive(Debug, Clone, Copy)]
pub struct Trouble<'a> {
    /// Fault of the last one.
    pub fault: &'a Fault,
    /// Number of rounds.
    pub rounds: u32,
    /// End of the last round with a report, seconds since 1970.
    pub last_success: Option<f64>,
}

/// Content of a page, which is exchanged as a whole: one `<main>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub(super) title: String,
    pub(super) main: String,
}

impl Content {
    /// Creates the content of a title and the children of `<main>`.
    pub(super) fn new(title: &str, children: &Markup) -> Self {
        let main = html! { main data-title=(title) { (children) } };
        Self { title: sanitize::line(title), main: sanitize::lines(&main.into_string()) }
    }

    /// Returns the `<main>`.
    pub fn main(&self) -> &str {
        &self.main
    }
}

/// Renders a whole page.
pub fn page(content: &Content, addresses: Addresses<'_>) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                noscript { meta http-equiv="refresh" content=(RELOAD); }
                title { (content.title) }
                style { (PreEscaped(STYLE)) }
                script src=(addresses.script) defer {}
            }
            body data-events=(addresses.events) data-seen=(addresses.seen) data-build=(addresses.build) {
                (PreEscaped(&content.main))
                footer {
                    p #live role="status" {}
                    noscript { p { "Without scripts this page is reloaded every " (RELOAD) " s." } }
                }
            }
        }
    };
    page.into_string()
}

/// Renders the content of a target's page: its fault, and its last report, however old.
pub fn target(watched: &Watched<'_>) -> Content {
    let name = watched.name;
    let verdict = watched.document.as_ref().map(|document| Verdict::of(document.latest()));
    let said = match (&watched.trouble, &watched.document, &verdict) {
        (Some(_), ..) => "cannot be read".to_owned(),
        (None, Some(document), Some(verdict)) => title(document.latest(), verdict),
        _ => NO_ROUND.to_owned(),
    };
    let children = html! {
        nav aria-label="Targets" {
            a href="/" { "All targets" } " › " strong { (name) }
        }
        @if let Some(trouble) = &watched.trouble {
            (banner(watched, trouble))
        }
        @match (&watched.document, &verdict) {
            (Some(document), Some(verdict)) => {
                @if watched.trouble.is_some() {
                    (verdict::earlier(document.latest(), verdict))
                } @else {
                    (verdict::verdict(document.latest(), verdict))
                }
                (content(document))
            },
            _ => {
                @if watched.trouble.is_none() { header class="verdict unknown" { h1 { (NO_ROUND) } } }
            },
        }
    };
    Content::new(&format!("{name}: {said}"), &children)
}

/// Sentence about a target without a round.
pub(super) const NO_ROUND: &str = "No round has ended yet.";

/// Renders the fault of a target.
fn banner(watched: &Watched<'_>, trouble: &Trouble<'_>) -> Markup {
    let has_report = watched.document.is_some();
    let sentence = format!("{} cannot be read: {}", watched.name, trouble.fault.message);
    html! {
        header #trouble class="verdict critical" {
            p.level { span aria-hidden="true" { "✖" } " down" }
            h1 { (sentence) }
            p.facts {
                @for fact in trouble.facts(watched.at) { span { (fact) } " " }
            }
            @if let Some(hint) = hints::hint(&trouble.fault.kind) { p.hint { "Hint: " (hint) } }
            @if has_report { p { strong { "Below is the last report, " (trouble.age(watched.at)) "." } } }
        }
    }
}

impl Trouble<'_> {
    /// Describes the failed rounds in short.
    pub(super) fn facts(&self, at: Option<f64>) -> Vec<String> {
        let mut facts = vec![self.fault.kind.clone()];
        facts.extend(self.fault.sqlstate.as_ref().map(|sqlstate| format!("SQLSTATE {sqlstate}")));
        facts.push(format!("{} failed in a row", count(self.rounds as usize, "round")));
        facts.extend(at.and_then(time).map(|at| format!("the last one at {at}")));
        facts
    }

    /// Describes the age of the last report at the end of the last round.
    pub(super) fn age(&self, at: Option<f64>) -> String {
        let Some(success) = self.last_success else { return "of an unknown time".to_owned() };
        let of = time(success).map_or_else(String::new, |time| format!("of {time}"));
        match at.map(|at| at - success).filter(|age| (0.0..1e12).contains(age)) {
            Some(age) => format!("{of}, {} older than the last round", duration((age * 1e3) as u64)),
            None => of,
        }
    }
}

/// Formats seconds since 1970: `2026-11-30T07:03:22Z`.
pub(super) fn time(seconds: f64) -> Option<String> {
    Timestamp::from_second(seconds as i64).ok().map(|time| time.to_string())
}
