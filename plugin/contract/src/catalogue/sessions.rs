//! Sessions, and what they own.

use super::entry::Entry;

/// Every session and process. A text of up to 2,048 bytes comes as it is, the beginning of a longer one as ASCII:
/// `quote_literal` works on bytes and doubles what the input of `bytea` and its output as `escape` would mind.
/// Rows of walsenders, apply workers and processes without a role are hidden too, and are no client sessions. How far
/// a `COPY` came is known from PostgreSQL 14 on. `application_name` identifies our own sessions, also behind a pooler
/// in transaction mode, where the process id changes from statement to statement, and which may append our address.
pub const ACTIVITY: Entry = Entry {
    id: "activity",
    purpose: "sessions and their states",
    sql: "\
SELECT /* archon-pool */ a.pid::bigint AS pid,
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

/// Identities before the in-call sample, so that sessions that come and go show on PostgreSQL 13 too.
pub const SESSIONS: Entry = Entry {
    id: "sessions",
    purpose: "the identities of the connected database's sessions",
    sql: "\
SELECT /* archon-pool */ a.pid::bigint AS pid, a.backend_start
FROM pg_catalog.pg_stat_activity a
WHERE a.backend_type = 'client backend' AND a.datname = pg_catalog.current_database()
  AND a.pid <> pg_catalog.pg_backend_pid()
  AND (a.application_name = ''
       OR pg_catalog.regexp_replace(a.application_name COLLATE pg_catalog.\"C\",
         '( - (([0-9]{1,3}[.]){3}[0-9]{1,3}|[[][0-9A-Fa-f:.%]+[]]|unix([(][^()]*[)])?):[0-9]{1,5})+$', '')
         <> pg_catalog.regexp_replace(pg_catalog.current_setting('application_name') COLLATE pg_catalog.\"C\",
           '( - (([0-9]{1,3}[.]){3}[0-9]{1,3}|[[][0-9A-Fa-f:.%]+[]]|unix([(][^()]*[)])?):[0-9]{1,5})+$', ''))",
};

/// Owners of temporary objects: schema `pg_temp_N` belongs to the backend with id N, and a temporary replication slot
/// goes with its session.
///
/// Before PostgreSQL 16 the statistics functions number the live backends in the order of their ids, without gaps, so
/// that ids of holders of locks (`pg_locks.virtualtransaction`, our own among them) bound those of all others. An
/// `SIReadLock` is left out: it outlives its session, whose process id may be another's by then.
///
/// Every session that could be the owner is named: rather one too many spared than one ended that owns something. Objects
/// belong to the role that was set when they were made, or to the owner of a SECURITY DEFINER function.
pub const TEMP_OBJECTS: Entry = Entry {
    id: "temp-objects",
    purpose: "sessions that own temporary objects",
    sql: "\
WITH /* archon-pool */ b AS (
  SELECT p.n, p.pid,
         p.n + coalesce(pg_catalog.max(l.id - p.n) OVER (ORDER BY p.n), 0) AS least,
         p.n + pg_catalog.min(l.id - p.n) OVER (ORDER BY p.n DESC) AS most
  FROM (SELECT i.n, pg_catalog.pg_stat_get_backend_pid(i.n) AS pid
        FROM pg_catalog.pg_stat_get_backend_idset() AS i(n)) p
  LEFT JOIN (SELECT DISTINCT k.pid, pg_catalog.split_part(k.virtualtransaction, '/', 1)::integer AS id
             FROM pg_catalog.pg_locks k
             WHERE pg_catalog.current_setting('server_version_num')::integer < 160000 AND k.mode <> 'SIReadLock') l
    ON l.pid = p.pid AND l.id >= p.n)
SELECT DISTINCT a.pid::bigint AS pid
FROM b
JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid
JOIN (SELECT DISTINCT pg_catalog.\"substring\"(s.nspname::text, '^pg_temp_([0-9]+)$')::integer AS id, c.relowner
      FROM pg_catalog.pg_namespace s JOIN pg_catalog.pg_class c ON c.relnamespace = s.oid
      WHERE s.nspname ~ '^pg_temp_[0-9]+$') t
  ON CASE WHEN pg_catalog.current_setting('server_version_num')::integer >= 160000
       THEN b.n = t.id
       ELSE t.id >= b.least AND (b.most IS NULL OR t.id <= b.most) AND a.datname = pg_catalog.current_database()
         AND (b.least = b.most OR pg_catalog.pg_has_role(a.usesysid, t.relowner, 'MEMBER')
              OR (EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.prosecdef AND p.proowner = t.relowner)
                  AND EXISTS (SELECT FROM pg_catalog.pg_proc p
                              WHERE p.prosrc ~* 'temp' AND p.pronamespace <> 'pg_catalog'::pg_catalog.regnamespace)))
     END
UNION
SELECT r.active_pid::bigint
FROM pg_catalog.pg_replication_slots r
WHERE r.temporary AND r.active_pid IS NOT NULL",
};
