//! A relay that makes a session lose its prepared statements, as a pooler does that changes the server connection.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, ensure};
use archon_pool_tests::{Cluster, PASSWORD};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

/// A simple query that drops every prepared statement.
const DEALLOCATE: &[u8] = b"Q\0\0\0\x13DEALLOCATE ALL\0";
/// The end of every answer outside of a transaction.
const READY: &[u8] = b"Z\0\0\0\x05I";

/// A relay of one connection.
pub(super) struct Amnesia {
    port: u16,
    orders: mpsc::Sender<oneshot::Sender<()>>,
}

impl Amnesia {
    /// Starts a relay before a cluster.
    pub(super) async fn before(cluster: &Cluster) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (port, server) = (listener.local_addr()?.port(), cluster.port());
        let (orders, ordered) = mpsc::channel(1);
        tokio::spawn(async move {
            let (client, _) = listener.accept().await?;
            relay(client, TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await?, ordered).await
        });
        Ok(Self { port, orders })
    }

    pub(super) fn url(&self, cluster: &Cluster, role: &str) -> String {
        let url = format!("postgres://{role}:{PASSWORD}@127.0.0.1:{}/postgres", self.port);
        // Options of the cluster's own URL, such as those about TLS, hold here as well.
        match cluster.url(role, "postgres").split_once('?') {
            Some((_, options)) => format!("{url}?{options}"),
            None => url,
        }
    }

    /// Drops the prepared statements of the session, which must be idle.
    pub(super) async fn forget(&self) -> Result<()> {
        let (done, waiting) = oneshot::channel();
        self.orders.send(done).await.context("the relay has ended")?;
        waiting.await.context("the session has ended")
    }
}

async fn relay(
    mut client: TcpStream,
    mut server: TcpStream,
    mut ordered: mpsc::Receiver<oneshot::Sender<()>>,
) -> Result<()> {
    let (mut from_client, mut from_server) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        tokio::select! {
            length = client.read(&mut from_client) => match length? {
                0 => return Ok(()),
                length => server.write_all(&from_client[..length]).await?,
            },
            length = server.read(&mut from_server) => match length? {
                0 => return Ok(()),
                length => client.write_all(&from_server[..length]).await?,
            },
            Some(done) = ordered.recv() => {
                server.write_all(DEALLOCATE).await?;
                let mut answer = Vec::new();
                while !answer.ends_with(READY) {
                    ensure!(server.read_buf(&mut answer).await? > 0, "the server closed the connection");
                }
                // The test may have ended.
                let _ = done.send(());
            }
        }
    }
}
