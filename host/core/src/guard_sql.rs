//! The statements that count, signal and explain, shared by all hosts through `guard.json`.
//!
//! Texts of other sessions are bytes of any encoding, cut anywhere: they are only compared in a form that is ASCII
//! and under the collation "C", so that no text can make a statement fail. Regular expressions are written without
//! backslashes or as `E'…'`, whatever `standard_conforming_strings` is.

/// An address and port as PgBouncer's `application_name_add_host` appends them.
macro_rules! appended {
    () => {
        " - (([0-9]{1,3}[.]){3}[0-9]{1,3}|[[][0-9A-Fa-f:.%]+[]]|unix([(][^()]*[)])?):[0-9]{1,5}"
    };
}

/// The start of such an address, where the server cut the name at 63 bytes.
macro_rules! appended_in_part {
    () => {
        "( - ([0-9][0-9.]*(:[0-9]*)?|[[][0-9A-Fa-f:.%]*([]](:[0-9]*)?)?|\
         u(n(i(x([(][^()]*([)](:[0-9]*)?)?|:[0-9]*)?)?)?)?)?| -?)?"
    };
}

/// A session's application name without appended addresses. The server keeps these names in ASCII.
macro_rules! bare_name {
    () => {
        concat!(
            "pg_catalog.regexp_replace(a.application_name COLLATE pg_catalog.\"C\", \
             CASE WHEN pg_catalog.octet_length(a.application_name) >= 63 THEN '(",
            appended!(),
            ")*",
            appended_in_part!(),
            "$' ELSE '(",
            appended!(),
            ")+$' END, '')"
        )
    };
}

/// The name's family: the bare name with `*` for each number, UUID and word of hexadecimal digits.
macro_rules! family {
    () => {
        "pg_catalog.regexp_replace(n.bare, '(?<![0-9A-Za-z])([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9]+|\
         (?=[0-9A-Fa-f]*[0-9])[0-9A-Fa-f]{8,})(?![0-9A-Za-z])', '*', 'g')"
    };
}

/// A text as ASCII: quoted, with `\nnn` for each byte that is not. None of these functions reads characters.
macro_rules! ascii {
    ($text:literal) => {
        concat!(
            "pg_catalog.encode(pg_catalog.decode(pg_catalog.quote_literal(",
            $text,
            "), 'escape'), 'escape') COLLATE pg_catalog.\"C\""
        )
    };
}

/// A session's role with `?` for each letter that is not ASCII.
macro_rules! role {
    () => {
        concat!(
            "pg_catalog.replace(pg_catalog.replace(pg_catalog.regexp_replace(pg_catalog.regexp_replace(",
            ascii!("a.usename::text"),
            r", '^E?''|''$', '', 'g'), E'(?<!\\\\)\\\\(3[0-7]{2}(\\\\2[0-7]{2})*|2[0-7]{2})', '?', 'g')",
            r", '''''', ''''), E'\\\\', E'\\')"
        )
    };
}

/// True when one of these patterns protects the role.
macro_rules! role_protected {
    ($patterns:literal) => {
        concat!("(", role!(), " ILIKE ANY (", $patterns, "))")
    };
}

/// True when one of these patterns protects the application: its name, the bare name or its family.
macro_rules! application_protected {
    ($patterns:literal) => {
        concat!(
            "(a.application_name COLLATE pg_catalog.\"C\" ILIKE ANY (",
            $patterns,
            ") OR n.bare ILIKE ANY (",
            $patterns,
            ") OR ",
            family!(),
            " ILIKE ANY (",
            $patterns,
            "))"
        )
    };
}

/// Every process, with its bare name and its last statement.
macro_rules! processes {
    () => {
        concat!(
            "FROM pg_catalog.pg_stat_activity a CROSS JOIN LATERAL (SELECT ",
            bare_name!(),
            " AS bare, ",
            ascii!("a.query"),
            " AS statement OFFSET 0) n"
        )
    };
}

/// Client sessions of this database, except the host's own.
macro_rules! clients {
    () => {
        concat!(
            processes!(),
            " WHERE a.backend_type = 'client backend' AND a.datname = pg_catalog.current_database() \
             AND a.pid <> pg_catalog.pg_backend_pid() AND n.bare <> 'archon-pool'"
        )
    };
}

/// Sessions that may be ended: they are idle, or wait for a client that neither reads nor sends. A `COPY` that waits
/// for its client may still receive data: its `state_change` is that of its beginning.
macro_rules! endable {
    () => {
        "(a.state IN ('idle', 'idle in transaction', 'idle in transaction (aborted)') \
         OR (a.state = 'active' AND a.wait_event_type = 'Client' AND (a.wait_event = 'ClientWrite' \
         OR (a.wait_event = 'ClientRead' AND n.statement NOT ILIKE '%copy%'))))"
    };
}

/// White space and comments, for a regular expression within `E'…'`.
macro_rules! gap {
    () => {
        r"(\\s|--[^\\n]*\\n|/[*]([^*]|[*]+[^*/])*[*]+/)"
    };
}

/// True when a statement of the text lets its session listen: a LISTEN, or a call of a function whose name suggests it.
macro_rules! listens {
    () => {
        concat!(
            r"n.statement ~* E'((^E?''|[;$/\\n]|\\m(begin|then|else|loop)|\\mexecute\\s+(format\\s*[(]\\s*)?'''')\\s*",
            "listen(",
            gap!(),
            r"+[a-z_%''\\\\]|",
            gap!(),
            r#"*")|\\m(select|call|from|perform)\\s+([a-z0-9_$"]+[.])*"?([a-z0-9_$]*_)?listen(_[a-z0-9_$]*)?"?\\s*[(])"#,
            r"(?!.*unlisten\\s*[*])'"
        )
    };
}

/// True when the last statement used a cursor and did not close it. Outside of a transaction only a cursor
/// `WITH HOLD` can be open.
macro_rules! uses_cursor {
    () => {
        concat!(
            r"n.statement ~* E'(^E?''|;)",
            gap!(),
            r"*((fetch|move)\\M|declare\\M.*\\mwith\\s+hold\\M)(?!.*\\mclose\\M)'"
        )
    };
}

/// Sessions that may own temporary objects: before PostgreSQL 16 more than the catalogue's `temp-objects` finds, since ids
/// are not bounded by those of holders of locks here.
macro_rules! owners_of_temporary_objects {
    () => {
        "SELECT pg_catalog.pg_stat_get_backend_pid(i.n) FROM pg_catalog.pg_stat_get_backend_idset() AS i(n) \
         JOIN pg_catalog.pg_stat_activity b ON b.pid = pg_catalog.pg_stat_get_backend_pid(i.n) \
         JOIN (SELECT DISTINCT pg_catalog.\"substring\"(s.nspname::text, '^pg_temp_([0-9]+)$')::integer AS id, c.relowner \
         FROM pg_catalog.pg_namespace s JOIN pg_catalog.pg_class c ON c.relnamespace = s.oid \
         WHERE s.nspname ~ '^pg_temp_[0-9]+$') t \
         ON CASE WHEN pg_catalog.current_setting('server_version_num')::integer >= 160000 THEN i.n = t.id \
         ELSE i.n <= t.id AND b.datname = pg_catalog.current_database() \
         AND (pg_catalog.pg_has_role(b.usesysid, t.relowner, 'MEMBER') \
         OR (EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.prosecdef AND p.proowner = t.relowner) \
         AND EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.prosrc ~* 'temp' \
         AND p.pronamespace <> 'pg_catalog'::pg_catalog.regnamespace))) END"
    };
}

/// Database, role and snapshot of transactions that only read, where several have the same: one of them may have
/// exported it for the others.
macro_rules! shared_snapshots {
    () => {
        "SELECT b.datid, b.usesysid, b.backend_xmin::text FROM pg_catalog.pg_stat_activity b \
         WHERE b.backend_type = 'client backend' AND b.state IN ('active', 'idle in transaction') \
         AND b.backend_xmin IS NOT NULL AND b.backend_xid IS NULL AND b.pid <> pg_catalog.pg_backend_pid() \
         GROUP BY b.datid, b.usesysid, b.backend_xmin::text HAVING count(*) > 1"
    };
}

/// Reason for which an endable session must not be ended; null when none is found.
macro_rules! spared {
    () => {
        concat!(
            "CASE WHEN a.pid IN (SELECT l.pid FROM pg_catalog.pg_locks l WHERE l.locktype = 'advisory' AND l.granted) \
             THEN 'it holds an advisory lock' WHEN a.pid IN (SELECT r.active_pid FROM pg_catalog.pg_replication_slots r \
             WHERE r.temporary AND r.active_pid IS NOT NULL) THEN 'it has a temporary replication slot' WHEN ",
            listens!(),
            " THEN 'its last statement is a LISTEN' WHEN a.state = 'idle' AND ",
            uses_cursor!(),
            " THEN 'it may have a cursor WITH HOLD' WHEN a.state IN ('active', 'idle in transaction') \
             AND n.statement ILIKE ANY ('{%pg_export_snapshot%,%set transaction snapshot%}') THEN 'it shares a snapshot' \
             WHEN a.state = 'idle in transaction' AND a.backend_xid IS NULL AND (a.datid, a.usesysid, a.backend_xmin::text) IN (",
            shared_snapshots!(),
            ") THEN 'it shares a snapshot' \
             WHEN n.statement ILIKE ANY ('{%pg_backup_start%,%pg_start_backup%}') OR (a.state = 'idle in transaction' \
             AND n.statement ILIKE '%lock table%in access share mode%') THEN 'it takes a backup' \
             WHEN a.state IN ('active', 'idle') AND a.pid IN (",
            owners_of_temporary_objects!(),
            ") THEN 'it may own temporary objects' END"
        )
    };
}

/// Sessions that have been in their state for at least `$7` milliseconds, the request's threshold.
macro_rules! old_enough {
    () => {
        "a.state_change <= pg_catalog.clock_timestamp() - $7 * interval '1 millisecond'"
    };
}

/// The guard of every order. `$1`–`$4` are the session and its expected state, `$5` and `$6` the protected patterns,
/// `$7` the minimum age of the state.
macro_rules! guarded {
    ($what:literal) => {
        concat!(
            "SELECT ",
            $what,
            " ",
            clients!(),
            " AND a.pid = $1 AND a.backend_start = $2 AND a.state = $3 AND a.state_change = $4 AND NOT ",
            role_protected!("$5"),
            " AND NOT ",
            application_protected!("$6"),
            " AND ",
            old_enough!(),
            " AND ",
            endable!(),
            " AND ",
            spared!(),
            " IS NULL"
        )
    };
}

/// Ends the session of an order if the guard admits it.
pub const TERMINATE: &str = guarded!("pg_catalog.pg_terminate_backend(a.pid)");
/// Checks that [`TERMINATE`] would end it, and ends nothing.
pub const WOULD_TERMINATE: &str = guarded!("true");

/// The database's identity, the number of sessions that could be ended and the number of all client sessions.
pub const COUNT: &str = concat!(
    "SELECT (extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::int8, \
     (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()), \
     count(*) FILTER (WHERE NOT ",
    role_protected!("$1"),
    " AND NOT ",
    application_protected!("$2"),
    " AND ",
    endable!(),
    " AND ",
    spared!(),
    " IS NULL), count(*) ",
    clients!()
);

/// Reason for which the guard rejected an order; no row when the process is gone.
pub const CLASSIFY: &str = concat!(
    "SELECT a.backend_start IS NULL AND a.backend_type IS NULL, a.backend_start = $2, a.backend_type, \
     a.datname = pg_catalog.current_database(), a.usename::text, ",
    role_protected!("$5"),
    ", a.application_name, ",
    application_protected!("$6"),
    ", a.pid = pg_catalog.pg_backend_pid() OR n.bare = 'archon-pool', a.state = $3 AND a.state_change = $4, ",
    endable!(),
    ", ",
    old_enough!(),
    ", ",
    spared!(),
    " ",
    processes!(),
    " WHERE a.pid = $1"
);

/// The given processes that still exist.
pub const STILL_THERE: &str = "SELECT a.pid, a.backend_start FROM pg_catalog.pg_stat_activity a WHERE a.pid = ANY ($1)";
