//! Counters of the database and of its statements.

use super::entry::Entry;

/// The connected database's cumulative counters; the session counters came with PostgreSQL 14.
pub const COUNTERS: Entry = Entry {
    id: "counters",
    purpose: "transactions, sessions and busy time of the connected database",
    sql: "\
/* archon-pool */ SELECT pg_catalog.clock_timestamp() AS at,
       d.stats_reset,
       (d.xact_commit + d.xact_rollback)::bigint AS transactions,
       (pg_catalog.to_jsonb(d) ->> 'sessions')::bigint AS sessions,
       (pg_catalog.to_jsonb(d) ->> 'sessions_abandoned')::bigint AS abandoned,
       (pg_catalog.to_jsonb(d) ->> 'active_time')::float8 AS active_ms,
       (pg_catalog.to_jsonb(d) ->> 'idle_in_transaction_time')::float8 AS idle_in_transaction_ms,
       d.numbackends::bigint AS backends
FROM pg_catalog.pg_stat_database d
WHERE d.datname = pg_catalog.current_database()",
};

/// Statement statistics, wherever the extension lives.
///
/// A constant text cannot name a schema that is only known on the server, and asking first would
/// cost a round trip: `query_to_xml` runs the inner text only if the extension's row exists. Hex keeps
/// the document free of XML escapes. The view converts the texts of all databases: one of another encoding can
/// make it fail, and then [`STATEMENT_COUNTS`] is asked.
pub const STATEMENTS: Entry = Entry {
    id: "statements",
    purpose: "executions, execution time and the heaviest statements, by pg_stat_statements",
    sql: "\
/* archon-pool */ SELECT pg_catalog.convert_from(pg_catalog.decode(pg_catalog.\"substring\"(x.document, '>([0-9a-f]+)<'), 'hex'), pg_catalog.getdatabaseencoding()) AS document
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
CROSS JOIN LATERAL (SELECT pg_catalog.query_to_xml(pg_catalog.format($inner$
  WITH s AS (SELECT query, calls, mean_exec_time, total_exec_time FROM %I.pg_stat_statements
             WHERE NOT pg_catalog.starts_with(query, '/* archon-pool */')
               AND dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
  SELECT pg_catalog.encode(pg_catalog.convert_to(pg_catalog.json_build_object(
    'calls', (SELECT coalesce(pg_catalog.sum(calls), 0) FROM s),
    'execMs', (SELECT coalesce(pg_catalog.sum(total_exec_time), 0) FROM s),
    'slow', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
               'query', pg_catalog.\"left\"(t.query, 1024), 'calls', t.calls,
               'meanMs', t.mean_exec_time, 'totalMs', t.total_exec_time)), '[]')
             FROM (SELECT * FROM s ORDER BY total_exec_time DESC LIMIT 5) t))::text, pg_catalog.getdatabaseencoding()), 'hex') AS document
$inner$, n.nspname), false, true, '')::text AS document) x
WHERE e.extname = 'pg_stat_statements'",
};

/// The same figures without texts, and so with this program's own statements among them.
pub const STATEMENT_COUNTS: Entry = Entry {
    id: "statement-counts",
    purpose: "executions and execution time by pg_stat_statements, where its texts cannot be read",
    sql: "\
/* archon-pool */ SELECT pg_catalog.convert_from(pg_catalog.decode(pg_catalog.\"substring\"(x.document, '>([0-9a-f]+)<'), 'hex'), pg_catalog.getdatabaseencoding()) AS document
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
CROSS JOIN LATERAL (SELECT pg_catalog.query_to_xml(pg_catalog.format($inner$
  SELECT pg_catalog.encode(pg_catalog.convert_to(pg_catalog.json_build_object(
    'calls', coalesce(pg_catalog.sum(s.calls), 0),
    'execMs', coalesce(pg_catalog.sum(s.total_exec_time), 0),
    'slow', pg_catalog.json_build_array())::text, pg_catalog.getdatabaseencoding()), 'hex') AS document
  FROM %I.pg_stat_statements(false) s
  WHERE s.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
$inner$, n.nspname), false, true, '')::text AS document) x
WHERE e.extname = 'pg_stat_statements'",
};

/// The pause of the in-call sample; `$1` is seconds.
pub const PAUSE: Entry = Entry {
    id: "pause",
    purpose: "waits for the in-call sample",
    sql: "/* archon-pool */ SELECT true AS passed FROM pg_catalog.pg_sleep($1)",
};
