mod any_text;
mod bounds;

use archon_pool_contract::catalogue;

use super::admit;

/// The catalogue's statements that only their exact text admits, with the reason.
const BY_TEXT: &[(&str, &str)] = &[
    ("activity", "the keyword `collate` is not admitted: a name is put in double quotes"),
    ("locks", "the operator `<<` is not admitted"),
    ("temp-objects", "the keyword `over` is not admitted: a name is put in double quotes"),
    ("counters", "a cast of a computed text to a time is not admitted: write a literal or a column"),
    ("statement-counts", "a dollar sign that is not a parameter's is not admitted"),
    ("statements", "a dollar sign that is not a parameter's is not admitted"),
    ("settings", "the relation `pg_catalog.pg_settings` is not admitted"),
    ("role-settings", "the keyword `collate` is not admitted: a name is put in double quotes"),
    ("sessions", "the keyword `collate` is not admitted: a name is put in double quotes"),
    ("pause", "an argument of a function in FROM is not admitted"),
];

#[test]
fn the_catalogue_is_admitted_except_for_statements_safe_by_exact_text_only() {
    // The rules do not concern the comment behind the first word.
    let bare = |entry: &catalogue::Entry| entry.sql.replacen("/* archon-pool */ ", "", 1);
    let refused = catalogue::ALL.iter().filter_map(|entry| Some((entry.id, admit(&bare(entry)).err()?.to_string())));
    let expected = BY_TEXT.iter().map(|&(id, why)| (id, why.to_owned()));
    assert_eq!(refused.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

/// Statements that a custom plugin might send, one per line. The live tests run them on a server.
fn questions() -> Vec<&'static str> {
    include_str!("questions.sql").lines().collect()
}

#[test]
fn plain_queries_are_admitted_and_their_printed_form_is_admitted_too() {
    for question in questions() {
        let admitted = admit(question).unwrap_or_else(|refused| panic!("{question}: {refused}"));
        assert_eq!(admit(&admitted.to_string()), Ok(admitted));
    }
}

#[test]
fn the_parsed_tables_and_functions_are_reported() {
    let admitted = admit(questions()[2]).unwrap();
    assert!(admitted.relations().iter().eq(["pg_stat_activity"]));
    assert!(admitted.functions().iter().eq(["count"]));
}

/// Refused statements; the snapshot contains the reasons.
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
    // A SELECT with side effects.
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
    // Growth, and clauses that no analysis needs.
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
fn attacks_are_refused_with_their_reason() {
    let mut told = String::new();
    for attack in ATTACKS {
        let refused = admit(attack).expect_err(attack);
        let attack = attack.escape_debug().to_string().replace("\\'", "'").replace("\\\"", "\"");
        told.push_str(&format!("{attack}\n    {refused}\n"));
    }
    insta::assert_snapshot!(told);
}
