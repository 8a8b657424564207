//! Label values that stay shown for a while, so that series do not appear and vanish with each round.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// Time for which a value stays shown after it was last among those to show.
const KEPT_FOR: Duration = Duration::from_secs(3_600);

/// Label values with the time at which each was last among those to show.
#[derive(Debug, Clone)]
pub(crate) struct Lasting<T: Ord>(BTreeMap<T, Instant>);

impl<T: Ord> Default for Lasting<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Ord + Clone> Lasting<T> {
    /// Shows the first `most` values of this round, and as many earlier ones again: those that were there last.
    pub(crate) fn update(&mut self, values: impl IntoIterator<Item = T>, most: usize, now: Instant) {
        for value in values.into_iter().take(most) {
            self.0.insert(value, now);
        }
        self.0.retain(|_, last| now.saturating_duration_since(*last) < KEPT_FOR);
        while self.0.len() > most.saturating_mul(2) {
            let oldest = self.0.iter().min_by_key(|(_, last)| **last).map(|(value, _)| value.clone());
            let Some(oldest) = oldest else { return };
            self.0.remove(&oldest);
        }
    }

    /// Returns the values.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.0.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(shown: &Lasting<&'static str>) -> Vec<&'static str> {
        shown.values().copied().collect()
    }

    #[test]
    fn keeps_a_value_for_an_hour_after_its_last_round() {
        let (mut shown, start) = (Lasting::default(), Instant::now());
        shown.update(["a"], 2, start);
        shown.update(["b"], 2, start + Duration::from_secs(3_599));
        assert_eq!(values(&shown), ["a", "b"]);
        shown.update(["b"], 2, start + Duration::from_secs(3_600));
        assert_eq!(values(&shown), ["b"]);
    }

    #[test]
    fn shows_the_first_values_and_at_most_as_many_earlier_ones() {
        let (mut shown, start) = (Lasting::default(), Instant::now());
        for round in 0..10 {
            let names: Vec<String> = (0..5).map(|number| format!("{round}-{number}")).collect();
            shown.update(names, 3, start + Duration::from_secs(round));
        }
        assert_eq!(shown.values().count(), 6);
        assert!((0..3).all(|number| shown.values().any(|name| *name == format!("9-{number}"))));
    }

    #[test]
    fn shows_nothing_of_zero_values() {
        let mut shown = Lasting::default();
        shown.update(["a"], 0, Instant::now());
        assert!(values(&shown).is_empty());
    }
}
