//! Statements that should not be: all of them refused by the catalogue, and what holds when an
//! operator allows any.

use std::time::Duration;

use anyhow::{Result, ensure};
use archon_pool::kind::DEADLINE_EXCEEDED;
use archon_pool::limits::Limits;
use archon_pool::policy::Policy;
use archon_pool_contract::fault::kind;
use archon_pool_tests::Cluster;
use archon_pool_tests::cluster::SUPERUSER;
use serde_json::{Value, json};

use super::arena::{Arena, Rules, any_sql, heard};
use super::{Attack, Ends, Weapon, planned as attack, request};
use crate::actions::{BARE, OPERATOR, furnish};

const READ_ONLY: &str = "each statement has a read-only transaction of its own";
const ROLLED_BACK: &str = "the statement's transaction is rolled back";
const PRIVILEGE: &str = "the role's privileges";
const TIMEOUT: &str = "statement timeout, which is set anew for each statement";

fn as_app() -> Rules {
    Rules { role: "app", ..any_sql() }
}

fn as_app_in_a_hurry() -> Rules {
    let limits = Limits { deadline: Duration::from_secs(2), ..as_app().limits };
    Rules { limits, ..as_app() }
}

fn as_bare() -> Rules {
    Rules { role: BARE, ..any_sql() }
}

fn as_superuser() -> Rules {
    Rules { role: SUPERUSER, ..any_sql() }
}

/// Each statement in a batch of its own, one after another in one session.
fn one_by_one(statements: &[&str]) -> Value {
    let batches: Vec<_> = statements.iter().map(|statement| [statement]).collect();
    request(json!({ "name": "query", "batches": batches }))
}

/// All statements in one batch.
fn at_once(statements: &[&str]) -> Value {
    request(json!({ "name": "query", "batches": [statements] }))
}

/// Why no type is dangerous.
const TYPES: &str = "types are never looked up: one that is not known is refused at once";

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "a second statement behind a semicolon",
        |_| at_once(&["SELECT 1; DROP TABLE public.stock"]),
        as_app,
        "the extended protocol takes one statement",
        Ends::Told("SQLSTATE 42601"),
    ),
    attack(
        "a second statement behind a comment",
        |_| at_once(&["SELECT 1 /* ; */ -- ;\n; DELETE FROM public.stock"]),
        as_app,
        "the extended protocol takes one statement",
        Ends::Told("SQLSTATE 42601"),
    ),
    attack(
        "a second statement behind a zero byte",
        |_| at_once(&["SELECT 1\0; DELETE FROM public.stock"]),
        as_app,
        "the driver sends no zero bytes",
        Ends::Told("query-failed"),
    ),
    attack(
        "`INSERT`",
        |_| at_once(&["INSERT INTO public.stock VALUES (3, 0)"]),
        as_app,
        READ_ONLY,
        Ends::Told("SQLSTATE 25006"),
    ),
    attack(
        "`DELETE` inside of a `SELECT`",
        |_| at_once(&["WITH gone AS (DELETE FROM public.stock RETURNING 1) SELECT count(*) FROM gone"]),
        as_app,
        READ_ONLY,
        Ends::Told("SQLSTATE 25006"),
    ),
    attack(
        "`EXPLAIN ANALYZE` of a `DELETE`",
        |_| at_once(&["EXPLAIN ANALYZE DELETE FROM public.stock"]),
        as_app,
        READ_ONLY,
        Ends::Told("SQLSTATE 25006"),
    ),
    attack(
        "`SET default_transaction_read_only = off`, then `INSERT`",
        |_| one_by_one(&["SET default_transaction_read_only = off", "INSERT INTO public.stock VALUES (3, 0)"]),
        as_app,
        READ_ONLY,
        Ends::Told("SQLSTATE 25006"),
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
        Ends::Told("SQLSTATE 25006"),
    ),
    attack(
        "`BEGIN READ WRITE`, then `INSERT`, then `COMMIT`",
        |_| at_once(&["BEGIN READ WRITE", "INSERT INTO public.stock VALUES (3, 0)"]),
        as_app,
        READ_ONLY,
        Ends::Told("SQLSTATE 25006"),
    ),
    attack(
        "puts a statement of its own in the place of the one by which the driver looks up types, outside of any transaction",
        |_| {
            let lookups = ["DEALLOCATE ALL", "SELECT NULL::information_schema.sql_identifier[]"];
            let mut texts: Vec<String> = lookups.map(str::to_owned).to_vec();
            // Whatever the number is by which the driver calls it.
            for number in 0..12 {
                texts.push(format!("PREPARE s{number}(oid) AS INSERT INTO public.stock VALUES (3, 0)"));
            }
            texts.push("SELECT NULL::information_schema.cardinal_number[]".to_owned());
            one_by_one(&texts.iter().map(String::as_str).collect::<Vec<_>>())
        },
        as_app,
        TYPES,
        Ends::Told(kind::UNSUPPORTED_TYPE),
    ),
    attack(
        "`SET TRANSACTION READ WRITE`, then `INSERT`",
        |_| one_by_one(&["SET TRANSACTION READ WRITE", "INSERT INTO public.stock VALUES (3, 0)"]),
        as_app,
        READ_ONLY,
        Ends::Told("SQLSTATE 25006"),
    ),
    attack(
        "`COMMIT`, to leave the host's transaction, then `INSERT`",
        |_| at_once(&["COMMIT", "INSERT INTO public.stock VALUES (3, 0)"]),
        as_app,
        READ_ONLY,
        Ends::Told("SQLSTATE 25006"),
    ),
    attack(
        "`COMMIT AND CHAIN`, then `INSERT`",
        |_| at_once(&["COMMIT AND CHAIN", "INSERT INTO public.stock VALUES (3, 0)"]),
        as_app,
        READ_ONLY,
        Ends::Told("SQLSTATE 25006"),
    ),
    attack(
        "`RESET ALL`, then `INSERT`",
        |_| one_by_one(&["RESET ALL", "INSERT INTO public.stock VALUES (3, 0)"]),
        as_app,
        READ_ONLY,
        Ends::Told("SQLSTATE 25006"),
    ),
    attack(
        "`set_config('transaction_read_only', 'off')` in the statement that writes",
        |_| {
            at_once(&["WITH off AS MATERIALIZED (SELECT set_config('transaction_read_only', 'off', false) AS it) \
                       INSERT INTO public.stock SELECT 3, length(it) FROM off"])
        },
        as_app,
        READ_ONLY,
        Ends::Told("SQLSTATE 25006"),
    ),
    attack(
        "`set_config('transaction_read_only', 'off')` by itself",
        |_| at_once(&["SELECT set_config('transaction_read_only', 'off', false)"]),
        as_app,
        "a transaction that reads cannot be made to write",
        Ends::Told("SQLSTATE 25001"),
    ),
    attack(
        "`DO` that makes its transaction writable",
        |_| at_once(&["DO $$BEGIN SET TRANSACTION READ WRITE; INSERT INTO public.stock VALUES (3, 0); END$$"]),
        as_app,
        "a transaction that reads cannot be made to write",
        Ends::Told("SQLSTATE 25001"),
    ),
    attack(
        "`DO` that commits and begins anew",
        |_| at_once(&["DO $$BEGIN COMMIT; SET TRANSACTION READ WRITE; INSERT INTO public.stock VALUES (3, 0); END$$"]),
        as_app,
        "the host's transaction is not a block's to end",
        Ends::Told("SQLSTATE 2D000"),
    ),
    attack(
        "`CREATE TABLE`",
        |_| at_once(&["CREATE TABLE loot ()"]),
        as_superuser,
        READ_ONLY,
        Ends::Told("SQLSTATE 25006"),
    ),
    attack(
        "`CREATE TEMPORARY TABLE`",
        |_| at_once(&["CREATE TEMPORARY TABLE loot ()"]),
        as_app,
        READ_ONLY,
        Ends::Told("SQLSTATE 25006"),
    ),
    attack(
        "`SELECT INTO`",
        |_| at_once(&["SELECT 1 AS n INTO loot"]),
        as_superuser,
        READ_ONLY,
        Ends::Told("SQLSTATE 25006"),
    ),
    attack(
        "`CREATE FUNCTION`",
        |_| at_once(&["CREATE FUNCTION loot() RETURNS int LANGUAGE sql AS 'SELECT 1'"]),
        as_superuser,
        READ_ONLY,
        Ends::Told("SQLSTATE 25006"),
    ),
    attack(
        "`CREATE ROLE … SUPERUSER`",
        |_| at_once(&["CREATE ROLE loot SUPERUSER"]),
        as_superuser,
        READ_ONLY,
        Ends::Told("SQLSTATE 25006"),
    ),
    attack(
        "`ALTER SYSTEM`, which PostgreSQL counts as reading",
        |_| at_once(&["ALTER SYSTEM SET log_statement = 'all'"]),
        as_superuser,
        "it does not run inside of a transaction",
        Ends::Told("SQLSTATE 25001"),
    ),
    attack(
        "`CREATE EXTENSION dblink`",
        |_| at_once(&["CREATE EXTENSION dblink"]),
        as_superuser,
        READ_ONLY,
        Ends::Told("SQLSTATE 25006"),
    ),
    attack(
        "`dblink` to a session without a host around it",
        |_| at_once(&["SELECT dblink_exec('dbname=postgres', 'DELETE FROM public.stock')"]),
        as_app,
        "the extension must be there, and then it needs a password that the component does not have",
        Ends::Told("SQLSTATE 42883"),
    ),
    attack(
        "`COPY … FROM STDIN`",
        |_| at_once(&["COPY public.stock FROM STDIN"]),
        as_app,
        READ_ONLY,
        Ends::Told("SQLSTATE 25006"),
    ),
    attack(
        "`COPY … TO STDOUT`, around the caps on rows",
        |_| at_once(&["COPY (SELECT generate_series(1, 10)) TO STDOUT"]),
        as_app,
        "the driver takes no copy for an answer",
        Ends::Told("query-failed"),
    ),
    attack(
        "`COPY … TO PROGRAM`",
        |_| at_once(&["COPY (SELECT 1) TO PROGRAM 'true'"]),
        any_sql,
        PRIVILEGE,
        Ends::Told("SQLSTATE 42501"),
    ),
    attack(
        "`SET ROLE postgres`",
        |_| at_once(&["SET ROLE postgres"]),
        any_sql,
        PRIVILEGE,
        Ends::Told("SQLSTATE 42501"),
    ),
    attack(
        "`SET SESSION AUTHORIZATION postgres`",
        |_| at_once(&["SET SESSION AUTHORIZATION postgres"]),
        any_sql,
        PRIVILEGE,
        Ends::Told("SQLSTATE 42501"),
    ),
    attack(
        "`SET ROLE` to what the role may become, for the statements to come",
        |_| one_by_one(&["SET ROLE pg_monitor", "SELECT current_user::text"]),
        any_sql,
        ROLLED_BACK,
        Ends::Told("Text(\"operator\")"),
    ),
    attack(
        "`pg_read_file`",
        |_| at_once(&["SELECT pg_read_file('postgresql.conf')"]),
        any_sql,
        PRIVILEGE,
        Ends::Told("SQLSTATE 42501"),
    ),
    attack("`pg_ls_dir`", |_| at_once(&["SELECT pg_ls_dir('.')"]), any_sql, PRIVILEGE, Ends::Told("SQLSTATE 42501")),
    attack(
        "`lo_import`",
        |_| at_once(&["SELECT lo_import('/etc/passwd')"]),
        any_sql,
        PRIVILEGE,
        Ends::Told("SQLSTATE 42501"),
    ),
    attack(
        "`lo_from_bytea`, which writes in read-only transactions before PostgreSQL 16",
        |_| at_once(&["SELECT lo_from_bytea(0, 'loot')"]),
        as_app,
        ROLLED_BACK,
        Ends::InVain,
    ),
    attack(
        "`pg_terminate_backend` through `query`, of another role's session",
        |_| at_once(&["SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'"]),
        as_bare,
        "the role's privileges, and nothing else: see below",
        Ends::Told("SQLSTATE 42501"),
    ),
    attack(
        "`pg_terminate_backend` of its own session",
        |_| at_once(&["SELECT pg_terminate_backend(pg_backend_pid())"]),
        as_app,
        "nothing: it ends only its own session",
        Ends::Told("connection-lost"),
    ),
    attack(
        "`pg_sleep`",
        |_| at_once(&["SELECT 1 FROM pg_sleep(60)"]),
        as_app,
        TIMEOUT,
        Ends::Told("limit `statement_timeout`"),
    ),
    attack(
        "`SET statement_timeout = 0`, then `pg_sleep`",
        |_| one_by_one(&["SET statement_timeout = 0", "SELECT 1 FROM pg_sleep(60)"]),
        as_app,
        TIMEOUT,
        Ends::Told("limit `statement_timeout`"),
    ),
    attack(
        "`set_config('statement_timeout', '0')` in the statement that sleeps",
        |_| at_once(&["SELECT set_config('statement_timeout', '0', false) FROM pg_sleep(60)"]),
        as_app,
        TIMEOUT,
        Ends::Told("limit `statement_timeout`"),
    ),
    attack(
        "`pg_sleep` again and again",
        |_| request(json!({ "name": "query-for-ever", "batch": ["SELECT 1 FROM pg_sleep(60)"] })),
        as_app_in_a_hurry,
        "deadline",
        Ends::Fault(DEADLINE_EXCEEDED, "limit `deadline`"),
    ),
    attack(
        "a join of everything with everything",
        |_| at_once(&["SELECT count(*) FROM pg_attribute a, pg_attribute b, pg_attribute c"]),
        as_app,
        TIMEOUT,
        Ends::Told("limit `statement_timeout`"),
    ),
    attack(
        "a hundred million rows",
        |_| at_once(&["SELECT generate_series(1, 100000000)"]),
        as_app,
        "limit `rows`; the rest is cancelled with the session",
        Ends::Told("ok 1000 rows, truncated"),
    ),
    attack(
        "a thousand rows again and again",
        |_| request(json!({ "name": "query-for-ever", "batch": ["SELECT generate_series(1, 1000)"] })),
        as_app,
        "limit on the rows of the whole call",
        Ends::Told("limit `answer_rows`"),
    ),
    attack(
        "a row of 20 MB",
        |_| at_once(&["SELECT repeat('x', 20000000)"]),
        as_app,
        "limit `answer_bytes`",
        Ends::Told("ok 0 rows, truncated"),
    ),
    attack(
        "a column whose type the host does not know",
        |_| at_once(&["SELECT 'hostile'::public.mood"]),
        as_app,
        TYPES,
        Ends::Told(kind::UNSUPPORTED_TYPE),
    ),
    attack(
        "an array of such a type",
        |_| at_once(&["SELECT '{hostile}'::public.mood[]"]),
        as_app,
        TYPES,
        Ends::Told(kind::UNSUPPORTED_TYPE),
    ),
    attack(
        "a column whose type lies at the end of a chain of 5,000 domains of arrays, to exhaust the stack of who looks it up",
        |_| at_once(&["SELECT NULL::public.chain_5000[]"]),
        as_app,
        TYPES,
        Ends::Told(kind::UNSUPPORTED_TYPE),
    ),
    attack(
        "a column of 5,000 composite types in one another",
        |_| at_once(&["SELECT NULL::public.nest_5000"]),
        as_app,
        TYPES,
        Ends::Told(kind::UNSUPPORTED_TYPE),
    ),
    attack(
        "`pg_advisory_lock`, kept for ever",
        |_| at_once(&["SELECT pg_advisory_lock(7)::text"]),
        as_app,
        "the lock ends with the session, which ends with the call",
        Ends::InVain,
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
        Ends::Told("Int64(0)"),
    ),
    attack(
        "`SELECT … FOR UPDATE`",
        |_| at_once(&["SELECT n FROM public.stock FOR UPDATE"]),
        as_app,
        READ_ONLY,
        Ends::Told("SQLSTATE 25006"),
    ),
    attack(
        "`LISTEN`",
        |_| one_by_one(&["LISTEN loot", "SELECT count(*) FROM pg_listening_channels()"]),
        as_app,
        ROLLED_BACK,
        Ends::Told("Int64(0)"),
    ),
    attack("`NOTIFY`", |_| at_once(&["NOTIFY loot, 'hostile'"]), as_app, ROLLED_BACK, Ends::InVain),
    attack(
        "`DECLARE CURSOR WITH HOLD`, then `FETCH`",
        |_| one_by_one(&["DECLARE loot CURSOR WITH HOLD FOR SELECT n FROM public.stock", "FETCH loot"]),
        as_app,
        ROLLED_BACK,
        Ends::Told("SQLSTATE 34000"),
    ),
    attack(
        "`PREPARE` that outlives the call",
        |_| at_once(&["PREPARE loot AS SELECT 1"]),
        as_app,
        "it ends with the session, which ends with the call",
        Ends::InVain,
    ),
    attack(
        "`PREPARE TRANSACTION`, which would outlive the session and hold back vacuum",
        |_| at_once(&["PREPARE TRANSACTION 'loot'"]),
        as_app,
        "the host's transaction has a notification in it, and such a one cannot be prepared",
        Ends::Told("SQLSTATE 0A000"),
    ),
    attack(
        "`SET application_name`, to hide from the host's own count",
        |_| one_by_one(&["SET application_name = 'psql'", "SELECT current_setting('application_name')"]),
        any_sql,
        ROLLED_BACK,
        Ends::Told("Text(\"archon-pool\")"),
    ),
    attack(
        "`SET search_path`, to put a function of its own before the host's",
        |_| one_by_one(&["SET search_path = public", "SELECT current_setting('search_path')"]),
        any_sql,
        ROLLED_BACK,
        Ends::Told("Text(\"pg_catalog\")"),
    ),
    attack(
        "`SET client_encoding`, to smuggle letters",
        |_| one_by_one(&["SET client_encoding = 'LATIN1'", "SELECT current_setting('client_encoding')"]),
        as_app,
        ROLLED_BACK,
        Ends::Told("Text(\"UTF8\")"),
    ),
    attack(
        "`DISCARD ALL`",
        |_| at_once(&["DISCARD ALL"]),
        as_app,
        "it does not run inside of a transaction",
        Ends::Told("SQLSTATE 25001"),
    ),
];

/// Types of types, each made of the one before.
async fn make_chains(cluster: &Cluster) -> Result<()> {
    // Each type holds a lock until its transaction ends.
    let chains = "CREATE DOMAIN public.chain_0 AS text; CREATE TYPE public.nest_0 AS (x text)";
    cluster.execute(chains).await?;
    let chains = "DO $$ BEGIN FOR n IN 1 .. 5000 LOOP \
         EXECUTE format('CREATE DOMAIN public.chain_%s AS public.chain_%s[]', n, n - 1); \
         EXECUTE format('CREATE TYPE public.nest_%s AS (x public.nest_%s)', n, n - 1); \
         IF n % 200 = 0 THEN COMMIT; END IF; END LOOP; END $$";
    cluster.execute(chains).await
}

async fn arena() -> Result<Arena> {
    let cluster = Cluster::builder().setting("max_prepared_transactions", 5).start().await?;
    furnish(&cluster).await?;
    Arena::open(cluster).await
}

#[tokio::test]
async fn any_statement_is_still_read_only_bounded_and_gone() -> Result<()> {
    let arena = arena().await?;
    make_chains(&arena.cluster).await?;
    arena.withstands(ATTACKS).await
}

/// Under the default policy none of them is even sent.
#[tokio::test]
async fn the_catalogue_admits_none_of_these() -> Result<()> {
    let arena = arena().await?;
    let host = arena.host(OPERATOR, Limits::default(), Policy::default());
    let scene = arena.scene().await?;
    for attack in ATTACKS {
        let Weapon::Rust(plan) = attack.with else { continue };
        let answer = arena.call(&host, plan(&scene)).await?;
        // A lookup and a session go before the first statement.
        let said = &heard(&answer)[2..];
        ensure!(!said.is_empty(), "{}: nothing was said", attack.tries);
        for word in said {
            ensure!(word.contains("is not sent") && word.contains("`sql`"), "{}: {word}", attack.tries);
        }
    }
    arena.is_unharmed(&host).await
}
