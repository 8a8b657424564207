//! Counters of the database and of its statements.

use super::entry::Entry;

/// The connected database's cumulative counters; the session counters came with PostgreSQL 14. The row is built once:
/// each mention of a column of the view, or of its row, would call the statistics functions again.
pub const COUNTERS: Entry = Entry {
    id: "counters",
    purpose: "transactions, sessions and busy time of the connected database",
    sql: "\
SELECT /* archon-pool */ pg_catalog.clock_timestamp() AS at,
       (d.j ->> 'stats_reset')::timestamptz AS stats_reset,
       (d.j ->> 'xact_commit')::bigint + (d.j ->> 'xact_rollback')::bigint AS transactions,
       (d.j ->> 'sessions')::bigint AS sessions,
       (d.j ->> 'sessions_abandoned')::bigint AS abandoned,
       (d.j ->> 'active_time')::float8 AS active_ms,
       (d.j ->> 'idle_in_transaction_time')::float8 AS idle_in_transaction_ms,
       (d.j ->> 'numbackends')::bigint AS backends
FROM (SELECT pg_catalog.to_jsonb(s) AS j FROM pg_catalog.pg_stat_database s
      WHERE s.datname = pg_catalog.current_database() OFFSET 0) d",
};

/// Statement statistics of the connected database without texts, wherever the extension lives, and the number of entries
/// of all databases, by which the cost of this statement grows. The connected role's are apart, because this program's
/// own statements are among them. No text is looked at, so that the server reads no file of texts and nothing is
/// converted.
///
/// A constant text cannot name a schema that is only known on the server, and asking first would
/// cost a round trip: `query_to_xml` runs the inner text only if the extension's row exists. Hex keeps
/// the document free of XML escapes.
pub const STATEMENT_COUNTS: Entry = Entry {
    id: "statement-counts",
    purpose: "executions and execution time, by pg_stat_statements: once a minute where it has many entries",
    sql: "\
SELECT /* archon-pool */ pg_catalog.convert_from(pg_catalog.decode(pg_catalog.\"substring\"(x.document, '>([0-9a-f]+)<'), 'hex'), pg_catalog.getdatabaseencoding()) AS document
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
CROSS JOIN LATERAL (SELECT pg_catalog.query_to_xml(pg_catalog.format($inner$
  SELECT /* archon-pool */ pg_catalog.encode(pg_catalog.convert_to(pg_catalog.json_build_object(
    'entries', pg_catalog.count(*),
    'calls', coalesce(pg_catalog.sum(s.calls) FILTER (WHERE s.dbid = d.oid AND s.userid <> r.oid), 0),
    'execMs', coalesce(pg_catalog.sum(s.total_exec_time) FILTER (WHERE s.dbid = d.oid AND s.userid <> r.oid), 0),
    'ownCalls', coalesce(pg_catalog.sum(s.calls) FILTER (WHERE s.dbid = d.oid AND s.userid = r.oid), 0),
    'ownExecMs', coalesce(pg_catalog.sum(s.total_exec_time) FILTER (WHERE s.dbid = d.oid AND s.userid = r.oid), 0))::text, pg_catalog.getdatabaseencoding()), 'hex') AS document
  FROM %I.pg_stat_statements(false) s, pg_catalog.pg_roles r, pg_catalog.pg_database d
  WHERE r.rolname = current_user AND d.datname = pg_catalog.current_database()
$inner$, n.nspname), false, true, '')::text AS document) x
WHERE e.extname = 'pg_stat_statements'",
};

/// The heaviest statements with their texts, this program's left out. The server reads the file of all texts for it, of
/// megabytes, and converts those of all databases: one of another encoding can make it fail.
pub const STATEMENTS: Entry = Entry {
    id: "statements",
    purpose: "the heaviest statements, by pg_stat_statements: when statements are slow, once a minute",
    sql: "\
SELECT /* archon-pool */ pg_catalog.convert_from(pg_catalog.decode(pg_catalog.\"substring\"(x.document, '>([0-9a-f]+)<'), 'hex'), pg_catalog.getdatabaseencoding()) AS document
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
CROSS JOIN LATERAL (SELECT pg_catalog.query_to_xml(pg_catalog.format($inner$
  SELECT /* archon-pool */ pg_catalog.encode(pg_catalog.convert_to(pg_catalog.json_build_object(
    'slow', coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
              'query', pg_catalog.\"left\"(t.query, 1024), 'calls', t.calls,
              'meanMs', t.mean_exec_time, 'totalMs', t.total_exec_time)), '[]'))::text, pg_catalog.getdatabaseencoding()), 'hex') AS document
  FROM (SELECT s.query, s.calls, s.mean_exec_time, s.total_exec_time FROM %I.pg_stat_statements s
        WHERE pg_catalog.strpos(pg_catalog.\"left\"(s.query, 40), '/* archon-pool */') = 0
          AND s.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
        ORDER BY s.total_exec_time DESC LIMIT 5) t
$inner$, n.nspname), false, true, '')::text AS document) x
WHERE e.extname = 'pg_stat_statements'",
};

/// The pause of the in-call sample; `$1` is seconds.
pub const PAUSE: Entry = Entry {
    id: "pause",
    purpose: "waits for the in-call sample",
    sql: "SELECT /* archon-pool */ true AS passed FROM pg_catalog.pg_sleep($1)",
};
