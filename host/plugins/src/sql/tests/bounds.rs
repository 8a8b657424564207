//! Limits on the computation, memory and parsing time of a statement.

use super::super::admit;

/// Returns nested derived tables, each with a column that sums this many uses of the inner one's.
fn nested(levels: usize, uses: usize) -> String {
    (0..levels).fold("SELECT l.pid AS a FROM pg_catalog.pg_locks l".to_owned(), |inner, level| {
        let sum = vec![format!("x{level}.a"); uses].join(" + ");
        format!("SELECT {sum} AS a FROM ({inner}) x{level}")
    })
}

/// Returns the same with `WITH` queries, marked for inlining.
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
fn subqueries_that_multiply_the_computed_rows_are_refused() {
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
fn values_cached_by_a_backend_are_not_counted_as_computed() {
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
        // Refused behind a name as well.
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

/// Relations whose product the planner estimates as a few rows.
const PRODUCT: &str = "FROM pg_catalog.pg_class a, pg_catalog.pg_class b WHERE a.relpages + 0 = a.relpages";

#[test]
fn the_memory_of_a_statement_on_the_server_is_bounded() {
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
        // States and rows that become longer than the measured ones.
        format!("SELECT {} {activity} GROUP BY s.pid", repeated("pg_catalog.max(s.query)", 5)),
        format!("SELECT {} {activity} ORDER BY s.pid LIMIT $1", repeated("s.query", 4)),
        // A sort for each use.
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
fn a_very_long_or_deep_text_is_refused_on_a_small_stack() {
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
    // Chains within the limits are only long.
    assert_eq!(admitted, [false, true, false, true, false, false, true, false, false, false, false]);
}

/// Texts that a parser can interpret in several ways, within the limits of the lexer.
#[test]
fn every_admissible_length_and_depth_is_parsed_quickly() {
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
