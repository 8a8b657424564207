//! Verdict of a report in one sentence: the state of the server and the application behind it.

use std::collections::BTreeMap;

use anstyle::Style;
use archon_pool_contract::params::Action;
use archon_pool_contract::report::{Finding, Report};

use crate::findings::severity;
use crate::leaks::suspected;
use crate::overview;
use crate::page::{Page, Statement};
use crate::sections::Section;
use crate::style::GOOD;
use crate::text::count;

/// Maximum length of a sentence, characters.
const MOST: usize = 300;
/// The severities of findings, worst first.
const SEVERITIES: [&str; 3] = ["critical", "warning", "info"];

/// State of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    /// `critical`, `warning`, `healthy`, or `unknown` when sessions are hidden.
    pub(super) level: &'static str,
    /// Sign of the level.
    pub(super) mark: &'static str,
    /// The most important statement.
    pub(super) sentence: String,
    /// Numbers of findings, slots and suspects.
    pub(super) facts: Vec<String>,
    style: Style,
}

/// Adds the verdict and the time of the report.
pub(super) fn verdict(page: &mut Page, report: &Report) {
    let Verdict { level, mark, sentence, style, .. } = Verdict::of(report);
    // The level is a word as well: not everyone can see a mark and its colour.
    page.statement(0, &Statement { mark, style, text: format!("{level}: {sentence}") });
    overview::headline(page, report);
}

impl Verdict {
    /// Summarises a report.
    pub(super) fn of(report: &Report) -> Self {
        let worst = report.findings.first().filter(|finding| SEVERITIES[..2].contains(&finding.severity.as_str()));
        let level = match worst.map(|finding| finding.severity.as_str()) {
            Some("critical") => "critical",
            Some(_) => "warning",
            None if report.leak_detection.detected => "warning",
            None if report.coverage.complete => "healthy",
            None => "unknown",
        };
        let (mark, style) = if level == "healthy" { ("✔", GOOD) } else { severity(level) };
        let sentence = leak(report).or_else(|| worst.map(|finding| finding.text.clone())).unwrap_or_else(|| {
            if report.coverage.complete {
                "No problem was found.".to_owned()
            } else {
                let hidden = count(report.coverage.hidden as usize, "session");
                format!("No problem was found in what could be seen; up to {hidden} are hidden.")
            }
        });
        Self { level, mark, sentence: shortened(&sentence), facts: facts(report), style }
    }
}

/// Names the application with the most suspects.
fn leak(report: &Report) -> Option<String> {
    let leaks = &report.leak_detection;
    if !leaks.detected {
        return None;
    }
    let mut by_application: BTreeMap<&str, u32> = BTreeMap::new();
    for group in leaks.groups.iter().filter(|group| group.suspected > 0) {
        *by_application.entry(&group.application).or_default() += group.suspected;
    }
    if by_application.is_empty() {
        for suspect in &leaks.suspected_connections {
            *by_application.entry(&suspect.application).or_default() += 1;
        }
    }
    // The first by name among equals.
    let (application, number) = by_application.into_iter().rev().max_by_key(|(_, number)| *number)?;
    let application = if application.is_empty() { "An application without a name" } else { application };
    Some(match suspected(leaks) {
        1 => format!("{application} probably leaks connections: the one suspected session is its own."),
        all => format!("{application} probably leaks connections: {number} of {all} suspected sessions are its own."),
    })
}

fn facts(report: &Report) -> Vec<String> {
    let mut facts: Vec<_> = SEVERITIES.iter().filter_map(|severity| counted(&report.findings, severity)).collect();
    facts.push(format!("slots: {}", overview::used(report)));
    let scores = Action::parse(&report.action).is_ok_and(|action| Section::Leaks.is_of(action));
    if scores || report.leak_detection.detected {
        facts.push(count(suspected(&report.leak_detection), "suspect"));
    }
    facts
}

fn counted(findings: &[Finding], severity: &str) -> Option<String> {
    let number = findings.iter().filter(|finding| finding.severity == severity).count();
    (number > 0).then(|| format!("{} ({severity})", count(number, "finding")))
}

fn shortened(sentence: &str) -> String {
    match sentence.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &sentence[..end]),
        None => sentence.to_owned(),
    }
}
