//! Workers, interactive users and platforms that are legitimately idle, or in a transaction, for long.

use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use archon_pool_lab::look::Harm;
use archon_pool_tests::binaries::Binaries;
use archon_pool_tests::cluster::PASSWORD;
use archon_pool_tests::{supabase, until};

use super::scenario::Scenario;
use super::stage::Part;

/// Roles of Supabase's platform; the first is the scenario's name.
const PLATFORM: &[&str] =
    &["supabase", "supabase_admin", "authenticator", "supabase_auth_admin", "supabase_storage_admin", "pgbouncer"];

pub(super) const ALL: [Scenario; 15] = [
    Scenario::innocent(&["listeners"], "workers that LISTEN", |part| Box::pin(listeners(part))),
    Scenario::innocent(&["leader"], "it leads by an advisory lock, another waits for it", |part| {
        Box::pin(leader(part))
    }),
    Scenario::innocent(&["temporary-tables"], "sessions that own temporary tables", |part| Box::pin(temporary(part))),
    Scenario::innocent(&["rare-pollers"], "workers that look for work every 3 s", |part| Box::pin(pollers(part))),
    Scenario::innocent(&["nightly-batch"], "long statements, short rests", |part| Box::pin(batch(part))),
    Scenario::innocent(&["analytics"], "one statement that takes an hour", |part| Box::pin(analytics(part))),
    Scenario::innocent(&["migration"], "changes a table under an advisory lock", |part| Box::pin(migration(part))),
    Scenario::innocent(&["thinking-transactions"], "transactions that rest for less than the threshold", |part| {
        Box::pin(thinking(part))
    }),
    Scenario::innocent(&["contention"], "a queue for a row that moves on", |part| Box::pin(contention(part))),
    Scenario::innocent(&["psql"], "a person at psql, in a transaction", |part| Box::pin(person(part, "psql"))),
    Scenario::innocent(&["dbeaver"], "a person at DBeaver, in a transaction", |part| {
        Box::pin(person(part, "DBeaver 24.1.0 - SQLEditor <Script.sql>"))
    }),
    Scenario::innocent(&["backup"], "a real pg_dump that waits for a table", |part| Box::pin(backup(part))),
    Scenario::innocent(&["replication"], "a real pg_receivewal", |part| Box::pin(replication(part))),
    Scenario::innocent(PLATFORM, "the platform's services, in transactions", |part| Box::pin(platform(part))),
    Scenario::innocent(&["pooler-owned"], "connections that Supavisor keeps", |part| Box::pin(pooler_owned(part))),
];

async fn listeners(part: Part) -> Result<()> {
    let sessions = [part.app().listening("jobs").await?, part.app().listening("mails").await?];
    sessions.iter().for_each(|session| part.needs(session, Harm::HoldsState));
    part.rest().await
}

async fn leader(part: Part) -> Result<()> {
    let leader = part.app().advisory_lock(7).await?;
    part.needs(&leader, Harm::HoldsState);
    let _candidate = part.app().waiting("SELECT pg_advisory_lock(7)").await?;
    part.rest().await
}

async fn temporary(part: Part) -> Result<()> {
    let sessions = [part.app().temporary_table().await?, part.app().temporary_table().await?];
    sessions.iter().for_each(|session| part.needs(session, Harm::HoldsState));
    part.rest().await
}

async fn pollers(part: Part) -> Result<()> {
    let workers = part.app().idle_many(3, "SELECT id FROM stock WHERE n < 0").await?;
    part.ready();
    let mut looks = part.every(3_000);
    while looks.next().await {
        for worker in &workers {
            worker.run("SELECT id FROM stock WHERE n < 0").await?;
        }
    }
    Ok(())
}

async fn batch(part: Part) -> Result<()> {
    let session = part.app().unused().await?;
    part.ready();
    let mut steps = part.every(1_000);
    while steps.next().await {
        session.run("SELECT count(*), pg_sleep(0.8) FROM stock").await?;
    }
    Ok(())
}

async fn analytics(part: Part) -> Result<()> {
    let _session = part.app().active().await?;
    part.rest().await
}

async fn migration(part: Part) -> Result<()> {
    let tables = "CREATE TABLE migrated (id int); ALTER TABLE migrated OWNER TO migration";
    part.stage.cluster.execute(tables).await?;
    let session = part.app().unused().await?;
    session.run("BEGIN").await?;
    session.run("SELECT pg_advisory_xact_lock(42)").await?;
    session.run("ALTER TABLE migrated ADD COLUMN at timestamptz").await?;
    // The transaction waits for a user to read the result: longer than any threshold.
    part.app().shows(&session, "state = 'idle in transaction'").await?;
    part.needs(&session, Harm::Transaction);
    part.rest().await
}

async fn thinking(part: Part) -> Result<()> {
    let session = part.app().unused().await?;
    part.ready();
    let mut thoughts = part.every(300);
    let steps = ["BEGIN", "UPDATE stock SET n = n + 1 WHERE id = 60", "SELECT n FROM stock WHERE id = 60", "COMMIT"];
    for step in steps.iter().cycle() {
        if !thoughts.next().await {
            break;
        }
        session.run(step).await?;
    }
    Ok(())
}

async fn contention(part: Part) -> Result<()> {
    let app = part.app();
    let workers = [app.unused().await?, app.unused().await?, app.unused().await?];
    part.ready();
    let works = async |worker: &archon_pool_tests::Session| -> Result<()> {
        let mut rounds = part.every(100);
        while rounds.next().await {
            worker.run("BEGIN; UPDATE stock SET n = n + 1 WHERE id = 61; SELECT pg_sleep(0.1); COMMIT").await?;
        }
        Ok(())
    };
    tokio::try_join!(works(&workers[0]), works(&workers[1]), works(&workers[2]))?;
    Ok(())
}

async fn person(part: Part, tool: &'static str) -> Result<()> {
    let sessions = [
        part.called(tool).idle("SELECT * FROM stock").await?,
        part.called(tool).idle_in_transaction("SELECT 1").await?,
    ];
    part.needs(&sessions[1], Harm::Transaction);
    part.rest().await
}

async fn platform(part: Part) -> Result<()> {
    for role in &PLATFORM[1..] {
        part.stage.cluster.create_role(role, "").await?;
    }
    let sessions = supabase::services_in_transactions(&part.stage.cluster).await?;
    sessions.iter().for_each(|session| part.needs(session, Harm::Protected));
    part.rest().await
}

async fn pooler_owned(part: Part) -> Result<()> {
    let _kept = part.called("Supavisor").idle_many(3, "SELECT 1").await?;
    part.rest().await
}

/// PostgreSQL client program that runs until this is dropped.
struct Program(Child);

impl Program {
    fn start(part: &Part, name: &str, arguments: &[&str]) -> Result<Self> {
        let program = Binaries::find()?.client(name);
        let mut command = Command::new(&program);
        command.args(["--host", "127.0.0.1", "--username", part.name, "--no-password", "--port"]);
        command.arg(part.stage.cluster.port().to_string()).args(arguments).env("PGPASSWORD", PASSWORD);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().with_context(|| {
            format!("could not run {}: run `apt-get install postgresql-client-15`", program.display())
        })?;
        Ok(Self(child))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn backup(part: Part) -> Result<()> {
    let cluster = &part.stage.cluster;
    cluster.execute("CREATE TABLE archive (id int); GRANT ALL ON archive TO PUBLIC").await?;
    // The session that changes the table is in use.
    let changing = part.called("archive-keeper").unused().await?;
    changing.run("BEGIN; LOCK TABLE archive IN ACCESS EXCLUSIVE MODE").await?;
    let changing = changing.start("SELECT pg_sleep(3600)");
    part.called("archive-keeper").shows(&changing, "wait_event = 'PgSleep'").await?;
    let _dump = Program::start(&part, "pg_dump", &["--dbname", "postgres", "--table", "archive"])?;
    let waits = "application_name = 'pg_dump' AND wait_event_type = 'Lock'";
    until("pg_dump waits for the table", async || Ok(cluster.count(waits).await? == 1)).await?;
    part.rest().await
}

async fn replication(part: Part) -> Result<()> {
    let (cluster, folder) = (&part.stage.cluster, tempfile::tempdir()?);
    cluster.execute("ALTER ROLE replication REPLICATION").await?;
    let path = folder.path().display().to_string();
    let _receiver = Program::start(&part, "pg_receivewal", &["--directory", &path])?;
    let observer = cluster.observer().await?;
    let sql = "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'pg_receivewal'";
    until("the log is streamed", async || Ok(observer.query_one(sql, &[]).await?.get::<_, i64>(0) == 1)).await?;
    part.rest().await
}
