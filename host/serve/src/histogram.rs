//! Counts of observed durations by upper bounds, as plain data that a report's reader can clone.

use std::time::Duration;

/// Durations by their upper bounds, seconds.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    /// Upper bound and number of observations up to it, above the bound before; the last bound is infinite.
    buckets: Vec<(f64, u64)>,
    sum: f64,
    count: u64,
}

impl Histogram {
    /// Creates an empty histogram with these finite upper bounds, in rising order.
    pub(crate) fn new(bounds: &[f64]) -> Self {
        let buckets = bounds.iter().copied().chain([f64::INFINITY]).map(|bound| (bound, 0)).collect();
        Self { buckets, sum: 0.0, count: 0 }
    }

    /// Adds one duration.
    pub(crate) fn observe(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        if let Some((_, count)) = self.buckets.iter_mut().find(|(bound, _)| seconds <= *bound) {
            *count += 1;
        }
        self.sum += seconds;
        self.count += 1;
    }

    /// Returns the buckets, each with its own observations alone.
    pub(crate) fn buckets(&self) -> &[(f64, u64)] {
        &self.buckets
    }

    /// Returns the sum of all durations, seconds.
    pub(crate) fn sum(&self) -> f64 {
        self.sum
    }

    /// Returns the number of observations.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Returns the number of series that it takes: buckets, sum and count.
    pub(crate) fn series(&self) -> usize {
        self.buckets.len() + 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_a_duration_in_the_first_bucket_that_holds_it() {
        let mut histogram = Histogram::new(&[0.1, 1.0]);
        for milliseconds in [50, 100, 200, 5_000] {
            histogram.observe(Duration::from_millis(milliseconds));
        }
        assert_eq!(histogram.buckets(), [(0.1, 2), (1.0, 1), (f64::INFINITY, 1)]);
        assert_eq!((histogram.count(), histogram.series()), (4, 5));
        assert!((histogram.sum() - 5.35).abs() < 1e-9);
    }
}
