//! Orders to end sessions that the caller, the policy or the server protect.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use archon_pool::digest::Digest;
use archon_pool::limits::Limits;
use archon_pool::policy::{Policy, Sql};
use archon_pool_contract::catalogue;
use archon_pool_contract::host_api::Order;
use archon_pool_tests::cluster::SUPERUSER;
use archon_pool_tests::{Cluster, until};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::arena::{Arena, Rules, any_sql, defaults, heard};
use super::{Attack, Ends, Scene, planned as attack, request};
use crate::actions::{BARE, OPERATOR, furnish};

const GUARD: &str = "the guard in the statement that signals";
const INTENT: &str = "the host's own reading of the request";

/// Statement that selects a session's identity.
const IDENTITY: &str = "SELECT a.pid, (extract(epoch FROM a.backend_start) * 1000000)::int8, \
    (extract(epoch FROM a.state_change) * 1000000)::int8 FROM pg_stat_activity a WHERE a.pid = pg_backend_pid()";

fn may_ask_who_it_is() -> Rules {
    let ours = catalogue::ALL.iter().map(|entry| entry.sql);
    let sql = Sql::Pinned(Arc::new(ours.chain([IDENTITY]).map(|sql| Digest::of(sql.as_bytes())).collect()));
    Rules { policy: Policy { sql, ..Policy::default() }, ..defaults() }
}

fn may_change_nothing() -> Rules {
    Rules { policy: Policy { apply: false, ..Policy::default() }, ..defaults() }
}

fn as_bare() -> Rules {
    Rules { role: BARE, ..defaults() }
}

/// Formats orders for the hostile component.
fn written(orders: &[Order]) -> Value {
    let order = |order: &Order| {
        json!({
            "pid": order.target.pid, "backendStart": order.target.backend_start, "state": order.state,
            "stateChange": order.state_change,
        })
    };
    orders.iter().map(order).collect()
}

/// Creates a request that delivers the orders.
fn deliver(orders: &[Order]) -> Value {
    request(json!({ "name": "deliver", "rounds": [written(orders)], "dryRun": false }))
}

/// Creates a request with a forged order for each victim.
fn forged(scene: &Scene, forge: impl Fn(&mut Order)) -> Value {
    let mut orders = scene.victims.clone();
    orders.iter_mut().for_each(forge);
    deliver(&orders)
}

fn at(scene: &Scene, untouchable: &str) -> Value {
    deliver(std::slice::from_ref(scene.untouchable(untouchable)))
}

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "claims that a session has started earlier, as one with the same pid may have",
        |scene| forged(scene, |order| order.target.backend_start -= 1),
        defaults,
        GUARD,
        Ends::Told("gone"),
    ),
    attack(
        "claims that a session is in another state",
        |scene| forged(scene, |order| order.state = "idle in transaction".into()),
        defaults,
        GUARD,
        Ends::Told("changed"),
    ),
    attack(
        "claims a state that does not exist",
        |scene| forged(scene, |order| order.state = "' OR true --".into()),
        defaults,
        GUARD,
        Ends::Told("changed"),
    ),
    attack(
        "claims that a session has been idle for longer",
        |scene| forged(scene, |order| order.state_change -= 3_600_000_000),
        defaults,
        GUARD,
        Ends::Told("changed"),
    ),
    attack(
        "gives times at the end of time",
        |scene| {
            forged(scene, |order| {
                order.state_change = i64::MAX;
                order.target.backend_start = i64::MIN + 1;
            })
        },
        defaults,
        "values that PostgreSQL has no time for are not sent",
        Ends::Told("failed"),
    ),
    attack(
        "gives process 0, -1 and 1",
        |scene| {
            let mut orders = scene.victims[..3].to_vec();
            for (order, pid) in orders.iter_mut().zip([0, -1, 1]) {
                order.target.pid = pid;
            }
            deliver(&orders)
        },
        defaults,
        GUARD,
        Ends::Told("gone"),
    ),
    attack(
        "orders against a session of another database",
        |scene| at(scene, "another database"),
        defaults,
        GUARD,
        Ends::Told("another database"),
    ),
    attack(
        "orders against a superuser's session, without being one",
        |scene| at(scene, "superuser"),
        defaults,
        "the server's privileges",
        Ends::Told("denied"),
    ),
    attack(
        "orders against sessions of a role that it is not a member of",
        |scene| deliver(&scene.victims),
        as_bare,
        "the server's privileges",
        Ends::Told("denied"),
    ),
    attack(
        "orders against a walsender: a replica, or Supabase Realtime",
        |scene| at(scene, "walsender"),
        defaults,
        GUARD,
        Ends::Told("it is no client session"),
    ),
    attack(
        "orders against the autovacuum launcher",
        |scene| at(scene, "autovacuum launcher"),
        defaults,
        GUARD,
        Ends::Told("it is no client session"),
    ),
    attack(
        "orders against the checkpointer",
        |scene| at(scene, "checkpointer"),
        defaults,
        GUARD,
        Ends::Told("it is no client session"),
    ),
    attack(
        "orders against a role of Supabase's",
        |scene| at(scene, "supabase_auth_admin"),
        defaults,
        "the built-in list of protected roles",
        Ends::Told("role 'supabase_auth_admin' is protected"),
    ),
    attack(
        "orders against a service of Supabase's",
        |scene| at(scene, "PostgREST"),
        defaults,
        "the built-in list of protected applications",
        Ends::Told("application 'PostgREST 12.2.3' is protected"),
    ),
    attack(
        "orders against a session of another call of ours",
        |scene| at(scene, "archon-pool"),
        defaults,
        GUARD,
        Ends::Told("it is one of our own"),
    ),
    attack(
        "orders against the very session that delivers them",
        |_| request(json!({ "name": "deliver-to-myself", "identity": IDENTITY })),
        may_ask_who_it_is,
        GUARD,
        Ends::Told("it is one of our own"),
    ),
    attack(
        "orders while the request asks for a dry run",
        |scene| {
            let mut request = deliver(&scene.victims);
            request["options"]["dryRun"] = true.into();
            request
        },
        defaults,
        INTENT,
        Ends::Told("the request asks for a dry run"),
    ),
    attack(
        "orders while the request's `dryRun` is neither true nor false",
        |scene| {
            let mut request = deliver(&scene.victims);
            request["options"]["dryRun"] = "no".into();
            request
        },
        defaults,
        INTENT,
        Ends::Told("options.dryRun is neither true nor false"),
    ),
    attack(
        "orders while the request asks for `monitor`",
        |scene| {
            let mut request = deliver(&scene.victims);
            request["action"] = "monitor".into();
            request
        },
        defaults,
        INTENT,
        Ends::Told("only kill-idle ends sessions"),
    ),
    attack(
        "orders while the operator allows no changes",
        |scene| deliver(&scene.victims),
        may_change_nothing,
        "policy `apply`",
        Ends::Told("set the policy's apply"),
    ),
    attack(
        "orders while the request's cap is 0 %",
        |scene| {
            let mut request = deliver(&scene.victims);
            request["options"]["maxKillPercentage"] = 0.into();
            request
        },
        defaults,
        "the cap",
        Ends::Told("options.maxKillPercentage is 0 %"),
    ),
    attack(
        "orders against sessions that have been idle for less than the request wants",
        |scene| {
            let mut request = deliver(&scene.victims);
            request["options"]["idleTimeoutMs"] = 300_000.into();
            request
        },
        defaults,
        GUARD,
        Ends::Told("less than the request's options.idleTimeoutMs"),
    ),
    attack(
        "renames its other sessions to raise the number of which the cap is a share",
        |scene| {
            let mut request = request(json!({
                "name": "deliver", "rounds": [written(&scene.victims)], "dryRun": false, "sessions": 4,
                "before": ["SET application_name = 'decoy'"],
            }));
            // 9 % of the arena's 10 killable sessions is none; of 13 it would be one.
            request["options"]["maxKillPercentage"] = 9.into();
            request
        },
        any_sql,
        "the statement's transaction is rolled back, and with it the name",
        Ends::Told("the cap of 0 ended sessions is reached"),
    ),
    attack(
        "begins a transaction before it delivers, in which `pg_stat_activity` stands still",
        |scene| {
            // The only order is for a protected session, so that no session ends.
            let orders = std::slice::from_ref(scene.untouchable("superuser"));
            request(json!({
                "name": "deliver", "rounds": [[], written(orders)], "dryRun": false, "sessions": 2,
                "before": ["BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM pg_stat_activity"],
            }))
        },
        any_sql,
        "the transaction is rolled back, and the session is reset before a delivery",
        Ends::Told("denied"),
    ),
    attack(
        "claims in its answer to have ended everybody",
        |_| {
            request(
                json!({ "name": "answer", "text": "{\"success\":true,\"data\":{\"actions\":[{\"executed\":true}]}}" }),
            )
        },
        defaults,
        "nothing was sent; the host's audit log says so",
        Ends::InVain,
    ),
];

async fn arena() -> Result<Arena> {
    let cluster = Cluster::builder().hba(&format!("host replication {SUPERUSER} 127.0.0.1/32 trust")).start().await?;
    furnish(&cluster).await?;
    Arena::open(cluster).await
}

#[tokio::test]
async fn no_session_is_ended_against_the_policy() -> Result<()> {
    let mut arena = arena().await?;
    let untouchables = untouchables(&arena.cluster).await?;
    arena.untouchables = untouchables.named();
    arena.withstands(ATTACKS).await
}

/// The cap on ended sessions applies to every way to request them.
#[tokio::test]
async fn the_cap_applies_to_every_access_path() -> Result<()> {
    for detour in ["many deliveries", "two sessions", "the same order again and again", "an order for each and again"] {
        let arena = arena().await?;
        let host = arena.host(OPERATOR, Limits::default(), Policy::default());
        let scene = arena.scene().await?;
        let rounds: Vec<Value> = match detour {
            "many deliveries" | "two sessions" => {
                scene.victims.iter().map(|order| written(std::slice::from_ref(order))).collect()
            }
            "the same order again and again" => vec![written(&vec![scene.victims[0].clone(); 50])],
            _ => vec![written(&scene.victims), written(&scene.victims), written(&scene.victims)],
        };
        let sessions = if detour == "two sessions" { 2 } else { 1 };
        let mut request = request(json!({
            "name": "deliver", "rounds": rounds, "dryRun": false, "sessions": sessions,
        }));
        // Half of the eight victims and the harness's own session, which is killable too: four of nine.
        request["options"]["maxKillPercentage"] = 50.into();
        let answer = arena.call(&host, request).await?;
        // A session that has not ended yet can be signalled twice; it then counts twice.
        let signalled = heard(&answer).into_iter().filter(|word| *word == "signalled").count();
        ensure!((1..=4).contains(&signalled), "{detour}: {signalled} of 4: {answer}");
        let expected = if detour.starts_with("the same") { 1 } else { signalled };
        let left = i64::try_from(arena.victims.len() - expected)?;
        until("the cap's number is gone", async || {
            Ok(arena.cluster.count("application_name = 'victim'").await? == left)
        })
        .await
        .context(detour)?;
    }
    Ok(())
}

/// Sessions that must not be ended, kept open until this is dropped.
struct Untouchables {
    sessions: Vec<(&'static str, archon_pool_tests::Session)>,
    processes: Vec<(&'static str, i32)>,
    _walsender: TcpStream,
}

impl Untouchables {
    fn named(&self) -> Vec<(&'static str, i32)> {
        let sessions = self.sessions.iter().map(|(name, session)| (*name, session.pid()));
        sessions.chain(self.processes.iter().copied()).collect()
    }
}

async fn untouchables(cluster: &Cluster) -> Result<Untouchables> {
    cluster.execute("CREATE DATABASE elsewhere").await?;
    cluster.create_role("supabase_auth_admin", "").await?;
    let sessions = vec![
        ("another database", cluster.app("app", "x").in_database("elsewhere").idle("SELECT 1").await?),
        ("superuser", cluster.app(SUPERUSER, "x").idle("SELECT 1").await?),
        ("supabase_auth_admin", cluster.app("supabase_auth_admin", "x").idle("SELECT 1").await?),
        ("archon-pool", cluster.app("app", "archon-pool").idle("SELECT 1").await?),
        ("PostgREST", cluster.app("app", "PostgREST 12.2.3").idle("SELECT 1").await?),
    ];
    let walsender = walsender(cluster.port()).await?;
    let mut processes = Vec::new();
    for name in ["walsender", "autovacuum launcher", "checkpointer"] {
        let sql = "SELECT pid FROM pg_stat_activity WHERE backend_type = $1";
        let mut row = None;
        until("it is there", async || {
            row = cluster.observer().await?.query_opt(sql, &[&name]).await?;
            Ok(row.is_some())
        })
        .await
        .context(name)?;
        processes.push((name, row.context(name)?.get(0)));
    }
    Ok(Untouchables { sessions, processes, _walsender: walsender })
}

/// Opens a replication connection: the driver does not support one, but its first message is sufficient.
async fn walsender(port: u16) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let parameters = format!("user\0{SUPERUSER}\0replication\0true\0\0");
    let length = u32::try_from(8 + parameters.len())?;
    stream.write_all(&[&length.to_be_bytes()[..], &[0, 3, 0, 0], parameters.as_bytes()].concat()).await?;
    let answer = tokio::time::timeout(Duration::from_secs(10), stream.read_u8()).await??;
    ensure!(answer == b'R', "the server refuses replication");
    Ok(stream)
}
