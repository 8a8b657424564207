//! Simulates a faulty network: a TCP proxy in front of a cluster.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use crate::cluster::{Cluster, PASSWORD};
use crate::until::DEADLINE;

/// Number of parts of at most 64 KiB that are on their way in one direction.
const MOST_DELAYED: usize = 1_000;

/// Treatment of transferred bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flow {
    /// Forwards them.
    #[default]
    Pass,
    /// Forwards each part a fixed time after it came, as a long line does: parts do not wait for each other. The
    /// handshake of TCP is not delayed.
    Delay(Duration),
    /// Holds them, and all that follow, until the flow changes.
    Hold,
    /// Discards them.
    Drop,
}

/// Direction of the transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Client to server.
    ToServer,
    /// Server to client.
    ToClient,
}

/// Current flows of all connections.
#[derive(Debug, Default)]
struct Rules {
    to_server: Flow,
    to_client: Flow,
    /// Text that changes the flow of a direction when a client sends it, before the bytes are forwarded.
    trigger: Option<(Vec<u8>, Direction, Flow)>,
    triggered: bool,
    /// Number of times that all connections were cut.
    cuts: u64,
}

impl Rules {
    fn flow(&self, direction: Direction) -> Flow {
        match direction {
            Direction::ToServer => self.to_server,
            Direction::ToClient => self.to_client,
        }
    }

    fn set(&mut self, direction: Direction, flow: Flow) {
        match direction {
            Direction::ToServer => self.to_server = flow,
            Direction::ToClient => self.to_client = flow,
        }
    }
}

/// Proxy on a free port of 127.0.0.1. Dropping it closes its port and every connection.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    rules: watch::Sender<Rules>,
    listening: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy that forwards to a cluster.
    ///
    /// # Errors
    ///
    /// Fails if there is no port.
    pub async fn start(cluster: &Cluster) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (port, server) = (listener.local_addr()?.port(), cluster.port());
        let rules = watch::Sender::new(Rules::default());
        let shared = rules.clone();
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connect(client, server, shared.clone()));
            }
        });
        Ok(Self { port, rules, listening })
    }

    /// Returns the port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns a connection string that goes through the proxy.
    pub fn url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// Sets the flow of a direction; it also applies to held bytes.
    pub fn set(&self, direction: Direction, flow: Flow) {
        self.rules.send_modify(|rules| rules.set(direction, flow));
    }

    /// Changes the flow of a direction when a client sends a text, before the text is forwarded.
    pub fn when_sent(&self, text: &str, direction: Direction, flow: Flow) {
        self.rules.send_modify(|rules| {
            rules.trigger = Some((text.as_bytes().to_vec(), direction, flow));
            rules.triggered = false;
        });
    }

    /// Waits until the text was sent.
    ///
    /// # Errors
    ///
    /// Fails if it is not sent in time.
    pub async fn sent(&self) -> Result<()> {
        let mut rules = self.rules.subscribe();
        timeout(DEADLINE, rules.wait_for(|rules| rules.triggered))
            .await
            .map_err(|_| anyhow!("the text was not sent"))??;
        Ok(())
    }

    /// Cuts every connection. Held bytes are lost; new connections are forwarded.
    pub fn cut(&self) {
        self.rules.send_modify(|rules| {
            rules.cuts += 1;
            (rules.to_server, rules.to_client, rules.trigger) = (Flow::Pass, Flow::Pass, None);
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.cut();
    }
}

async fn connect(client: TcpStream, server: u16, rules: watch::Sender<Rules>) {
    let cuts = rules.borrow().cuts;
    let mut watched = rules.subscribe();
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await else { return };
    // Forwards small messages at once, as a direct connection would.
    let _ = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    // The first direction that ends closes the other.
    tokio::select! {
        // Checked first: a cut also changes the flow, and held bytes must not be forwarded.
        biased;
        _ = watched.wait_for(|rules| rules.cuts > cuts) => {}
        _ = pump(from_client, to_server, Direction::ToServer, &rules) => {}
        _ = pump(from_server, to_client, Direction::ToClient, &rules) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    direction: Direction,
    rules: &watch::Sender<Rules>,
) -> Result<()> {
    let (mut buffer, mut seen) = (vec![0; 64 << 10], Vec::new());
    let mut watched = rules.subscribe();
    let mut delayed: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    loop {
        let length = tokio::select! {
            // Due parts are written first, so that a stream of new ones cannot keep them back.
            biased;
            () = due(&delayed) => {
                watched.wait_for(|rules| rules.flow(direction) != Flow::Hold).await?;
                if let Some((_, bytes)) = delayed.pop_front() {
                    to.write_all(&bytes).await?;
                }
                continue;
            }
            length = from.read(&mut buffer), if delayed.len() < MOST_DELAYED => length?,
        };
        let came = Instant::now();
        if length == 0 {
            break;
        }
        let bytes = &buffer[..length];
        if direction == Direction::ToServer {
            apply_trigger(rules, &mut seen, bytes);
        }
        let flow = watched.wait_for(|rules| rules.flow(direction) != Flow::Hold).await?.flow(direction);
        match flow {
            Flow::Delay(time) => delayed.push_back((came + time, bytes.to_vec())),
            Flow::Drop => {}
            // Behind delayed parts, to keep the order.
            Flow::Pass | Flow::Hold if !delayed.is_empty() => delayed.push_back((came, bytes.to_vec())),
            Flow::Pass | Flow::Hold => to.write_all(bytes).await?,
        }
    }
    for (at, bytes) in delayed {
        sleep_until(at).await;
        to.write_all(&bytes).await?;
    }
    Ok(())
}

/// Waits until the first delayed part is due; for ever if there is none.
async fn due(delayed: &VecDeque<(Instant, Vec<u8>)>) {
    match delayed.front() {
        Some((at, _)) => sleep_until(*at).await,
        None => std::future::pending().await,
    }
}

/// Applies the trap if its text is in these bytes, or spans the previous ones.
fn apply_trigger(rules: &watch::Sender<Rules>, seen: &mut Vec<u8>, bytes: &[u8]) {
    seen.extend_from_slice(bytes);
    rules.send_if_modified(|rules| {
        let Some((text, direction, flow)) = &rules.trigger else { return false };
        if !seen.windows(text.len()).any(|window| window == text) {
            return false;
        }
        let (direction, flow) = (*direction, *flow);
        rules.set(direction, flow);
        (rules.trigger, rules.triggered) = (None, true);
        true
    });
    // The text is never longer than this.
    seen.drain(..seen.len().saturating_sub(1_000));
}
