//! Metrics of this program and of its component.

use std::sync::Arc;

use archon_pool_core::components::World;
use archon_pool_core::digest::Digest;
use archon_pool_core::plugin::Plugin;

use super::exposition::{Exposition, Reading};
use super::metric::Metric;
use super::orders;
use crate::histogram::Histogram;
use crate::order_status::OrderStatus;

pub(super) static METRICS: [Metric; 4] = [
    Metric::info("build", "Version of this program"),
    Metric::info("component", "SHA-256 and world of the component that analyses"),
    Metric::gauge("targets_reload_successful", "1 if the targets could be read when they were last read"),
    Metric::histogram("round_lag_seconds", "Time from the moment a round of a fleet was due to its start"),
];

/// Facts that belong to no target.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    /// SHA-256 of the component.
    pub(crate) digest: Digest,
    /// World of the component.
    pub(crate) world: World,
    /// True unless the last reading of the targets failed.
    pub(crate) reload_successful: bool,
    /// Orders of other commands, if their log is followed.
    pub(crate) orders: Option<Arc<OrderStatus>>,
    /// Delays of the rounds of a fleet.
    pub(crate) lag: Option<Histogram>,
}

impl Process {
    /// Creates the facts of a program with this component.
    pub(crate) fn of(plugin: &Plugin) -> Self {
        Self { digest: plugin.digest(), world: plugin.world(), reload_successful: true, orders: None, lag: None }
    }

    pub(super) fn add(&self, exposition: &mut Exposition) {
        let [build, component, reload_successful, round_lag] = &METRICS;
        exposition.add(build, &[("version", env!("CARGO_PKG_VERSION"))], Reading::Info);
        let digest = self.digest.to_string();
        exposition.add(component, &[("digest", &digest), ("world", self.world.name())], Reading::Info);
        exposition.add(reload_successful, &[], Reading::Gauge(f64::from(u8::from(self.reload_successful))));
        if let Some(lag) = &self.lag {
            exposition.add(round_lag, &[], Reading::Histogram(lag.clone()));
        }
        if let Some(status) = &self.orders {
            orders::add(exposition, status);
        }
    }
}
