//! Listener with hostile connections.

use std::io;
use std::net::Ipv4Addr;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::behaviour::{Behaviour, Kind};
use crate::{http, session};

/// Running server. Dropping it closes its listener and connections.
#[derive(Debug)]
pub struct Server {
    port: u16,
    listening: JoinHandle<()>,
}

impl Server {
    /// Starts a server on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// Fails if no port is available.
    pub async fn start(behaviour: &'static Behaviour) -> io::Result<Self> {
        Self::in_turn(vec![behaviour]).await
    }

    /// Starts a server that gives each connection the next of these behaviours, cyclically.
    ///
    /// # Errors
    ///
    /// Fails if no port is available.
    pub async fn in_turn(behaviours: Vec<&'static Behaviour>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let listening = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            for behaviour in behaviours.into_iter().cycle() {
                let Ok((stream, _)) = listener.accept().await else { return };
                // A disconnecting client is not an error of the server.
                connections.spawn(async move { drop(serve(stream, behaviour).await) });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { port, listening })
    }

    /// Returns the port on which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn serve(stream: TcpStream, behaviour: &Behaviour) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match behaviour.kind {
        Kind::Postgres | Kind::Console => session::serve(stream, behaviour).await,
        Kind::Management => http::serve(stream, behaviour).await,
    }
}
