//! Exclusions: sessions that are never suspected, because of their purpose, by protection, or by the caller's filters.

use archon_pool_contract::params::{Filter, Options};
use archon_pool_contract::snapshot::{Backend, Snapshot, State};
use ipnet::IpNet;

use crate::fast_map::{Map, Name, Set};
use crate::protected::{self, Patterns};
use crate::purpose::{self, Purposes};

use super::groups::Groups;
use super::judged::Judged;
use super::rule::Exclusion;

pub(crate) const PROTECTED_SERVICE: Exclusion = Exclusion {
    id: "protected-service",
    explanation: "a service of the platform, a backup or a maintenance tool, by its role or name",
    never_ended: true,
};
pub(crate) const POOLER_OWNED: Exclusion = Exclusion {
    id: "pooler-owned",
    explanation: "a connection of a pooler that no client is known to use",
    never_ended: false,
};
pub(crate) const HUMAN_TOOL: Exclusion =
    Exclusion { id: "human-tool", explanation: "an interactive tool, by its name", never_ended: false };
pub(crate) const UNKNOWN_STATE: Exclusion =
    Exclusion { id: "unknown-state", explanation: "its state is not known", never_ended: false };
pub(crate) const NOT_INCLUDED: Exclusion =
    Exclusion { id: "not-included", explanation: "`include` does not select it", never_ended: false };
pub(crate) const EXCLUDED: Exclusion =
    Exclusion { id: "excluded", explanation: "`exclude` selects it", never_ended: false };
pub(crate) const TEMPORARY_OBJECTS: Exclusion = Exclusion {
    id: "temporary-objects",
    explanation: "idle outside a transaction, and owner of temporary objects",
    never_ended: false,
};
/// One of the sessions that its pool keeps ready.
pub const MINIMUM_POOL: Exclusion = Exclusion {
    id: "minimum-pool",
    explanation: "idle, below the threshold, and one of the `minSize` most recently used sessions of its group",
    never_ended: false,
};

/// Everything that the exclusions of one call depend on.
pub struct Checks<'a> {
    options: &'a Options,
    purposes: &'a Purposes<'a>,
    names: Map<(Name<'a>, Name<'a>), Names>,
    include_applications: Patterns,
    exclude_applications: Patterns,
    include_networks: Vec<IpNet>,
    exclude_networks: Vec<IpNet>,
}

/// Matches of the names of a role and an application. They are kept for each pair of names, because a server has many
/// sessions of few pairs, and there are dozens of patterns.
struct Names {
    protected: bool,
    pooler: bool,
    human_tool: bool,
    listener: bool,
    like_a_listener: bool,
}

impl Names {
    fn of((Name(role), Name(application)): (Name<'_>, Name<'_>)) -> Self {
        Self {
            protected: protected::is_protected_role(role) || protected::is_protected_application(application),
            pooler: protected::is_pooler(application),
            human_tool: protected::is_human_tool(application),
            listener: purpose::is_listener(application),
            like_a_listener: purpose::is_like_a_listener(application),
        }
    }
}

impl<'a> Checks<'a> {
    /// The checks for these options and the sessions of this snapshot.
    pub fn new(snapshot: &'a Snapshot, options: &'a Options, purposes: &'a Purposes<'a>) -> Self {
        // Validated with the options: what does not parse cannot be here.
        let networks = |filter: &Filter| filter.networks.iter().filter_map(|network| network.parse().ok()).collect();
        Self {
            options,
            purposes,
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

    /// Every exclusion that holds for a session of this snapshot, which may block others.
    ///
    /// A pooler keeps connections ready, but none in an open transaction that others wait for.
    pub fn apply(&self, backend: &'a Backend, blocks: bool) -> Vec<&'static Exclusion> {
        let names = self.names.get(&key(backend));
        let named = |is: fn(&Names) -> bool| names.is_some_and(is);
        // Outside of a transaction, as far as can be seen.
        let plain_idle = backend.state() == State::Idle || backend.waits_for_rest_of_statement();
        let holds_up = blocks && matches!(backend.state(), State::IdleInTransaction | State::Aborted);
        let poolers = backend.is_poolers_own() || named(|names| names.pooler);
        let rules = [
            (&PROTECTED_SERVICE, named(|names| names.protected)),
            (&POOLER_OWNED, poolers && !holds_up),
            (&HUMAN_TOOL, named(|names| names.human_tool)),
            (&TEMPORARY_OBJECTS, plain_idle && backend.temp_objects),
            (&UNKNOWN_STATE, matches!(backend.state(), State::Disabled | State::Other(_))),
            (&NOT_INCLUDED, !self.included(backend)),
            (&EXCLUDED, self.excluded(backend)),
        ];
        let by_rule = rules.into_iter().filter(|(_, holds)| *holds).map(|(rule, _)| rule);
        by_rule.chain(self.purposes.reasons(backend, named(|names| names.listener))).collect()
    }

    /// Returns true if an idle session may be a listener: by its name, or as the only one of its client's sessions that
    /// was set up and not used since. An application's connection for another purpose looks the same.
    pub fn may_listen(&self, backend: &'a Backend, groups: &Groups<'_>) -> bool {
        let named = || self.names.get(&key(backend)).is_some_and(|names| names.like_a_listener);
        let alone = || {
            let group = groups.of_backend(backend);
            group.is_some_and(|group| group.is_only_one_set_up(backend, groups.last_statement(backend)))
        };
        backend.state() == State::Idle && (named() || alone())
    }

    fn included(&self, backend: &Backend) -> bool {
        let filter = &self.options.include;
        let passes = |names: &[String], holds: bool| names.is_empty() || holds;
        passes(&filter.roles, names(&filter.roles, backend.role.as_deref()))
            && passes(&filter.databases, names(&filter.databases, backend.database.as_deref()))
            && passes(
                &filter.applications,
                protected::matches_application(&self.include_applications, &backend.application),
            )
            && passes(&filter.networks, within(&self.include_networks, backend))
    }

    fn excluded(&self, backend: &Backend) -> bool {
        let filter = &self.options.exclude;
        names(&filter.roles, backend.role.as_deref())
            || names(&filter.databases, backend.database.as_deref())
            || protected::matches_application(&self.exclude_applications, &backend.application)
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
        idle.sort_by_key(|member| (member.idle_ms(snapshot.taken_at), member.pid));
        spared.extend(idle.iter().take(options.min_size as usize).map(|member| member.pid));
    }
    spared
}

/// Exclusions of sessions, by pid.
#[derive(Debug, Default)]
pub struct Spared<'a>(Map<i32, &'a [&'static Exclusion]>);

impl<'a> Spared<'a> {
    /// Collects the exclusions of the analysed sessions.
    pub fn of(judged: &'a [Judged<'_>]) -> Self {
        let excluded = judged.iter().filter(|judged| !judged.exclusions.is_empty());
        Self(excluded.map(|judged| (judged.backend.pid, &*judged.exclusions)).collect())
    }

    /// Returns the first exclusion other than the minimum pool and an unknown state.
    pub fn why(&self, backend: &Backend) -> Option<&'static str> {
        let reasons = self.0.get(&backend.pid)?;
        reasons.iter().map(|reason| reason.id).find(|id| *id != MINIMUM_POOL.id && *id != UNKNOWN_STATE.id)
    }

    /// Returns true if ending it would lose more than a connection: it leads, listens, or takes a backup. Neither a
    /// plan nor advice may do that.
    pub fn is_spared(&self, backend: &Backend) -> bool {
        self.0.get(&backend.pid).is_some_and(|reasons| reasons.iter().any(|reason| reason.never_ended))
    }
}
