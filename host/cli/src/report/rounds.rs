//! Rounds of a report: answers, faults, and facts about their origin.

use std::path::{Path, PathBuf};

use archon_pool::Fault;
use archon_pool::digest::Digest;
use archon_pool::json_text::JsonText;
use archon_pool_contract::report::Report;
use archon_pool_contract::snapshot::Snapshot;
use archon_pool_report::{Document, Failure, LockTree, sanitize};
use serde_json::Value;

use super::super::answer::Answer;
use super::super::exit::Exit;
use super::super::stored;

/// Rounds of one server.
#[derive(Default)]
pub(super) struct Rounds {
    reports: Vec<Report>,
    failures: Vec<Failure>,
    locks: Option<LockTree>,
    origin: Vec<(&'static str, String)>,
    /// The text of the latest answer, and its exit status.
    latest: Option<(JsonText, Exit)>,
}

impl Rounds {
    /// Loads the answers of files.
    pub(super) fn of_files(paths: &[PathBuf]) -> Result<Self, Fault> {
        let mut rounds = Self::default();
        for path in paths {
            for stored in stored::load(path)? {
                rounds.add_stored(&stored);
            }
        }
        if rounds.reports.is_empty() {
            let failed = rounds.failures.first().map_or("it is another component's", |failure| &failure.message);
            return Err(Fault::invalid(format!("--from: no answer has a report: {failed}")));
        }
        rounds.fact(
            "source",
            format!("stored answers: {}", paths.iter().map(|it| name(it)).collect::<Vec<_>>().join(", ")),
        );
        Ok(rounds)
    }

    fn add_stored(&mut self, stored: &Value) {
        match stored.get("error").and_then(|error| error.get("message")).and_then(Value::as_str) {
            Some(message) => self.add_failure(message),
            None => self.add(Answer::of_report(stored.into())),
        }
    }

    /// Adds a round; an answer without a report in the contract's form is a failed one.
    pub(super) fn add(&mut self, answer: Answer) {
        let (text, exit) = (answer.text().clone(), answer.exit());
        match answer.into_report() {
            Some(report) => {
                self.reports.push(report);
                self.latest = Some((text, exit));
            }
            None => self.add_failure("the answer is not a report of the contract"),
        }
    }

    /// Adds a round that failed.
    pub(super) fn add_failure(&mut self, message: &str) {
        let round = self.reports.len() + self.failures.len() + 1;
        self.failures.push(Failure { round, message: sanitize::line(message) });
    }

    /// Adds a fact about the origin.
    pub(super) fn fact(&mut self, name: &'static str, value: impl Into<String>) {
        self.origin.push((name, sanitize::line(&value.into())));
    }

    /// Adds what only the snapshot of the latest round has: the server, and the sessions that wait for each other.
    pub(super) fn add_snapshot(&mut self, snapshot: &Snapshot) {
        let server = &snapshot.server;
        let standby = if server.in_recovery { ", a standby" } else { "" };
        self.fact(
            "server",
            format!(
                "PostgreSQL {}{standby}, database {}, read as role {}",
                version(server.version_num),
                server.database,
                server.role
            ),
        );
        self.locks = Some(LockTree::of(snapshot));
    }

    /// Returns true if no round has a report.
    pub(super) fn is_empty(&self) -> bool {
        self.reports.is_empty()
    }

    /// Returns the number of rounds, failed ones included.
    pub(super) fn len(&self) -> usize {
        self.reports.len() + self.failures.len()
    }

    /// Returns the document of the rounds; none without a report.
    pub(super) fn document(&self) -> Option<Document<'_>> {
        let mut document = Document::of(&self.reports)?.locks(self.locks.as_ref()).failures(&self.failures);
        for (name, value) in &self.origin {
            document = document.origin(name, value.clone());
        }
        let digest = self.latest.as_ref().map(|(text, _)| Digest::of(text.as_str().as_bytes()).to_string());
        let program = concat!("archon-pool ", env!("CARGO_PKG_VERSION"));
        Some(document.origin("program", program).origin("answer", format!("sha256 {}", digest.unwrap_or_default())))
    }

    /// Returns the text of the latest answer.
    pub(super) fn text(&self) -> Option<&JsonText> {
        self.latest.as_ref().map(|(text, _)| text)
    }

    /// Returns the exit status of the latest answer.
    pub(super) fn exit(&self) -> Exit {
        self.latest.as_ref().map_or(Exit::Failed, |(_, exit)| *exit)
    }
}

/// Returns the name of a file without its folder, which may name a customer or a user.
pub(crate) fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Formats `server_version_num`: `15.18`.
fn version(number: u32) -> String {
    format!("{}.{}", number / 10_000, number % 10_000)
}
