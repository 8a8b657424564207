//! Scenario: a client's use of its sessions, which determines the lost ones.

use std::future::Future;
use std::pin::Pin;

use anyhow::Result;
use archon_pool_lab::kinds::Kind;

use super::environment::ScenarioHandle;

/// Future of a scenario, which runs until the environment is closed.
pub(super) type ScenarioFuture = Pin<Box<dyn Future<Output = Result<()>>>>;

/// Live scenario.
pub(super) struct Scenario {
    /// Name and label, in the laboratory's type.
    pub(super) kind: Kind,
    /// Roles of its sessions.
    pub(super) roles: &'static [&'static str],
    /// Minimum share of its lost sessions that has to be found, percent.
    pub(super) floor: u32,
    /// Starts the scenario.
    pub(super) run: fn(ScenarioHandle) -> ScenarioFuture,
}

impl Scenario {
    /// Creates a scenario that loses sessions, with the minimum percentage that has to be found.
    pub(super) const fn leak(
        roles: &'static [&'static str; 1],
        label: &'static str,
        floor: u32,
        run: fn(ScenarioHandle) -> ScenarioFuture,
    ) -> Self {
        Self { kind: kind(roles[0], true, label), roles, floor, run }
    }

    /// Creates a scenario that loses none. The first role has the scenario's name.
    pub(super) const fn innocent(
        roles: &'static [&'static str],
        label: &'static str,
        run: fn(ScenarioHandle) -> ScenarioFuture,
    ) -> Self {
        Self { kind: kind(roles[0], false, label), roles, floor: 0, run }
    }

    /// Returns the name, which is also the role and the application name.
    pub(super) const fn name(&self) -> &'static str {
        self.kind.name
    }
}

/// Creates a kind without a simulation, because the scenario runs live.
const fn kind(name: &'static str, leaks: bool, label: &'static str) -> Kind {
    Kind { name, leaks, held_out: false, slow: false, pooler: false, label, set_up: |_| {} }
}
