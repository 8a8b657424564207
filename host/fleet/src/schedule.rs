//! Times of rounds: spread over the interval by a hash of the target's name, and slower after failures.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

/// Failed rounds in a row after which a target slows down.
const PATIENCE: u32 = 3;

/// Longest interval of a target that fails, unless its own is longer.
const SLOWEST: Duration = Duration::from_secs(3_600);

/// Returns the part of its interval after which a target's rounds start: the same in every program and after a restart.
pub fn phase(id: &str, interval: Duration) -> Duration {
    let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
    Duration::from_millis(hash(id) % millis)
}

/// Returns a hash that is the same in every program.
pub(crate) fn hash(text: &str) -> u64 {
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    digest.first_chunk::<8>().map_or(0, |first| u64::from_be_bytes(*first))
}

/// Returns the interval after so many failed rounds in a row: from the third on each doubles it, up to an hour.
pub(crate) fn slowed(interval: Duration, failures: u32) -> Duration {
    let doubled = interval.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(PATIENCE - 1)));
    doubled.min(SLOWEST.max(interval))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_spread_evenly_over_the_interval() {
        let minute = Duration::from_secs(60);
        let mut seconds = [0_u32; 60];
        for number in 0..6_000 {
            seconds[usize::try_from(phase(&format!("shop-{number}"), minute).as_secs()).expect("a second")] += 1;
        }
        let (least, most) = (seconds.iter().min().copied(), seconds.iter().max().copied());
        assert!(least >= Some(60) && most <= Some(140), "{least:?} to {most:?} targets a second");
        assert_eq!(phase("shop", minute), phase("shop", minute));
    }

    #[test]
    fn a_target_slows_down_from_the_third_failure_on() {
        let seconds = |interval, failures| slowed(Duration::from_secs(interval), failures).as_secs();
        assert_eq!(
            [0, 1, 2, 3, 4, 5, 9, 90].map(|failures| seconds(60, failures)),
            [60, 60, 60, 120, 240, 480, 3_600, 3_600]
        );
        assert_eq!(seconds(7_200, 9), 7_200);
    }
}
