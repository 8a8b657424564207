//! Measures over the rounds of a document, for charts and for a table.

use std::ops::RangeInclusive;

use jiff::{SignedDuration, Timestamp};

use crate::round::{Pool, Round};
use crate::table::{Table, number, text, word};
use crate::text::decimal;

/// Seconds of a day.
const DAY: f64 = 86_400.0;

/// Values that can be drawn.
pub(super) const DRAWN: RangeInclusive<f64> = 0.0..=1e15;

/// Measure over time.
#[derive(Debug)]
pub(super) struct Measure {
    /// The title.
    pub(super) title: &'static str,
    /// The lines by name, with one value for each round; none where it was not measured.
    pub(super) lines: Vec<(&'static str, Vec<Option<f64>>)>,
}

impl Measure {
    /// Returns the highest value; zero without one.
    pub(super) fn top(&self) -> f64 {
        let values = self.lines.iter().flat_map(|(_, values)| values.iter().flatten().copied());
        values.filter(|value| DRAWN.contains(value)).fold(0.0, f64::max)
    }
}

/// Times of the rounds.
#[derive(Debug)]
pub(super) struct Times {
    first: Option<Timestamp>,
    seconds: Vec<f64>,
}

impl Times {
    /// Reads the times. Positions stand for them where one is not readable or goes back.
    pub(super) fn of(rounds: &[Round]) -> Self {
        let times: Option<Vec<_>> = rounds.iter().map(|round| round.timestamp.parse::<Timestamp>().ok()).collect();
        match times.as_deref() {
            Some(times @ [first, ..]) if times.is_sorted() => {
                let seconds = times.iter().map(|time| time.duration_since(*first).as_secs_f64()).collect();
                Self { first: Some(*first), seconds }
            }
            _ => Self { first: None, seconds: (0..rounds.len()).map(|round| round as f64).collect() },
        }
    }

    /// Returns the seconds since the first round, or positions.
    pub(super) fn seconds(&self) -> &[f64] {
        &self.seconds
    }

    /// Returns the time from the first round to the last; never zero.
    pub(super) fn span(&self) -> f64 {
        self.seconds.last().copied().filter(|span| *span > 0.0).unwrap_or(1.0)
    }

    /// Formats the time so many seconds after the first round.
    pub(super) fn label(&self, seconds: f64) -> String {
        let format = if self.span() < DAY { "%H:%M:%S" } else { "%m-%d %H:%M" };
        let later = SignedDuration::try_from_secs_f64(seconds).ok();
        let time = self.first.zip(later).and_then(|(first, later)| first.checked_add(later).ok());
        time.map_or_else(|| format!("round {:.0}", seconds + 1.0), |time| time.strftime(format).to_string())
    }
}

/// Formats the time of a round without its date: `07:03:22`.
pub(super) fn time_of_day(timestamp: &str) -> &str {
    timestamp.split_once('T').and_then(|(_, time)| time.get(..8)).unwrap_or(timestamp)
}

/// Returns what was measured in any round.
pub(super) fn measures(rounds: &[Round]) -> Vec<Measure> {
    let line = |name, value: fn(&Round) -> Option<f64>| (name, rounds.iter().map(value).collect::<Vec<_>>());
    let mut measures = vec![
        Measure { title: "Slots", lines: vec![line("used", |it| some(it.used)), line("usable", |it| some(it.usable))] },
        Measure {
            title: "Sessions by state",
            lines: vec![
                line("active", |it| some(it.active)),
                line("idle", |it| some(it.idle)),
                line("idle in transaction", |it| some(it.in_transaction)),
                line("waiting for a lock", |it| some(it.waiting)),
            ],
        },
        Measure {
            title: "Suspects and findings",
            lines: vec![
                line("suspects", |it| some(it.suspects)),
                line("warnings and critical findings", |it| Some(it.serious as f64)),
            ],
        },
        Measure {
            title: "Transactions per second",
            lines: vec![line("transactions", |it| it.transactions_per_second)],
        },
        Measure {
            title: "Pool",
            lines: vec![
                line("size", |it| it.pool.map(|pool| pool.size.into())),
                line("target", |it| it.pool.map(|pool| pool.target.into())),
                line("peak demand", |it| it.pool.map(|pool| pool.peak)),
                line("queued clients", |it| it.pool.map(|pool| pool.queued.into())),
            ],
        },
    ];
    measures.retain(|measure| measure.lines.iter().any(|(_, values)| values.iter().any(Option::is_some)));
    measures
}

/// Lists the rounds, oldest first.
pub(super) fn table(rounds: &[Round]) -> Table {
    let mut table = Table::new([
        word("time"),
        text("action"),
        number("slots used"),
        number("sessions"),
        number("active"),
        number("idle"),
        number("idle in tx"),
        number("waiting"),
        number("suspects"),
        number("findings"),
        number("tx/s"),
        number("pool size"),
        number("queued"),
    ]);
    for round in rounds {
        let of_pool = |number: fn(Pool) -> u32| round.pool.map_or_else(String::new, |pool| number(pool).to_string());
        table.row([
            round.timestamp.clone(),
            round.action.clone(),
            format!("{} of {}", round.used, round.usable),
            round.total.to_string(),
            round.active.to_string(),
            round.idle.to_string(),
            round.in_transaction.to_string(),
            round.waiting.to_string(),
            round.suspects.to_string(),
            round.findings.to_string(),
            round.transactions_per_second.map_or_else(String::new, decimal),
            of_pool(|pool| pool.size),
            of_pool(|pool| pool.queued),
        ]);
    }
    table
}

fn some(number: u32) -> Option<f64> {
    Some(number.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_day_is_cut_out_of_a_timestamp() {
        assert_eq!(time_of_day("2026-11-23T07:03:22.481Z"), "07:03:22");
        assert_eq!(time_of_day("yesterday"), "yesterday");
    }

    #[test]
    fn labels_are_times_or_positions() {
        let at = |stamp: &str| stamp.parse().ok();
        let minutes = Times { first: at("2026-11-23T07:03:22.481Z"), seconds: vec![0.0, 90.0] };
        assert_eq!([0.0, 90.0].map(|seconds| minutes.label(seconds)), ["07:03:22", "07:04:52"]);
        let days = Times { first: at("2026-11-23T07:03:22Z"), seconds: vec![0.0, 2.0 * DAY] };
        assert_eq!(days.label(days.span()), "11-25 07:03");
        let positions = Times { first: None, seconds: vec![0.0, 1.0] };
        assert_eq!([0.0, 1.0].map(|seconds| positions.label(seconds)), ["round 1", "round 2"]);
        assert_eq!(Times { first: None, seconds: vec![0.0, 0.0] }.span(), 1.0);
    }
}
