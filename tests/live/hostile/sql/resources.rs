//! Attempts to use time, memory and locks, and to leave something in the session.

use archon_pool::kind::DEADLINE_EXCEEDED;
use archon_pool_contract::fault::kind;
use serde_json::json;

use super::{READ_ONLY, ROLLED_BACK, TIMEOUT, TYPES, any_sql, as_app, as_app_with_short_deadline, at_once, one_by_one};
use crate::hostile::{Attack, Ends, planned as attack, request};

pub(in crate::hostile) const ATTACKS: &[Attack] = &[
    attack(
        "`pg_sleep`",
        |_| at_once(&["SELECT 1 FROM pg_sleep(60)"]),
        as_app,
        TIMEOUT,
        Ends::Response("limit `statement_timeout`"),
    ),
    attack(
        "`SET statement_timeout = 0`, then `pg_sleep`",
        |_| one_by_one(&["SET statement_timeout = 0", "SELECT 1 FROM pg_sleep(60)"]),
        as_app,
        TIMEOUT,
        Ends::Response("limit `statement_timeout`"),
    ),
    attack(
        "`set_config('statement_timeout', '0')` in the statement that sleeps",
        |_| at_once(&["SELECT set_config('statement_timeout', '0', false) FROM pg_sleep(60)"]),
        as_app,
        TIMEOUT,
        Ends::Response("limit `statement_timeout`"),
    ),
    attack(
        "`pg_sleep` again and again",
        |_| request(json!({ "name": "query-for-ever", "batch": ["SELECT 1 FROM pg_sleep(60)"] })),
        as_app_with_short_deadline,
        "deadline",
        Ends::Fault(DEADLINE_EXCEEDED, "limit `deadline`"),
    ),
    attack(
        "a join of everything with everything",
        |_| at_once(&["SELECT count(*) FROM pg_attribute a, pg_attribute b, pg_attribute c"]),
        as_app,
        TIMEOUT,
        Ends::Response("limit `statement_timeout`"),
    ),
    attack(
        "a hundred million rows",
        |_| at_once(&["SELECT generate_series(1, 100000000)"]),
        as_app,
        "limit `rows`; the rest is cancelled with the session",
        Ends::Response("ok 1000 rows, truncated"),
    ),
    attack(
        "a hundred thousand rows without a column",
        |_| at_once(&["SELECT FROM generate_series(1, 100000)"]),
        as_app,
        "limit `rows`; the rest is cancelled with the session",
        Ends::Response("ok 1000 rows, truncated: None"),
    ),
    attack(
        "a thousand rows again and again",
        |_| request(json!({ "name": "query-for-ever", "batch": ["SELECT generate_series(1, 1000)"] })),
        as_app,
        "limit on the rows of the whole call",
        Ends::Response("limit `answer_rows`"),
    ),
    attack(
        "a row of 20 MB",
        |_| at_once(&["SELECT repeat('x', 20000000)"]),
        as_app,
        "limit `answer_bytes`",
        Ends::Response("ok 0 rows, truncated"),
    ),
    attack(
        "a column whose type the host does not know",
        |_| at_once(&["SELECT 'hostile'::public.mood"]),
        as_app,
        TYPES,
        Ends::Response(kind::UNSUPPORTED_TYPE),
    ),
    attack(
        "an array of such a type",
        |_| at_once(&["SELECT '{hostile}'::public.mood[]"]),
        as_app,
        TYPES,
        Ends::Response(kind::UNSUPPORTED_TYPE),
    ),
    attack(
        "a column whose type lies at the end of a chain of 5,000 domains of arrays, to exhaust the stack of who looks it up",
        |_| at_once(&["SELECT NULL::public.chain_5000[]"]),
        as_app,
        TYPES,
        Ends::Response(kind::UNSUPPORTED_TYPE),
    ),
    attack(
        "a column of 5,000 composite types in one another",
        |_| at_once(&["SELECT NULL::public.nest_5000"]),
        as_app,
        TYPES,
        Ends::Response(kind::UNSUPPORTED_TYPE),
    ),
    attack(
        "`pg_advisory_lock`, kept for ever",
        |_| at_once(&["SELECT pg_advisory_lock(7)::text"]),
        as_app,
        "the lock ends with the session, which ends with the call",
        Ends::NoEffect,
    ),
    attack(
        "`LOCK TABLE`, kept for ever",
        |_| {
            one_by_one(&[
                "LOCK TABLE public.stock IN ACCESS EXCLUSIVE MODE",
                "SELECT count(*) FROM pg_locks WHERE relation = 'public.stock'::regclass",
            ])
        },
        as_app,
        ROLLED_BACK,
        Ends::Response("Int64(0)"),
    ),
    attack(
        "`SELECT … FOR UPDATE`",
        |_| at_once(&["SELECT n FROM public.stock FOR UPDATE"]),
        as_app,
        READ_ONLY,
        Ends::Response("SQLSTATE 25006"),
    ),
    attack(
        "`LISTEN`",
        |_| one_by_one(&["LISTEN loot", "SELECT count(*) FROM pg_listening_channels()"]),
        as_app,
        ROLLED_BACK,
        Ends::Response("Int64(0)"),
    ),
    attack("`NOTIFY`", |_| at_once(&["NOTIFY loot, 'hostile'"]), as_app, ROLLED_BACK, Ends::NoEffect),
    attack(
        "`DECLARE CURSOR WITH HOLD`, then `FETCH`",
        |_| one_by_one(&["DECLARE loot CURSOR WITH HOLD FOR SELECT n FROM public.stock", "FETCH loot"]),
        as_app,
        ROLLED_BACK,
        Ends::Response("SQLSTATE 34000"),
    ),
    attack(
        "`PREPARE` that outlives the call",
        |_| at_once(&["PREPARE loot AS SELECT 1"]),
        as_app,
        "it ends with the session, which ends with the call",
        Ends::NoEffect,
    ),
    attack(
        "`PREPARE TRANSACTION`, which would outlive the session and hold back vacuum",
        |_| at_once(&["PREPARE TRANSACTION 'loot'"]),
        as_app,
        "the host's transaction has a notification in it, and such a one cannot be prepared",
        Ends::Response("SQLSTATE 0A000"),
    ),
    attack(
        "`SET application_name`, to hide from the host's own count",
        |_| one_by_one(&["SET application_name = 'psql'", "SELECT current_setting('application_name')"]),
        any_sql,
        ROLLED_BACK,
        Ends::Response("Text(\"archon-pool\")"),
    ),
    attack(
        "`SET search_path`, to put a function of its own before the host's",
        |_| one_by_one(&["SET search_path = public", "SELECT current_setting('search_path')"]),
        any_sql,
        ROLLED_BACK,
        Ends::Response("Text(\"pg_catalog\")"),
    ),
    attack(
        "`SET client_encoding`, to smuggle letters",
        |_| one_by_one(&["SET client_encoding = 'LATIN1'", "SELECT current_setting('client_encoding')"]),
        as_app,
        ROLLED_BACK,
        Ends::Response("Text(\"UTF8\")"),
    ),
    attack(
        "`DISCARD ALL`",
        |_| at_once(&["DISCARD ALL"]),
        as_app,
        "it does not run inside of a transaction",
        Ends::Response("SQLSTATE 25001"),
    ),
];
