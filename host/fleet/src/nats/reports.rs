//! The last reports of a fleet.

use std::time::{Duration, SystemTime};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::connection::Engine;
use super::streams::{IN_FLIGHT, REPORTS};
use crate::error::{BoardError, failed};
use crate::report::FleetReport;

/// A report, with its age on the engine's clock.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptReport {
    /// The report.
    pub report: FleetReport,
    /// Time since it was published.
    pub age: Duration,
}

impl Engine {
    /// Returns the last report of a target; none before its first round.
    ///
    /// # Errors
    ///
    /// Fails if the engine does not answer.
    pub async fn report(&self, id: &str) -> Result<Option<KeptReport>, BoardError> {
        let stream = self.context.get_stream_no_info(REPORTS).await.map_err(|error| failed(REPORTS, error))?;
        let message = match stream.get_last_raw_message_by_subject(&format!("fleet.report.{id}")).await {
            Ok(message) => message,
            Err(error) if error.kind() == async_nats::jetstream::stream::LastRawMessageErrorKind::NoMessageFound => {
                return Ok(None);
            }
            Err(error) => return Err(failed(REPORTS, error)),
        };
        let report = serde_json::from_slice(&message.payload)
            .map_err(|error| failed(REPORTS, format!("the report of {id} has another form: {error}")))?;
        let age = SystemTime::now().duration_since(SystemTime::from(message.time)).unwrap_or_default();
        Ok(Some(KeptReport { report, age }))
    }

    /// Returns the last reports of all targets, by name.
    ///
    /// # Errors
    ///
    /// Fails if the engine does not answer.
    pub async fn reports(&self) -> Result<Vec<KeptReport>, BoardError> {
        let stream = self.context.get_stream(REPORTS).await.map_err(|error| failed(REPORTS, error))?;
        let subjects = stream.info_with_subjects("fleet.report.>").await.map_err(|error| failed(REPORTS, error))?;
        let subjects: Vec<(String, usize)> = subjects.try_collect().await.map_err(|error| failed(REPORTS, error))?;
        let ids = subjects.iter().filter_map(|(subject, _)| subject.strip_prefix("fleet.report."));
        let reports = stream::iter(ids).map(|id| self.report(id)).buffer_unordered(IN_FLIGHT);
        let reports: Vec<Option<KeptReport>> = reports.try_collect().await?;
        let mut reports: Vec<_> = reports.into_iter().flatten().collect();
        reports.sort_by(|a, b| a.report.id.cmp(&b.report.id));
        Ok(reports)
    }
}
