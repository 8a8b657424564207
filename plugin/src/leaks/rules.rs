//! All kinds of evidence and all exclusions, in the order of the table in `plugin/README.md`.

use crate::pooler::kept;
use crate::purpose;

use super::evidence::{self, idle, rotation, silence, succession};
use super::exclusions;
use super::rule::{Exclusion, Rule};

/// All kinds of evidence.
pub const EVIDENCE: &[&Rule] = &[
    &idle::NOT_CLEANED_UP,
    &rotation::OUT_OF_ROTATION,
    &idle::BRIEF_USE_REPEATS,
    &silence::SILENT_AMONG_OTHERS,
    &succession::SUPERSEDED,
    &silence::CLIENT_FELL_SILENT,
    &silence::TAKEN_OVER,
    &silence::FELL_SILENT_TOGETHER,
    &rotation::ONE_BY_ONE,
    &succession::STARTED_AGAIN,
    &evidence::ABORTED_TRANSACTION,
    &evidence::UNFINISHED_STATEMENT,
    &evidence::IDLE_IN_TRANSACTION,
    &idle::OUTLIVED_ITS_GROUP,
    &succession::FILLED_AGAIN,
    &idle::PASSED_OVER,
    &evidence::HOLDS_LOCKS,
    &idle::SAME_CODE_PATH,
    &idle::NONE_RETURNS,
    &idle::OPENED_ALONE,
    &evidence::HOLDS_XMIN,
    &idle::RESTS_TOO_LONG,
    &idle::USED_ONCE,
    &evidence::HOLDS_UP_A_QUEUE,
    &rotation::USED_NO_MORE,
    &idle::FOLLOWED_BY_ITS_LIKE,
    &idle::IDLE_BEYOND_THRESHOLD,
    &evidence::BLOCKS_OTHERS,
    &rotation::RESTS_LIKE_OTHERS,
    &rotation::STOPPED_TOGETHER,
    &idle::NEVER_USED,
];

/// All exclusions.
pub const EXCLUSIONS: &[&Exclusion] = &[
    &exclusions::PROTECTED_SERVICE,
    &exclusions::POOLER_OWNED,
    &exclusions::HUMAN_TOOL,
    &exclusions::UNKNOWN_STATE,
    &exclusions::NOT_INCLUDED,
    &exclusions::EXCLUDED,
    &purpose::ADVISORY_LOCK,
    &purpose::LISTENS,
    &purpose::SHARES_SNAPSHOT,
    &purpose::BACKUP,
    &purpose::CURSOR,
    &exclusions::TEMPORARY_OBJECTS,
    &purpose::MAY_LISTEN,
    &kept::KEPT_BY_POOLER,
    &exclusions::MINIMUM_POOL,
];

/// Finds a kind of evidence by its id.
pub fn evidence(id: &str) -> Option<&'static Rule> {
    EVIDENCE.iter().copied().find(|rule| rule.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = include_str!("../../README.md");

    /// The rows of a table of the README, by its heading.
    fn rows(heading: &str) -> Vec<Vec<&'static str>> {
        let table = README.lines().skip_while(|line| !line.starts_with(heading)).skip(2);
        let cells = |row: &'static str| row.split(" | ").map(|cell| cell.trim_matches(['|', ' '])).collect();
        table.take_while(|line| line.starts_with('|')).map(cells).collect()
    }

    #[test]
    fn the_readme_has_every_kind_of_evidence_with_its_weight() {
        let found: Vec<_> = rows("| evidence |").iter().map(|row| (row[0].to_owned(), row[1].to_owned())).collect();
        let expected: Vec<_> =
            EVIDENCE.iter().map(|rule| (format!("`{}`", rule.id), format!("{:.1}", rule.weight))).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_readme_has_every_exclusion_with_its_explanation() {
        let found: Vec<_> = rows("| exclusion |").iter().map(|row| (row[0].to_owned(), row[1])).collect();
        let expected: Vec<_> = EXCLUSIONS.iter().map(|rule| (format!("`{}`", rule.id), rule.explanation)).collect();
        assert_eq!(found, expected);
    }

    /// All source text below a folder.
    fn sources(folder: &std::path::Path) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            text += &if path.is_dir() { sources(&path) } else { std::fs::read_to_string(&path).expect("text") };
        }
        text
    }

    #[test]
    fn every_constant_is_listed() {
        let sources = sources(concat!(env!("CARGO_MANIFEST_DIR"), "/src").as_ref());
        // The pattern is put together here, so that this file has none.
        let defined = |kind: &str| sources.matches(&format!(": {kind} =")).count();
        assert_eq!(defined("Rule"), EVIDENCE.len());
        assert_eq!(defined("Exclusion"), EXCLUSIONS.len());
    }

    #[test]
    fn weights_are_in_descending_order() {
        assert!(EVIDENCE.is_sorted_by(|a, b| a.weight >= b.weight));
    }
}
