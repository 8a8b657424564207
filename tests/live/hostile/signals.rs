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

use super::attacked_server::{AttackedServer, Rules, any_sql, defaults, responses};
use super::{Attack, AttackInput, Ends, planned as attack, request};
use crate::actions::{BARE, OPERATOR, create_roles_and_table};

const GUARD: &str = "the guard in the statement that signals";
const INTENT: &str = "the host's own reading of the request";

/// Statement that selects a session's identity.
const IDENTITY: &str = "SELECT a.pid, (extract(epoch FROM a.backend_start) * 1000000)::int8, \
    (extract(epoch FROM a.state_change) * 1000000)::int8 FROM pg_stat_activity a WHERE a.pid = pg_backend_pid()";

fn identity_allowed() -> Rules {
    let ours = catalogue::ALL.iter().map(|entry| entry.sql);
    let sql = Sql::Pinned(Arc::new(ours.chain([IDENTITY]).map(|sql| Digest::of(sql.as_bytes())).collect()));
    Rules { policy: Policy { sql, ..Policy::default() }, ..defaults() }
}

fn without_apply() -> Rules {
    Rules { policy: Policy { apply: false, ..Policy::default() }, ..defaults() }
}

fn as_bare() -> Rules {
    Rules { role: BARE, ..defaults() }
}

/// Formats orders for the hostile component.
fn orders_json(orders: &[Order]) -> Value {
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
    request(json!({ "name": "deliver", "rounds": [orders_json(orders)], "dryRun": false }))
}

/// Creates a request with a forged order for each victim.
fn forged_orders(input: &AttackInput, forge: impl Fn(&mut Order)) -> Value {
    let mut orders = input.victims.clone();
    orders.iter_mut().for_each(forge);
    deliver(&orders)
}

fn order_for(input: &AttackInput, protected_session: &str) -> Value {
    deliver(std::slice::from_ref(input.protected_session(protected_session)))
}

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "claims that a session has started earlier, as one with the same pid may have",
        |input| forged_orders(input, |order| order.target.backend_start -= 1),
        defaults,
        GUARD,
        Ends::Response("gone"),
    ),
    attack(
        "claims that a session is in another state",
        |input| forged_orders(input, |order| order.state = "idle in transaction".into()),
        defaults,
        GUARD,
        Ends::Response("changed"),
    ),
    attack(
        "claims a state that does not exist",
        |input| forged_orders(input, |order| order.state = "' OR true --".into()),
        defaults,
        GUARD,
        Ends::Response("changed"),
    ),
    attack(
        "claims that a session has been idle for longer",
        |input| forged_orders(input, |order| order.state_change -= 3_600_000_000),
        defaults,
        GUARD,
        Ends::Response("changed"),
    ),
    attack(
        "gives times at the end of time",
        |input| {
            forged_orders(input, |order| {
                order.state_change = i64::MAX;
                order.target.backend_start = i64::MIN + 1;
            })
        },
        defaults,
        "values that PostgreSQL has no time for are not sent",
        Ends::Response("failed"),
    ),
    attack(
        "gives process 0, -1 and 1",
        |input| {
            let mut orders = input.victims[..3].to_vec();
            for (order, pid) in orders.iter_mut().zip([0, -1, 1]) {
                order.target.pid = pid;
            }
            deliver(&orders)
        },
        defaults,
        GUARD,
        Ends::Response("gone"),
    ),
    attack(
        "orders against a session of another database",
        |input| order_for(input, "another database"),
        defaults,
        GUARD,
        Ends::Response("another database"),
    ),
    attack(
        "orders against a superuser's session, without being one",
        |input| order_for(input, "superuser"),
        defaults,
        "the server's privileges",
        Ends::Response("denied"),
    ),
    attack(
        "orders against sessions of a role that it is not a member of",
        |input| deliver(&input.victims),
        as_bare,
        "the server's privileges",
        Ends::Response("denied"),
    ),
    attack(
        "orders against a walsender: a replica, or Supabase Realtime",
        |input| order_for(input, "walsender"),
        defaults,
        GUARD,
        Ends::Response("it is no client session"),
    ),
    attack(
        "orders against the autovacuum launcher",
        |input| order_for(input, "autovacuum launcher"),
        defaults,
        GUARD,
        Ends::Response("it is no client session"),
    ),
    attack(
        "orders against the checkpointer",
        |input| order_for(input, "checkpointer"),
        defaults,
        GUARD,
        Ends::Response("it is no client session"),
    ),
    attack(
        "orders against a role of Supabase's",
        |input| order_for(input, "supabase_auth_admin"),
        defaults,
        "the built-in list of protected roles",
        Ends::Response("role 'supabase_auth_admin' is protected"),
    ),
    attack(
        "orders against a service of Supabase's",
        |input| order_for(input, "PostgREST"),
        defaults,
        "the built-in list of protected applications",
        Ends::Response("application 'PostgREST 12.2.3' is protected"),
    ),
    attack(
        "orders against a session of another call of ours",
        |input| order_for(input, "archon-pool"),
        defaults,
        GUARD,
        Ends::Response("it is one of our own"),
    ),
    attack(
        "orders against the very session that delivers them",
        |_| request(json!({ "name": "deliver-to-myself", "identity": IDENTITY })),
        identity_allowed,
        GUARD,
        Ends::Response("it is one of our own"),
    ),
    attack(
        "orders while the request asks for a dry run",
        |input| {
            let mut request = deliver(&input.victims);
            request["options"]["dryRun"] = true.into();
            request
        },
        defaults,
        INTENT,
        Ends::Response("the request asks for a dry run"),
    ),
    attack(
        "orders while the request's `dryRun` is neither true nor false",
        |input| {
            let mut request = deliver(&input.victims);
            request["options"]["dryRun"] = "no".into();
            request
        },
        defaults,
        INTENT,
        Ends::Response("options.dryRun is neither true nor false"),
    ),
    attack(
        "orders while the request asks for `monitor`",
        |input| {
            let mut request = deliver(&input.victims);
            request["action"] = "monitor".into();
            request
        },
        defaults,
        INTENT,
        Ends::Response("only kill-idle ends sessions"),
    ),
    attack(
        "orders while the operator allows no changes",
        |input| deliver(&input.victims),
        without_apply,
        "policy `apply`",
        Ends::Response("set the policy's apply"),
    ),
    attack(
        "orders while the request's cap is 0 %",
        |input| {
            let mut request = deliver(&input.victims);
            request["options"]["maxKillPercentage"] = 0.into();
            request
        },
        defaults,
        "the cap",
        Ends::Response("options.maxKillPercentage is 0 %"),
    ),
    attack(
        "orders against sessions that have been idle for less than the request wants",
        |input| {
            let mut request = deliver(&input.victims);
            request["options"]["idleTimeoutMs"] = 300_000.into();
            request
        },
        defaults,
        GUARD,
        Ends::Response("less than the request's options.idleTimeoutMs"),
    ),
    attack(
        "renames its other sessions to raise the number of which the cap is a share",
        |input| {
            let mut request = request(json!({
                "name": "deliver", "rounds": [orders_json(&input.victims)], "dryRun": false, "sessions": 4,
                "before": ["SET application_name = 'decoy'"],
            }));
            // 9 % of the server's 10 killable sessions is none; of 13 it would be one.
            request["options"]["maxKillPercentage"] = 9.into();
            request
        },
        any_sql,
        "the statement's transaction is rolled back, and with it the name",
        Ends::Response("the cap of 0 ended sessions is reached"),
    ),
    attack(
        "begins a transaction before it delivers, in which `pg_stat_activity` stands still",
        |input| {
            // The only order is for a protected session, so that no session ends.
            let orders = std::slice::from_ref(input.protected_session("superuser"));
            request(json!({
                "name": "deliver", "rounds": [[], orders_json(orders)], "dryRun": false, "sessions": 2,
                "before": ["BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM pg_stat_activity"],
            }))
        },
        any_sql,
        "the transaction is rolled back, and the session is reset before a delivery",
        Ends::Response("denied"),
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
        Ends::NoEffect,
    ),
];

async fn attacked_server() -> Result<AttackedServer> {
    let cluster = Cluster::builder().hba(&format!("host replication {SUPERUSER} 127.0.0.1/32 trust")).start().await?;
    create_roles_and_table(&cluster).await?;
    AttackedServer::open(cluster).await
}

#[tokio::test]
async fn no_session_is_ended_against_the_policy() -> Result<()> {
    let mut server = attacked_server().await?;
    let protected_sessions = protected_sessions(&server.cluster).await?;
    server.protected_sessions = protected_sessions.named();
    server.run_all(ATTACKS).await
}

/// The cap on ended sessions applies to every way to request them.
#[tokio::test]
async fn the_cap_applies_across_deliveries_and_sessions() -> Result<()> {
    for method in ["many deliveries", "two sessions", "the same order again and again", "an order for each and again"] {
        let server = attacked_server().await?;
        let host = server.host(OPERATOR, Limits::default(), Policy::default());
        let input = server.attack_input().await?;
        let rounds: Vec<Value> = match method {
            "many deliveries" | "two sessions" => {
                input.victims.iter().map(|order| orders_json(std::slice::from_ref(order))).collect()
            }
            "the same order again and again" => vec![orders_json(&vec![input.victims[0].clone(); 50])],
            _ => vec![orders_json(&input.victims), orders_json(&input.victims), orders_json(&input.victims)],
        };
        let sessions = if method == "two sessions" { 2 } else { 1 };
        let mut request = request(json!({
            "name": "deliver", "rounds": rounds, "dryRun": false, "sessions": sessions,
        }));
        // Half of the eight victims and the harness's own session, which is killable too: four of nine.
        request["options"]["maxKillPercentage"] = 50.into();
        let answer = server.call(&host, request).await?;
        // A session that has not ended yet can be signalled twice; it then counts twice.
        let signalled = responses(&answer).into_iter().filter(|word| word == "signalled").count();
        ensure!((1..=4).contains(&signalled), "{method}: {signalled} of 4: {answer}");
        let expected = if method.starts_with("the same") { 1 } else { signalled };
        let left = i64::try_from(server.victims.len() - expected)?;
        until("the cap's number is gone", async || {
            Ok(server.cluster.count("application_name = 'victim'").await? == left)
        })
        .await
        .context(method)?;
    }
    Ok(())
}

/// Sessions that must not be ended, kept open until this is dropped.
struct ProtectedSessions {
    sessions: Vec<(&'static str, archon_pool_tests::Session)>,
    processes: Vec<(&'static str, i32)>,
    _walsender: TcpStream,
}

impl ProtectedSessions {
    fn named(&self) -> Vec<(&'static str, i32)> {
        let sessions = self.sessions.iter().map(|(name, session)| (*name, session.pid()));
        sessions.chain(self.processes.iter().copied()).collect()
    }
}

async fn protected_sessions(cluster: &Cluster) -> Result<ProtectedSessions> {
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
    Ok(ProtectedSessions { sessions, processes, _walsender: walsender })
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
