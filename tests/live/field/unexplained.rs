//! Poolers' connections that the available console does not list: those of another process, and of a pooler in front.

use anyhow::Result;
use archon_pool_tests::{PgBouncer, until};
use tokio_postgres::Client;

use super::poolers::check_not_ended;
use super::{aged, with_console};
use crate::actions::cluster;

const POOLED: &str = "application_name IN ('checkout', 'mailer')";

/// Opens clients that each use a server session at the same time, and become idle.
async fn warm(bouncer: &PgBouncer) -> Result<Vec<Client>> {
    let mut clients = Vec::new();
    for application in ["checkout", "checkout", "checkout", "mailer"] {
        clients.push(bouncer.connect("app", application).await?);
    }
    for client in &clients {
        client.batch_execute("BEGIN; SELECT n FROM stock WHERE id = 2").await?;
    }
    for client in &clients {
        client.batch_execute("COMMIT").await?;
    }
    Ok(clients)
}

/// autobase-tech/autobase#487: processes share a port by `so_reuseport`, and a console lists only one process's part.
#[tokio::test]
async fn a_second_process_with_so_reuseport_is_recognised_without_its_console() -> Result<()> {
    let cluster = cluster().await?;
    let first = PgBouncer::before(&cluster).current().users(&["app"]).setting("so_reuseport", 1).start().await?;
    let second = PgBouncer::before(&cluster).current().users(&["app"]).sharing_port_of(&first).start().await?;
    // The kernel distributes clients: with enough clients both processes get some.
    let mut clients = Vec::new();
    until("both have clients", async || {
        clients.extend(warm(&first).await?);
        Ok(first.command("SHOW SERVERS").await?.len() > 1 && second.command("SHOW SERVERS").await?.len() > 2)
    })
    .await?;
    let all = cluster.count(POOLED).await?;
    aged(&cluster, POOLED, all, 11).await?;
    check_not_ended(&cluster, &with_console(&cluster, &first), POOLED).await
}

/// pgbouncer/pgbouncer#435: behind two poolers, the server sees only the address of the one next to it.
#[tokio::test]
async fn a_pooler_in_front_of_a_pooler_is_recognised() -> Result<()> {
    let cluster = cluster().await?;
    let inner = PgBouncer::before(&cluster).users(&["app"]).start().await?;
    let outer = PgBouncer::before(&cluster).current().server_port(inner.port()).users(&["app"]).start().await?;
    let _clients = warm(&outer).await?;
    aged(&cluster, POOLED, 4, 11).await?;
    // On either console: the outer pooler's servers are clients of the inner one, and not of the server.
    for asked in [&inner, &outer] {
        check_not_ended(&cluster, &with_console(&cluster, asked), POOLED).await?;
    }
    Ok(())
}
