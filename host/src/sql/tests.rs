use archon_pool_contract::catalogue;
use proptest::prelude::*;
use proptest::sample::select;

use super::admit;

/// The catalogue's statements that only their exact text admits, and why.
const BY_TEXT: &[(&str, &str)] = &[
    ("activity", "the keyword `collate` is not admitted: a name is put in double quotes"),
    ("waits", "the operator `<<` is not admitted"),
    ("temp-objects", "more than 5 relations are not admitted"),
    ("statements", "a dollar sign that is not a parameter's is not admitted"),
    ("statement-counts", "a dollar sign that is not a parameter's is not admitted"),
    ("settings", "the relation `pg_catalog.pg_settings` is not admitted"),
    ("role-settings", "the keyword `collate` is not admitted: a name is put in double quotes"),
    ("sessions", "the keyword `collate` is not admitted: a name is put in double quotes"),
    ("pause", "an argument of a function in FROM is not admitted"),
];

#[test]
fn the_catalogue_is_admitted_but_for_what_is_safe_in_its_own_words_only() {
    let refused = catalogue::ALL.iter().filter_map(|entry| Some((entry.id, admit(entry.sql).err()?.to_string())));
    let expected = BY_TEXT.iter().map(|&(id, why)| (id, why.to_owned()));
    assert_eq!(refused.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

/// What a plugin of one's own might ask, one on a line. The live tests ask a server what it makes of them.
fn questions() -> Vec<&'static str> {
    include_str!("questions.sql").lines().collect()
}

#[test]
fn plain_questions_are_admitted_and_print_as_what_is_admitted_again() {
    for question in questions() {
        let admitted = admit(question).unwrap_or_else(|refused| panic!("{question}: {refused}"));
        assert_eq!(admit(&admitted.to_string()), Ok(admitted));
    }
}

#[test]
fn what_was_read_is_told() {
    let admitted = admit(questions()[2]).unwrap();
    assert!(admitted.relations().iter().eq(["pg_stat_activity"]));
    assert!(admitted.functions().iter().eq(["count"]));
}

/// Each is refused, and the snapshot says as what.
const ATTACKS: &[&str] = &[
    // Several statements, and none.
    "",
    " ",
    "/* archon-pool */",
    ";",
    "SELECT 1;",
    "SELECT 1; DROP TABLE users",
    "SELECT 1; SELECT pg_catalog.pg_terminate_backend(7)",
    "SELECT 1 SELECT 2",
    // Other statements.
    "DO 'BEGIN END'",
    "COPY pg_catalog.pg_class TO PROGRAM 'sh'",
    "SET ROLE postgres",
    "SET search_path = evil",
    "RESET ALL",
    "SHOW ALL",
    "BEGIN",
    "COMMIT",
    "LISTEN x",
    "NOTIFY x",
    "LOCK TABLE pg_catalog.pg_class",
    "CREATE TEMP TABLE t AS SELECT 1",
    "VACUUM",
    "CALL evil()",
    "EXECUTE s",
    "PREPARE s AS SELECT 1",
    "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
    "EXPLAIN ANALYZE SELECT 1",
    "INSERT INTO t SELECT 1",
    "DELETE FROM pg_catalog.pg_class",
    "UPDATE t SET a = 1",
    "MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE",
    "TRUNCATE t",
    "VALUES (1)",
    "TABLE pg_catalog.pg_class",
    "(TABLE pg_catalog.pg_class)",
    "SELECT 1 UNION TABLE pg_catalog.pg_authid",
    // A SELECT that is none.
    "SELECT 1 INTO t",
    "SELECT a.pid INTO TEMP t FROM pg_catalog.pg_stat_activity a",
    "SELECT d.oid FROM pg_catalog.pg_database d FOR UPDATE",
    "SELECT d.oid FROM pg_catalog.pg_database d FOR KEY SHARE SKIP LOCKED",
    "WITH x AS (DELETE FROM t RETURNING 1) SELECT 1 FROM x",
    "WITH x AS (INSERT INTO t VALUES (1) RETURNING a) SELECT 1 FROM x",
    "WITH RECURSIVE x (n) AS (SELECT 1 UNION ALL SELECT x.n + 1 FROM x) SELECT x.n FROM x",
    "WITH x AS (SELECT pg_catalog.pg_sleep(9)) SELECT 1 FROM x",
    "SELECT 1 FROM (WITH y AS (SELECT 1) SELECT 1 FROM y) x",
    // Relations.
    "SELECT rolpassword FROM pg_catalog.pg_authid",
    "SELECT s.passwd FROM pg_catalog.pg_shadow s",
    "SELECT u.umoptions FROM pg_catalog.pg_user_mappings u",
    "SELECT h.auth_method FROM pg_catalog.pg_hba_file_rules h",
    "SELECT f.setting FROM pg_catalog.pg_file_settings f",
    "SELECT s.setting FROM pg_catalog.pg_settings s WHERE s.name = 'primary_conninfo'",
    "SELECT s.setconfig FROM pg_catalog.pg_db_role_setting s",
    "SELECT l.data FROM pg_catalog.pg_largeobject l",
    "SELECT s.stavalues1 FROM pg_catalog.pg_statistic s",
    "SELECT s.subconninfo FROM pg_catalog.pg_subscription s",
    "SELECT w.conninfo FROM pg_catalog.pg_stat_wal_receiver w",
    "SELECT p.prosrc FROM pg_catalog.pg_proc p",
    "SELECT a.pid FROM pg_stat_activity a",
    "SELECT u.id FROM public.users u",
    "SELECT u.id FROM users u",
    "SELECT k.decrypted_secret FROM vault.decrypted_secrets k",
    "SELECT t.a FROM pg_temp.t t",
    "SELECT a.pid FROM postgres.pg_catalog.pg_stat_activity a",
    "SELECT a.pid FROM \"PG_CATALOG\".pg_stat_activity a",
    "SELECT a.pid FROM pg_catalog.\"pg_stat_activity \" a",
    "SELECT a.pid FROM ONLY pg_catalog.pg_stat_activity a",
    "SELECT a.pid FROM pg_catalog.pg_stat_activity a TABLESAMPLE system (1)",
    "SELECT a.pid FROM pg_catalog.pg_stat_activity * a",
    "SELECT 1 FROM (SELECT 1) x, (WITH pg_authid AS (SELECT 1) SELECT 1) y, pg_authid",
    "WITH pg_authid AS (SELECT 1 AS a) SELECT p.a FROM pg_authid p",
    "WITH x AS (SELECT y.a FROM y), y AS (SELECT 1 AS a) SELECT x.a FROM x",
    // Columns, and calls that look like columns.
    "SELECT * FROM pg_catalog.pg_roles",
    "SELECT r.* FROM pg_catalog.pg_roles r",
    "SELECT rolconfig FROM pg_catalog.pg_roles",
    "SELECT r.rolconfig FROM pg_catalog.pg_roles r",
    "SELECT pg_catalog.to_jsonb(r) FROM pg_catalog.pg_roles r",
    "SELECT r FROM pg_catalog.pg_roles r",
    "SELECT pg_catalog.count(r) FROM pg_catalog.pg_roles r",
    "SELECT r.l FROM pg_catalog.pg_roles r (a, b, c, d, e, f, g, h, i, j, k, l, m)",
    "SELECT rolconfig FROM pg_catalog.pg_roles r, (SELECT 1 AS rolconfig) x",
    "SELECT 1 FROM pg_catalog.pg_roles r JOIN pg_catalog.pg_roles s USING (rolconfig)",
    "SELECT 1 FROM pg_catalog.pg_roles r NATURAL JOIN pg_catalog.pg_roles s",
    "SELECT g.pg_terminate_backend FROM pg_catalog.pg_stat_get_backend_idset() g",
    "SELECT g.pg_terminate_backend FROM pg_catalog.pg_stat_get_backend_idset() g (n), (SELECT 1 AS pg_terminate_backend) x",
    "SELECT x.pg_sleep FROM (SELECT 1 AS a) x",
    "SELECT a.evil FROM pg_catalog.pg_stat_activity a",
    "SELECT x.evil FROM pg_catalog.pg_locks x, (SELECT x.evil FROM (SELECT 1 AS evil) x) y",
    "SELECT (a).evil FROM pg_catalog.pg_stat_activity a",
    "SELECT (a.query).evil FROM pg_catalog.pg_stat_activity a",
    "SELECT pg_catalog.pg_stat_activity.query FROM pg_catalog.pg_stat_activity",
    "SELECT a.ctid FROM pg_catalog.pg_class a",
    // Functions.
    "SELECT pg_terminate_backend(7)",
    "SELECT pg_catalog.pg_terminate_backend(7)",
    "SELECT pg_catalog . pg_terminate_backend ( 7 )",
    "SELECT \"pg_catalog\".\"pg_terminate_backend\"(7)",
    "SELECT PG_CATALOG.PG_TERMINATE_BACKEND(a.pid) FROM pg_catalog.pg_stat_activity a",
    "SELECT pg_catalog.count(*) FILTER (WHERE pg_catalog.pg_cancel_backend(7)) FROM pg_catalog.pg_locks l",
    "SELECT 1 ORDER BY pg_catalog.pg_cancel_backend(7)",
    "SELECT 1 LIMIT pg_catalog.pg_sleep(1)::text::bigint",
    "SELECT 1 GROUP BY pg_catalog.pg_cancel_backend(7)",
    "SELECT 1 HAVING pg_catalog.pg_cancel_backend(7)",
    "SELECT DISTINCT ON (pg_catalog.pg_cancel_backend(7)) 1",
    "SELECT CASE WHEN true THEN pg_catalog.pg_cancel_backend(7) END",
    "SELECT pg_catalog.lower(pg_catalog.pg_read_file('/etc/passwd'))",
    "SELECT pg_catalog.now() FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_roles r ON pg_catalog.pg_cancel_backend(7)",
    "SELECT pg_catalog.pg_sleep(3600)",
    "SELECT pg_catalog.pg_sleep_for('1 hour')",
    "SELECT pg_catalog.pg_reload_conf()",
    "SELECT pg_catalog.pg_rotate_logfile()",
    "SELECT pg_catalog.pg_ls_dir('.')",
    "SELECT pg_catalog.pg_advisory_lock(1)",
    "SELECT pg_catalog.pg_try_advisory_xact_lock(1)",
    "SELECT pg_catalog.set_config('search_path', 'evil', false)",
    "SELECT pg_catalog.lo_import('/etc/passwd')",
    "SELECT pg_catalog.lo_get(1)",
    "SELECT public.dblink('dbname=x', 'DROP TABLE t')",
    "SELECT extensions.http_get('http://evil')",
    "SELECT pg_catalog.query_to_xml('SELECT 1', false, true, '')",
    "SELECT pg_catalog.nextval('s')",
    "SELECT pg_catalog.setval('s', 1)",
    "SELECT pg_catalog.pg_notify('c', 'x')",
    "SELECT pg_catalog.pg_switch_wal()",
    "SELECT pg_catalog.pg_create_restore_point('x')",
    "SELECT pg_catalog.pg_logical_emit_message(false, 'a', 'b')",
    "SELECT pg_catalog.pg_stat_reset()",
    "SELECT pg_catalog.pg_export_snapshot()",
    "SELECT pg_catalog.txid_current()",
    "SELECT pg_catalog.repeat('x', 1000000000)",
    "SELECT pg_catalog.lpad('x', 1000000000)",
    "SELECT pg_catalog.string_agg(a.query, '') FROM pg_catalog.pg_stat_activity a",
    "SELECT 1 FROM pg_catalog.generate_series(1, 1000000000)",
    "SELECT 1 FROM pg_catalog.pg_sleep(10)",
    "SELECT 1 FROM pg_catalog.pg_read_file('x') f",
    "SELECT 1 FROM ROWS FROM (pg_catalog.pg_read_file('x')) f",
    "SELECT 1 FROM pg_catalog.pg_stat_get_backend_idset() WITH ORDINALITY i (n)",
    "SELECT count(*) FROM pg_catalog.pg_locks",
    "SELECT now()",
    "SELECT public.now()",
    "SELECT \"coalesce\"(1)",
    "SELECT substring('x' FROM 1)",
    "SELECT pg_catalog.current_setting('app.settings.jwt_secret')",
    "SELECT pg_catalog.current_setting('primary_' || 'conninfo')",
    "SELECT pg_catalog.current_setting($1)",
    "SELECT pg_catalog.count(*) OVER ()",
    "SELECT pg_catalog.lower(VARIADIC a.query) FROM pg_catalog.pg_stat_activity a",
    "SELECT pg_catalog.lower(x => 'a')",
    "SELECT pg_catalog.max(l.*) FROM pg_catalog.pg_locks l",
    // Operators, types, collations.
    "SELECT 1 OPERATOR(evil.+) 1",
    "SELECT 1 @@@ 1",
    "SELECT @-1",
    "SELECT 1 +- 1",
    "SELECT a.pid -1 +-1 FROM pg_catalog.pg_stat_activity a",
    "SELECT |/ 4",
    "SELECT 5 !",
    "SELECT 'x'::evil.type",
    "SELECT 'x'::evil",
    "SELECT 'x'::xml",
    "SELECT 'pg_sleep'::regproc",
    "SELECT '{1}'::int[]",
    "SELECT 'x'::varchar(10)",
    "SELECT \"evil\" 'x'",
    "SELECT evil 'x'",
    "SELECT evil.type 'x'",
    "SELECT zone 'x'",
    "SELECT date '2020-01-01'",
    "SELECT INTERVAL '1' HOUR",
    "SELECT a.query COLLATE evil.c FROM pg_catalog.pg_stat_activity a",
    "SELECT 1 ORDER BY 1 USING <",
    // Lexers.
    "SELECT 1 -- x",
    "SELECT 1 /* x */",
    "SELECT /* a /* b */ c */ 1",
    "/* a /* b */ SELECT 1 /* */ */ SELECT 1",
    "/* a\n*/ SELECT 1",
    "/**/ /**/ SELECT 1",
    "SELECT 1 --\n+ 1",
    "SELECT 1 +-- \n 1",
    "SELECT 1 +/* */ 1",
    "SELECT E'\\'' || pg_catalog.pg_sleep(1) || '",
    "SELECT '\\' || pg_catalog.pg_sleep(1)::text || '\\'",
    "SELECT e'x'",
    "SELECT U&'x'",
    "SELECT U&\"x\" FROM pg_catalog.pg_locks",
    "SELECT U&'d!0061t' UESCAPE '!'",
    "SELECT b'1'",
    "SELECT x'1F'",
    "SELECT n'x'",
    "SELECT 'a'\n'b'",
    "SELECT 'a' 'b'",
    "SELECT 'a",
    "SELECT \"a",
    "SELECT \"a\"\"b\"",
    "SELECT $$x$$",
    "SELECT $a$ x $a$",
    "SELECT a$b",
    "SELECT $1a",
    "SELECT $0",
    "SELECT 1a",
    "SELECT 0x1F",
    "SELECT 1_000",
    "SELECT 1.",
    "SELECT .5",
    "SELECT 1e5",
    "SELECT 1..2",
    "SELECT :name",
    "SELECT @x",
    "SELECT `a`",
    "SELECT [1]",
    "SELECT {fn now()}",
    "SELECT ARRAY[1]",
    "SELECT ROW(1)",
    "SELECT a := 1",
    "SELECT 'é'",
    "SELECT é",
    "SELECT\u{a0}1",
    "SELECT 'a\0b'",
    "SELECT\u{b}1",
    "SELECT\u{c}1",
    "\\! sh",
    "SELECT 1 \\gexec",
    "SELECT ((((((((((((((1))))))))))))))",
    "SELECT (1",
    "SELECT 1)",
    "SELECT 1 AS aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    // Growth, and clauses that no reader of ours needs.
    "SELECT 'x' || 'x' || 'x' || 'x' || 'x' || 'x' || 'x' || 'x' || 'x' || 'x' || 'x' || 'x' || 'x' || 'x'",
    "SELECT 1 FROM pg_catalog.pg_locks a, pg_catalog.pg_locks b, pg_catalog.pg_locks c, pg_catalog.pg_locks d, pg_catalog.pg_locks e, pg_catalog.pg_locks f, pg_catalog.pg_locks g, pg_catalog.pg_locks h, pg_catalog.pg_locks i",
    "SELECT 1 FETCH FIRST 1 ROW WITH TIES",
    "SELECT 1 GROUP BY CUBE (1)",
    "SELECT 1 GROUP BY ROLLUP (1)",
    "SELECT 1 WINDOW w AS ()",
    "SELECT 1 LIMIT ALL",
    "SELECT 1 LIMIT 1, 2",
    "FROM pg_catalog.pg_locks SELECT 1",
    "SELECT TOP 1 1",
    "SELECT 1 FROM pg_catalog.pg_locks l QUALIFY true",
    "SELECT 1 FROM pg_catalog.pg_locks l CONNECT BY true",
    "SELECT 1 FROM pg_catalog.pg_locks l FINAL",
    "SELECT 1 SETTINGS a = 1",
    "SELECT 1 FROM pg_catalog.pg_locks l ANTI JOIN pg_catalog.pg_roles r ON true",
    "SELECT a.query LIKE 'x' ESCAPE 'y' FROM pg_catalog.pg_stat_activity a",
    "SELECT a.query SIMILAR TO 'x' FROM pg_catalog.pg_stat_activity a",
    "SELECT 1 IS OF (int)",
    "SELECT 1 |> 2",
];

#[test]
fn attacks_are_refused_for_what_they_are() {
    let mut told = String::new();
    for attack in ATTACKS {
        let refused = admit(attack).expect_err(attack);
        let attack = attack.escape_debug().to_string().replace("\\'", "'").replace("\\\"", "\"");
        told.push_str(&format!("{attack}\n    {refused}\n"));
    }
    insta::assert_snapshot!(told);
}

/// A derived table in another one, whose column is the sum of so many uses of the inner one.
fn nested(levels: usize, uses: usize) -> String {
    (0..levels).fold("SELECT l.pid AS a FROM pg_catalog.pg_locks l".to_owned(), |inner, level| {
        let sum = vec![format!("x{level}.a"); uses].join(" + ");
        format!("SELECT {sum} AS a FROM ({inner}) x{level}")
    })
}

/// The same in `WITH` queries that the planner is told to put in their place.
fn nested_in_with(levels: usize, uses: usize) -> String {
    let query = |level: usize| {
        let sum = vec![format!("w{}.a", level - 1); uses].join(" + ");
        format!("w{level} AS NOT MATERIALIZED (SELECT {sum} AS a FROM w{})", level - 1)
    };
    let queries: Vec<_> = (1..=levels).map(query).collect();
    let first = "w0 AS (SELECT l.pid AS a FROM pg_catalog.pg_locks l)";
    format!("WITH {first}, {} SELECT w{levels}.a FROM w{levels}", queries.join(", "))
}

fn refused(text: &str) -> String {
    admit(text).expect_err(text).to_string()
}

#[test]
fn subqueries_that_multiply_what_is_computed_are_refused() {
    for (levels, uses) in [(1, 60), (2, 50), (3, 15)] {
        admit(&nested(levels, uses)).unwrap_or_else(|refused| panic!("{levels} times {uses}: {refused}"));
    }
    assert!(admit(&nested_in_with(2, 40)).is_ok());
    let repeated = |form: &dyn Fn(&str) -> String| (0..16).fold("1".to_owned(), |inner, _| form(&inner));
    let subquery = format!(
        "SELECT {} FROM (SELECT (SELECT pg_catalog.max(l.pid) FROM pg_catalog.pg_stat_activity l) AS a) x",
        vec!["x.a"; 60].join(" + ")
    );
    let arms = vec!["SELECT 1 AS a"; 30].join(" UNION ALL ");
    let whole = format!(
        "SELECT y.s FROM (SELECT {} AS s FROM ({arms}) x) y WHERE {}",
        vec!["x.a"; 40].join(" + "),
        ["y.s > 1"; 9].join(" AND ")
    );
    let bare = nested(4, 20).replace("x0.", "").replace("x1.", "").replace("x2.", "").replace("x3.", "");
    for text in [
        nested(4, 20),
        nested(3, 40),
        nested_in_with(3, 40),
        bare,
        format!("SELECT {}", repeated(&|inner| format!("CASE WHEN {inner} BETWEEN 0 AND 1 THEN 1 END"))),
        format!(
            "SELECT {} FROM pg_catalog.pg_locks l",
            repeated(&|inner| format!("CASE WHEN {inner} IN (l.pid, l.pid) THEN 1 END"))
        ),
        subquery,
        whole,
    ] {
        assert_eq!(refused(&text), "a statement whose subqueries multiply what is computed is not admitted", "{text}");
    }
}

#[test]
fn what_a_backend_remembers_is_no_computed_value() {
    let from = "FROM pg_catalog.pg_locks l, pg_catalog.pg_stat_activity a";
    for stored in [
        "pg_catalog.now() AT TIME ZONE 'UTC'",
        "pg_catalog.now() AT TIME ZONE $1",
        "pg_catalog.now() AT TIME ZONE CASE a.state WHEN 'idle' THEN 'UTC' ELSE coalesce(a.application_name, 'CET') END",
        "l.relation::regclass",
        "l.relation::regclass::text",
        "'pg_class'::regclass",
        "pg_catalog.pg_has_role(a.usesysid, 'pg_monitor', 'member')",
        "pg_catalog.pg_has_role(current_user, a.usename, 'member')",
        "(pg_catalog.now() - a.query_start + '5 min'::interval)::time",
        "pg_catalog.max(a.query_start)::date",
        "pg_catalog.date_trunc('hour', pg_catalog.now() - '1 day'::interval, 'UTC')",
        "pg_catalog.to_char(pg_catalog.now(), 'HH24:MI')",
        "pg_catalog.\"substring\"(a.query, 1, l.pid - 5)",
        "pg_catalog.\"substring\"(a.query, '^[a-z]+')",
        "a.query ~* '^(select|with) '",
        "a.query LIKE a.application_name",
    ] {
        admit(&format!("SELECT {stored} {from}")).unwrap_or_else(|refused| panic!("{stored}: {refused}"));
    }
    for (computed, what) in [
        ("pg_catalog.now() AT TIME ZONE ('FOO' || l.pid)", "time zone"),
        ("pg_catalog.now() AT TIME ZONE pg_catalog.lower(a.query)", "time zone"),
        (
            "pg_catalog.now() AT TIME ZONE (SELECT pg_catalog.upper(b.query) FROM pg_catalog.pg_stat_activity b)",
            "time zone",
        ),
        ("(l.pid + 1)::regclass", "regclass"),
        ("('a' || l.pid)::pg_catalog.regclass", "regclass"),
        ("CAST(pg_catalog.lower(a.query) AS regclass)", "regclass"),
        ("pg_catalog.pg_has_role((l.pid + 1)::oid, 'member')", "pg_has_role"),
        ("pg_catalog.pg_has_role('a' || l.pid, 'member')", "pg_has_role"),
        ("('2020-01-01 FOO' || l.pid)::timestamptz", "time"),
        ("('12:00 FOO' || l.pid)::time", "time"),
        ("('2020-01-01 FOO' || l.pid)::date", "time"),
        ("pg_catalog.date_trunc('hour', pg_catalog.now(), 'FOO' || l.pid)", "date_trunc"),
        ("pg_catalog.to_char(l.pid, '9' || l.pid)", "to_char"),
        ("pg_catalog.\"substring\"(a.query, 'x' || l.pid)", "regular expression"),
        ("pg_catalog.\"substring\"(a.query, a.application_name)", "regular expression"),
        ("a.query ~ (a.usename || '$')", "regular expression"),
        ("a.query !~* $1", "regular expression"),
        ("a.query ~ '((((((a+)+)+)+)+)+)+'", "regular expression"),
        ("a.query ~ '(a{1,255}){1,255}'", "regular expression"),
        ("a.query ~ ANY ($1)", "regular expressions"),
        ("a.query LIKE ('%' || l.pid)", "LIKE"),
    ] {
        let why = refused(&format!("SELECT {computed} {from}"));
        assert!(why.contains(what), "{computed}: {why}");
        // Nor behind a name.
        let (operand, rest) = computed.split_once(")::").unwrap_or_default();
        if !rest.is_empty() && !operand.contains("pg_has_role") {
            let inner = operand.trim_start_matches('(');
            let why = refused(&format!("SELECT x.v::{rest} FROM (SELECT {inner} AS v {from}) x"));
            assert!(why.contains(what), "{computed} behind a name: {why}");
        }
    }
    let whole = "SELECT pg_catalog.to_jsonb(x) FROM (SELECT 1 AS a) x";
    assert!(refused(whole).contains("`x`"), "a row type for each statement");
}

/// Relations whose product the planner takes for a few rows.
const PRODUCT: &str = "FROM pg_catalog.pg_class a, pg_catalog.pg_class b WHERE a.relpages + 0 = a.relpages";

#[test]
fn what_a_server_may_hold_in_memory_is_bounded() {
    let activity = "FROM pg_catalog.pg_stat_activity s";
    let long = "x".repeat(1200);
    let repeated = |part: &str, count: usize| vec![part; count].join(", ");
    for text in [
        // Hash tables that never spill.
        format!("SELECT s.pid {activity} WHERE s.pid || 'x' NOT IN (SELECT a.oid || b.relname {PRODUCT})"),
        format!("SELECT s.pid = ANY (SELECT a.oid::int {PRODUCT}) {activity}"),
        format!("SELECT s.pid {activity} WHERE s.pid > 0 OR EXISTS (SELECT 1 {PRODUCT} AND b.relname = s.usename)"),
        format!(
            "SELECT s.usename {activity} WHERE NOT s.usename IN (SELECT a.relname || '{long}' FROM pg_catalog.pg_class a)"
        ),
        format!(
            "SELECT s.pid {activity} WHERE s.pid > 0 OR EXISTS (SELECT 1 FROM pg_catalog.pg_class a WHERE a.relname || '{long}' = s.query)"
        ),
        format!(
            "WITH p AS (SELECT a.oid AS o {PRODUCT}) SELECT s.pid {activity} WHERE s.pid NOT IN (SELECT p.o::int FROM p)"
        ),
        format!("SELECT s.pid::oid {activity} EXCEPT SELECT a.oid {PRODUCT}"),
        format!("SELECT a.oid {PRODUCT} INTERSECT ALL SELECT s.pid::oid {activity}"),
        "SELECT 1 FROM (pg_catalog.pg_locks a CROSS JOIN pg_catalog.pg_locks b) FULL JOIN pg_catalog.pg_locks c \
         ON c.transactionid = a.transactionid"
            .to_owned(),
        // States and rows that become longer than those that were measured.
        format!("SELECT {} {activity} GROUP BY s.pid", repeated("pg_catalog.max(s.query)", 5)),
        format!("SELECT {} {activity} ORDER BY s.pid LIMIT $1", repeated("s.query", 4)),
        // A sort for each of them.
        format!(
            "SELECT {} FROM (SELECT (SELECT pg_catalog.count(DISTINCT a.oid) FROM pg_catalog.pg_class a) AS n) x",
            repeated("x.n", 33)
        ),
    ] {
        let why = refused(&text);
        let multiplied = text.contains("x.n");
        assert!(why.contains("may hold more than 30 MB") || multiplied && why.contains("multiply"), "{text}: {why}");
    }
    for text in [
        format!("SELECT s.pid {activity} WHERE s.usename NOT IN (SELECT r.rolname FROM pg_catalog.pg_roles r)"),
        format!("SELECT s.pid {activity} WHERE s.pid NOT IN (SELECT a.oid::int {PRODUCT} LIMIT 1000)"),
        format!(
            "SELECT s.pid {activity} WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_locks l WHERE l.pid = s.pid AND l.granted)"
        ),
        "SELECT a.pid, b.mode FROM pg_catalog.pg_stat_activity a FULL JOIN pg_catalog.pg_locks b ON b.pid = a.pid"
            .to_owned(),
        format!("SELECT s.datname, s.usename, s.query {activity} ORDER BY s.query_start LIMIT $1"),
        format!(
            "SELECT s.usename, pg_catalog.count(DISTINCT s.pid), pg_catalog.max(s.query) {activity} GROUP BY s.usename"
        ),
        format!("SELECT {} {activity} ORDER BY s.pid LIMIT 50", repeated("s.query", 20)),
    ] {
        admit(&text).unwrap_or_else(|refused| panic!("{text}: {refused}"));
    }
}

#[test]
fn texts_and_numbers_that_multiply_are_refused() {
    let squares = |levels: usize, factor: &str| {
        let product = |level: usize| vec![format!("w{}.n", level - 1); 8].join(" * ");
        let level =
            |level: usize| format!("w{level} AS MATERIALIZED (SELECT {} AS n FROM w{})", product(level), level - 1);
        let levels: Vec<_> = (1..=levels).map(level).collect();
        format!("WITH w0 AS MATERIALIZED (SELECT {factor} AS n), {}", levels.join(", "))
    };
    let digits = "9".repeat(1000);
    let doubled = "WITH a AS MATERIALIZED (SELECT $1 || $1 AS x), b AS MATERIALIZED (SELECT a.x || a.x AS x FROM a), \
                   c AS MATERIALIZED (SELECT b.x || b.x AS x FROM b)";
    let lowers = |count: usize| vec!["pg_catalog.length(pg_catalog.lower(c.x))"; count].join(" + ");
    for text in [
        format!("{} SELECT w2.n::text || w2.n::text FROM w2", squares(2, &digits)),
        format!("{doubled} SELECT {} FROM c", lowers(20)),
        format!("SELECT {}", vec!["pg_catalog.round(1, 2000) * pg_catalog.round(1, 2000)"; 60].join(" * ")),
        format!("SELECT {}", vec!["$1::jsonb"; 45].join(", ")),
    ] {
        assert_eq!(refused(&text), "a statement whose subqueries multiply what is computed is not admitted", "{text}");
    }
    for text in [
        format!("{doubled} SELECT {} FROM c", lowers(1)),
        format!("{} SELECT w1.n FROM w1", squares(1, "1.5")),
        format!("SELECT {} FROM pg_catalog.pg_stat_activity s", vec!["pg_catalog.upper(s.query)"; 64].join(", ")),
        "SELECT pg_catalog.lower(s.query), pg_catalog.\"left\"(s.query, 100) || '...' FROM pg_catalog.pg_stat_activity s".into(),
    ] {
        admit(&text).unwrap_or_else(|refused| panic!("{text}: {refused}"));
    }
}

#[test]
fn a_text_that_is_much_too_long_or_deep_is_refused_on_a_small_stack() {
    let texts = [
        format!("SELECT {}1", "1 + ".repeat(900)),
        format!("SELECT {}1", "1+".repeat(230)),
        format!("SELECT 1{}", "::int".repeat(230)),
        format!("SELECT 1{}", " IS NULL".repeat(110)),
        format!("SELECT {}true", "NOT ".repeat(200)),
        format!("SELECT {}1", "- ".repeat(200)),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(110)),
        format!("SELECT {}1{}", "CASE WHEN ".repeat(60), " THEN 1 END".repeat(60)),
        format!("SELECT {}1{}", "(".repeat(2000), ")".repeat(2000)),
        format!("SELECT a{}", ".a".repeat(1900)),
        format!("SELECT '{}'", "x".repeat(5000)),
    ];
    let judge = move || texts.map(|text| admit(&text).is_ok());
    let admitted = std::thread::Builder::new().stack_size(1 << 20).spawn(judge).unwrap().join().unwrap();
    // Chains within the bounds are only long.
    assert_eq!(admitted, [false, true, false, true, false, false, true, false, false, false, false]);
}

/// Texts that a parser reads in several ways, within the bounds of the lexer.
#[test]
fn no_admissible_length_or_depth_makes_the_parser_take_long() {
    let wraps = [
        ("(", ")"),
        ("(SELECT ", ")"),
        ("1 IN (", ")"),
        ("coalesce(", ")"),
        ("numeric(", ")"),
        ("interval ", ""),
        ("x AT TIME ZONE ", ""),
        ("(1, ", ")"),
        ("(SELECT 1 FROM (", ") x)"),
        ("((SELECT 1) UNION ", ")"),
        ("CASE WHEN ", " THEN 1 END"),
        ("extract(epoch FROM ", ")"),
        ("count(*) FILTER (WHERE ", ")"),
        ("CAST(", " AS int)"),
    ];
    let started = std::time::Instant::now();
    for (open, close) in wraps {
        for (other_open, other_close) in wraps {
            for middle in ["1", "1 +", "a b c", "SELECT 1"] {
                let (opens, closes) = (format!("{open}{other_open}"), format!("{other_close}{close}"));
                let count = (12 / opens.matches('(').count().max(1)).min(16);
                for clause in ["", "1 FROM "] {
                    let text = format!("SELECT {clause}{}{middle}{}", opens.repeat(count), closes.repeat(count));
                    let _ = admit(&text);
                }
            }
        }
    }
    // 1568 texts, of which each takes some milliseconds: one that doubled with its depth would take days.
    assert!(started.elapsed() < std::time::Duration::from_secs(120), "{:?}", started.elapsed());
}

/// Nothing of these may be called or read.
const FORBIDDEN: &[&str] =
    &["pg_sleep", "pg_terminate_backend", "set_config", "pg_read_file", "pg_authid", "query_to_xml", "evil"];

const PIECES: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "AND",
    "WITH",
    "AS",
    "(",
    ")",
    "(",
    ")",
    ",",
    ".",
    "pg_catalog.",
    "pg_stat_activity",
    "a",
    "a.pid",
    "x",
    "count",
    "(*)",
    "now()",
    "1",
    "'x'",
    "$1",
    "::",
    "text",
    "||",
    "=",
    "~",
    "-",
    "*",
    "JOIN",
    "ON",
    "UNION",
    "LATERAL",
    "CASE",
    "END",
    "IN",
    "ANY",
    "EXISTS",
    "NOT",
    "NULL",
    "--",
    "/*",
    "*/",
    "'",
    "\"",
    ";",
    "\\",
    "E",
    "U&",
    "pg_sleep",
    "pg_terminate_backend",
    "set_config",
    "pg_read_file",
    "pg_authid",
    "query_to_xml",
    "rolconfig",
    "INTO",
    "FOR",
    "UPDATE",
    "DELETE",
    "evil",
    "\n",
    "AT TIME ZONE",
    "FILTER",
    "ORDER BY",
    "LIMIT",
    "pg_roles",
    "r",
];

fn check(text: &str) -> Result<(), TestCaseError> {
    if let Ok(admitted) = admit(text) {
        // The print has no blank between a function's name and its parenthesis; names of columns may be anything.
        let print = admitted.to_string().to_ascii_lowercase();
        let outside: String = print.split('\'').step_by(2).collect();
        for word in FORBIDDEN {
            let called = outside.contains(&format!("{word}(")) || outside.contains(&format!("pg_catalog.{word}"));
            prop_assert!(!called, "{text}");
            prop_assert!(!admitted.functions().contains(*word) && !admitted.relations().contains(*word), "{text}");
        }
        prop_assert_eq!(admit(&admitted.to_string()), Ok(admitted));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_soup_of_pieces_is_judged(pieces in prop::collection::vec(select(PIECES), 0..40)) {
        check(&pieces.join(" "))?;
        check(&pieces.concat())?;
    }

    #[test]
    fn a_good_statement_with_strange_pieces_in_it_is_judged(
        question in select(questions()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), select(PIECES)), 1..4),
    ) {
        let mut words: Vec<&str> = question.split(' ').collect();
        for (index, insert, piece) in changes {
            let at = index.index(words.len());
            if insert { words.insert(at, piece); } else { words[at] = piece; }
        }
        check(&words.join(" "))?;
    }

    #[test]
    fn any_text_is_judged(text in "\\PC{0,100}") {
        check(&text)?;
    }
}
