//! Attempts to write, to leave the transaction and to gain privileges.

use super::{PRIVILEGE, READ_ONLY, ROLLED_BACK, TYPES, any_sql, as_app, as_bare, as_superuser, at_once, one_by_one};
use crate::hostile::{Attack, Ends, planned as attack};
use archon_pool_contract::fault::kind;

pub(in crate::hostile) const ATTACKS: &[Attack] = &[
    attack(
        "a second statement behind a semicolon",
        |_| at_once(&["SELECT 1; DROP TABLE public.stock"]),
        as_app,
        "the extended protocol takes one statement",
        Ends::Response("SQLSTATE 42601"),
    ),
    attack(
        "a second statement behind a comment",
        |_| at_once(&["SELECT 1 /* ; */ -- ;\n; DELETE FROM public.stock"]),
        as_app,
        "the extended protocol takes one statement",
        Ends::Response("SQLSTATE 42601"),
    ),
    attack(
        "a second statement behind a zero byte",
        |_| at_once(&["SELECT 1\0; DELETE FROM public.stock"]),
        as_app,
        "the driver sends no zero bytes",
        Ends::Response("query-failed"),
    ),
    attack(
        "`INSERT`",
        |_| at_once(&["INSERT INTO public.stock VALUES (3, 0)"]),
        as_app,
        READ_ONLY,
        Ends::Response("SQLSTATE 25006"),
    ),
    attack(
        "`DELETE` inside of a `SELECT`",
        |_| at_once(&["WITH gone AS (DELETE FROM public.stock RETURNING 1) SELECT count(*) FROM gone"]),
        as_app,
        READ_ONLY,
        Ends::Response("SQLSTATE 25006"),
    ),
    attack(
        "`EXPLAIN ANALYZE` of a `DELETE`",
        |_| at_once(&["EXPLAIN ANALYZE DELETE FROM public.stock"]),
        as_app,
        READ_ONLY,
        Ends::Response("SQLSTATE 25006"),
    ),
    attack(
        "`SET default_transaction_read_only = off`, then `INSERT`",
        |_| one_by_one(&["SET default_transaction_read_only = off", "INSERT INTO public.stock VALUES (3, 0)"]),
        as_app,
        READ_ONLY,
        Ends::Response("SQLSTATE 25006"),
    ),
    attack(
        "`SET SESSION CHARACTERISTICS … READ WRITE`, then `INSERT`",
        |_| {
            at_once(&[
                "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
                "INSERT INTO public.stock VALUES (3, 0)",
            ])
        },
        as_app,
        READ_ONLY,
        Ends::Response("SQLSTATE 25006"),
    ),
    attack(
        "`BEGIN READ WRITE`, then `INSERT`, then `COMMIT`",
        |_| at_once(&["BEGIN READ WRITE", "INSERT INTO public.stock VALUES (3, 0)"]),
        as_app,
        READ_ONLY,
        Ends::Response("SQLSTATE 25006"),
    ),
    attack(
        "puts a statement of its own in the place of the one by which the driver looks up types, outside of any transaction",
        |_| {
            let lookups = ["DEALLOCATE ALL", "SELECT NULL::information_schema.sql_identifier[]"];
            let mut texts: Vec<String> = lookups.map(str::to_owned).to_vec();
            // Independent of the number that the driver assigns.
            for number in 0..12 {
                texts.push(format!("PREPARE s{number}(oid) AS INSERT INTO public.stock VALUES (3, 0)"));
            }
            texts.push("SELECT NULL::information_schema.cardinal_number[]".to_owned());
            one_by_one(&texts.iter().map(String::as_str).collect::<Vec<_>>())
        },
        as_app,
        TYPES,
        Ends::Response(kind::UNSUPPORTED_TYPE),
    ),
    attack(
        "`SET TRANSACTION READ WRITE`, then `INSERT`",
        |_| one_by_one(&["SET TRANSACTION READ WRITE", "INSERT INTO public.stock VALUES (3, 0)"]),
        as_app,
        READ_ONLY,
        Ends::Response("SQLSTATE 25006"),
    ),
    attack(
        "`COMMIT`, to leave the host's transaction, then `INSERT`",
        |_| at_once(&["COMMIT", "INSERT INTO public.stock VALUES (3, 0)"]),
        as_app,
        READ_ONLY,
        Ends::Response("SQLSTATE 25006"),
    ),
    attack(
        "`COMMIT AND CHAIN`, then `INSERT`",
        |_| at_once(&["COMMIT AND CHAIN", "INSERT INTO public.stock VALUES (3, 0)"]),
        as_app,
        READ_ONLY,
        Ends::Response("SQLSTATE 25006"),
    ),
    attack(
        "`RESET ALL`, then `INSERT`",
        |_| one_by_one(&["RESET ALL", "INSERT INTO public.stock VALUES (3, 0)"]),
        as_app,
        READ_ONLY,
        Ends::Response("SQLSTATE 25006"),
    ),
    attack(
        "`set_config('transaction_read_only', 'off')` in the statement that writes",
        |_| {
            at_once(&["WITH off AS MATERIALIZED (SELECT set_config('transaction_read_only', 'off', false) AS it) \
                       INSERT INTO public.stock SELECT 3, length(it) FROM off"])
        },
        as_app,
        READ_ONLY,
        Ends::Response("SQLSTATE 25006"),
    ),
    attack(
        "`set_config('transaction_read_only', 'off')` by itself",
        |_| at_once(&["SELECT set_config('transaction_read_only', 'off', false)"]),
        as_app,
        "a transaction that reads cannot be made to write",
        Ends::Response("SQLSTATE 25001"),
    ),
    attack(
        "`DO` that makes its transaction writable",
        |_| at_once(&["DO $$BEGIN SET TRANSACTION READ WRITE; INSERT INTO public.stock VALUES (3, 0); END$$"]),
        as_app,
        "a transaction that reads cannot be made to write",
        Ends::Response("SQLSTATE 25001"),
    ),
    attack(
        "`DO` that commits and begins anew",
        |_| at_once(&["DO $$BEGIN COMMIT; SET TRANSACTION READ WRITE; INSERT INTO public.stock VALUES (3, 0); END$$"]),
        as_app,
        "the host's transaction is not a block's to end",
        Ends::Response("SQLSTATE 2D000"),
    ),
    attack(
        "`CREATE TABLE`",
        |_| at_once(&["CREATE TABLE loot ()"]),
        as_superuser,
        READ_ONLY,
        Ends::Response("SQLSTATE 25006"),
    ),
    attack(
        "`CREATE TEMPORARY TABLE`",
        |_| at_once(&["CREATE TEMPORARY TABLE loot ()"]),
        as_app,
        READ_ONLY,
        Ends::Response("SQLSTATE 25006"),
    ),
    attack(
        "`SELECT INTO`",
        |_| at_once(&["SELECT 1 AS n INTO loot"]),
        as_superuser,
        READ_ONLY,
        Ends::Response("SQLSTATE 25006"),
    ),
    attack(
        "`CREATE FUNCTION`",
        |_| at_once(&["CREATE FUNCTION loot() RETURNS int LANGUAGE sql AS 'SELECT 1'"]),
        as_superuser,
        READ_ONLY,
        Ends::Response("SQLSTATE 25006"),
    ),
    attack(
        "`CREATE ROLE … SUPERUSER`",
        |_| at_once(&["CREATE ROLE loot SUPERUSER"]),
        as_superuser,
        READ_ONLY,
        Ends::Response("SQLSTATE 25006"),
    ),
    attack(
        "`ALTER SYSTEM`, which PostgreSQL counts as reading",
        |_| at_once(&["ALTER SYSTEM SET log_statement = 'all'"]),
        as_superuser,
        "it does not run inside of a transaction",
        Ends::Response("SQLSTATE 25001"),
    ),
    attack(
        "`CREATE EXTENSION dblink`",
        |_| at_once(&["CREATE EXTENSION dblink"]),
        as_superuser,
        READ_ONLY,
        Ends::Response("SQLSTATE 25006"),
    ),
    attack(
        "`dblink` to a session without a host around it",
        |_| at_once(&["SELECT dblink_exec('dbname=postgres', 'DELETE FROM public.stock')"]),
        as_app,
        "the extension must be there, and then it needs a password that the component does not have",
        Ends::Response("SQLSTATE 42883"),
    ),
    attack(
        "`COPY … FROM STDIN`",
        |_| at_once(&["COPY public.stock FROM STDIN"]),
        as_app,
        READ_ONLY,
        Ends::Response("SQLSTATE 25006"),
    ),
    attack(
        "`COPY … TO STDOUT`, around the caps on rows",
        |_| at_once(&["COPY (SELECT generate_series(1, 10)) TO STDOUT"]),
        as_app,
        "the driver takes no copy for an answer",
        Ends::Response("query-failed"),
    ),
    attack(
        "`COPY … TO PROGRAM`",
        |_| at_once(&["COPY (SELECT 1) TO PROGRAM 'true'"]),
        any_sql,
        PRIVILEGE,
        Ends::Response("SQLSTATE 42501"),
    ),
    attack(
        "`SET ROLE postgres`",
        |_| at_once(&["SET ROLE postgres"]),
        any_sql,
        PRIVILEGE,
        Ends::Response("SQLSTATE 42501"),
    ),
    attack(
        "`SET SESSION AUTHORIZATION postgres`",
        |_| at_once(&["SET SESSION AUTHORIZATION postgres"]),
        any_sql,
        PRIVILEGE,
        Ends::Response("SQLSTATE 42501"),
    ),
    attack(
        "`SET ROLE` to what the role may become, for the statements to come",
        |_| one_by_one(&["SET ROLE pg_monitor", "SELECT current_user::text"]),
        any_sql,
        ROLLED_BACK,
        Ends::Response("Text(\"operator\")"),
    ),
    attack(
        "`pg_read_file`",
        |_| at_once(&["SELECT pg_read_file('postgresql.conf')"]),
        any_sql,
        PRIVILEGE,
        Ends::Response("SQLSTATE 42501"),
    ),
    attack(
        "`pg_ls_dir`",
        |_| at_once(&["SELECT pg_ls_dir('.')"]),
        any_sql,
        PRIVILEGE,
        Ends::Response("SQLSTATE 42501"),
    ),
    attack(
        "`lo_import`",
        |_| at_once(&["SELECT lo_import('/etc/passwd')"]),
        any_sql,
        PRIVILEGE,
        Ends::Response("SQLSTATE 42501"),
    ),
    attack(
        "`lo_from_bytea`, which writes in read-only transactions before PostgreSQL 16",
        |_| at_once(&["SELECT lo_from_bytea(0, 'loot')"]),
        as_app,
        ROLLED_BACK,
        Ends::NoEffect,
    ),
    attack(
        "`pg_terminate_backend` through `query`, of another role's session",
        |_| at_once(&["SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'"]),
        as_bare,
        "the role's privileges, and nothing else: see below",
        Ends::Response("SQLSTATE 42501"),
    ),
    attack(
        "`pg_terminate_backend` of its own session",
        |_| at_once(&["SELECT pg_terminate_backend(pg_backend_pid())"]),
        as_app,
        "nothing: it ends only its own session",
        Ends::Response("connection-lost"),
    ),
];
