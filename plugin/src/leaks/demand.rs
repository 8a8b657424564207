//! Demand on a group: the number of its sessions that were used between two looks.
//!
//! If it is as high as before a session began to rest, another one does the work of that session; if it has fallen by as
//! much, the session may just not be needed.

use serde::{Deserialize, Serialize};

/// Demand is a mean over so many looks: it differs from look to look.
const LOOKS: usize = 3;
/// Divisible by each number of looks: a mean times this is a whole number.
const SCALE: u32 = 6;

/// Demand on a group whose sessions were those of others: no later one is as high.
pub const UNKNOWN: u32 = u32::MAX;

/// Numbers of sessions that were used before each of the latest looks, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Demand(Vec<u32>);

impl Demand {
    /// Adds a look.
    pub fn add(&mut self, used: u32) {
        let oldest = (self.0.len() + 1).saturating_sub(LOOKS);
        self.0.drain(..oldest);
        self.0.push(used);
    }

    /// Returns true if nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Mean times [`SCALE`]; 0 if nothing is known.
    pub fn scaled_mean(&self) -> u32 {
        let sum = self.0.iter().fold(0_u32, |sum, used| sum.saturating_add(*used));
        let looks = u32::try_from(self.0.len()).unwrap_or(u32::MAX).max(1);
        sum.saturating_mul(SCALE) / looks
    }

    /// Number of sessions by which it is higher than an earlier one.
    pub fn higher_than(&self, earlier: u32) -> f64 {
        (f64::from(self.scaled_mean()) - f64::from(earlier)) / f64::from(SCALE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_that_of_the_latest_looks() {
        let mut demand = Demand::default();
        assert_eq!((demand.scaled_mean(), demand.is_empty()), (0, true));
        [9, 2, 3].into_iter().for_each(|used| demand.add(used));
        let before = demand.scaled_mean();
        demand.add(4);
        assert_eq!((before, demand.scaled_mean()), (28, 18));
        assert_eq!(demand.higher_than(before), -10.0 / 6.0);
    }

    #[test]
    fn an_unknown_demand_was_higher_than_any() {
        let mut demand = Demand::default();
        demand.add(1_000_000);
        assert!(demand.higher_than(UNKNOWN) < -1.0);
    }
}
