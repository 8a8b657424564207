//! A scenario: what a client does with its sessions, and so which of them are lost.

use std::future::Future;
use std::pin::Pin;

use anyhow::Result;
use archon_pool_lab::kinds::Kind;

use super::stage::Part;

/// What a scenario does until the stage is closed.
pub(super) type Playing = Pin<Box<dyn Future<Output = Result<()>>>>;

/// One scenario.
pub(super) struct Scenario {
    /// Its name and its label, as the laboratory has them.
    pub(super) kind: Kind,
    /// The roles of its sessions.
    pub(super) roles: &'static [&'static str],
    /// The share of its lost sessions that has to be found, percent.
    pub(super) floor: u32,
    /// Plays it.
    pub(super) play: fn(Part) -> Playing,
}

impl Scenario {
    /// Sessions get lost, and so many percent of them have to be found.
    pub(super) const fn leak(
        roles: &'static [&'static str; 1],
        label: &'static str,
        floor: u32,
        play: fn(Part) -> Playing,
    ) -> Self {
        Self { kind: kind(roles[0], true, label), roles, floor, play }
    }

    /// No session does. The first role has the scenario's name.
    pub(super) const fn innocent(
        roles: &'static [&'static str],
        label: &'static str,
        play: fn(Part) -> Playing,
    ) -> Self {
        Self { kind: kind(roles[0], false, label), roles, floor: 0, play }
    }

    /// Its name, which is its role and its application as well.
    pub(super) const fn name(&self) -> &'static str {
        self.kind.name
    }
}

/// What is played live is not simulated.
const fn kind(name: &'static str, leaks: bool, label: &'static str) -> Kind {
    Kind { name, leaks, held_out: false, slow: false, pooler: false, label, set_up: |_| {} }
}
