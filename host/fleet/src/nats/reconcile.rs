//! Repair of lost schedules: one worker of a zone at a time compares targets and schedules each minute.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use tokio::time::sleep;

use super::connection::Engine;
use super::lease::Leases;
use super::schedules;
use super::streams::JOBS;
use crate::error::{BoardError, failed};

/// Time between two comparisons.
const EVERY: Duration = Duration::from_secs(60);

impl Engine {
    /// Sets the schedules of a zone that are missing, and removes those without a target. Returns the number of both.
    ///
    /// # Errors
    ///
    /// Fails if the engine does not answer.
    pub async fn reconcile(&self, zone: &str) -> Result<(usize, usize), BoardError> {
        // Schedules first: one that is set meanwhile is not taken for one without a target.
        let stream = self.context.get_stream(JOBS).await.map_err(|error| failed(JOBS, error))?;
        let subjects =
            stream.info_with_subjects(schedules::at(zone, ">")).await.map_err(|error| failed(JOBS, error))?;
        let subjects: Vec<(String, usize)> = subjects.try_collect().await.map_err(|error| failed(JOBS, error))?;
        let mut present: BTreeSet<String> = subjects.into_iter().map(|(subject, _)| subject).collect();
        let mut set = 0;
        for entry in self.targets().await?.into_iter().filter(|entry| entry.enabled && entry.zone == zone) {
            if !present.remove(&schedules::at(zone, &entry.id)) {
                schedules::set(&self.context, zone, &entry.id, entry.interval()).await?;
                set += 1;
            }
        }
        let removed = present.len();
        for subject in present {
            if let Some(id) = subject.strip_prefix(&schedules::at(zone, "")) {
                schedules::remove(&self.context, zone, id).await?;
            }
        }
        Ok((set, removed))
    }

    /// Reconciles a zone each minute, if no other worker does, until it is dropped. Passes repairs and errors to `say`.
    pub async fn keep_reconciled(&self, zone: &str, worker: &str, say: impl Fn(&str)) {
        let leases = Leases::new(self.context.clone(), worker.to_owned(), EVERY);
        loop {
            let outcome = async {
                // It ends by itself, just before the next comparison.
                match leases.take(&format!("reconciler.{zone}")).await? {
                    Some(_) => self.reconcile(zone).await,
                    None => Ok((0, 0)),
                }
            };
            match outcome.await {
                Ok((0, 0)) => {}
                Ok((set, removed)) => say(&format!("schedules repaired: {set} were missing, {removed} had no target")),
                Err(error) => say(&format!("error: {error}")),
            }
            sleep(EVERY).await;
        }
    }
}
