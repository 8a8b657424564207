//! The strict SQL mode against a real server: the server's interpretation of accepted statements equals the host's.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use archon_pool::sql::{self, Admitted};
use archon_pool_contract::catalogue;
use archon_pool_tests::cluster::SUPERUSER;
use archon_pool_tests::{Cluster, PASSWORD};
use tokio_postgres::{Client, NoTls};

use crate::support::report;
use serde_json::json;

/// Questions of a custom plugin; unit tests of the host check that all of them are accepted.
const QUESTIONS: &str = include_str!("../../host/plugins/src/sql/questions.sql");

/// First OID of user-defined objects.
const FIRST_FOREIGN: u32 = 16_384;

/// Functions that PostgreSQL 13 calls for `extract` and `AT TIME ZONE`; later versions mark them as syntax.
const SYNTAX: [&str; 2] = ["date_part", "timezone"];

/// Objects in the server's parse tree of a statement.
#[derive(Debug, Default)]
struct Meaning {
    relations: BTreeSet<u32>,
    called: BTreeSet<u32>,
    /// Relations, functions, operators and types.
    objects: BTreeSet<u32>,
}

/// Reads the parse tree from a view's rewrite rule. Returns none if the server rejects the statement.
async fn meaning(client: &Client, text: &str) -> Result<Option<Meaning>> {
    // A view has no parameters.
    let text = text.replace("$1", "NULL").replace("$2", "NULL");
    let created = format!("CREATE OR REPLACE VIEW public.judged AS SELECT 1 AS one FROM (\n{text}\n) AS judged_query");
    // The extended protocol accepts one statement only.
    if client.query_typed(&created, &[]).await.is_err() {
        return Ok(None);
    }
    let sql = "SELECT r.ev_class, r.ev_action::pg_catalog.text FROM pg_catalog.pg_rewrite r \
               WHERE r.ev_class = 'public.judged'::pg_catalog.regclass";
    let row = client.query_one(sql, &[]).await?;
    let (view, tree): (u32, String) = (row.get(0), row.get(1));
    let mut found = Meaning::default();
    let mut function = 0;
    let words: Vec<&str> = tree.split([' ', '\n', '{', '}', '(', ')']).filter(|word| !word.is_empty()).collect();
    for pair in words.windows(2) {
        let Ok(oid) = pair[1].parse::<u32>() else { continue };
        match pair[0] {
            ":relid" if oid != 0 && oid != view => found.relations.insert(oid),
            ":funcid" => {
                function = oid;
                true
            }
            // 0 is a plain call; the other formats are casts and syntax.
            ":funcformat" if oid == 0 => found.called.insert(function),
            ":aggfnoid" | ":winfnoid" => found.called.insert(oid),
            _ => false,
        };
        if [":relid", ":funcid", ":aggfnoid", ":winfnoid", ":opno", ":sortop", ":eqop", ":resulttype"]
            .contains(&pair[0])
            && oid != view
        {
            found.objects.insert(oid);
        }
    }
    Ok(Some(found))
}

/// Returns the names of objects in `pg_catalog`; fails if one is in another schema.
async fn names(client: &Client, catalogue: &str, name: &str, oids: &BTreeSet<u32>) -> Result<BTreeSet<String>> {
    let schema = name.replace("name", "namespace");
    let sql = format!("SELECT c.{name}::pg_catalog.text, c.{schema} FROM pg_catalog.{catalogue} c WHERE c.oid = $1");
    let mut names = BTreeSet::new();
    for oid in oids {
        let row = client.query_one(&sql, &[oid]).await.with_context(|| format!("{catalogue} {oid}"))?;
        anyhow::ensure!(row.get::<_, u32>(1) == 11, "{} is not in pg_catalog", row.get::<_, String>(0));
        names.insert(row.get(0));
    }
    Ok(names)
}

/// Checks that the server's interpretation equals the host's. Returns false if the server rejects the statement.
async fn agrees(client: &Client, text: &str, admitted: &Admitted) -> Result<bool> {
    let Some(meaning) = meaning(client, text).await? else { return Ok(false) };
    let relations = names(client, "pg_class", "relname", &meaning.relations).await?;
    assert_eq!(&relations, admitted.relations(), "{text}");
    let called = names(client, "pg_proc", "proname", &meaning.called).await?;
    let unknown: Vec<_> = called
        .iter()
        .filter(|name| !admitted.functions().contains(*name) && !SYNTAX.contains(&name.as_str()))
        .collect();
    assert!(unknown.is_empty(), "{text} calls {unknown:?}");
    assert!(meaning.objects.iter().all(|oid| *oid < FIRST_FOREIGN), "{text} uses {:?}", meaning.objects);
    Ok(true)
}

/// Opens a session with the host's settings.
async fn pinned(cluster: &Cluster) -> Result<Client> {
    let client = cluster.connect(SUPERUSER).await?;
    client.batch_execute("SET search_path = pg_catalog").await?;
    Ok(client)
}

/// Returns the questions with one word left out, doubled or replaced by one of another question.
fn variations() -> impl Iterator<Item = String> {
    let pieces: Vec<&str> = QUESTIONS.split([' ', '\n']).filter(|word| !word.is_empty()).collect();
    QUESTIONS.lines().enumerate().flat_map(move |(line, question)| {
        let words: Vec<String> = question.split(' ').map(str::to_owned).collect();
        let pieces = pieces.clone();
        (0..words.len()).flat_map(move |at| {
            let change = |edit: &dyn Fn(&mut Vec<String>)| {
                let mut changed = words.clone();
                edit(&mut changed);
                changed.join(" ")
            };
            let other = |step: usize| pieces[(line * 31 + at * 7 + step * 13) % pieces.len()].to_owned();
            let mut texts =
                vec![change(&|words| drop(words.remove(at))), change(&|words| words.insert(at, words[at].clone()))];
            texts.extend((0..6).map(|step| change(&|words| words[at] = other(step))));
            texts.extend((6..9).map(|step| change(&|words| words.insert(at, other(step)))));
            texts
        })
    })
}

#[tokio::test]
async fn an_admitted_statement_means_the_same_on_the_server_and_to_the_parser() -> Result<()> {
    let cluster = Cluster::start().await?;
    let client = pinned(&cluster).await?;
    for question in QUESTIONS.lines() {
        let admitted = sql::admit(question)?;
        client.prepare(question).await.with_context(|| question.to_owned())?;
        assert!(agrees(&client, question, &admitted).await?, "{question}");
        assert!(agrees(&client, &admitted.to_string(), &admitted).await?, "{admitted}");
    }
    for entry in catalogue::ALL {
        let bare = entry.sql.replacen("/* archon-pool */ ", "", 1);
        if let Ok(admitted) = sql::admit(&bare) {
            assert!(agrees(&client, &bare, &admitted).await?, "{}", entry.id);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_changed_statement_is_refused_or_means_the_same() -> Result<()> {
    let cluster = Cluster::start().await?;
    let client = pinned(&cluster).await?;
    let (mut refused_there, mut agreed) = (0, 0);
    for text in variations() {
        let Ok(admitted) = sql::admit(&text) else { continue };
        if agrees(&client, &text, &admitted).await? { agreed += 1 } else { refused_there += 1 }
    }
    // Enough of either kind for a meaningful test.
    assert!(agreed > 100 && refused_there > 10, "{agreed} agreed, {refused_there} were refused by the server");
    Ok(())
}

/// Functions, operators and relations that shadow PostgreSQL's if the search path allows it.
const IMPOSTORS: &str = "\
    CREATE SCHEMA evil;
    CREATE FUNCTION evil.count(text) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
    CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
    CREATE FUNCTION evil.hijack(anyelement, anyelement) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
    CREATE FUNCTION evil.same(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
    CREATE FUNCTION evil.same(name, name) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
    CREATE FUNCTION evil.same(oid, oid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
    CREATE OPERATOR evil.= (FUNCTION = evil.same, LEFTARG = text, RIGHTARG = text);
    CREATE OPERATOR evil.= (FUNCTION = evil.same, LEFTARG = name, RIGHTARG = name);
    CREATE OPERATOR evil.= (FUNCTION = evil.same, LEFTARG = oid, RIGHTARG = oid);
    CREATE OPERATOR evil.~ (FUNCTION = evil.same, LEFTARG = name, RIGHTARG = name);
    CREATE TABLE evil.pg_stat_activity (pid int, state text);
    CREATE TABLE evil.pg_authid (rolpassword text);
    CREATE DOMAIN evil.text AS pg_catalog.int4;
    CREATE DOMAIN evil.timestamptz AS pg_catalog.int4;
    GRANT USAGE ON SCHEMA evil TO PUBLIC;
    GRANT SELECT ON ALL TABLES IN SCHEMA evil TO PUBLIC";

#[tokio::test]
async fn a_hostile_search_path_changes_nothing_that_the_host_runs() -> Result<()> {
    let cluster = Cluster::start().await?;
    cluster.create_role("monitor", "IN ROLE pg_monitor").await?;
    cluster.execute(IMPOSTORS).await?;
    let path = "SET search_path = evil, pg_catalog";
    cluster.execute(&format!("ALTER ROLE monitor {path}; ALTER ROLE {SUPERUSER} {path}")).await?;

    // Control: a session with the role's search path uses the shadowing objects.
    let mut config = cluster.config();
    let (caught, connection) = config.user("monitor").password(PASSWORD).connect(NoTls).await?;
    let connection = tokio::spawn(connection);
    let question = "SELECT a.pid FROM pg_catalog.pg_stat_activity a WHERE a.datname = a.usename";
    sql::admit(question)?;
    assert!(caught.query_typed(question, &[]).await.is_err_and(|error| format!("{error:?}").contains("hijacked")));
    drop(caught);
    connection.await??;

    // The host's sessions set their own path, whatever the role's is.
    let report = report(&cluster, "monitor", json!({ "action": "full-analysis", "options": { "sampleMs": 0 } })).await;
    assert!(report.pool_stats.connections.total > 0);
    let pinned = pinned(&cluster).await?;
    for text in QUESTIONS.lines().chain([question]) {
        let admitted = sql::admit(text)?;
        assert!(agrees(&pinned, text, &admitted).await?, "{text}");
    }
    Ok(())
}
