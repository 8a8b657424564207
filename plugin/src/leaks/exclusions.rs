//! What speaks against judging a session at all: innocent by purpose, protected, or not ours to judge.

use ipnet::IpNet;

use crate::carry::Memory;
use crate::names::{Map, Name, Set};
use crate::params::{Filter, Options};
use crate::pooler::kept;
use crate::protected::{self, Patterns};
use crate::snapshot::{Backend, Snapshot, State};
use crate::statement_text;

use super::groups::Groups;
use super::idle_ms;

/// One of the sessions that its group's pool keeps ready.
pub const MINIMUM_POOL: &str = "minimum-pool";

/// The rules of one call.
pub struct Rules<'a> {
    options: &'a Options,
    memory: &'a Memory,
    names: Map<(Name<'a>, Name<'a>), Names>,
    include_applications: Patterns,
    exclude_applications: Patterns,
    include_networks: Vec<IpNet>,
    exclude_networks: Vec<IpNet>,
}

/// What the names of a role and its application say. A server has many sessions of few of these, and there are
/// dozens of patterns.
struct Names {
    protected: bool,
    pooler: bool,
    human_tool: bool,
}

impl Names {
    fn of((Name(role), Name(application)): (Name<'_>, Name<'_>)) -> Self {
        Self {
            protected: protected::is_protected_role(role) || protected::is_protected_application(application),
            pooler: protected::is_pooler(application),
            human_tool: protected::is_human_tool(application),
        }
    }
}

impl<'a> Rules<'a> {
    /// The rules for these options and the sessions of this snapshot.
    pub fn new(snapshot: &'a Snapshot, options: &'a Options, memory: &'a Memory) -> Self {
        // Validated with the options: what does not parse cannot be here.
        let networks = |filter: &Filter| filter.networks.iter().filter_map(|network| network.parse().ok()).collect();
        Self {
            options,
            memory,
            names: snapshot
                .clients()
                .map(key)
                .collect::<Set<_>>()
                .into_iter()
                .map(|key| (key, Names::of(key)))
                .collect(),
            include_applications: protected::compile(&options.include.applications),
            exclude_applications: protected::compile(&options.exclude.applications),
            include_networks: networks(&options.include),
            exclude_networks: networks(&options.exclude),
        }
    }

    /// Every exclusion that holds for a session of this snapshot.
    pub fn apply(&self, backend: &'a Backend) -> Vec<String> {
        let names = self.names.get(&key(backend));
        let named = |is: fn(&Names) -> bool| names.is_some_and(is);
        let plain_idle = backend.state() == State::Idle;
        let listens =
            statement_text::is_listen(&backend.query) || backend.key().is_some_and(|key| self.memory.has_listened(key));
        let rules = [
            ("protected-service", named(|names| names.protected)),
            ("pooler-owned", backend.is_poolers_own() || named(|names| names.pooler)),
            ("kept-by-pooler", kept::is_kept(backend)),
            ("human-tool", named(|names| names.human_tool)),
            ("advisory-lock", backend.advisory_locks > 0),
            ("listens", plain_idle && listens),
            ("temporary-objects", plain_idle && backend.temp_objects),
            ("unknown-state", matches!(backend.state(), State::Disabled | State::Other(_))),
            ("not-included", !self.included(backend)),
            ("excluded", self.excluded(backend)),
        ];
        rules.into_iter().filter(|(_, holds)| *holds).map(|(name, _)| name.to_owned()).collect()
    }

    fn included(&self, backend: &Backend) -> bool {
        let filter = &self.options.include;
        let passes = |names: &[String], holds: bool| names.is_empty() || holds;
        passes(&filter.roles, names(&filter.roles, backend.role.as_deref()))
            && passes(&filter.databases, names(&filter.databases, backend.database.as_deref()))
            && passes(&filter.applications, protected::matches_any(&self.include_applications, &backend.application))
            && passes(&filter.networks, within(&self.include_networks, backend))
    }

    fn excluded(&self, backend: &Backend) -> bool {
        let filter = &self.options.exclude;
        names(&filter.roles, backend.role.as_deref())
            || names(&filter.databases, backend.database.as_deref())
            || protected::matches_any(&self.exclude_applications, &backend.application)
            || within(&self.exclude_networks, backend)
    }
}

fn key(backend: &Backend) -> (Name<'_>, Name<'_>) {
    (Name(backend.role.as_deref().unwrap_or_default()), Name(&backend.application))
}

fn names(names: &[String], name: Option<&str>) -> bool {
    name.is_some_and(|name| names.iter().any(|candidate| candidate == name))
}

fn within(networks: &[IpNet], backend: &Backend) -> bool {
    let address = || backend.client_address.as_ref()?.parse::<std::net::IpAddr>().ok();
    !networks.is_empty() && address().is_some_and(|address| networks.iter().any(|network| network.contains(&address)))
}

/// The sessions that each group's pool would keep anyway: the `minSize` most recently used idle ones.
pub fn minimum_pool(snapshot: &Snapshot, options: &Options, groups: &Groups<'_>) -> Set<i32> {
    let mut spared = Set::default();
    for group in groups.iter() {
        let mut idle: Vec<_> = group.members.iter().filter(|member| member.state() == State::Idle).collect();
        idle.sort_by_key(|member| (idle_ms(member, snapshot.taken_at), member.pid));
        spared.extend(idle.iter().take(options.min_size as usize).map(|member| member.pid));
    }
    spared
}
