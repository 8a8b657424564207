//! Generates arrivals of requests: random, with a rate that varies over time.

use crate::random::Random;
use crate::time::seconds;

/// Rate of requests over time.
#[derive(Debug, Clone, Default)]
pub struct Traffic {
    /// Requests per second.
    pub rate: f64,
    /// Periodic variation: its period in microseconds, and its amplitude, 0–1.
    pub wave: Option<(i64, f64)>,
    /// Periods with another rate: start, end, factor.
    pub rate_factors: Vec<(i64, i64, f64)>,
}

impl Traffic {
    /// Creates traffic with a constant rate.
    pub fn steady(rate: f64) -> Self {
        Self { rate, ..Self::default() }
    }

    /// Divides the rate among this number of clients.
    pub fn shared(self, among: usize) -> Self {
        Self { rate: self.rate / among as f64, ..self }
    }

    /// Multiplies the rate by a factor for a period.
    pub fn with_rate_factor(mut self, from: i64, until: i64, factor: f64) -> Self {
        self.rate_factors.push((from, until, factor));
        self
    }

    /// Returns the time of the next request after `now`, by thinning (Lewis, Shedler 1979).
    pub fn next(&self, now: i64, random: &mut Random) -> Option<i64> {
        let most = self.rate * self.rate_factors.iter().map(|period| period.2).fold(1.0, f64::max);
        if most <= 0.0 {
            return None;
        }
        let mut at = now;
        for _ in 0..100_000 {
            at += seconds(random.wait(1.0 / most)).max(1);
            if random.chance(self.at(at) / most) {
                return Some(at);
            }
        }
        None
    }

    fn at(&self, at: i64) -> f64 {
        let period = self
            .rate_factors
            .iter()
            .rev()
            .find(|with_rate_factor| (with_rate_factor.0..with_rate_factor.1).contains(&at));
        let factor = period.map_or(1.0, |period| period.2);
        let wave = self.wave.map_or(1.0, |(length, depth)| {
            let turn = (at % length) as f64 / length as f64 * std::f64::consts::TAU;
            1.0 - depth * (0.5 + 0.5 * turn.sin())
        });
        self.rate * factor * wave
    }
}
