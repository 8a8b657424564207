//! Kinds of parts of a case. Labels follow from the simulated code, never from observed symptoms.

pub mod checkouts;
pub mod connections;
pub mod interactive;
pub mod jobs;
pub mod machines;
pub mod platform;
pub mod pooled;
pub mod pools;
pub mod transactions;

use crate::case_builder::CaseBuilder;

/// Kind of part.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Name of the kind.
    pub name: &'static str,
    /// True if sessions are lost in it.
    pub leaks: bool,
    /// True if the weights are never trained on it.
    pub held_out: bool,
    /// True if it shows over days, not hours.
    pub slow: bool,
    /// True if it adds a pooler, of which a case has at most one.
    pub pooler: bool,
    /// Rule by which sessions are labelled as lost, or the reason why none are.
    pub label: &'static str,
    /// Adds the part to a case.
    pub set_up: fn(&mut CaseBuilder),
}

impl Kind {
    const fn leak(name: &'static str, label: &'static str, set_up: fn(&mut CaseBuilder)) -> Self {
        Self { name, leaks: true, held_out: false, slow: false, pooler: false, label, set_up }
    }

    const fn innocent(name: &'static str, label: &'static str, set_up: fn(&mut CaseBuilder)) -> Self {
        Self { name, leaks: false, held_out: false, slow: false, pooler: false, label, set_up }
    }

    const fn held_out(self) -> Self {
        Self { held_out: true, ..self }
    }

    const fn slow(self) -> Self {
        Self { slow: true, ..self }
    }

    const fn pooler(self) -> Self {
        Self { pooler: true, ..self }
    }
}

/// All kinds.
pub const ALL: &[Kind] = &[
    Kind::leak("pool-per-request", "each request makes a pool and drops it open", connections::pool_per_request),
    Kind::leak("request-without-close", "some requests return before they close", connections::without_close),
    Kind::leak("connect-only", "something connects, does nothing and loses it", connections::connect_only),
    Kind::leak("serverless-freeze", "a thrown away instance leaves its session", connections::serverless),
    Kind::leak("forgotten-by-cron", "each run of a job leaves its session", connections::cron).held_out(),
    Kind::leak("pool-per-thread", "threads end and leave their pools", connections::pool_per_thread),
    Kind::leak(
        "reconnect-storm",
        "the application makes itself a new pool and forgets the old one",
        connections::reconnect_storm,
    )
    .held_out(),
    Kind::leak("forgotten-checkout", "any path may not give a session back", checkouts::forgotten),
    Kind::leak("exception-path", "a path that fails does not give it back", checkouts::exception),
    Kind::leak("one-code-path", "one rare path of a healthy pool does not", checkouts::one_path),
    Kind::leak("rare-admin-tool", "one in some hours", checkouts::admin_tool).held_out().slow(),
    Kind::leak("same-name", "a leaking job shares name and address with a healthy pool", checkouts::same_name),
    Kind::leak("slow-growth", "a few in a day", checkouts::slow_growth).slow(),
    Kind::leak("missing-await", "the release runs before the last statement, or never", checkouts::missing_await),
    Kind::leak(
        "transaction-after-call",
        "a transaction is left open after a call to elsewhere",
        transactions::after_call,
    ),
    Kind::leak("aborted-and-silent", "a statement fails, nobody rolls back", transactions::aborted),
    Kind::leak("blocked-chain", "the head of a queue for a row was forgotten", transactions::chain),
    Kind::leak("long-snapshot", "a report's transaction was forgotten", transactions::snapshot).held_out(),
    Kind::leak("crashed-peer", "a machine died with its pool", machines::crashed),
    Kind::leak("killed-replicas", "replicas are scaled down by force", machines::killed),
    Kind::leak("partitioned", "a network fails, and machines are cut off", machines::partitioned),
    Kind::leak("paused-jobs", "jobs that take too long are paused with their pools", connections::paused_jobs)
        .held_out(),
    Kind::leak("transaction-pooler", "a client of the pooler leaves its transaction open", pooled::transaction_leak)
        .pooler(),
    Kind::leak("session-pooler", "clients of the pooler never leave", pooled::session_leak).pooler(),
    Kind::leak("unseen-pooler", "the same as transaction-pooler, without the console", pooled::unseen_leak).held_out(),
    Kind::innocent("warm-pool", "last in, first out, larger than it needs to be", pools::warm),
    Kind::innocent("minimum-idle", "kept ready, replaced after half an hour", pools::minimum_idle),
    Kind::innocent("fifo-pool", "lent in turn", pools::fifo),
    Kind::innocent("fixed-order", "searched from the first session on, with bursts", pools::fixed_order),
    Kind::innocent("lifetime-rotation", "replaced one by one", pools::rotation),
    Kind::innocent("idle-timeout", "opened on demand, closed when idle", pools::idle_timeout),
    Kind::innocent("keepalive", "kept alive by statements", pools::keepalive).held_out(),
    Kind::innocent("receding-burst", "opened for a burst that is over", pools::burst),
    Kind::innocent("quiet-hours", "everything is idle for hours", pools::quiet),
    Kind::innocent("worker-processes", "many small pools with one name, replaced now and then", pools::workers),
    Kind::innocent("short-lived", "each request connects and closes", pools::short_lived),
    Kind::innocent("busy", "all sessions at work", pools::busy),
    Kind::innocent("blue-green", "the old version's pool drains, then closes", machines::blue_green),
    Kind::innocent("replicas", "autoscaled, from many addresses", machines::replicas),
    Kind::innocent("failover", "one of two works, the other waits for its turn", machines::failover),
    Kind::innocent("hourly-work", "machines with work at certain times", pools::hourly),
    Kind::innocent("cold-standby", "started and never asked", machines::standby).held_out(),
    Kind::innocent("listeners", "sessions that LISTEN", jobs::listeners),
    Kind::innocent("leaders", "sessions that hold an advisory lock", jobs::leaders),
    Kind::innocent("temporary-tables", "sessions that own temporary tables", jobs::temporary),
    Kind::innocent("rare-pollers", "workers that look for work now and then", jobs::pollers),
    Kind::innocent("nightly-batch", "long statements, short rests", jobs::batch),
    Kind::innocent("analytics", "statements of many minutes", jobs::analytics),
    Kind::innocent("migration", "changes tables under an advisory lock", jobs::migration),
    Kind::innocent("slow-reader", "takes its time to read an answer", jobs::slow_reader).held_out(),
    Kind::innocent(
        "thinking-transactions",
        "transactions that wait for less than the threshold",
        transactions::thinking,
    ),
    Kind::innocent("prepared-transactions", "sessions that wait for a prepared transaction", transactions::prepared)
        .held_out(),
    Kind::innocent("contention", "a queue for a row that moves on", transactions::contention),
    Kind::innocent("psql", "people at psql", interactive::psql),
    Kind::innocent("graphical-tools", "people at DBeaver, DataGrip, pgAdmin", interactive::graphical),
    Kind::innocent("desks", "a program on many desks", interactive::desktop_application),
    Kind::innocent("replication", "walsenders", platform::replication),
    Kind::innocent("backups", "pg_dump and others", platform::backups),
    Kind::innocent("supabase", "the platform's services", platform::supabase),
    Kind::innocent("pooler", "connections that a PgBouncer keeps", pooled::innocent).pooler(),
    Kind::innocent("session-mode", "clients that stay at a pooler", pooled::session_innocent).pooler(),
    Kind::innocent("pooler-without-console", "the same as pooler, unseen", pooled::unseen_innocent).held_out(),
];

/// Returns a kind by name.
pub fn named(name: &str) -> Option<&'static Kind> {
    ALL.iter().find(|kind| kind.name == name)
}
