//! Demand over time: the number of transactions in progress at a moment if none had to wait.

use super::queue::{Arrival, SECOND};

/// A shape of demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Quiet, five times as much for six minutes, quiet.
    Step,
    /// Up for seven minutes, down for seven.
    Ramp,
    /// Fifteen seconds of eight times as much, every two minutes.
    Burst,
    /// Up for a minute, and at once back, again and again.
    Sawtooth,
    /// Even, but every twenty seconds a transaction is forgotten; all are ended after ten minutes.
    Stuck,
}

pub(super) const SHAPES: [Shape; 5] = [Shape::Step, Shape::Ramp, Shape::Burst, Shape::Sawtooth, Shape::Stuck];

impl Shape {
    /// The demand at a time in seconds.
    pub(super) fn at(self, second: f64) -> f64 {
        match self {
            Self::Step => {
                if (120.0..480.0).contains(&second) {
                    30.0
                } else {
                    6.0
                }
            }
            Self::Ramp => 4.0 + 36.0 * (1.0 - ((second - 480.0).abs() / 420.0).min(1.0)),
            Self::Burst => {
                if second % 120.0 > 105.0 {
                    40.0
                } else {
                    5.0
                }
            }
            Self::Sawtooth => 5.0 + second % 60.0 / 2.0,
            Self::Stuck => 8.0,
        }
    }

    /// Every how many seconds a transaction is forgotten.
    pub(super) fn forgets_every(self) -> Option<i64> {
        (self == Self::Stuck).then_some(20)
    }
}

/// Random numbers that are the same on every machine (SplitMix64, Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    /// Evenly between 0, exclusive, and 1.
    pub(super) fn even(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        ((mixed >> 11) as f64 + 1.0) / (1_u64 << 53) as f64
    }

    /// Times between independent events, and lengths of transactions: most short, some long.
    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.even().ln()
    }
}

/// Clients that arrive independently of each other, so that `demand` of them would be in progress at a time.
#[derive(Debug)]
pub(super) struct Clients<D> {
    pub(super) demand: D,
    pub(super) highest: f64,
    /// Mean duration of a transaction, seconds.
    pub(super) takes: f64,
    pub(super) random: Random,
    pub(super) second: f64,
}

impl<D: Fn(f64) -> f64> Iterator for Clients<D> {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        loop {
            self.second += self.random.exponential(self.takes / self.highest);
            // Thinning: of those who come at the highest rate, the share that the present one has.
            if self.random.even() * self.highest <= (self.demand)(self.second) {
                let takes = self.random.exponential(self.takes).max(0.001);
                let micros = |seconds: f64| (seconds * SECOND as f64) as i64;
                return Some(Arrival { at: micros(self.second), takes: Some(micros(takes)) });
            }
        }
    }
}
