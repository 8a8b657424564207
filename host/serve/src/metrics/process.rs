//! Metrics of this program and of its component.

use std::sync::Arc;

use archon_pool_core::components::World;
use archon_pool_core::digest::Digest;

use super::exposition::{Exposition, Reading};
use super::metric::Metric;
use super::orders;
use crate::order_status::OrderStatus;

pub(super) static METRICS: [Metric; 3] = [
    Metric::info("build", "Version of this program"),
    Metric::info("component", "SHA-256 and world of the component that analyses"),
    Metric::gauge("targets_reload_successful", "1 if the targets could be read when they were last read"),
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
}

impl Process {
    pub(super) fn add(&self, exposition: &mut Exposition) {
        let [build, component, reload_successful] = &METRICS;
        exposition.add(build, &[("version", env!("CARGO_PKG_VERSION"))], Reading::Info);
        let digest = self.digest.to_string();
        exposition.add(component, &[("digest", &digest), ("world", self.world.name())], Reading::Info);
        exposition.add(reload_successful, &[], Reading::Gauge(f64::from(u8::from(self.reload_successful))));
        if let Some(status) = &self.orders {
            orders::add(exposition, status);
        }
    }
}
