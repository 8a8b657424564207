//! The streams and buckets of a fleet: their settings, their creation and their verification.

use std::time::Duration;

use async_nats::jetstream::stream::{
    Compression, Config, DiscardPolicy, PersistenceMode, RetentionPolicy, StorageType,
};

use super::connection::Engine;
use crate::error::{BoardError, failed};
use crate::report;

/// Zone of targets and workers without another.
pub const DEFAULT_ZONE: &str = "default";

/// Requests on the way at the same time when many targets are read or written.
pub(super) const IN_FLIGHT: usize = 64;

/// Stream of schedules and due jobs.
pub(super) const JOBS: &str = "FLEET_JOBS";
/// Stream of the last report of each target.
pub(super) const REPORTS: &str = "FLEET_REPORTS";
/// Stream of events of findings.
pub(super) const EVENTS: &str = "FLEET_EVENTS";
/// Stream of orders to end sessions: the kill budget.
pub(super) const ORDERS: &str = "FLEET_ORDERS";
/// Bucket of what stops all kills.
pub(super) const CONTROL: &str = "fleet_control";
/// Bucket of targets.
pub(super) const TARGETS: &str = "fleet_targets";
/// Bucket of states.
pub(super) const STATE: &str = "fleet_state";
/// Bucket of leases.
pub(super) const LEASE: &str = "fleet_lease";
/// Bucket of the marks of running calls.
pub(super) const HEALTH: &str = "fleet_health";

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);

/// Time for which events are kept.
const EVENTS_KEPT: Duration = DAY.saturating_mul(30);

/// Remedy of a stream that is missing or has other settings.
const ANEW: &str = "run `archon-pool fleet init`";

/// Largest state, bytes: a carry of 64 KiB, findings and events.
const STATE_BYTES: i32 = 256 << 10;

/// Largest target, bytes.
const TARGET_BYTES: i32 = 64 << 10;

/// Settings of the streams that an operator chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Copies of each message: 1, or 3 in a cluster.
    pub replicas: usize,
    /// Ended sessions of one target in an hour.
    pub kills_per_target: u32,
    /// Ended sessions of the fleet in an hour.
    pub kills: u32,
}

impl Layout {
    fn streams(self) -> [Config; 9] {
        let Self { replicas, kills_per_target, kills } = self;
        let stream = |name: &str, subjects: &[&str]| Config {
            name: name.to_owned(),
            subjects: subjects.iter().map(|subject| (*subject).to_owned()).collect(),
            storage: StorageType::File,
            num_replicas: replicas,
            max_messages: -1,
            max_bytes: -1,
            max_messages_per_subject: -1,
            ..Config::default()
        };
        // The engine's own settings of a bucket, and those that its client's buckets do not have.
        let bucket = |name: &str| Config {
            max_messages_per_subject: 1,
            discard: DiscardPolicy::New,
            allow_rollup: true,
            ..stream(&format!("KV_{name}"), &[&format!("$KV.{name}.>")])
        };
        let volatile = Some(PersistenceMode::Async).filter(|_| replicas == 1);
        [
            Config {
                retention: RetentionPolicy::WorkQueue,
                max_messages_per_subject: 1,
                // A tick replaces a job that nobody took.
                discard: DiscardPolicy::Old,
                allow_message_schedules: true,
                allow_message_ttl: true,
                allow_rollup: true,
                persist_mode: volatile,
                ..stream(JOBS, &["fleet.at.>", "fleet.job.>"])
            },
            Config { max_message_size: TARGET_BYTES, allow_direct: true, ..bucket(TARGETS) },
            Config {
                max_message_size: STATE_BYTES,
                compression: Some(Compression::S2),
                persist_mode: volatile,
                ..bucket(STATE)
            },
            Config { allow_message_ttl: true, persist_mode: volatile, ..bucket(LEASE) },
            Config { persist_mode: volatile, ..bucket(HEALTH) },
            Config {
                max_messages_per_subject: 1,
                max_message_size: i32::try_from(report::MOST_BYTES).unwrap_or(i32::MAX) + 1_024,
                compression: Some(Compression::S2),
                allow_direct: true,
                persist_mode: volatile,
                ..stream(REPORTS, &["fleet.report.>"])
            },
            Config { max_age: EVENTS_KEPT, duplicate_window: HOUR, ..stream(EVENTS, &["fleet.event.>"]) },
            Config {
                // A place returns after an hour on the engine's clock; the same order takes none again.
                max_age: HOUR,
                duplicate_window: HOUR,
                max_messages: kills.into(),
                max_messages_per_subject: kills_per_target.into(),
                discard: DiscardPolicy::New,
                discard_new_per_subject: true,
                deny_delete: true,
                deny_purge: true,
                ..stream(ORDERS, &["fleet.order.>"])
            },
            bucket(CONTROL),
        ]
    }
}

impl Engine {
    /// Creates the streams and buckets; those that exist get these settings.
    ///
    /// # Errors
    ///
    /// Fails if one cannot be created or changed.
    pub async fn init(&self, layout: Layout) -> Result<(), BoardError> {
        for config in layout.streams() {
            let name = config.name.clone();
            self.context.create_or_update_stream(config).await.map_err(|error| failed(&name, error))?;
        }
        Ok(())
    }

    /// Checks that all streams and buckets are there with their settings.
    ///
    /// # Errors
    ///
    /// Fails if one is missing or has another setting.
    pub async fn verify(&self) -> Result<(), BoardError> {
        let orders = self.settings_of(ORDERS).await?;
        let cap = |messages: i64| u32::try_from(messages).ok().filter(|cap| *cap > 0);
        let caps = cap(orders.max_messages_per_subject).zip(cap(orders.max_messages));
        let (kills_per_target, kills) = caps.ok_or_else(|| failed(ORDERS, format!("it has no cap: {ANEW}")))?;
        let layout = Layout { replicas: orders.num_replicas, kills_per_target, kills };
        for wanted in layout.streams() {
            let found = self.settings_of(&wanted.name).await?;
            if let Some(setting) = difference(&wanted, &found) {
                return Err(failed(&wanted.name, format!("`{setting}` is another: {ANEW}")));
            }
        }
        Ok(())
    }

    async fn settings_of(&self, name: &str) -> Result<Config, BoardError> {
        let missing = |error| failed(name, format!("{error}: {ANEW}"));
        Ok(self.context.get_stream(name).await.map_err(missing)?.cached_info().config.clone())
    }
}

/// Returns the name of a setting that differs.
fn difference(wanted: &Config, found: &Config) -> Option<&'static str> {
    let settings = [
        ("subjects", wanted.subjects == found.subjects),
        ("storage", wanted.storage == found.storage),
        ("num_replicas", wanted.num_replicas == found.num_replicas),
        ("retention", wanted.retention == found.retention),
        ("discard", wanted.discard == found.discard),
        ("max_msgs_per_subject", wanted.max_messages_per_subject == found.max_messages_per_subject),
        ("max_age", wanted.max_age == found.max_age),
        ("allow_msg_schedules", wanted.allow_message_schedules == found.allow_message_schedules),
        ("allow_msg_ttl", wanted.allow_message_ttl == found.allow_message_ttl),
        ("allow_direct", wanted.allow_direct == found.allow_direct),
        ("max_msgs", wanted.max_messages == found.max_messages),
        ("duplicate_window", wanted.duplicate_window.is_zero() || wanted.duplicate_window == found.duplicate_window),
        ("discard_new_per_subject", wanted.discard_new_per_subject == found.discard_new_per_subject),
        ("deny_delete", wanted.deny_delete == found.deny_delete),
        ("persist_mode", wanted.persist_mode.unwrap_or_default() == found.persist_mode.unwrap_or_default()),
    ];
    settings.into_iter().find(|(_, is_same)| !is_same).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout { replicas: 1, kills_per_target: 20, kills: 100 };

    #[test]
    fn a_setting_that_differs_is_named() {
        let [jobs, ..] = LAYOUT.streams();
        assert_eq!(difference(&jobs, &jobs), None);
        let found = Config { allow_message_schedules: false, ..jobs.clone() };
        assert_eq!(difference(&jobs, &found), Some("allow_msg_schedules"));
    }

    #[test]
    fn a_cluster_writes_before_it_acknowledges() {
        assert!(Layout { replicas: 3, ..LAYOUT }.streams().iter().all(|config| config.persist_mode.is_none()));
    }
}
