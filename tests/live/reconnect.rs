//! Server connections whose backend has ended without the pooler's notice.

use anyhow::{Context as _, Result, ensure};
use archon_pool::components::World;
use archon_pool::host::Host;
use archon_pool::limits::Limits;
use archon_pool_contract::report::{Action, Report};
use archon_pool_tests::proxy::{Direction, Flow};
use archon_pool_tests::{Cluster, PgBouncer, Proxy, until};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::actions::{OPERATOR, cluster};
use crate::support::{host_with, plugin, run_in};

fn host(cluster: &Cluster, bouncer: &PgBouncer) -> Host {
    let credentials = archon_pool::credentials().url(SecretString::from(cluster.url(OPERATOR, "postgres")));
    host_with(credentials.pooler(SecretString::from(bouncer.console_url())), Limits::default())
}

async fn look(host: &Host, carry: Value, dry_run: bool) -> Result<Report> {
    let options = json!({ "sampleMs": 0, "dryRun": dry_run });
    let input = json!({ "action": "auto-scale", "options": options, "carry": carry });
    let output = run_in(plugin(World::Manager), host, input).await;
    output.data.with_context(|| format!("{:?}", output.error))
}

fn reconnect(report: &Report) -> Option<&Action> {
    report.actions.iter().find(|action| action.kind == "restart-broken")
}

async fn pids(bouncer: &PgBouncer) -> Result<Vec<String>> {
    let servers = bouncer.command("SHOW SERVERS").await?;
    Ok(servers.into_iter().map(|mut server| server.remove("remote_pid").unwrap_or_default()).collect())
}

/// Pooler with two server connections: one is in use, and the backend of the other has ended unnoticed.
pub(crate) struct Forgotten {
    pub(crate) bouncer: PgBouncer,
    /// Process id of the ended backend.
    pub(crate) pid: i32,
    _clients: [Client; 2],
    _network: Proxy,
}

impl Forgotten {
    /// Creates it in front of a cluster that has the role `app`.
    pub(crate) async fn on(cluster: &Cluster) -> Result<Self> {
        let network = Proxy::start(cluster).await?;
        let bouncer = PgBouncer::before(cluster).server_port(network.port()).users(&["app"]).start().await?;
        let (first, second) = (bouncer.connect("app", "web").await?, bouncer.connect("app", "worker").await?);
        first.batch_execute("BEGIN").await?;
        second.batch_execute("SELECT 1").await?;
        let in_use = cluster.count("state = 'idle in transaction'").await?;
        ensure!(in_use == 1, "the first client has no connection of its own");
        // The pooler receives no message about the end.
        network.set(Direction::ToClient, Flow::Hold);
        let idle = "SELECT pid FROM pg_stat_activity WHERE usename = 'app' AND state = 'idle'";
        let pid: i32 = cluster.observer().await?.query_one(idle, &[]).await?.get(0);
        cluster.execute(&format!("SELECT pg_terminate_backend({pid})")).await?;
        until("its session is gone", async || Ok(cluster.count(&format!("pid = {pid}")).await? == 0)).await?;
        ensure!(pids(&bouncer).await?.contains(&pid.to_string()), "the pooler has noticed");
        Ok(Self { bouncer, pid, _clients: [first, second], _network: network })
    }
}

#[tokio::test]
async fn a_server_connection_without_a_session_is_replaced_at_the_second_look() -> Result<()> {
    let cluster = cluster().await?;
    let lost = Forgotten::on(&cluster).await?;
    let (bouncer, gone, in_use) = (&lost.bouncer, lost.pid, "state = 'idle in transaction'");
    let host = host(&cluster, bouncer);
    let once = look(&host, Value::Null, false).await?;
    ensure!(reconnect(&once).is_none(), "one look says nothing: {:?}", once.actions);
    let carry: Value = serde_json::from_str(&once.carry)?;
    let planned = look(&host, carry.clone(), true).await?;
    let plan = reconnect(&planned).context("no plan")?;
    ensure!(plan.dry_run && !plan.executed && plan.reason.contains(&gone.to_string()), "{plan:?}");
    let done = look(&host, carry, false).await?;
    let action = reconnect(&done).context("nothing was done")?;
    ensure!(action.executed && action.connections_affected == 1, "{action:?}");
    until("the pooler has let go of it", async || Ok(!pids(bouncer).await?.contains(&gone.to_string()))).await?;
    ensure!(cluster.count(in_use).await? == 1, "nobody's transaction was cut");
    Ok(())
}
