//! A relay that drops a session's prepared statements, as a pooler does that changes the server connection, or stops
//! forwarding, as a broken network does.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, ensure};
use archon_pool_tests::{Cluster, PASSWORD};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, mpsc};

/// A simple query that drops every prepared statement.
const DEALLOCATE: &[u8] = b"Q\0\0\0\x13DEALLOCATE ALL\0";
/// The end of every answer outside of a transaction.
const READY: &[u8] = b"Z\0\0\0\x05I";

/// An order for all open connections.
#[derive(Debug, Clone)]
enum Order {
    /// Drops the prepared statements of their sessions, and then signals the sender.
    Deallocate(mpsc::Sender<()>),
    /// Stops forwarding, without closing either side.
    Freeze,
}

/// A relay before a cluster.
pub(super) struct FaultyRelay {
    port: u16,
    orders: broadcast::Sender<Order>,
}

impl FaultyRelay {
    /// Starts a relay.
    pub(super) async fn before(cluster: &Cluster) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (port, server) = (listener.local_addr()?.port(), cluster.port());
        let orders = broadcast::Sender::new(1);
        let subscribing = orders.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let orders = subscribing.subscribe();
                tokio::spawn(async move {
                    relay(client, TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await?, orders).await
                });
            }
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

    /// Drops the prepared statements of the only session, which must be idle.
    pub(super) async fn forget(&self) -> Result<()> {
        let (done, mut waiting) = mpsc::channel(1);
        self.orders.send(Order::Deallocate(done)).context("there is no session")?;
        waiting.recv().await.context("the session has ended")
    }

    /// Stops forwarding what is sent on the connections of now.
    pub(super) fn freeze(&self) -> Result<()> {
        self.orders.send(Order::Freeze).context("there is no session")?;
        Ok(())
    }
}

async fn relay(mut client: TcpStream, mut server: TcpStream, mut orders: broadcast::Receiver<Order>) -> Result<()> {
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
            order = orders.recv() => match order? {
                Order::Freeze => std::future::pending().await,
                Order::Deallocate(done) => {
                    server.write_all(DEALLOCATE).await?;
                    let mut answer = Vec::new();
                    while !answer.ends_with(READY) {
                        ensure!(server.read_buf(&mut answer).await? > 0, "the server closed the connection");
                    }
                    // The test may have ended.
                    let _ = done.send(()).await;
                }
            },
        }
    }
}
