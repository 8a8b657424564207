//! HTTP/1.1 with one origin, over connections that belong to the call that waits for the answer.
//!
//! No task drives a connection: it is polled together with the exchange for which it was opened, so that its socket is
//! closed at once when that is dropped.

use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use archon_pool_postgres::connect::Bytes as Stream;
use bytes::Bytes;
use futures_util::future::{Either, select};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper::header::{HOST, HeaderValue, USER_AGENT};
use hyper::{HeaderMap, Request, StatusCode, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use url::Url;

use super::counted::{Budget, Counted};

/// Maximum length of the head of an answer, bytes.
const HEAD: usize = 64 << 10;
/// Maximum length of the answer of a proxy, bytes.
const PROXY_ANSWER: usize = 8 << 10;

/// A client of one origin. It follows no redirect: the token would go to another server.
pub(super) struct Http {
    origin: Url,
    /// None for plain HTTP, on the local machine.
    tls: Option<TlsConnector>,
    /// The proxy of `HTTPS_PROXY`, unless `NO_PROXY` excludes the origin.
    proxy: Option<Intercept>,
    connect_timeout: Duration,
    /// A connection that is open after an exchange.
    kept: Mutex<Option<Open>>,
}

/// Reason for a missing answer.
pub(super) enum Lost {
    /// No connection: nothing was sent.
    Unsent(io::Error),
    /// The connection broke, or the answer is not HTTP.
    Broken(hyper::Error),
    /// The answer exceeds the limit of the exchange.
    TooMuch,
}

/// An answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

struct Open {
    sender: SendRequest<Full<Bytes>>,
    connection: Pin<Box<Connection<TokioIo<Counted>, Full<Bytes>>>>,
    budget: Arc<Budget>,
}

impl Http {
    pub(super) fn new(origin: Url, tls: Option<ClientConfig>, connect_timeout: Duration) -> Self {
        let uri = origin.as_str().parse::<Uri>().ok();
        let proxy = if tls.is_some() { uri.and_then(|uri| Matcher::from_env().intercept(&uri)) } else { None };
        let tls = tls.map(|config| TlsConnector::from(Arc::new(config)));
        Self { origin, tls, proxy, connect_timeout, kept: Mutex::new(None) }
    }

    /// Sends a request for a path and reads the answer, of at most `most` bytes.
    pub(super) async fn exchange(&self, mut request: Request<Full<Bytes>>, most: usize) -> Result<Answer, Lost> {
        let authority = &self.origin[url::Position::BeforeHost..url::Position::AfterPort];
        if let Ok(host) = HeaderValue::from_str(authority) {
            request.headers_mut().insert(HOST, host);
        }
        let agent = concat!("archon-pool/", env!("CARGO_PKG_VERSION"));
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(agent));
        let mut open = match self.kept_open().await {
            Some(open) => open,
            None => self.open().await?,
        };
        open.budget.allow(most.saturating_add(HEAD));
        let answer = open.exchange(request, most).await;
        if open.budget.is_exceeded() {
            return Err(Lost::TooMuch);
        }
        let answer = answer?;
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(open);
        Ok(answer)
    }

    /// Returns the connection of an earlier exchange, unless the server has closed it since.
    async fn kept_open(&self) -> Option<Open> {
        let mut open = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        // Polling detects the end of the last answer, or of the connection.
        let is_ready = {
            let ready = pin!(open.sender.ready());
            matches!(select(ready, open.connection.as_mut()).await, Either::Left((Ok(()), _)))
        };
        is_ready.then_some(open)
    }

    async fn open(&self) -> Result<Open, Lost> {
        let slow = || io::Error::new(io::ErrorKind::TimedOut, "no connection in time");
        let stream = tokio::time::timeout(self.connect_timeout, self.dial()).await;
        let stream = stream.map_err(|_| Lost::Unsent(slow()))?.map_err(Lost::Unsent)?;
        let budget = Arc::new(Budget::default());
        let io = TokioIo::new(Counted::new(stream, Arc::clone(&budget)));
        let (sender, connection) = Builder::new().max_buf_size(HEAD).handshake(io).await.map_err(Lost::Broken)?;
        Ok(Open { sender, connection: Box::pin(connection), budget })
    }

    async fn dial(&self) -> io::Result<Box<dyn Stream>> {
        let host = self.origin.host_str().unwrap_or_default();
        let port = self.origin.port_or_known_default().unwrap_or_default();
        let stream = match &self.proxy {
            Some(proxy) => tunnel(proxy, host, port, self.connect_timeout).await?,
            None => connect(host, port, self.connect_timeout).await?,
        };
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(io::Error::other)?;
        Ok(Box::new(tls.connect(name, stream).await?))
    }
}

impl Open {
    async fn exchange(&mut self, request: Request<Full<Bytes>>, most: usize) -> Result<Answer, Lost> {
        let Self { sender, connection, .. } = self;
        let exchange = pin!(async {
            sender.ready().await.map_err(unsent)?;
            let answer = sender.send_request(request).await.map_err(unsent)?;
            let (head, body) = answer.into_parts();
            Ok(Answer { status: head.status, headers: head.headers, body: read(body, most).await? })
        });
        match select(exchange, connection.as_mut()).await {
            Either::Left((answer, _)) => answer,
            // The connection is closed; received data is still to be read.
            Either::Right((_, exchange)) => exchange.await,
        }
    }
}

/// Classifies the error of a request, which may not have been sent.
fn unsent(error: hyper::Error) -> Lost {
    if error.is_canceled() || error.is_closed() { Lost::Unsent(io::Error::other(error)) } else { Lost::Broken(error) }
}

async fn read(mut body: Incoming, most: usize) -> Result<Vec<u8>, Lost> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Lost::Broken)?.into_data() else { continue };
        if read.len() + data.len() > most {
            return Err(Lost::TooMuch);
        }
        read.extend_from_slice(&data);
    }
    Ok(read)
}

/// Connects to the first address that answers; each gets an equal part of the time.
async fn connect(host: &str, port: u16, timeout: Duration) -> io::Result<TcpStream> {
    let addresses: Vec<_> = lookup_host((host.trim_matches(['[', ']']), port)).await?.collect();
    let each = timeout / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut last = io::Error::other("the host has no address");
    for address in addresses {
        match tokio::time::timeout(each, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

/// Opens a connection to the origin through a proxy.
async fn tunnel(proxy: &Intercept, host: &str, port: u16, timeout: Duration) -> io::Result<TcpStream> {
    let uri = proxy.uri();
    if uri.scheme_str() != Some("http") {
        return Err(io::Error::other("a proxy other than one of http:// is not supported"));
    }
    let mut stream = connect(uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(80), timeout).await?;
    let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
    if let Some(login) = proxy.basic_auth() {
        request.extend([b"Proxy-Authorization: ", login.as_bytes(), b"\r\n"].concat());
    }
    request.extend(b"\r\n");
    stream.write_all(&request).await?;
    // Byte by byte: the bytes after the answer are the origin's.
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") && answer.len() < PROXY_ANSWER {
        answer.push(stream.read_u8().await?);
    }
    let status = answer.strip_prefix(b"HTTP/1.1 ").or_else(|| answer.strip_prefix(b"HTTP/1.0 "));
    if status.is_some_and(|status| status.starts_with(b"2")) && answer.ends_with(b"\r\n\r\n") {
        return Ok(stream);
    }
    Err(io::Error::other("the proxy refused the connection"))
}
