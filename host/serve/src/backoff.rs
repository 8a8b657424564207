//! Time to the next round after failed ones.

use std::time::Duration;

/// Longest time after a failed round, also of a longer interval: otherwise a program that is started before its server
/// would see nothing for the first of them.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Returns the time until the next round. Each failure in a row doubles it, up to a minute: a paused pooler keeps every
/// waiting client, also one with a closed socket, until it is resumed or `query_wait_timeout` ends it.
pub fn pause(interval: Duration, failures: u32) -> Duration {
    let doubled = interval.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    if failures == 0 { interval } else { doubled.min(LONGEST_PAUSE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_in_a_row_doubles_the_pause_up_to_a_minute() {
        let seconds = |interval, failures| pause(Duration::from_secs(interval), failures).as_secs();
        assert_eq!([0, 1, 2, 3, 4, 90].map(|failures| seconds(10, failures)), [10, 10, 20, 40, 60, 60]);
        assert_eq!([0, 1, 9].map(|failures| seconds(300, failures)), [300, 60, 60]);
    }
}
