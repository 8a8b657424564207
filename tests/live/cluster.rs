//! The test harness: servers start, answer, and leave nothing behind.

use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Result, anyhow};
use archon_pool_tests::cluster::SUPERUSER;
use archon_pool_tests::{Cluster, PASSWORD, until};
use tokio::net::TcpStream;
use tokio_postgres::error::SqlState;

#[tokio::test]
async fn a_cluster_starts_and_stops() -> Result<()> {
    let cluster = Cluster::start().await?;
    assert!(cluster.version_num() >= 130_000);
    let client = cluster.connect(SUPERUSER).await?;
    let port: String = client.query_one("SHOW port", &[]).await?.get(0);
    assert_eq!(port, cluster.port().to_string());
    assert!(cluster.log().contains("database system is ready to accept connections"));

    let (port, data) = (cluster.port(), cluster.data_folder().to_owned());
    drop(cluster);
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "somebody still listens");
    assert!(!data.exists(), "the data is still there");
    Ok(())
}

#[tokio::test]
async fn a_panic_leaves_no_server_and_no_folder() -> Result<()> {
    let cluster = Cluster::start().await?;
    let (port, data) = (cluster.port(), cluster.data_folder().to_owned());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _held = cluster;
        std::panic::resume_unwind(Box::new("as a failing test would"));
    }));
    assert!(panicked.is_err());
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "somebody still listens");
    assert!(!data.exists(), "the data is still there");
    Ok(())
}

#[tokio::test]
async fn a_cluster_restarts_with_its_data_on_the_same_port() -> Result<()> {
    let cluster = Cluster::start().await?;
    cluster.execute("CREATE TABLE kept AS SELECT 42 AS answer").await?;
    let port = cluster.port();
    let mut session = cluster.app(SUPERUSER, "client").idle("SELECT 1").await?;

    cluster.stop().await?;
    assert_eq!(session.ended_by().await, Some(SqlState::ADMIN_SHUTDOWN));
    assert!(cluster.connect(SUPERUSER).await.is_err());

    cluster.restart().await?;
    assert_eq!(cluster.port(), port);
    let client = cluster.connect(SUPERUSER).await?;
    let answer: i32 = client.query_one("SELECT answer FROM kept", &[]).await?.get(0);
    assert_eq!(answer, 42);

    cluster.crash().await?;
    cluster.restart().await?;
    assert_eq!(cluster.count("true").await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_cluster_accepts_settings_roles_and_hba_rules() -> Result<()> {
    let cluster = Cluster::builder()
        .setting("max_connections", 12)
        .setting("search_path", "it's, fine")
        .hba("host all outcast 127.0.0.1/32 reject")
        .start()
        .await?;
    let limit: String = cluster.observer().await?.query_one("SHOW max_connections", &[]).await?.get(0);
    assert_eq!(limit, "12");

    cluster.create_role("app", "IN ROLE pg_monitor CONNECTION LIMIT 1").await?;
    cluster.create_role("outcast", "").await?;
    let _first = cluster.connect("app").await?;
    let second = cluster.connect("app").await.err().ok_or_else(|| anyhow!("the limit does not hold"))?;
    let code = second.downcast_ref::<tokio_postgres::Error>().and_then(tokio_postgres::Error::code);
    assert_eq!(code, Some(&SqlState::TOO_MANY_CONNECTIONS));
    assert!(cluster.connect("outcast").await.is_err());

    let url = cluster.url("app", "postgres");
    assert_eq!(url, format!("postgres://app:{PASSWORD}@127.0.0.1:{}/postgres", cluster.port()));
    until("the refusal is logged", async || Ok(cluster.log().contains("too many connections for role"))).await
}

#[tokio::test]
async fn a_cluster_supports_tls() -> Result<()> {
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let cluster = Cluster::builder()
        .tls(cert.pem(), signing_key.serialize_pem())
        .hba("hostnossl all app 127.0.0.1/32 reject")
        .start()
        .await?;
    let ssl: String = cluster.observer().await?.query_one("SHOW ssl", &[]).await?.get(0);
    assert_eq!(ssl, "on");
    cluster.create_role("app", "").await?;
    assert!(cluster.connect("app").await.is_err(), "a connection without TLS was admitted");
    Ok(())
}

#[tokio::test]
async fn a_cluster_has_statement_statistics() -> Result<()> {
    let cluster = Cluster::start().await?;
    cluster.execute("CREATE DATABASE shop").await?;
    assert!(cluster.create_statistics("shop").await?, "the server lacks pg_stat_statements: install its contrib");
    cluster.execute_in("shop", "SELECT calls FROM pg_stat_statements LIMIT 1").await
}

#[tokio::test]
async fn many_clusters_start_concurrently() -> Result<()> {
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..4 {
        starting.spawn(Cluster::start());
    }
    let clusters = starting.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    for cluster in &clusters {
        assert_eq!(cluster.count("true").await?, 0);
    }
    Ok(())
}
