//! Overview of many targets: those that need attention first.

use maud::{Markup, html};

use crate::text::count;
use crate::verdict::Verdict;

use super::live::{Content, NO_ROUND, Watched, time};
use super::parts::section;

/// State of a target, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Down,
    Critical,
    Warning,
    Unknown,
    New,
    Healthy,
}

use Level::{Critical, Down, Healthy, New, Unknown, Warning};

impl Level {
    const ALL: [Self; 6] = [Down, Critical, Warning, Unknown, New, Healthy];

    fn of(watched: &Watched<'_>, verdict: Option<&Verdict>) -> Self {
        match (&watched.trouble, verdict.map(|verdict| verdict.level)) {
            (Some(_), _) => Down,
            (None, None) => New,
            (None, Some("critical")) => Critical,
            (None, Some("warning")) => Warning,
            (None, Some("healthy")) => Healthy,
            (None, Some(_)) => Unknown,
        }
    }

    /// Returns the name, the title of its section, the sign and the class.
    fn words(self) -> [&'static str; 4] {
        match self {
            Down => ["down", "Down", "✖", "critical"],
            Critical => ["critical", "Critical", "✖", "critical"],
            Warning => ["warning", "Warning", "▲", "warning"],
            Unknown => ["partly hidden", "Partly hidden", "●", "unknown"],
            New => ["without a round", "Without a round", "●", "unknown"],
            Healthy => ["healthy", "Healthy", "✔", "healthy"],
        }
    }
}

struct Row<'w, 'a> {
    level: Level,
    watched: &'w Watched<'a>,
    verdict: Option<Verdict>,
}

/// Renders the overview of all targets.
pub fn fleet(targets: &[Watched<'_>]) -> Content {
    let mut rows: Vec<_> = targets
        .iter()
        .map(|watched| {
            let verdict = watched.document.as_ref().map(|document| Verdict::of(document.latest()));
            Row { level: Level::of(watched, verdict.as_ref()), watched, verdict }
        })
        .collect();
    rows.sort_by_key(|row| (row.level, row.watched.name));
    let groups: Vec<_> = rows.chunk_by(|one, other| one.level == other.level).collect();
    let sentence = sentence(&rows);
    let [.., mark, class] = rows.first().map_or(Healthy, |row| row.level).words();
    let latest = targets.iter().filter_map(|watched| watched.at).reduce(f64::max);
    let children = html! {
        header class=(format!("verdict {class}")) {
            p.level { span aria-hidden="true" { (mark) } " " (count(targets.len(), "target")) }
            h1 { (sentence) }
            p.facts {
                @for level in Level::ALL {
                    @let number = rows.iter().filter(|row| row.level == level).count();
                    @if number > 0 { span { (number) " " (level.words()[0]) } " " }
                }
            }
            @if let Some(at) = latest.and_then(time) { p.moment { "The latest round ended at " (at) "." } }
        }
        @for group in groups {
            @let [name, title, ..] = group[0].level.words();
            (section(&name.replace(' ', "-"), title, &html! { ul.targets { @for row in group { (self::row(row)) } } }))
        }
        p.hint { "Metrics for Prometheus: " a href="/metrics" { "/metrics" } }
    };
    Content::new(&format!("archon-pool: {sentence}"), &children)
}

fn sentence(rows: &[Row<'_, '_>]) -> String {
    let of = |levels: &[Level]| rows.iter().filter(|row| levels.contains(&row.level)).count();
    let all = rows.len();
    match (of(&[Down, Critical, Warning]), of(&[Unknown, New])) {
        (0, 0) if all == 1 => "The target is healthy.".to_owned(),
        (0, 0) => format!("All {all} targets are healthy."),
        (0, open) => format!("No problem was found, and nothing is known for sure about {}.", count(open, "target")),
        (1, _) => format!("1 of {} needs attention.", count(all, "target")),
        (ill, _) => format!("{ill} of {} need attention.", count(all, "target")),
    }
}

fn row(row: &Row<'_, '_>) -> Markup {
    let Row { level, watched, verdict } = row;
    let [.., class] = level.words();
    html! {
        li class=(class) {
            h3 { a href=(watched.path) { (watched.name) } }
            @match (&watched.trouble, verdict) {
                (Some(trouble), _) => {
                    p { (trouble.fault.message) }
                    p.facts {
                        @for fact in trouble.facts(watched.at) { span { (fact) } " " }
                        @if verdict.is_some() { span { "the last report is " (trouble.age(watched.at)) } }
                    }
                },
                (None, Some(verdict)) => {
                    @if *level != Healthy { p { (verdict.sentence) } }
                    p.facts {
                        @for fact in &verdict.facts { span { (fact) } " " }
                    }
                },
                (None, None) => p { (NO_ROUND) },
            }
        }
    }
}
