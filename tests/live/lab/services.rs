//! Workers, interactive users and platforms that are legitimately idle, or in a transaction, for long.

use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use archon_pool_lab::look::Harm;
use archon_pool_tests::binaries::Binaries;
use archon_pool_tests::cluster::PASSWORD;
use archon_pool_tests::{supabase, until};

use super::environment::ScenarioHandle;
use super::scenario::Scenario;

/// Roles of Supabase's platform; the first is the scenario's name.
const PLATFORM: &[&str] =
    &["supabase", "supabase_admin", "authenticator", "supabase_auth_admin", "supabase_storage_admin", "pgbouncer"];

pub(super) const ALL: [Scenario; 15] = [
    Scenario::innocent(&["listeners"], "workers that LISTEN", |handle| Box::pin(listeners(handle))),
    Scenario::innocent(&["leader"], "it leads by an advisory lock, another waits for it", |handle| {
        Box::pin(leader(handle))
    }),
    Scenario::innocent(&["temporary-tables"], "sessions that own temporary tables", |handle| {
        Box::pin(temporary(handle))
    }),
    Scenario::innocent(&["rare-pollers"], "workers that look for work every 3 s", |handle| Box::pin(pollers(handle))),
    Scenario::innocent(&["nightly-batch"], "long statements, short rests", |handle| Box::pin(batch(handle))),
    Scenario::innocent(&["analytics"], "one statement that takes an hour", |handle| Box::pin(analytics(handle))),
    Scenario::innocent(&["migration"], "changes a table under an advisory lock", |handle| Box::pin(migration(handle))),
    Scenario::innocent(&["thinking-transactions"], "transactions that rest for less than the threshold", |handle| {
        Box::pin(thinking(handle))
    }),
    Scenario::innocent(&["contention"], "a queue for a row that moves on", |handle| Box::pin(contention(handle))),
    Scenario::innocent(&["psql"], "a person at psql, in a transaction", |handle| {
        Box::pin(interactive_user(handle, "psql"))
    }),
    Scenario::innocent(&["dbeaver"], "a person at DBeaver, in a transaction", |handle| {
        Box::pin(interactive_user(handle, "DBeaver 24.1.0 - SQLEditor <Script.sql>"))
    }),
    Scenario::innocent(&["backup"], "a real pg_dump that waits for a table", |handle| Box::pin(backup(handle))),
    Scenario::innocent(&["replication"], "a real pg_receivewal", |handle| Box::pin(replication(handle))),
    Scenario::innocent(PLATFORM, "the platform's services, in transactions", |handle| Box::pin(platform(handle))),
    Scenario::innocent(&["pooler-owned"], "connections that Supavisor keeps", |handle| Box::pin(pooler_owned(handle))),
];

async fn listeners(handle: ScenarioHandle) -> Result<()> {
    let sessions = [handle.app().listening("jobs").await?, handle.app().listening("mails").await?];
    sessions.iter().for_each(|session| handle.label_harm(session, Harm::HoldsState));
    handle.wait_until_closed().await
}

async fn leader(handle: ScenarioHandle) -> Result<()> {
    let leader = handle.app().advisory_lock(7).await?;
    handle.label_harm(&leader, Harm::HoldsState);
    let _candidate = handle.app().waiting("SELECT pg_advisory_lock(7)").await?;
    handle.wait_until_closed().await
}

async fn temporary(handle: ScenarioHandle) -> Result<()> {
    let sessions = [handle.app().temporary_table().await?, handle.app().temporary_table().await?];
    sessions.iter().for_each(|session| handle.label_harm(session, Harm::HoldsState));
    handle.wait_until_closed().await
}

async fn pollers(handle: ScenarioHandle) -> Result<()> {
    let workers = handle.app().idle_many(3, "SELECT id FROM stock WHERE n < 0").await?;
    handle.ready();
    let mut looks = handle.every(3_000);
    while looks.next().await {
        for worker in &workers {
            worker.run("SELECT id FROM stock WHERE n < 0").await?;
        }
    }
    Ok(())
}

async fn batch(handle: ScenarioHandle) -> Result<()> {
    let session = handle.app().unused().await?;
    handle.ready();
    let mut steps = handle.every(1_000);
    while steps.next().await {
        session.run("SELECT count(*), pg_sleep(0.8) FROM stock").await?;
    }
    Ok(())
}

async fn analytics(handle: ScenarioHandle) -> Result<()> {
    let _session = handle.app().active().await?;
    handle.wait_until_closed().await
}

async fn migration(handle: ScenarioHandle) -> Result<()> {
    let tables = "CREATE TABLE migrated (id int); ALTER TABLE migrated OWNER TO migration";
    handle.environment.cluster.execute(tables).await?;
    let session = handle.app().unused().await?;
    session.run("BEGIN").await?;
    session.run("SELECT pg_advisory_xact_lock(42)").await?;
    session.run("ALTER TABLE migrated ADD COLUMN at timestamptz").await?;
    // The transaction waits for a user to read the result: longer than any threshold.
    handle.app().shows(&session, "state = 'idle in transaction'").await?;
    handle.label_harm(&session, Harm::Transaction);
    handle.wait_until_closed().await
}

async fn thinking(handle: ScenarioHandle) -> Result<()> {
    let session = handle.app().unused().await?;
    handle.ready();
    let mut pauses = handle.every(300);
    let steps = ["BEGIN", "UPDATE stock SET n = n + 1 WHERE id = 60", "SELECT n FROM stock WHERE id = 60", "COMMIT"];
    for step in steps.iter().cycle() {
        if !pauses.next().await {
            break;
        }
        session.run(step).await?;
    }
    Ok(())
}

async fn contention(handle: ScenarioHandle) -> Result<()> {
    let app = handle.app();
    let workers = [app.unused().await?, app.unused().await?, app.unused().await?];
    handle.ready();
    let works = async |worker: &archon_pool_tests::Session| -> Result<()> {
        let mut rounds = handle.every(100);
        while rounds.next().await {
            worker.run("BEGIN; UPDATE stock SET n = n + 1 WHERE id = 61; SELECT pg_sleep(0.1); COMMIT").await?;
        }
        Ok(())
    };
    tokio::try_join!(works(&workers[0]), works(&workers[1]), works(&workers[2]))?;
    Ok(())
}

async fn interactive_user(handle: ScenarioHandle, tool: &'static str) -> Result<()> {
    let sessions = [
        handle.app_named(tool).idle("SELECT * FROM stock").await?,
        handle.app_named(tool).idle_in_transaction("SELECT 1").await?,
    ];
    handle.label_harm(&sessions[1], Harm::Transaction);
    handle.wait_until_closed().await
}

async fn platform(handle: ScenarioHandle) -> Result<()> {
    for role in &PLATFORM[1..] {
        handle.environment.cluster.create_role(role, "").await?;
    }
    let sessions = supabase::services_in_transactions(&handle.environment.cluster).await?;
    sessions.iter().for_each(|session| handle.label_harm(session, Harm::Protected));
    handle.wait_until_closed().await
}

async fn pooler_owned(handle: ScenarioHandle) -> Result<()> {
    let _kept = handle.app_named("Supavisor").idle_many(3, "SELECT 1").await?;
    handle.wait_until_closed().await
}

/// PostgreSQL client program that runs until this is dropped.
struct Program(Child);

impl Program {
    fn start(handle: &ScenarioHandle, name: &str, arguments: &[&str]) -> Result<Self> {
        let program = Binaries::find()?.client(name);
        let mut command = Command::new(&program);
        command.args(["--host", "127.0.0.1", "--username", handle.name, "--no-password", "--port"]);
        command.arg(handle.environment.cluster.port().to_string()).args(arguments).env("PGPASSWORD", PASSWORD);
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

async fn backup(handle: ScenarioHandle) -> Result<()> {
    let cluster = &handle.environment.cluster;
    cluster.execute("CREATE TABLE archive (id int); GRANT ALL ON archive TO PUBLIC").await?;
    // The session that changes the table is in use.
    let changing = handle.app_named("archive-keeper").unused().await?;
    changing.run("BEGIN; LOCK TABLE archive IN ACCESS EXCLUSIVE MODE").await?;
    let changing = changing.start("SELECT pg_sleep(3600)");
    handle.app_named("archive-keeper").shows(&changing, "wait_event = 'PgSleep'").await?;
    let _dump = Program::start(&handle, "pg_dump", &["--dbname", "postgres", "--table", "archive"])?;
    let waits = "application_name = 'pg_dump' AND wait_event_type = 'Lock'";
    until("pg_dump waits for the table", async || Ok(cluster.count(waits).await? == 1)).await?;
    handle.wait_until_closed().await
}

async fn replication(handle: ScenarioHandle) -> Result<()> {
    let (cluster, folder) = (&handle.environment.cluster, tempfile::tempdir()?);
    cluster.execute("ALTER ROLE replication REPLICATION").await?;
    let path = folder.path().display().to_string();
    let _receiver = Program::start(&handle, "pg_receivewal", &["--directory", &path])?;
    let observer = cluster.observer().await?;
    let sql = "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'pg_receivewal'";
    until("the log is streamed", async || Ok(observer.query_one(sql, &[]).await?.get::<_, i64>(0) == 1)).await?;
    handle.wait_until_closed().await
}
