//! The targets of a fleet, and their schedules.

use std::collections::BTreeMap;
use std::time::Duration;

use archon_pool_serve::{Placement, RoundSettings, Target};
use async_nats::jetstream::kv::{Operation, Store};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::connection::Engine;
use super::schedules::{self, fitting};
use super::streams::{DEFAULT_ZONE, HEALTH, IN_FLIGHT, REPORTS, STATE, TARGETS};
use crate::error::{BoardError, failed};

/// A target as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetEntry {
    /// Version of the form.
    pub v: u32,
    /// Its name.
    pub id: String,
    /// Zone whose workers reach it.
    pub zone: String,
    /// Server whose calls at the same time are bounded; that of the credential when absent.
    pub server: Option<String>,
    /// Name of its credential, which the worker resolves.
    pub credential: String,
    /// Thresholds and filters.
    pub options: Map<String, Value>,
    /// Seconds between its rounds.
    pub every: u64,
    /// Seconds between rounds with probes.
    pub probe_every: Option<u64>,
    /// Tags by which commands select it.
    pub tags: Vec<String>,
    /// False while it is paused.
    pub enabled: bool,
    /// Reason of the pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
}

/// Numbers of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// New targets, and those with other settings.
    pub changed: usize,
    /// Targets that were there with the same settings.
    pub unchanged: usize,
    /// Targets that were removed.
    pub removed: usize,
}

impl TargetEntry {
    fn new(target: &Target) -> Self {
        let Target { name, credential, placement: Placement { server, zone, tags }, rounds } = target;
        Self {
            v: 1,
            id: name.clone(),
            zone: zone.clone().unwrap_or_else(|| DEFAULT_ZONE.to_owned()),
            server: server.clone(),
            credential: credential.clone().unwrap_or_else(|| name.clone()),
            options: rounds.options.clone(),
            every: fitting(rounds.interval).as_secs(),
            probe_every: rounds.probe_interval.map(|every| every.as_secs()),
            tags: tags.clone(),
            enabled: true,
            paused: None,
        }
    }

    /// Returns the time between its rounds.
    pub(super) fn interval(&self) -> Duration {
        Duration::from_secs(self.every)
    }
}

impl From<TargetEntry> for Target {
    fn from(entry: TargetEntry) -> Self {
        let TargetEntry { id, zone, server, credential, options, every, probe_every, tags, .. } = entry;
        let (interval, probe_interval) = (Duration::from_secs(every), probe_every.map(Duration::from_secs));
        let placement = Placement { server, zone: Some(zone), tags };
        Target { placement, ..Target::new(id, Some(credential), RoundSettings { interval, probe_interval, options }) }
    }
}

impl Engine {
    /// Adds targets, or gives those that are there other settings; a pause lasts. With `prune`, others are removed.
    ///
    /// # Errors
    ///
    /// Fails if a name cannot be one of a subject, or the engine does not take them.
    pub async fn import(&self, targets: &BTreeMap<String, Target>, prune: bool) -> Result<Imported, BoardError> {
        for name in targets.keys() {
            if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
                return Err(failed(name, "with --nats a name may not start or end with a dot, or have two in a row"));
            }
        }
        let store = self.bucket(TARGETS).await?;
        let changes = stream::iter(targets.values()).map(|target| self.import_one(&store, TargetEntry::new(target)));
        let changes: Vec<bool> = changes.buffer_unordered(IN_FLIGHT).try_collect().await?;
        let changed = changes.iter().filter(|is_changed| **is_changed).count();
        let mut removed = 0;
        if prune {
            let gone: Vec<_> = self.targets().await?.into_iter().filter(|it| !targets.contains_key(&it.id)).collect();
            removed = gone.len();
            stream::iter(gone)
                .map(|entry| self.remove(&store, entry))
                .buffer_unordered(IN_FLIGHT)
                .try_collect::<()>()
                .await?;
        }
        Ok(Imported { changed, unchanged: changes.len() - changed, removed })
    }

    async fn import_one(&self, store: &Store, mut entry: TargetEntry) -> Result<bool, BoardError> {
        if let Some(before) = target(store, &entry.id).await? {
            (entry.enabled, entry.paused) = (before.enabled, before.paused.clone());
            if before == entry {
                return Ok(false);
            }
            if before.zone != entry.zone {
                schedules::remove(&self.context, &before.zone, &entry.id).await?;
            }
        }
        self.put(store, &entry).await?;
        Ok(true)
    }

    /// Writes a target, and then its schedule: if that fails, whoever reconciles finds it missing.
    async fn put(&self, store: &Store, entry: &TargetEntry) -> Result<(), BoardError> {
        let text = serde_json::to_vec(entry).map_err(|error| failed(TARGETS, error))?;
        store.put(&entry.id, text.into()).await.map_err(|error| failed(TARGETS, error))?;
        match entry.enabled {
            true => schedules::set(&self.context, &entry.zone, &entry.id, entry.interval()).await,
            false => schedules::remove(&self.context, &entry.zone, &entry.id).await,
        }
    }

    async fn remove(&self, store: &Store, entry: TargetEntry) -> Result<(), BoardError> {
        store.purge(&entry.id).await.map_err(|error| failed(TARGETS, error))?;
        schedules::remove(&self.context, &entry.zone, &entry.id).await?;
        let id = &entry.id;
        for (stream, subject) in [
            (format!("KV_{STATE}"), format!("$KV.{STATE}.{id}")),
            (format!("KV_{HEALTH}"), format!("$KV.{HEALTH}.{id}")),
            (REPORTS.to_owned(), format!("fleet.report.{id}")),
        ] {
            let stream = stream.as_str();
            let handle = self.context.get_stream_no_info(stream).await.map_err(|error| failed(stream, error))?;
            handle.purge().filter(subject).await.map_err(|error| failed(stream, error))?;
        }
        Ok(())
    }

    /// Returns all targets, by name.
    ///
    /// # Errors
    ///
    /// Fails if the engine does not answer.
    pub async fn targets(&self) -> Result<Vec<TargetEntry>, BoardError> {
        let store = self.bucket(TARGETS).await?;
        let keys = store.keys().await.map_err(|error| failed(TARGETS, error))?;
        let entries = keys.map_err(|error| failed(TARGETS, error)).map_ok(|id| {
            let store = &store;
            async move { target(store, &id).await }
        });
        let entries: Vec<Option<TargetEntry>> = entries.try_buffer_unordered(IN_FLIGHT).try_collect().await?;
        let mut entries: Vec<_> = entries.into_iter().flatten().collect();
        entries.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(entries)
    }

    /// Pauses a target for a reason, or has it watched again. False when there is no such target.
    ///
    /// # Errors
    ///
    /// Fails if the engine does not answer.
    pub async fn pause(&self, id: &str, reason: Option<&str>) -> Result<bool, BoardError> {
        let store = self.bucket(TARGETS).await?;
        let Some(mut entry) = target(&store, id).await? else { return Ok(false) };
        (entry.enabled, entry.paused) = (reason.is_none(), reason.map(str::to_owned));
        self.put(&store, &entry).await?;
        Ok(true)
    }

    pub(super) async fn bucket(&self, name: &str) -> Result<Store, BoardError> {
        let missing = |error| failed(name, format!("{error}: run `archon-pool fleet init`"));
        self.context.get_key_value(name).await.map_err(missing)
    }
}

/// Reads a target; none when there is none of this name.
pub(super) async fn target(store: &Store, id: &str) -> Result<Option<TargetEntry>, BoardError> {
    let entry = store.entry(id).await.map_err(|error| failed(TARGETS, error))?;
    let Some(entry) = entry.filter(|entry| entry.operation == Operation::Put) else { return Ok(None) };
    let unreadable = |error| failed(TARGETS, format!("target {id} has another form: {error}"));
    serde_json::from_slice(&entry.value).map(Some).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_kept_with_a_fitting_interval_and_read_again() {
        let interval = Duration::from_secs(45);
        let rounds = RoundSettings { interval, probe_interval: Some(Duration::from_secs(300)), options: Map::new() };
        let mut target = Target::new("shop", Some("operator".to_owned()), rounds);
        target.placement.tags = vec!["prod".to_owned()];
        let entry = TargetEntry::new(&target);
        assert_eq!((entry.zone.as_str(), entry.every, entry.enabled), (DEFAULT_ZONE, 60, true));
        let again = Target::from(entry.clone());
        assert_eq!(TargetEntry::new(&again), entry);
        assert_eq!((again.credential, again.placement.tags), (target.credential, target.placement.tags));
    }
}
