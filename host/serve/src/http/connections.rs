//! Connections of clients, bounded in number and in the time that they may take for a request.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_io_timeout::TimeoutStream;

use crate::access::InForce;

/// Connections at the same time; further ones wait in the socket's queue.
const CONNECTIONS: usize = 128;

/// Time for a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Time for the head of a request, also that of the next one of a kept connection: silent clients do not keep others
/// waiting for longer.
const HEAD: Duration = Duration::from_secs(5);

/// Time in which a client must take some of its answer, or the connection is closed: a client that does not read keeps none.
const STALLED: Duration = Duration::from_secs(20);

/// Bytes of an answer that the system holds for a connection.
const SEND_BYTES: usize = 256 << 10;

/// Bytes of a request's head.
const HEAD_BYTES: usize = 16 << 10;

/// Headers of a request.
const HEADERS: usize = 64;

/// Time to answer requests once the program ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// Time to wait after a connection could not be accepted: it is for lack of file descriptors, and trying again at once
/// would only keep a processor busy.
const AFTER_AN_ERROR: Duration = Duration::from_millis(100);

/// Accepts connections until `stop` is true.
pub(super) async fn serve(
    listener: TcpListener,
    routes: Router,
    requirements: InForce,
    mut stop: watch::Receiver<bool>,
) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    loop {
        let accepting = async {
            // Never closed, so this is no error.
            let permit = Arc::clone(&free).acquire_owned().await.ok()?;
            match listener.accept().await {
                Ok((stream, _)) => Some((stream, permit)),
                Err(error) => {
                    tracing::debug!("a connection could not be accepted: {error}");
                    tokio::time::sleep(AFTER_AN_ERROR).await;
                    None
                }
            }
        };
        let accepted = tokio::select! {
            accepted = accepting => accepted,
            _ = stop.changed() => break,
        };
        let Some((stream, permit)) = accepted else { continue };
        tokio::spawn(connection(stream, permit, routes.clone(), requirements.clone(), graceful.watcher()));
    }
    drop(listener);
    let _ = tokio::time::timeout(FAREWELL, graceful.shutdown()).await;
}

async fn connection(
    stream: TcpStream,
    permit: OwnedSemaphorePermit,
    routes: Router,
    requirements: InForce,
    watcher: Watcher,
) {
    // An answer is written at once and not in pieces.
    let _ = stream.set_nodelay(true);
    // The system's own grows to some megabytes, which a client that reads nothing would have for itself.
    let _ = SockRef::from(&stream).set_send_buffer_size(SEND_BYTES);
    let accepted = requirements.get();
    match &accepted.tls {
        None => answer(stream, routes, watcher, STALLED).await,
        Some(acceptor) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                tokio::select! {
                    () = answer(stream, routes, watcher, STALLED) => {}
                    // The client's certificate is checked with the handshake alone.
                    () = requirements.distrusts(&accepted) => {}
                }
            }
        }
    }
    drop(permit);
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    routes: Router,
    watcher: Watcher,
    stalled: Duration,
) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(stalled));
    let stream = Box::pin(stream);
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES).max_headers(HEADERS);
    let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!("a connection ended: {error}");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Starts to answer a request for a body that no buffer holds.
    async fn large(stalled: Duration) -> (tokio::io::DuplexStream, tokio::task::JoinHandle<()>) {
        let (mut client, server) = tokio::io::duplex(1 << 10);
        let routes = Router::new().route("/", get(async || vec![b'x'; 1 << 20]));
        let answering = tokio::spawn(async move {
            // Dropping it would end the connection before its first request.
            let graceful = GracefulShutdown::new();
            answer(server, routes, graceful.watcher(), stalled).await;
        });
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.expect("sent");
        (client, answering)
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_dropped() {
        let (mut client, answering) = large(Duration::from_millis(50)).await;
        client.read_exact(&mut [0; 12]).await.expect("it begins to answer");
        tokio::time::timeout(Duration::from_secs(10), answering).await.expect("in time").expect("no panic");
        drop(client);
    }

    #[tokio::test]
    async fn a_client_that_reads_slowly_gets_everything() {
        let (mut client, answering) = large(Duration::from_secs(5)).await;
        let mut read = 0;
        let mut part = [0; 64 << 10];
        loop {
            let length = client.read(&mut part).await.expect("read");
            if length == 0 {
                break;
            }
            read += length;
            tokio::task::yield_now().await;
        }
        answering.await.expect("no panic");
        assert!(read > 1 << 20);
    }
}
