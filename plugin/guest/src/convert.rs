//! Conversion of records between the contract and WIT, field by field.

use archon_pool_contract::params::{Filter, RawOptions};
use archon_pool_contract::report::*;
use archon_pool_contract::snapshot::*;

use super::bindings::exports::archon::connection_pool::analysis as wit;

/// Conversion to and from the WIT type of the same name.
pub(super) trait Convert {
    /// The WIT type.
    type Wit;

    /// Converts from WIT.
    fn from_wit(wit: Self::Wit) -> Self;

    /// Converts to WIT.
    fn into_wit(self) -> Self::Wit;
}

macro_rules! same {
    ($($type:ty)*) => {$(
        impl Convert for $type {
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

impl<T: Convert> Convert for Option<T> {
    type Wit = Option<T::Wit>;

    fn from_wit(wit: Self::Wit) -> Self {
        wit.map(T::from_wit)
    }

    fn into_wit(self) -> Self::Wit {
        self.map(T::into_wit)
    }
}

impl<T: Convert> Convert for Vec<T> {
    type Wit = Vec<T::Wit>;

    fn from_wit(wit: Self::Wit) -> Self {
        wit.into_iter().map(T::from_wit).collect()
    }

    fn into_wit(self) -> Self::Wit {
        self.into_iter().map(T::into_wit).collect()
    }
}

macro_rules! convert {
    ($name:ident { $($field:ident),* $(,)? }) => {
        convert!($name => $name { $($field),* });
    };
    ($name:ident => $wit:ident { $($field:ident),* $(; $own:ident)* $(,)? }) => {
        impl Convert for $name {
            type Wit = wit::$wit;

            fn from_wit(wit: Self::Wit) -> Self {
                Self { $($field: Convert::from_wit(wit.$field),)* $($own: Default::default()),* }
            }

            fn into_wit(self) -> Self::Wit {
                Self::Wit { $($field: self.$field.into_wit()),* }
            }
        }
    };
}

convert!(RawOptions => Options {
    idle_timeout_ms, max_connection_age, leak_detection_threshold, health_check_interval,
    allow_auto_scaling, max_kill_percentage, min_size, max_size, growth_rate, shrink_rate,
    idle_in_transaction_timeout_ms, dry_run, include, exclude, sample_ms; explain; only
});
convert!(Filter { roles, databases, applications, networks });
convert!(Snapshot {
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
    access_path,
    notes,
});
convert!(Pooler { kind, version, asked_at, pools, clients, servers, databases, roles, counters, settings });
convert!(Pool {
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
convert!(PoolerClient { ptr, link, id, database, role, application, address, port, state, wait_us });
convert!(PoolerServer { ptr, link, database, role, remote_pid, state, closing });
convert!(PooledDatabase { name, database, pool_size, own_size, reserve_size, max_connections, current_connections });
convert!(PooledRole { name, pool_size, max_connections });
convert!(PoolerCounters { database, transactions, queries, transaction_us, query_us, wait_us });
convert!(Through { pooler, mode, client, server_application, server_address });
convert!(ThroughClient { port, id });
convert!(Server {
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
convert!(Backend => Backend {
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
    family; client_start
});
convert!(Role { name, connection_limit, superuser, granted, alterable });
convert!(RoleSetting { role, database, name, value });
convert!(PreparedTransaction { transaction, gid, prepared_at, owner, database });
convert!(Setting { name, value, unit });
convert!(Reading { at, stats_reset, transactions, sessions, abandoned, active_ms, backends, statements });
convert!(StatementCounts { entries, calls, exec_ms, own_calls, own_exec_ms });
convert!(Sample { reading, sessions });
convert!(SessionKey { pid, backend_start });
convert!(StatementLoad { query, calls, mean_ms, total_ms });
convert!(Probe { connect_ms, round_trip_ms, error, sqlstate });
convert!(Gap { what, reason, sqlstate });
convert!(Report {
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
convert!(PoolStats { connections, throughput, timing, pooler });
convert!(PoolerStats {
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
convert!(PoolStatus { database, role, mode, size, active, idle, waiting, max_wait });
convert!(Connections {
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
convert!(Tally { name, count });
convert!(Capacity { max, reserved, usable, used });
convert!(Throughput {
    requests_per_second,
    connections_created_per_second,
    connections_closed_per_second,
    abandoned_per_second,
    window_ms,
});
convert!(Timing { avg_connection_time, avg_query_time, max_wait_time });
convert!(Scaling {
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
convert!(Demand { active, waiting, idle_in_transaction, queued, mean_concurrency, peak, samples });
convert!(Headroom { usable, others, available });
convert!(LeakDetection => LeakDetection {
    detected, suspected_connections, excluded_connections, total_suspected, confidence, recommendation, groups,
    coverage; explained
});
convert!(ConnectionMetric {
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
convert!(Evidence { id, weight, value, explanation });
convert!(Group => Group {
    role, application, client, sessions, idle, suspected, median_idle, usual_idle, growth; database
});
convert!(Coverage { seen, hidden, percent, complete, reason });
convert!(HealthSummary { total_checked, healthy, unhealthy, avg_latency, failure_rate, probes, checks });
convert!(Check { id, pid, application, verdict, reason });
convert!(Action => Action { kind, executed, connections_affected, reason, timestamp, dry_run, targets; spared });
convert!(Target { id, pid, role, application, client, state, idle_time, reason, outcome, detail });
convert!(Finding { id, severity, text, evidence, fix });
convert!(Fix { summary, sql, by });
