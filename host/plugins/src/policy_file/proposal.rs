//! A proposed policy file: the statements of a component, compared with an earlier approval.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::digest::Digest;
use archon_pool_core::plugin::Plugin;
use archon_pool_core::policy::{Sql, StatementRules};
use archon_pool_core::private_file;
use serde_json::Value;

use super::approval::{Approval, MOST_BYTES, invalid};
use super::format::{Component, Signals, Statement, Terms, pinned};
use crate::sql::StrictChecker;

/// Limits of a description, which the component writes.
const MOST_STATEMENTS: usize = 1_000;
const LONGEST_ID: usize = 64;
const LONGEST_PURPOSE: usize = 200;

/// Change of a statement since the last approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is approved already.
    Same,
    /// None of this name was approved.
    New,
    /// One of this name was approved, with another text.
    Changed,
}

/// A policy file that could be written for a component.
#[derive(Debug)]
pub struct Proposal {
    path: PathBuf,
    terms: Terms,
    texts: Vec<String>,
    /// For each text that could do more than read statistics, the reason.
    acting: Vec<Option<String>>,
    accepted: BTreeSet<Digest>,
    existing: Option<Approval>,
}

impl Proposal {
    /// Creates a proposal from a component's description, which `host::describe` returns, and reads the policy
    /// file at the path when there is one.
    ///
    /// A component that describes nothing has no statements. Fails with `unexpected-answer` when a description is not
    /// in the contract's shape or gives a text a wrong digest, and with `policy-invalid` when the existing file cannot
    /// be used; then the component is not called.
    pub async fn of(
        plugin: &Plugin,
        description: impl Future<Output = Result<Value, Fault>>,
        path: &Path,
    ) -> Result<Self, Fault> {
        let existing = if private_file::is_there(path) { Some(Approval::load(path)?) } else { None };
        let description = description.await?;
        let strange = |why: String| {
            Fault::new(kind::UNEXPECTED_ANSWER, format!("{} describes itself wrongly: {why}", plugin.name()))
        };
        let (statements, texts): (Vec<_>, Vec<_>) = catalogue(&description).map_err(strange)?.into_iter().unzip();
        let skill_version = description.get("version").and_then(Value::as_str).map(|version| cut(version, LONGEST_ID));
        let file = Path::new(plugin.name()).file_name().unwrap_or_default().to_string_lossy();
        let terms = Terms {
            approved_at: Some(jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            approved_by: Some(concat!("archon-pool ", env!("CARGO_PKG_VERSION")).into()),
            component: Component {
                name: file.into_owned(),
                sha256: plugin.digest(),
                world: plugin.world(),
                skill_version,
            },
            sql: Sql::Pinned(pinned(&statements)),
            statements,
            // The component cannot influence these.
            signals: existing.as_ref().map_or_else(Signals::default, |existing| existing.signals().clone()),
        };
        let rules = StatementRules::new(Sql::Any, Some(Arc::new(StrictChecker)));
        let acting = texts.iter().map(|text| rules.acts(text)).collect();
        Ok(Self { path: path.to_owned(), terms, texts, acting, accepted: BTreeSet::new(), existing })
    }

    /// Accepts texts that could do more than read statistics, by their SHA-256. [`Proposal::write`] refuses others.
    ///
    /// Fails with `invalid-params` for a digest that no such text has.
    pub fn accept(&mut self, digests: impl IntoIterator<Item = Digest>) -> Result<(), Fault> {
        for digest in digests {
            if !self.acting().any(|(statement, _, _)| statement.sha256 == digest) {
                let message = format!("--accept: no statement that could do more than read has the sha256 {digest}");
                return Err(Fault::invalid(message));
            }
            self.accepted.insert(digest);
        }
        Ok(())
    }

    /// Returns the component.
    pub fn component(&self) -> &Component {
        &self.terms.component
    }

    /// Returns the changes that the component may make: those of the existing file, or none.
    pub fn signals(&self) -> &Signals {
        &self.terms.signals
    }

    /// Returns the existing policy file.
    pub fn existing(&self) -> Option<&Approval> {
        self.existing.as_ref()
    }

    /// Iterates over the statements with their texts, the change since the existing file, and the reason for which one
    /// could do more than read statistics.
    pub fn statements(&self) -> impl Iterator<Item = (&Statement, &str, Change, Option<&str>)> {
        self.terms.statements.iter().zip(&self.texts).zip(&self.acting).map(|((statement, text), why)| {
            let change = match self.before().iter().find(|before| before.id == statement.id) {
                None => Change::New,
                Some(before) if before.sha256 == statement.sha256 => Change::Same,
                Some(_) => Change::Changed,
            };
            (statement, text.as_str(), change, why.as_deref())
        })
    }

    /// Iterates over the statements that could do more than read statistics, with their texts and the reason.
    pub fn acting(&self) -> impl Iterator<Item = (&Statement, &str, &str)> {
        self.statements().filter_map(|(statement, text, _, why)| Some((statement, text, why?)))
    }

    /// Iterates over the approved statements that the component no longer has.
    pub fn gone(&self) -> impl Iterator<Item = &Statement> {
        let now: BTreeSet<&str> = self.terms.statements.iter().map(|statement| statement.id.as_str()).collect();
        self.before().iter().filter(move |before| !now.contains(before.id.as_str()))
    }

    /// Returns the permissions that the existing file does not grant, each in a few words; nothing when there is no
    /// such file.
    pub fn widens(&self) -> Vec<String> {
        let Some(existing) = &self.existing else { return Vec::new() };
        let (old, new) = (existing.component(), &self.terms.component);
        let mut reasons = Vec::new();
        if old.sha256 != new.sha256 {
            reasons.push(format!("another component (sha256 {})", new.sha256));
        }
        if new.world > old.world {
            reasons.push(format!("the world {}", new.world));
        }
        let known = pinned(existing.statements());
        let added = self.terms.statements.iter().filter(|statement| !known.contains(&statement.sha256)).count();
        if added > 0 {
            reasons.push(format!("{added} more statement{}", if added == 1 { "" } else { "s" }));
        }
        reasons
    }

    /// Writes the file in one step, and returns true if it changed: a file with the same content is left as it is, so
    /// that its signature stays valid.
    ///
    /// Fails with `not-approved` when it would widen an existing file and `replace` is not set, and when a statement
    /// that could do more than read statistics was not accepted ([`Proposal::accept`]).
    pub fn write(&self, replace: bool) -> Result<bool, Fault> {
        let name = self.path.display().to_string();
        if let Some(existing) = &self.existing {
            let old = &existing.terms;
            let undated = Terms {
                approved_at: old.approved_at.clone(),
                approved_by: old.approved_by.clone(),
                ..self.terms.clone()
            };
            if undated == *old {
                return Ok(false);
            }
            let widens = self.widens();
            if !replace && !widens.is_empty() {
                let message = format!("{name} would allow {}: read the changes, then use --replace", widens.join(", "));
                return Err(Fault::new(kind::NOT_APPROVED, message));
            }
        }
        let open = self.acting().filter(|(statement, _, _)| !self.accepted.contains(&statement.sha256));
        let open: Vec<_> = open.map(|(statement, _, _)| format!("--accept {}", statement.sha256)).collect();
        if !open.is_empty() {
            let message = format!(
                "{name} would approve {} that could do more than read statistics: read the text, then use {}",
                if open.len() == 1 { "a statement".to_owned() } else { format!("{} statements", open.len()) },
                open.join(" ")
            );
            return Err(Fault::new(kind::NOT_APPROVED, message));
        }
        let text = self.terms.to_toml();
        // A text that does not parse to the same terms must not be written.
        if text.len() > MOST_BYTES || Approval::read(&name, text.as_bytes())?.terms != self.terms {
            return Err(invalid(&name, &format!("it would be larger than {MOST_BYTES} bytes")));
        }
        private_file::write(&self.path, text.as_bytes()).map_err(|error| {
            Fault::new("file-not-written", format!("policy file {name} could not be written: {error}"))
        })?;
        Ok(true)
    }

    fn before(&self) -> &[Statement] {
        self.existing.as_ref().map_or(&[], Approval::statements)
    }
}

/// Parses the described statements with their texts.
fn catalogue(description: &Value) -> Result<Vec<(Statement, String)>, String> {
    let statements = match description.get("statements") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(statements)) => statements,
        Some(_) => return Err("its statements are no list".into()),
    };
    if statements.len() > MOST_STATEMENTS {
        return Err(format!("it has {} statements, and {MOST_STATEMENTS} are allowed", statements.len()));
    }
    let mut ids = BTreeSet::new();
    statements
        .iter()
        .enumerate()
        .map(|(index, described)| {
            let place = index + 1;
            let text = |name: &str| {
                let text = described.get(name).and_then(Value::as_str);
                text.ok_or_else(|| format!("statement {place} has no text under {name}"))
            };
            let (id, purpose, sql) = (text("id")?, text("purpose")?, text("sql")?);
            let plain = |letter: u8| letter.is_ascii_alphanumeric() || b"._-".contains(&letter);
            if id.is_empty() || id.len() > LONGEST_ID || !id.bytes().all(plain) {
                return Err(format!(
                    "the id of statement {place} is not 1 to {LONGEST_ID} letters, digits, '.', '_', '-'"
                ));
            }
            if !ids.insert(id) {
                return Err(format!("statement {place} has the id of another: {id}"));
            }
            let sha256 = Digest::of(sql.as_bytes());
            if text("sha256")?.parse() != Ok(sha256) {
                return Err(format!("the text of statement {id} has the sha256 {sha256} and not the one it gives"));
            }
            Ok((Statement { id: id.to_owned(), purpose: cut(purpose, LONGEST_PURPOSE), sha256 }, sql.to_owned()))
        })
        .collect()
}

/// Returns the beginning of a text that is only shown.
fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

#[cfg(test)]
mod tests;
