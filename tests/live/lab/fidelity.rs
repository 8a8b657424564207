//! Compares the simulated server with a real one: with the same sessions on both, the catalogue's statements and the
//! pooler's views have to return the same, apart from identities and times.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use anyhow::{Context as _, Result, ensure};
use archon_pool::cassette::{Asked, Cassette, Exchange, Recorder, RowSet};
use archon_pool::components::World as Component;
use archon_pool::limits::Limits;
use archon_pool_contract::catalogue;
use archon_pool_contract::value::Value;
use archon_pool_lab::random::Random;
use archon_pool_lab::sim::pooler::{PooledClient, Pooler, ServerConnection};
use archon_pool_lab::sim::rows::{Answered, answers};
use archon_pool_lab::sim::server::Visibility;
use archon_pool_lab::sim::session::Wait;
use archon_pool_lab::sim::world::Statement;
use archon_pool_lab::sim::{Client, Hold, Server, Sid, State, World};
use archon_pool_lab::time::SECOND;
use archon_pool_tests::{Cluster, PgBouncer, until};
use secrecy::SecretString;
use serde_json::json;

use crate::actions::{OPERATOR, cluster};
use crate::support::{host_with, plugin};

const READ: &str = "SELECT n FROM stock WHERE id = 2";
const CHANGE: &str = "UPDATE stock SET n = n + 1 WHERE id = 1";
const POOLED_CHANGE: &str = "UPDATE stock SET n = n + 1 WHERE id = 2";
const FAILING: &str = "SELECT 1 / 0";
// Uses no file, because writing one could cause waits.
const LONG: &str = "DO $$ BEGIN LOOP END LOOP; END $$";
const SNAPSHOT: &str = "SELECT sum(n) FROM stock";
const LISTEN: &str = "LISTEN jobs";
const ADVISORY: &str = "SELECT pg_advisory_lock(7)";
const TEMPORARY: &str = "CREATE TEMPORARY TABLE scratch (one int)";

/// Update that touches a table and its index.
const CHANGED: Hold = Hold { xid: true, relations: 2, snapshot: false };
/// Sequential scan, which opens the table and its index.
const SCANNED: Hold = Hold { xid: false, relations: 2, snapshot: true };

/// Values of one session by column: `activity.state`, `locks.advisory` and so on.
type Facts = BTreeMap<String, String>;

/// Groups a table's rows by application.
fn facts<'a>(tables: impl Iterator<Item = (&'static str, &'a RowSet)>) -> BTreeMap<String, Facts> {
    let tables: Vec<_> = tables.collect();
    let mut applications = BTreeMap::new();
    let column = |rows: &RowSet, name: &str| rows.columns.iter().position(|(column, _)| column == name);
    for (_, rows) in tables.iter().filter(|(id, _)| *id == catalogue::ACTIVITY.id) {
        let (Some(pid), Some(application)) = (column(rows, "pid"), column(rows, "application")) else { continue };
        for row in &rows.rows {
            if let Value::Text(name) = &row[application] {
                applications.insert(to_text(&row[pid]), name.clone());
            }
        }
    }
    let mut facts = BTreeMap::<String, Facts>::new();
    for (id, rows) in tables {
        let Some(pid) = column(rows, "pid") else { continue };
        for row in &rows.rows {
            let Some(application) = applications.get(&to_text(&row[pid])) else { continue };
            let ours = facts.entry(application.clone()).or_default();
            // A session that holds locks and waits for one has a row for each.
            let is_of_other_row = |value: &Value| id == catalogue::LOCKS.id && *value == Value::Null;
            let columns = rows.columns.iter().zip(row);
            for ((name, _), value) in columns.filter(|((name, _), value)| name != "pid" && !is_of_other_row(value)) {
                let value = match (name.as_str(), value) {
                    ("blocked_by", Value::Text(pids)) => {
                        let name = |pid: &str| applications.get(pid).cloned().unwrap_or_default();
                        pids.split(',').map(name).collect::<Vec<_>>().join(",")
                    }
                    // Transaction ids differ from server to server.
                    ("waits_for", Value::Text(lock)) if lock.contains("transaction") => {
                        lock.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned()
                    }
                    (_, Value::Timestamp(_)) => "a time".to_owned(),
                    ("xmin_age", Value::Int64(_)) => "an age".to_owned(),
                    (_, value) => to_text(value),
                };
                ours.insert(format!("{id}.{name}"), value);
            }
            ours.insert(format!("{id}.rows"), "some".to_owned());
        }
    }
    facts
}

fn to_text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Int64(value) | Value::Timestamp(value) => value.to_string(),
        Value::Float64(value) => value.to_string(),
        Value::Text(value) => value.clone(),
        Value::Bytes(_) => "bytes".to_owned(),
    }
}

/// Recording of one look at a real server.
struct Recorded {
    /// Answers by statement.
    answers: Vec<(&'static str, RowSet)>,
    /// Views of the pooler.
    views: Vec<(String, RowSet)>,
}

async fn record(cluster: &Cluster, bouncer: &PgBouncer) -> Result<Recorded> {
    let url = SecretString::from(cluster.url(OPERATOR, "postgres"));
    let credentials = archon_pool::credentials().url(url).pooler(SecretString::from(bouncer.watcher_url()));
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("look.jsonl");
    let observer = plugin(Component::Observer);
    let host = host_with(credentials, Limits::default()).interceptor(Recorder::create(
        &path,
        observer.name(),
        observer.digest(),
        false,
    )?);
    host.run(observer, json!({ "action": "detect-leaks", "options": { "sampleMs": 0 } })).await?;
    let mut recorded = Recorded { answers: Vec::new(), views: Vec::new() };
    for exchange in Cassette::from_file(&path)?.calls.into_iter().flat_map(|call| call.exchanges) {
        match exchange {
            Exchange::Query(Asked { with, answer }) => {
                for (statement, answer) in with.batch.iter().zip(Result::from(answer)?) {
                    let entry = catalogue::ALL.iter().find(|entry| entry.sha256() == statement.sql);
                    recorded.answers.push((entry.context("a statement of the catalogue")?.id, Result::from(answer)?));
                }
            }
            Exchange::Show(Asked { with, answer }) => {
                for (view, answer) in with.views.into_iter().zip(Result::from(answer)?) {
                    recorded.views.push((view, Result::from(answer)?));
                }
            }
            _ => {}
        }
    }
    Ok(recorded)
}

/// Simulated server with its clients.
struct Simulated {
    world: World,
    by_name: BTreeMap<&'static str, Sid>,
}

impl Simulated {
    fn new(version_num: u32) -> Self {
        let server = Server {
            version_num: version_num.into(),
            started: 0,
            database: "postgres".into(),
            role: OPERATOR.into(),
            visibility: Visibility::Full,
            max_connections: 40,
            supabase: false,
            statements: false,
        };
        Self { world: World::new(server, SECOND, Random::new(1)), by_name: BTreeMap::new() }
    }

    fn opens(&mut self, application: &'static str) -> Result<Sid> {
        let client = Client {
            role: "app".into(),
            database: "postgres".into(),
            application: application.into(),
            address: Some("127.0.0.1".into()),
            backend_type: "client backend",
            part: 0,
            protected: false,
            counts_checkouts: false,
            tracked: true,
        };
        let sid = self.world.open(&Rc::new(client)).context("no slot is free")?;
        self.by_name.insert(application, sid);
        Ok(sid)
    }

    fn runs(&mut self, application: &'static str, statements: &[Statement<'_>]) -> Result<Sid> {
        let sid = self.opens(application)?;
        for statement in statements {
            self.world.execute(sid, self.world.now, statement);
        }
        Ok(sid)
    }

    fn changes(&mut self, application: &'static str, change: &str) -> Result<Sid> {
        self.runs(application, &[begin(), Statement::within(change, 900, CHANGED)])
    }

    /// Makes a session wait behind another, as the laboratory's queues do.
    fn waits(&mut self, application: &'static str, what: &str, behind: Sid) -> Result<()> {
        let wait = Wait::Lock { what: what.into(), since: self.world.now, behind: vec![behind], prepared: false };
        let (lasts, then) = (60 * SECOND, State::Idle);
        self.runs(application, &[Statement { text: CHANGE, lasts, then, hold: CHANGED, wait: Some(wait) }])?;
        Ok(())
    }

    fn session(&mut self, sid: Sid) -> Result<&mut archon_pool_lab::sim::Session> {
        self.world.session(sid).context("it was opened just now")
    }
}

fn begin() -> Statement<'static> {
    Statement::within("BEGIN", 200, Hold::default())
}

/// Runs the script on the simulated server.
fn simulate(version_num: u32, statements: bool) -> Result<World> {
    let mut server = Simulated::new(version_num);
    server.world.server.statements = statements;
    server.opens("unused")?;
    server.runs("idle", &[Statement::single(READ, 900)])?;
    server.runs("begun", &[begin()])?;
    let head = server.changes("changing", CHANGE)?;
    server.waits("waiting", "ShareLock on transaction 731", head)?;
    let first = server.by_name["waiting"];
    server.waits("waiting-longer", "ExclusiveLock on tuple (0,1) of relation public.stock", first)?;
    let failed = Statement { then: State::Aborted, ..Statement::within(FAILING, 900, Hold::default()) };
    server.runs("aborted", &[begin(), failed])?;
    let repeatable = Statement::within("BEGIN ISOLATION LEVEL REPEATABLE READ", 200, Hold::default());
    server.runs("snapshot", &[repeatable, Statement::within(SNAPSHOT, 900, SCANNED)])?;
    server.runs("working", &[Statement::single(LONG, 60 * SECOND)])?;
    let listener = server.runs("listener", &[Statement::single(LISTEN, 900)])?;
    server.session(listener)?.listens = true;
    let leader = server.runs("leader", &[Statement::single(ADVISORY, 900)])?;
    server.session(leader)?.advisory = 1;
    let owner = server.runs("owner", &[Statement::single(TEMPORARY, 900)])?;
    server.session(owner)?.temporary = true;
    let held = server.changes("pooled", POOLED_CHANGE)?;
    let free = server.runs("pooled-idle", &[Statement::single(READ, 900)])?;
    let mut world = server.world;
    world.run(&mut [], 2 * SECOND);
    let connected = world.now;
    let client = |application: &str, link| PooledClient {
        application: application.into(),
        address: "127.0.0.1".into(),
        port: 50_000,
        connected,
        link,
        waits: None,
    };
    world.pooler = Some(Rc::new(RefCell::new(Pooler {
        size: 20,
        role: "app".into(),
        database: "postgres".into(),
        address: "127.0.0.1".into(),
        servers: vec![ServerConnection { sid: held, link: Some(1) }, ServerConnection { sid: free, link: None }],
        clients: BTreeMap::from([(1, client("pooled", Some(held))), (2, client("pooled-idle", None))]),
        ..Pooler::default()
    })));
    Ok(world)
}

/// Runs the script on a real server; the sessions stay open until the result is dropped.
async fn run_workload(
    cluster: &Cluster,
    bouncer: &PgBouncer,
) -> Result<(Vec<archon_pool_tests::Session>, Vec<tokio_postgres::Client>)> {
    let app = |name| cluster.app("app", name);
    let mut sessions = vec![app("unused").unused().await?, app("idle").idle(READ).await?];
    let begun = app("begun").unused().await?;
    begun.run("BEGIN").await?;
    let changing = app("changing").idle_in_transaction(CHANGE).await?;
    let (first, second) = (app("waiting").waiting(CHANGE).await?, app("waiting-longer").waiting(CHANGE).await?);
    let snapshot = app("snapshot").unused().await?;
    snapshot.run("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
    snapshot.run(SNAPSHOT).await?;
    let working = app("working").unused().await?.start(LONG);
    app("working").shows(&working, "state = 'active'").await?;
    sessions.extend([begun, changing, first, second, app("aborted").aborted().await?, snapshot, working]);
    sessions.extend([app("listener").idle(LISTEN).await?, app("leader").advisory_lock(7).await?]);
    sessions.push(app("owner").idle(TEMPORARY).await?);
    let clients = vec![bouncer.connect("app", "pooled").await?, bouncer.connect("app", "pooled-idle").await?];
    clients[0].batch_execute("BEGIN").await?;
    clients[0].batch_execute(POOLED_CHANGE).await?;
    clients[1].batch_execute(READ).await?;
    let rest = "application_name = 'pooled-idle' AND state = 'idle'";
    until("the pooler has its connection back", async || Ok(cluster.count(rest).await? == 1)).await?;
    Ok((sessions, clients))
}

/// Compares names and types of the columns of these statements.
fn same_columns(simulated: &[Answered], recorded: &Recorded, ids: &[&str]) -> Result<()> {
    for Answered { id, rows } in simulated.iter().filter(|answered| ids.contains(&answered.id)) {
        let (_, real) = recorded.answers.iter().find(|(real, _)| real == id).with_context(|| format!("no {id}"))?;
        assert_eq!(RowSet::from(rows.clone()).columns, real.columns, "columns of {id}");
    }
    Ok(())
}

#[tokio::test]
async fn the_simulated_server_shows_the_same_rows_as_a_real_one() -> Result<()> {
    let cluster = cluster().await?;
    let bouncer = PgBouncer::before(&cluster).users(&["app"]).start().await?;
    let bare = record(&cluster, &bouncer).await?;
    let nothing = simulate(cluster.version_num(), false)?;
    same_columns(&answers(&nothing), &bare, &[catalogue::STATEMENT_COUNTS.id])?;
    ensure!(cluster.create_statistics("postgres").await?, "the server lacks pg_stat_statements: install its contrib");
    let _workload = run_workload(&cluster, &bouncer).await?;
    let recorded = record(&cluster, &bouncer).await?;
    let world = simulate(cluster.version_num(), true)?;
    let simulated = answers(&world);
    // The texts of statements are asked for only when these are slow.
    let ids: Vec<_> =
        simulated.iter().map(|answered| answered.id).filter(|&id| id != catalogue::STATEMENTS.id).collect();
    same_columns(&simulated, &recorded, &ids)?;

    let real = facts(recorded.answers.iter().map(|(id, rows)| (*id, rows)));
    let ours: Vec<_> = simulated.iter().map(|answered| (answered.id, RowSet::from(answered.rows.clone()))).collect();
    let ours = facts(ours.iter().map(|(id, rows)| (*id, rows)));
    let mut differences = Vec::new();
    for (application, ours) in ours.iter().filter(|(_, facts)| facts["activity.role"] == "app") {
        let real = real.get(application).with_context(|| format!("{application} is not there"))?;
        for fact in ours.keys().chain(real.keys()).collect::<std::collections::BTreeSet<_>>() {
            let (simulated, shown) = (ours.get(fact), real.get(fact));
            if simulated != shown {
                differences.push(format!("{application}: {fact} is {shown:?}, and {simulated:?} in the simulation"));
            }
        }
    }
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}

/// Returns a view's rows without identities, addresses and times.
fn lines(rows: &RowSet) -> Vec<Facts> {
    let kept = ["type", "user", "database", "state", "close_needed", "tls", "application_name", "pool_mode"];
    let counts = |column: &str| ["cl_", "sv_"].iter().any(|start| column.starts_with(start));
    let line = |row: &Vec<Value>| {
        let values = rows.columns.iter().map(|(name, _)| name.as_str()).zip(row);
        let mut facts: Facts = values
            .clone()
            .filter(|(column, _)| kept.contains(column) || counts(column))
            .map(|(column, value)| (column.to_owned(), to_text(value)))
            .collect();
        for (column, value) in values.filter(|(column, _)| ["link", "remote_pid"].contains(column)) {
            facts.insert(column.to_owned(), (!["", "0"].contains(&to_text(value).as_str())).to_string());
        }
        facts
    };
    // The console's own connections belong to no application.
    let mut lines: Vec<Facts> =
        rows.rows.iter().map(line).filter(|line| line.get("database").is_none_or(|name| name != "pgbouncer")).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn the_simulated_pooler_shows_the_same_rows_as_a_real_one() -> Result<()> {
    let cluster = cluster().await?;
    let bouncer = PgBouncer::before(&cluster).users(&["app"]).start().await?;
    let _workload = run_workload(&cluster, &bouncer).await?;
    let recorded = record(&cluster, &bouncer).await?;
    let world = simulate(cluster.version_num(), true)?;
    let views = world.pooler.as_ref().context("a pooler")?.borrow().views(&world);
    assert_eq!(
        views.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        recorded.views.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
    );
    let version = recorded.views[0].1.rows[0][0].clone();
    for ((name, ours), (_, real)) in views.iter().zip(&recorded.views) {
        let ours = RowSet::from(ours.clone());
        let missing: Vec<_> = ours.columns.iter().filter(|column| !real.columns.contains(column)).collect();
        // The simulated version is 1.18; later ones show more.
        if version == Value::Text("PgBouncer 1.18.0".into()) {
            assert_eq!(ours.columns, real.columns, "{name}");
            let rows = ["pools", "servers", "clients"].contains(name);
            ensure!(
                !rows || lines(&ours) == lines(real),
                "{name}: {:#?}\nis simulated as\n{:#?}",
                lines(real),
                lines(&ours)
            );
        }
        ensure!(missing.is_empty(), "{name} of {version:?} has no {missing:?}");
    }
    Ok(())
}
