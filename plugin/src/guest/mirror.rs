//! Records that stand on both sides, field by field.

use archon_pool_contract::params::{Filter, RawOptions};
use archon_pool_contract::report::*;
use archon_pool_contract::snapshot::*;

use super::bindings::exports::archon::connection_pool::analysis as wit;

/// A value that the WIT interface also has.
pub(super) trait Mirror {
    /// Its type there.
    type Wit;

    /// From the other side.
    fn from_wit(wit: Self::Wit) -> Self;

    /// To the other side.
    fn into_wit(self) -> Self::Wit;
}

macro_rules! same {
    ($($type:ty)*) => {$(
        impl Mirror for $type {
            type Wit = $type;

            fn from_wit(wit: $type) -> $type {
                wit
            }

            fn into_wit(self) -> $type {
                self
            }
        }
    )*};
}

same!(bool i32 i64 u32 u64 f64 String);

impl<T: Mirror> Mirror for Option<T> {
    type Wit = Option<T::Wit>;

    fn from_wit(wit: Self::Wit) -> Self {
        wit.map(T::from_wit)
    }

    fn into_wit(self) -> Self::Wit {
        self.map(T::into_wit)
    }
}

impl<T: Mirror> Mirror for Vec<T> {
    type Wit = Vec<T::Wit>;

    fn from_wit(wit: Self::Wit) -> Self {
        wit.into_iter().map(T::from_wit).collect()
    }

    fn into_wit(self) -> Self::Wit {
        self.into_iter().map(T::into_wit).collect()
    }
}

macro_rules! mirror {
    ($name:ident { $($field:ident),* $(,)? }) => {
        mirror!($name => $name { $($field),* });
    };
    ($name:ident => $wit:ident { $($field:ident),* $(; $own:ident)* $(,)? }) => {
        impl Mirror for $name {
            type Wit = wit::$wit;

            fn from_wit(wit: Self::Wit) -> Self {
                Self { $($field: Mirror::from_wit(wit.$field),)* $($own: Default::default()),* }
            }

            fn into_wit(self) -> Self::Wit {
                Self::Wit { $($field: self.$field.into_wit()),* }
            }
        }
    };
}

mirror!(RawOptions => Options {
    idle_timeout_ms, max_connection_age, leak_detection_threshold, health_check_interval,
    allow_auto_scaling, max_kill_percentage, min_size, max_size, growth_rate, shrink_rate,
    idle_in_transaction_timeout_ms, dry_run, include, exclude, sample_ms,
});
mirror!(Filter { roles, databases, applications, networks });
mirror!(Snapshot {
    taken_at,
    started_at,
    server,
    backends,
    roles,
    settings,
    role_settings,
    prepared_transactions,
    reading,
    sample,
    slow_statements,
    probes,
    pooler,
    gaps,
    way,
    notes,
});
mirror!(Pooler { kind, version, asked_at, pools, clients, servers, databases, roles, counters, settings });
mirror!(Pool {
    database,
    role,
    mode,
    clients_active,
    clients_waiting,
    servers_active,
    servers_idle,
    servers_used,
    servers_opening,
    max_wait_us,
});
mirror!(PoolerClient { ptr, link, id, database, role, application, address, port, state, wait_us });
mirror!(PoolerServer { ptr, link, database, role, remote_pid, state, closing });
mirror!(PooledDatabase { name, database, pool_size, own_size, reserve_size, max_connections, current_connections });
mirror!(PooledRole { name, pool_size, max_connections });
mirror!(PoolerCounters { database, transactions, queries, transaction_us, query_us, wait_us });
mirror!(Through { pooler, mode, client, server_application, server_address });
mirror!(ThroughClient { port, id });
mirror!(Server {
    version_num,
    identity,
    database,
    role,
    in_recovery,
    max_connections,
    superuser_reserved,
    reserved,
    database_limit,
    superuser,

    signals_backends,
    owns_database,
    supabase,
});
mirror!(Backend => Backend {
    pid,
    backend_start,
    backend_type,
    database,
    role,
    application,
    client_address,

    state,
    state_change,

    query_start,
    wait_event_type,
    wait_event,
    xmin_age,
    has_xid,
    query,
    hidden,
    own,
    advisory_locks,
    relation_locks,
    temp_objects,
    waits_for,
    waiting_since,
    blocked_by,
    blocked_by_prepared,
    copied_bytes,
    through;
    family
});
mirror!(Role { name, connection_limit, superuser, granted, alterable });
mirror!(RoleSetting { role, database, name, value });
mirror!(PreparedTransaction { transaction, gid, prepared_at, owner, database });
mirror!(Setting { name, value, unit });
mirror!(Reading { at, stats_reset, transactions, sessions, abandoned, active_ms, backends, calls, exec_ms });
mirror!(Sample { reading, sessions });
mirror!(SessionKey { pid, backend_start });
mirror!(StatementLoad { query, calls, mean_ms, total_ms });
mirror!(Probe { connect_ms, round_trip_ms, error, sqlstate });
mirror!(Gap { what, reason, sqlstate });
mirror!(Report {
    action,
    pool_stats,
    scaling,
    leak_detection,
    health_summary,
    actions,
    recommendations,
    findings,
    coverage,
    notes,
    timestamp,
    analysis_duration,
    carry,
});
mirror!(PoolStats { connections, throughput, timing, pooler });
mirror!(PoolerStats {
    kind,
    version,
    clients,
    waiting,
    max_wait,
    servers,
    transactions_per_second,
    avg_wait_time,
    pools,
});
mirror!(PoolStatus { database, role, mode, size, active, idle, waiting, max_wait });
mirror!(Connections {
    total,
    active,
    idle,
    waiting,
    broken,
    idle_in_transaction,
    aborted,
    unfinished,
    starting,
    unknown,
    by_application,
    by_role,
    by_database,
    capacity,
});
mirror!(Tally { name, count });
mirror!(Capacity { max, reserved, usable, used });
mirror!(Throughput {
    requests_per_second,
    connections_created_per_second,
    connections_closed_per_second,
    abandoned_per_second,
    window_ms,
});
mirror!(Timing { avg_connection_time, avg_query_time, max_wait_time });
mirror!(Scaling {
    min_size,
    max_size,
    current_size,
    target_size,
    growth_rate,
    shrink_rate,
    controller,
    reason,
    demand,
    headroom,
});
mirror!(Demand { active, waiting, idle_in_transaction, queued, mean_concurrency, peak, samples });
mirror!(Headroom { usable, others, available });
mirror!(LeakDetection {
    detected,
    suspected_connections,
    excluded_connections,
    total_suspected,
    confidence,
    recommendation,
    groups,
    coverage,
});
mirror!(ConnectionMetric {
    id,
    pid,
    state,
    created_at,
    last_used,
    duration,
    idle_time,
    role,
    database,
    application,
    client,
    through,
    wait_event,
    last_query,
    confidence,
    evidence,
    exclusions,
});
mirror!(Evidence { id, weight, value, explanation });
mirror!(Group => Group {
    role, application, client, sessions, idle, suspected, median_idle, usual_idle, growth; database
});
mirror!(Coverage { seen, hidden, percent, complete, reason });
mirror!(HealthSummary { total_checked, healthy, unhealthy, avg_latency, failure_rate, probes, checks });
mirror!(Check { id, pid, application, verdict, reason });
mirror!(Action { kind, executed, connections_affected, reason, timestamp, dry_run, targets });
mirror!(Target { id, pid, role, application, client, state, idle_time, reason, outcome, detail });
mirror!(Finding { id, severity, text, evidence, fix });
mirror!(Fix { summary, sql, by });
