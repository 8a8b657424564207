//! Every SQL statement that this plugin can send. Each is one constant text for PostgreSQL 13–18,
//! schema-qualified, with every column cast to one of the seven value types, so that a host can pin
//! the texts by their digests. Columns that a server may lack are read through `to_jsonb`. Each text
//! begins with a comment, so that an administrator sees whose it is and our own load can be left out.
//!
//! Texts of other databases are bytes of other encodings, cut anywhere. No function that reads characters is called
//! on one: `left` or `LIKE` would raise 22021 for a single row, and the whole answer would be lost.

use sha2::{Digest, Sha256};

/// A statement of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its name in notes and in `describe`.
    pub id: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// The text.
    pub sql: &'static str,
}

impl Entry {
    /// SHA-256 of the text, hexadecimal.
    pub fn sha256(&self) -> String {
        Sha256::digest(self.sql.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The server, the database, the connected role.
pub const SERVER: Entry = Entry {
    id: "server",
    purpose: "version, capacity, and what the connected role may do",
    sql: "\
/* archon-pool */ SELECT pg_catalog.clock_timestamp() AS at,
       pg_catalog.current_setting('server_version_num')::bigint AS version_num,
       pg_catalog.to_char(pg_catalog.pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS')
         || '/' || d.oid::text AS identity,
       d.datname::text AS database,
       r.rolname::text AS role,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       pg_catalog.current_setting('max_connections')::bigint AS max_connections,
       pg_catalog.current_setting('superuser_reserved_connections')::bigint AS superuser_reserved,
       coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::bigint AS reserved,
       nullif(d.datconnlimit, -1)::bigint AS database_limit,
       r.rolsuper AS superuser,
       pg_catalog.pg_has_role('pg_signal_backend', 'USAGE') AS signals_backends,
       pg_catalog.pg_has_role(d.datdba, 'USAGE') AS owns_database,
       EXISTS (SELECT FROM pg_catalog.pg_roles s WHERE s.rolname = 'supabase_admin') AS supabase
FROM pg_catalog.pg_database d, pg_catalog.pg_roles r
WHERE d.datname = pg_catalog.current_database() AND r.rolname = current_user",
};

/// Every session and process. A text of up to 2,048 bytes comes as it is, the beginning of a longer one as ASCII:
/// `quote_literal` works on bytes and doubles what the input of `bytea` and its output as `escape` would mind.
/// Rows of walsenders, apply workers and processes without a role are hidden too, and are no client sessions. How far
/// a `COPY` came is known from PostgreSQL 14 on. `application_name` tells our own sessions even behind a transaction
/// pooler, where the process id changes from statement to statement, and which may append our address to it.
pub const ACTIVITY: Entry = Entry {
    id: "activity",
    purpose: "sessions and their states",
    sql: "\
/* archon-pool */ SELECT a.pid::bigint AS pid,
       a.backend_start,
       a.backend_type::text AS backend_type,
       a.datname::text AS database,
       a.usename::text AS role,
       coalesce(a.application_name, '') AS application,
       pg_catalog.host(a.client_addr) AS client_address,
       a.state,
       a.state_change,
       a.query_start,
       a.wait_event_type,
       a.wait_event,
       pg_catalog.age(a.backend_xmin)::bigint AS xmin_age,
       a.backend_xid IS NOT NULL AS has_xid,
       coalesce(CASE WHEN pg_catalog.octet_length(a.query) <= 2048 THEN a.query
                ELSE pg_catalog.encode(pg_catalog.\"substring\"(pg_catalog.quote_literal(a.query)::bytea, 1, 2048), 'escape')
                END, '') AS query,
       coalesce(a.query = '<insufficient privilege>', false) AND a.backend_start IS NULL
         AND a.datid IS NOT NULL AND a.usesysid IS NOT NULL
         AND a.pid NOT IN (SELECT w.pid FROM pg_catalog.pg_stat_get_wal_senders() w WHERE w.pid IS NOT NULL)
         AND a.pid NOT IN (SELECT s.pid FROM pg_catalog.pg_stat_get_subscription(NULL) s WHERE s.pid IS NOT NULL) AS hidden,
       a.pid = pg_catalog.pg_backend_pid()
         OR (a.application_name <> ''
             AND pg_catalog.regexp_replace(a.application_name COLLATE pg_catalog.\"C\",
               '( - (([0-9]{1,3}[.]){3}[0-9]{1,3}|[[][0-9A-Fa-f:.%]+[]]|unix([(][^()]*[)])?):[0-9]{1,5})+$', '')
               = pg_catalog.regexp_replace(pg_catalog.current_setting('application_name') COLLATE pg_catalog.\"C\",
                 '( - (([0-9]{1,3}[.]){3}[0-9]{1,3}|[[][0-9A-Fa-f:.%]+[]]|unix([(][^()]*[)])?):[0-9]{1,5})+$', '')) AS own,
       coalesce(pg_catalog.octet_length(a.query) > 2048, false) AS query_escaped,
       c.param1::bigint AS copied_bytes
FROM pg_catalog.pg_stat_activity a
LEFT JOIN pg_catalog.pg_stat_get_progress_info(
  CASE WHEN pg_catalog.current_setting('server_version_num')::integer >= 140000 THEN 'COPY' ELSE 'VACUUM' END) c
  ON c.pid = a.pid AND pg_catalog.current_setting('server_version_num')::integer >= 140000",
};

/// The moment to which the sessions' ages refer, and the end of a call.
pub const CLOCK: Entry = Entry {
    id: "clock",
    purpose: "the server's time",
    sql: "/* archon-pool */ SELECT pg_catalog.clock_timestamp() AS at",
};

/// What sessions hold.
pub const HELD_LOCKS: Entry = Entry {
    id: "held-locks",
    purpose: "advisory and relation locks that sessions hold",
    sql: "\
/* archon-pool */ SELECT l.pid::bigint AS pid,
       pg_catalog.count(*) FILTER (WHERE l.locktype = 'advisory') AS advisory,
       pg_catalog.count(*) FILTER (WHERE l.locktype = 'relation') AS relations
FROM pg_catalog.pg_locks l
WHERE l.granted AND l.pid <> pg_catalog.pg_backend_pid() AND l.locktype IN ('advisory', 'relation')
GROUP BY l.pid",
};

/// Who waits for whom, and for what. `pg_blocking_pids` stops the lock manager for a moment: it is called for
/// waiting processes only. It names prepared transactions by 0, and nobody where a standby's replay waits: their
/// locks on the same object tell, and a prepared transaction's lock on its own id tells which one it is.
pub const WAITS: Entry = Entry {
    id: "waits",
    purpose: "processes that wait for a lock, for which one, and who blocks them",
    sql: "\
/* archon-pool */ SELECT l.pid::bigint AS pid,
       l.mode || ' on ' || CASE l.locktype
         WHEN 'transactionid' THEN 'transaction ' || l.transactionid::text
         WHEN 'virtualxid' THEN 'virtual transaction ' || l.virtualxid
         WHEN 'advisory' THEN 'advisory key ' || CASE l.objsubid
           WHEN 1 THEN ((l.classid::bigint << 32) | l.objid::bigint)::text
           ELSE '(' || l.classid::bigint::bit(32)::integer::text || ', ' || l.objid::bigint::bit(32)::integer::text || ')'
         END
         WHEN 'object' THEN 'object ' || l.objid::text || ' of ' || l.classid::pg_catalog.regclass::text
         ELSE coalesce(CASE l.locktype WHEN 'relation' THEN '' ELSE l.locktype || ' ' END
           || CASE l.locktype WHEN 'tuple' THEN '(' || l.page::text || ',' || l.tuple::text || ') of '
                WHEN 'page' THEN l.page::text || ' of ' WHEN 'extend' THEN 'of ' ELSE '' END
           || 'relation ' || coalesce(pg_catalog.quote_ident(n.nspname::text) || '.' || pg_catalog.quote_ident(c.relname::text),
                             l.relation::text), l.locktype)
       END || CASE WHEN d.datname <> pg_catalog.current_database()
         THEN ' of database ' || d.datname::text || ' (oid ' || d.oid::text || ')' ELSE '' END AS waits_for,
       (pg_catalog.to_jsonb(l) ->> 'waitstart')::timestamptz AS waiting_since,
       CASE WHEN b.pids <> '{}' OR l.mode <> 'AccessExclusiveLock' OR NOT pg_catalog.pg_is_in_recovery()
         THEN pg_catalog.array_to_string(b.pids, ',')
         ELSE (SELECT pg_catalog.array_to_string(pg_catalog.array_agg(DISTINCT g.pid), ',') FROM pg_catalog.pg_locks g
               WHERE g.granted AND g.pid <> l.pid AND g.locktype = l.locktype AND g.database = l.database
                 AND g.relation IS NOT DISTINCT FROM l.relation)
       END AS blocked_by,
       CASE WHEN 0 = ANY (b.pids)
         THEN (SELECT pg_catalog.array_to_string(pg_catalog.array_agg(DISTINCT x.transactionid::text), ',')
               FROM pg_catalog.pg_locks g JOIN pg_catalog.pg_locks x
                 ON x.pid IS NULL AND x.locktype = 'transactionid' AND x.virtualtransaction = g.virtualtransaction
               WHERE g.granted AND g.pid IS NULL AND g.locktype = l.locktype
                 AND (g.database, g.relation, g.page, g.tuple, g.virtualxid, g.transactionid, g.classid, g.objid, g.objsubid)
                   IS NOT DISTINCT FROM
                   (l.database, l.relation, l.page, l.tuple, l.virtualxid, l.transactionid, l.classid, l.objid, l.objsubid))
       END AS blocked_by_prepared
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_database d ON d.oid = l.database
LEFT JOIN pg_catalog.pg_class c
  ON c.oid = l.relation AND (l.database = 0 OR d.datname = pg_catalog.current_database())
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (SELECT pg_catalog.pg_blocking_pids(l.pid) AS pids) b
WHERE NOT l.granted",
};

/// Transactions that no session has: they hold their locks until somebody ends them by name.
pub const PREPARED: Entry = Entry {
    id: "prepared-transactions",
    purpose: "prepared transactions",
    sql: "\
/* archon-pool */ SELECT p.transaction::text::bigint AS transaction,
       p.gid,
       p.prepared AS prepared_at,
       p.owner::text AS owner,
       p.database::text AS database
FROM pg_catalog.pg_prepared_xacts p",
};

/// Owners of temporary objects: schema `pg_temp_N` belongs to the backend with id N, and a temporary replication slot
/// goes with its session.
///
/// Before PostgreSQL 16 the statistics functions count live backends instead, so that a backend's
/// number is at most its id: every session that could be the one is named. Objects belong to the role that was set when
/// they were made, or to the owner of a SECURITY DEFINER function. Rather one session too many left alone than one ended
/// that owns something.
pub const TEMP_OBJECTS: Entry = Entry {
    id: "temp-objects",
    purpose: "sessions that own temporary objects",
    sql: "\
/* archon-pool */ SELECT DISTINCT a.pid::bigint AS pid
FROM pg_catalog.pg_stat_get_backend_idset() AS i(n)
JOIN pg_catalog.pg_stat_activity a ON a.pid = pg_catalog.pg_stat_get_backend_pid(i.n)
JOIN (SELECT DISTINCT pg_catalog.\"substring\"(s.nspname::text, '^pg_temp_([0-9]+)$')::integer AS id, c.relowner
      FROM pg_catalog.pg_namespace s JOIN pg_catalog.pg_class c ON c.relnamespace = s.oid
      WHERE s.nspname ~ '^pg_temp_[0-9]+$') t
  ON CASE WHEN pg_catalog.current_setting('server_version_num')::integer >= 160000
       THEN i.n = t.id
       ELSE i.n <= t.id AND a.datname = pg_catalog.current_database()
         AND (pg_catalog.pg_has_role(a.usesysid, t.relowner, 'MEMBER')
              OR (EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.prosecdef AND p.proowner = t.relowner)
                  AND EXISTS (SELECT FROM pg_catalog.pg_proc p
                              WHERE p.prosrc ~* 'temp' AND p.pronamespace <> 'pg_catalog'::pg_catalog.regnamespace)))
     END
UNION
SELECT r.active_pid::bigint
FROM pg_catalog.pg_replication_slots r
WHERE r.temporary AND r.active_pid IS NOT NULL",
};

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

/// The roles that own sessions. From PostgreSQL 16 on, altering a role needs `ADMIN OPTION` on it.
pub const ROLES: Entry = Entry {
    id: "roles",
    purpose: "connection limits of the roles with sessions, and whether they may be altered",
    sql: "\
/* archon-pool */ SELECT r.rolname::text AS name,
       nullif(r.rolconnlimit, -1)::bigint AS connection_limit,
       r.rolsuper AS superuser,
       pg_catalog.pg_has_role(r.oid, 'USAGE') AS granted,
       me.rolsuper OR r.oid = me.oid OR (NOT r.rolsuper AND me.rolcreaterole AND (
         pg_catalog.current_setting('server_version_num')::integer < 160000
         OR EXISTS (SELECT FROM pg_catalog.pg_auth_members m
                    WHERE m.roleid = r.oid AND m.admin_option AND pg_catalog.pg_has_role(m.member, 'USAGE')))) AS alterable
FROM pg_catalog.pg_roles r, pg_catalog.pg_roles me
WHERE me.rolname = current_user
  AND EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.usesysid = r.oid)",
};

/// Settings that can explain a finding. A session of ours may have them from its role, its database or its start:
/// such values are not the server's, and are left out.
pub const SETTINGS: Entry = Entry {
    id: "settings",
    purpose: "the server's settings that can explain a finding",
    sql: "\
/* archon-pool */ SELECT s.name, coalesce(s.setting, '') AS value, s.unit
FROM pg_catalog.pg_settings s
WHERE s.name IN ('idle_in_transaction_session_timeout', 'tcp_user_timeout', 'track_activities',
                 'max_standby_streaming_delay', 'max_standby_archive_delay')
  AND s.source IN ('default', 'environment variable', 'configuration file', 'command line', 'global')",
};

/// Limits that roles and databases have of their own, as `name=value`. The other settings are texts of any encoding:
/// they are compared byte by byte with the names, after which comes `=`, and `>` is the letter after that.
pub const ROLE_SETTINGS: Entry = Entry {
    id: "role-settings",
    purpose: "time limits of roles and databases",
    sql: "\
/* archon-pool */ SELECT r.rolname::text AS role,
       d.datname::text AS database,
       o.setting
FROM pg_catalog.pg_db_role_setting s
CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS o(setting)
LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
WHERE ((o.setting COLLATE pg_catalog.\"C\" >= 'idle_in_transaction_session_timeout='
        AND o.setting COLLATE pg_catalog.\"C\" < 'idle_in_transaction_session_timeout>')
       OR (o.setting COLLATE pg_catalog.\"C\" >= 'transaction_timeout='
           AND o.setting COLLATE pg_catalog.\"C\" < 'transaction_timeout>'))
  AND (s.setrole = 0 OR EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.usesysid = s.setrole))",
};

/// Identities before the in-call sample, so that sessions that come and go show on PostgreSQL 13 too.
pub const SESSIONS: Entry = Entry {
    id: "sessions",
    purpose: "the identities of the connected database's sessions",
    sql: "\
/* archon-pool */ SELECT a.pid::bigint AS pid, a.backend_start
FROM pg_catalog.pg_stat_activity a
WHERE a.backend_type = 'client backend' AND a.datname = pg_catalog.current_database()
  AND a.pid <> pg_catalog.pg_backend_pid()
  AND (a.application_name = ''
       OR pg_catalog.regexp_replace(a.application_name COLLATE pg_catalog.\"C\",
         '( - (([0-9]{1,3}[.]){3}[0-9]{1,3}|[[][0-9A-Fa-f:.%]+[]]|unix([(][^()]*[)])?):[0-9]{1,5})+$', '')
         <> pg_catalog.regexp_replace(pg_catalog.current_setting('application_name') COLLATE pg_catalog.\"C\",
           '( - (([0-9]{1,3}[.]){3}[0-9]{1,3}|[[][0-9A-Fa-f:.%]+[]]|unix([(][^()]*[)])?):[0-9]{1,5})+$', ''))",
};

/// The pause of the in-call sample; `$1` is seconds.
pub const PAUSE: Entry = Entry {
    id: "pause",
    purpose: "waits for the in-call sample",
    sql: "/* archon-pool */ SELECT true AS passed FROM pg_catalog.pg_sleep($1)",
};

/// The whole catalogue.
pub const ALL: &[Entry] = &[
    SERVER,
    ACTIVITY,
    CLOCK,
    HELD_LOCKS,
    WAITS,
    PREPARED,
    TEMP_OBJECTS,
    COUNTERS,
    STATEMENTS,
    STATEMENT_COUNTS,
    ROLES,
    SETTINGS,
    ROLE_SETTINGS,
    SESSIONS,
    PAUSE,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_digests_have_their_form() {
        let mut ids: Vec<_> = ALL.iter().map(|entry| entry.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), ALL.len());
        assert!(ALL.iter().all(|entry| entry.sha256().len() == 64));
    }

    #[test]
    fn every_statement_only_reads() {
        for entry in ALL {
            assert!(entry.sql.starts_with("/* archon-pool */ SELECT "), "{}", entry.id);
            let text = entry.sql.to_ascii_lowercase();
            for word in
                ["pg_terminate_backend", "pg_cancel_backend", "set_config", "insert ", "update ", "delete ", ";"]
            {
                assert!(!text.contains(word), "{} contains {word}", entry.id);
            }
        }
    }

    /// Functions that read bytes, numbers, times or names of this database: none of them fails for a text of another
    /// encoding. `STATEMENTS` and `STATEMENT_COUNTS` read valid texts: the view has converted them.
    const READ_NO_CHARACTERS: &[&str] = &[
        "age",
        "array_agg",
        "array_to_string",
        "clock_timestamp",
        "count",
        "current_database",
        "current_setting",
        "encode",
        "host",
        "octet_length",
        "pg_backend_pid",
        "pg_blocking_pids",
        "pg_has_role",
        "pg_is_in_recovery",
        "pg_postmaster_start_time",
        "pg_sleep",
        "pg_stat_get_backend_idset",
        "pg_stat_get_backend_pid",
        "pg_stat_get_progress_info",
        "pg_stat_get_subscription",
        "pg_stat_get_wal_senders",
        "quote_ident",
        "quote_literal",
        "regexp_replace",
        "substring",
        "to_char",
        "to_jsonb",
        "unnest",
    ];
    /// What else stands before a parenthesis.
    const WORDS: &[&str] = &[
        "and", "any", "bit", "coalesce", "else", "exists", "filter", "from", "i", "in", "join", "lateral", "not",
        "nullif", "o", "on", "or", "then", "where",
    ];

    #[test]
    fn no_function_reads_characters_of_foreign_texts() {
        for entry in ALL.iter().filter(|entry| ![STATEMENTS, STATEMENT_COUNTS].contains(entry)) {
            let code: String = entry.sql.split('\'').step_by(2).collect();
            for (at, _) in code.match_indices('(') {
                let before = code[..at].trim_end().trim_end_matches('"');
                let start = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |end| end + 1);
                let name = before[start..].to_ascii_lowercase();
                let known = |names: &[&str]| names.contains(&name.as_str());
                assert!(name.is_empty() || known(READ_NO_CHARACTERS) || known(WORDS), "{} calls {name}", entry.id);
            }
            // Names of schemas and sources of functions are the connected database's.
            let code = code.replace("nspname ~ ", "").replace("prosrc ~* ", "");
            for word in [" LIKE ", "ILIKE", "SIMILAR TO", "~", "a.query,"] {
                assert!(!code.contains(word), "{} contains {word}", entry.id);
            }
            // Names of applications are ASCII.
            for (at, call) in code.match_indices("regexp_replace(") {
                let of = &code[at + call.len()..];
                assert!(of.starts_with("a.application_name COLLATE") || of.starts_with("pg_catalog.current_setting("));
            }
        }
    }

    #[test]
    fn every_relation_is_schema_qualified() {
        for entry in ALL {
            let names = ["pg_stat_", "pg_locks", "\"left\"(", "\"substring\"("];
            for (at, _) in names.iter().flat_map(|name| entry.sql.match_indices(name)) {
                let before = &entry.sql[..at];
                let qualified = before.ends_with("pg_catalog.") || before.ends_with("%I.") || before.ends_with('\'');
                assert!(qualified, "{} at {at}", entry.id);
            }
        }
    }
}
