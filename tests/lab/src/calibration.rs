//! Compares confidences with the truth: of the sessions with a confidence of 70 %, about 70 % must be lost.

/// Bin of the reliability curve.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bin {
    /// Number of verdicts.
    pub count: u32,
    /// Mean confidence, 0–1.
    pub confidence: f64,
    /// Share of lost sessions, 0–1.
    pub share: f64,
}

/// Reliability curve.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Calibration {
    /// Ten bins, from 0–10 % to 90–100 %.
    pub bins: Vec<Bin>,
    /// Expected calibration error: the mean distance between confidence and share, by verdicts.
    pub error: f64,
}

impl Calibration {
    /// Computes the curve from pairs of confidence (percent) and truth.
    pub fn of(classifications: impl Iterator<Item = (u32, bool)>) -> Self {
        let mut sums = [(0_u32, 0.0, 0.0); 10];
        for (confidence, is_true) in classifications {
            let bin = &mut sums[(confidence as usize / 10).min(9)];
            bin.0 += 1;
            bin.1 += f64::from(confidence) / 100.0;
            bin.2 += f64::from(u8::from(is_true));
        }
        let all: u32 = sums.iter().map(|bin| bin.0).sum();
        let bin = |(count, confidence, share): (u32, f64, f64)| {
            let of = f64::from(count.max(1));
            Bin { count, confidence: confidence / of, share: share / of }
        };
        let bins: Vec<Bin> = sums.into_iter().map(bin).collect();
        let distance = |bin: &Bin| f64::from(bin.count) * (bin.confidence - bin.share).abs();
        let error = bins.iter().map(distance).sum::<f64>() / f64::from(all.max(1));
        Self { bins, error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confidence_of_50_percent_that_is_right_in_half_has_no_error() {
        let curve = Calibration::of([(50, true), (50, false)].into_iter());
        assert_eq!(curve.error, 0.0);
        assert_eq!((curve.bins[5].count, curve.bins[5].share), (2, 0.5));
    }

    #[test]
    fn the_error_is_the_mean_distance() {
        let curve = Calibration::of([(90, false), (10, false)].into_iter());
        assert!((curve.error - 0.5).abs() < 1e-9, "{}", curve.error);
    }
}
