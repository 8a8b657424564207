//! Label values of names that a server's clients choose.

use std::collections::BTreeMap;

use archon_pool_contract::report::Report;
use tokio::time::Instant;

use super::lasting::Lasting;

/// Sum of all values that have no series of their own.
pub(crate) const OTHER: &str = "other";

/// Sessions without a name: an empty label would be no label.
const UNNAMED: &str = "(unnamed)";

/// Longest label, characters: PostgreSQL cuts names at 63 bytes.
const LONGEST: usize = 80;

/// Returns a name as a label value.
pub(crate) fn label(name: &str) -> String {
    if name.is_empty() { UNNAMED.to_owned() } else { name.chars().take(LONGEST).collect() }
}

/// Counts by label value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tallies(BTreeMap<String, u64>);

impl Tallies {
    /// Adds to a name's count.
    pub(crate) fn add(&mut self, name: &str, count: u32) {
        *self.0.entry(label(name)).or_default() += u64::from(count);
    }

    /// Shows the names with the highest counts, without those that have none.
    pub(crate) fn show_largest(&self, shown: &mut Lasting<String>, most: usize, now: Instant) {
        let mut largest: Vec<_> = self.0.iter().filter(|(name, count)| **count > 0 && *name != OTHER).collect();
        largest.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
        shown.update(largest.into_iter().map(|(name, _)| name.clone()), most, now);
    }

    /// Returns the count of each shown name, 0 where it has gone, and that of all others together.
    pub(crate) fn split<'s>(&self, shown: &'s Lasting<String>) -> (Vec<(&'s str, u64)>, u64) {
        let count = |name: &str| self.0.get(name).copied().unwrap_or(0);
        let shown: Vec<_> = shown.values().map(|name| (name.as_str(), count(name))).collect();
        let all: u64 = self.0.values().sum();
        let own: u64 = shown.iter().map(|(_, count)| count).sum();
        (shown, all.saturating_sub(own))
    }
}

/// Returns the sessions by application.
pub(crate) fn applications(report: &Report) -> Tallies {
    report.pool_stats.connections.by_application.iter().map(|tally| (tally.name.as_str(), tally.count)).collect()
}

/// Returns the suspects by application.
pub(crate) fn suspects(report: &Report) -> Tallies {
    let groups = &report.leak_detection.groups;
    groups.iter().map(|group| (group.application.as_str(), group.suspected)).collect()
}

impl<'a> FromIterator<(&'a str, u32)> for Tallies {
    fn from_iter<I: IntoIterator<Item = (&'a str, u32)>>(counts: I) -> Self {
        let mut tallies = Self::default();
        counts.into_iter().for_each(|(name, count)| tallies.add(name, count));
        tallies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_have_a_series_and_the_rest_is_summed() {
        let counts = [("web", 5), ("", 3), ("job", 2), ("cron", 1), ("quiet", 0)];
        let (tallies, mut shown) = (Tallies::from_iter(counts), Lasting::default());
        tallies.show_largest(&mut shown, 2, Instant::now());
        let (own, rest) = tallies.split(&shown);
        assert_eq!((own, rest), (vec![("(unnamed)", 3), ("web", 5)], 3));
    }

    #[test]
    fn an_application_of_the_name_other_is_part_of_the_rest() {
        let (tallies, mut shown) = (Tallies::from_iter([("other", 9), ("web", 1)]), Lasting::default());
        tallies.show_largest(&mut shown, 20, Instant::now());
        assert_eq!(tallies.split(&shown), (vec![("web", 1)], 9));
    }

    #[test]
    fn names_that_become_one_label_are_one_series() {
        let (tallies, mut shown) = (Tallies::from_iter([("", 1), ("(unnamed)", 2)]), Lasting::default());
        tallies.show_largest(&mut shown, 20, Instant::now());
        assert_eq!(tallies.split(&shown), (vec![("(unnamed)", 3)], 0));
    }
}
