//! Schedules: the engine publishes a due job for each target by a cron expression.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::{NATS_SCHEDULE, NATS_SCHEDULE_TARGET};
use async_nats::jetstream::Context;
use serde::{Deserialize, Serialize};

use super::streams::JOBS;
use crate::error::{BoardError, failed};
use crate::schedule::phase;

/// Intervals that start at the same times in each minute, hour or day, seconds.
const INTERVALS: [u64; 30] = [
    1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60, 120, 180, 240, 300, 360, 600, 720, 900, 1_200, 1_800, 3_600, 7_200,
    10_800, 14_400, 21_600, 28_800, 43_200, 86_400,
];

/// A due job: the message of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct JobMessage {
    /// The target.
    pub(super) id: String,
    /// Interval of the schedule that published it, seconds.
    pub(super) every: u64,
}

/// Returns the next interval that a cron expression has.
pub(super) fn fitting(interval: Duration) -> Duration {
    let seconds = interval.as_secs();
    Duration::from_secs(INTERVALS.into_iter().find(|every| *every >= seconds).unwrap_or(86_400))
}

/// Returns the cron expression, with seconds, of a fitting interval, at the target's phase.
fn cron(id: &str, interval: Duration) -> String {
    let (every, phase) = (interval.as_secs(), phase(id, interval).as_secs());
    let list = |every: u64, within: u64, first: u64| {
        let all = (0..within / every).map(|index| (first + index * every).to_string());
        all.collect::<Vec<_>>().join(",")
    };
    let (second, minute, hour) = (phase % 60, phase / 60 % 60, phase / 3_600);
    match every {
        ..60 => format!("{} * * * * *", list(every, 60, phase)),
        60..3_600 => format!("{second} {} * * * *", list(every / 60, 60, minute)),
        _ => format!("{second} {minute} {} * * *", list(every / 3_600, 24, hour)),
    }
}

/// Sets the schedule of a target to a fitting interval.
pub(super) async fn set(context: &Context, zone: &str, id: &str, interval: Duration) -> Result<(), BoardError> {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_SCHEDULE, cron(id, interval).as_str());
    headers.insert(NATS_SCHEDULE_TARGET, format!("fleet.job.{zone}.{id}").as_str());
    let message = JobMessage { id: id.to_owned(), every: interval.as_secs() };
    let body = serde_json::to_vec(&message).map_err(|error| failed(JOBS, error))?;
    let published = context.publish_with_headers(at(zone, id), headers, body.into()).await;
    let published = published.map_err(|error| failed(JOBS, error))?;
    published.await.map(drop).map_err(|error| failed(JOBS, error))
}

/// Removes the schedule of a target, and a job that nobody took.
pub(super) async fn remove(context: &Context, zone: &str, id: &str) -> Result<(), BoardError> {
    let stream = context.get_stream_no_info(JOBS).await.map_err(|error| failed(JOBS, error))?;
    for subject in [at(zone, id), format!("fleet.job.{zone}.{id}")] {
        stream.purge().filter(subject).await.map_err(|error| failed(JOBS, error))?;
    }
    Ok(())
}

/// Returns the subject of a target's schedule.
pub(super) fn at(zone: &str, id: &str) -> String {
    format!("fleet.at.{zone}.{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_becomes_the_next_that_a_cron_expression_has() {
        let seconds = |interval| fitting(Duration::from_secs(interval)).as_secs();
        assert_eq!([1, 7, 45, 60, 61, 3_599, 5_000, 90_000].map(seconds), [1, 10, 60, 60, 120, 3_600, 7_200, 86_400]);
    }

    #[test]
    fn expressions_start_at_the_phase() {
        for (interval, fields) in
            [(10, "6 1 1 1 1 1"), (60, "1 60 1 1 1 1"), (300, "1 12 1 1 1 1"), (7_200, "1 1 12 1 1 1")]
        {
            let expression = cron("shop", Duration::from_secs(interval));
            let counts: Vec<_> = expression.split(' ').map(|field| field.split(',').count().to_string()).collect();
            let wanted = if interval == 60 { "1 60 1 1 1 1" } else { fields };
            assert_eq!(counts.join(" "), wanted, "{expression}");
        }
        let phase = phase("shop", Duration::from_secs(60)).as_secs();
        assert!(cron("shop", Duration::from_secs(60)).starts_with(&format!("{phase} 0,1,2,")));
    }
}
