//! Allow-lists of the strict mode: relations with their columns, functions, types, operators and keywords. Each list is
//! one text with blanks between its words.
//!
//! Omitted on purpose is everything that contains secrets (`pg_authid`, `pg_hba_file_rules`, `pg_user_mappings`, the
//! connection strings in `pg_settings` and `pg_stat_wal_receiver`, the custom settings in `pg_db_role_setting` and
//! `pg_roles.rolconfig`), changes or locks anything (signals, locks, sequences, `set_config`), runs other SQL
//! (`query_to_xml`), or produces large values (`repeat`, `generate_series`, `string_agg`, `pg_sleep`).
//! `pg_blocking_pids` stops the lock manager for a moment; once for each row of a join it would be a denial of service.

/// A relation of `pg_catalog`.
pub(super) struct Relation {
    /// Its name.
    pub(super) name: &'static str,
    /// The columns that may be read, of every version from 13 to 18.
    ///
    /// Closed, because `a.b` is also a call: for a relation without a column `b` PostgreSQL calls the function `b`
    /// with the row.
    pub(super) columns: &'static str,
    /// True if all of its columns may be read, so that the whole row may be.
    pub(super) whole: bool,
}

/// Columns of those relations that may contain secrets. A statement cannot even give their names to columns of its own:
/// an unqualified name would be ambiguous here.
const WITHHELD: &str = "rolconfig rolpassword reloptions extconfig extcondition";

/// The relations that may be read, by their qualified names alone.
pub(super) const RELATIONS: &[Relation] = &[
    Relation {
        name: "pg_stat_activity",
        columns: "\
            datid datname pid leader_pid usesysid usename application_name client_addr client_hostname client_port \
            backend_start xact_start query_start state_change wait_event_type wait_event state backend_xid \
            backend_xmin query_id query backend_type",
        whole: true,
    },
    Relation {
        name: "pg_stat_database",
        columns: "\
            datid datname numbackends xact_commit xact_rollback blks_read blks_hit tup_returned tup_fetched \
            tup_inserted tup_updated tup_deleted conflicts temp_files temp_bytes deadlocks checksum_failures \
            checksum_last_failure blk_read_time blk_write_time session_time active_time idle_in_transaction_time \
            sessions sessions_abandoned sessions_fatal sessions_killed parallel_workers_to_launch \
            parallel_workers_launched stats_reset",
        whole: true,
    },
    Relation {
        name: "pg_stat_database_conflicts",
        columns: "\
            datid datname confl_tablespace confl_lock confl_snapshot confl_bufferpin confl_deadlock \
            confl_active_logicalslot",
        whole: true,
    },
    Relation {
        name: "pg_stat_replication",
        columns: "\
            pid usesysid usename application_name client_addr client_hostname client_port backend_start backend_xmin \
            state sent_lsn write_lsn flush_lsn replay_lsn write_lag flush_lag replay_lag sync_priority sync_state \
            reply_time",
        whole: true,
    },
    Relation { name: "pg_stat_ssl", columns: "pid ssl version cipher bits", whole: false },
    Relation {
        name: "pg_locks",
        columns: "\
            locktype database relation page tuple virtualxid transactionid classid objid objsubid virtualtransaction \
            pid mode granted fastpath waitstart",
        whole: true,
    },
    Relation { name: "pg_prepared_xacts", columns: "transaction gid prepared owner database", whole: true },
    Relation {
        name: "pg_database",
        columns: "\
            oid datname datdba encoding datistemplate datallowconn datconnlimit datfrozenxid datminmxid \
            dattablespace",
        whole: false,
    },
    Relation {
        name: "pg_roles",
        columns: "\
            rolname rolsuper rolinherit rolcreaterole rolcreatedb rolcanlogin rolreplication rolconnlimit \
            rolvaliduntil rolbypassrls oid",
        whole: false,
    },
    Relation {
        name: "pg_auth_members",
        columns: "oid roleid member grantor admin_option inherit_option set_option",
        whole: true,
    },
    Relation { name: "pg_namespace", columns: "oid nspname nspowner", whole: false },
    Relation {
        name: "pg_class",
        columns: "oid relname relnamespace relowner relkind relpersistence reltuples relpages",
        whole: false,
    },
    Relation { name: "pg_extension", columns: "oid extname extnamespace extversion", whole: false },
];

/// Functions that are called as `pg_catalog.NAME(…)`.
///
/// Only these are found under that name: the schema belongs to the server. An unqualified aggregate would be found
/// there, too, as long as `search_path` is the session's, but a rule that needs no setting is safer.
pub(super) const FUNCTIONS: &str = "\
    abs age array_to_string avg bool_and bool_or clock_timestamp count current_database current_setting date_trunc \
    host left length lower max min now pg_backend_pid pg_conf_load_time pg_has_role pg_is_in_recovery \
    pg_postmaster_start_time pg_stat_get_backend_pid pg_stat_get_backend_userid round statement_timestamp substring sum to_char to_jsonb \
    transaction_timestamp upper version";

/// Functions that may return a text computed from their arguments.
pub(super) const TEXTUAL: &str = "array_to_string host left lower substring to_char to_jsonb upper";

/// Functions that return one of their arguments.
pub(super) const CHOOSING: &str = "coalesce greatest least max min nullif";

/// Aggregates whose state has the size of a value.
pub(super) const REMEMBERING: &str = "avg max min sum";

/// Functions whose value is constant during a session.
pub(super) const CONSTANT: &str = "current_database current_setting version";

/// Functions of `pg_catalog` that may stand in `FROM`. They take no argument.
pub(super) const SET_FUNCTIONS: &str = "pg_stat_get_backend_idset";

/// Functions of PostgreSQL's grammar, which no user-defined function can shadow.
pub(super) const GRAMMAR: &str = "coalesce nullif greatest least";

/// Values of the grammar that are written without parentheses.
pub(super) const GRAMMAR_VALUES: &str = "current_user session_user";

/// The settings that `current_setting` may read: others contain connection strings and, on Supabase, keys.
pub(super) const SETTINGS: &str = "\
    application_name client_connection_check_interval idle_in_transaction_session_timeout idle_session_timeout \
    max_connections reserved_connections server_version server_version_num statement_timeout \
    superuser_reserved_connections tcp_keepalives_count tcp_keepalives_idle tcp_keepalives_interval tcp_user_timeout \
    track_activities transaction_timeout";

/// Target types of casts that the parser has no variant for.
pub(super) const TYPES: &str = "bool inet name oid regclass xid";

/// Operators, all of them built into PostgreSQL.
pub(super) const OPERATORS: &str = "+ - * / % < > = <> != <= >= || ~ ~* !~ !~* -> ->>";

/// PostgreSQL's keywords that cannot be names, 13 to 18: reserved ones, and those of functions, types and columns.
const KEYWORDS: &str = "\
    all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case \
    cast char character check coalesce collate collation column concurrently constraint create cross current_catalog \
    current_date current_role current_schema current_time current_timestamp current_user dec decimal default \
    deferrable desc distinct do else end escape except exists extract false fetch filter float for foreign freeze \
    from full grant greatest group grouping having ilike in initially inner inout int integer intersect interval \
    into is isnull join json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar \
    json_serialize json_table json_value lateral leading least left like limit localtime localtimestamp materialized \
    merge_action national natural nchar none normalize not notnull null nullif nulls numeric offset on only operator \
    or order ordinality out outer over overlaps overlay placing position precision primary real recursive references \
    returning right rollup row rows select session_user setof similar smallint some substring symmetric system_user \
    table tablesample then time timestamp to trailing treat trim true uescape union unique user using values varchar \
    variadic verbose when where window with within xmlattributes xmlconcat xmlelement xmlexists xmlforest \
    xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable";

/// The keywords of a plain `SELECT`.
const ADMITTED: &str = "\
    all and any as asc between bigint boolean case cast coalesce cross current_user desc distinct else end except \
    exists extract false filter from full greatest group having ilike in inner int integer intersect interval is \
    join lateral least left like limit materialized not null nullif nulls offset on or order outer precision real \
    right select session_user smallint then time timestamp true union using when where with";

/// The keywords that only a value can follow, so that a string may.
const BEFORE_VALUES: &str = "and between case distinct else from ilike in like not or select then when where";

/// Optional words: the parser may print more or fewer of them.
const OPTIONAL: &str = "as inner outer";

/// Returns true if a list contains this word.
pub(super) fn lists(list: &str, word: &str) -> bool {
    list.split(' ').any(|entry| entry == word)
}

fn is_in(list: &str, word: &str) -> bool {
    list.split(' ').any(|entry| entry.eq_ignore_ascii_case(word))
}

/// Returns true if the word is a keyword that cannot be a name.
pub(super) fn is_keyword(word: &str) -> bool {
    is_in(KEYWORDS, word)
}

/// Returns true if no column of that name may be read.
pub(super) fn is_withheld(column: &str) -> bool {
    lists(WITHHELD, column)
}

/// Returns true if the keyword may occur in an admitted statement.
pub(super) fn is_admitted_keyword(word: &str) -> bool {
    is_in(ADMITTED, word)
}

/// Returns true if a string may follow the word.
pub(super) fn precedes_value(word: &str) -> bool {
    is_in(BEFORE_VALUES, word)
}

/// Returns true if the word may be omitted without a change of meaning.
pub(super) fn is_optional(word: &str) -> bool {
    is_in(OPTIONAL, word)
}
