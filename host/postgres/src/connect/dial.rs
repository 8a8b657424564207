//! Sockets to a server: addresses of a host, and encryption.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream, lookup_host};

use crate::target::{SslNegotiation, Target};
use crate::tls::Connector;

/// Request for TLS: a length and a number that is no protocol version.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// Maximum length of an error that the server sends instead of an answer to it.
const LONGEST_ERROR: usize = 8 << 10;
/// Idle time after which the system probes the connection.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// A stream of bytes, whatever it runs over.
pub trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Bytes for S {}

/// Address on which a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    Socket(PathBuf),
}

impl Place {
    /// Returns true if the traffic stays on this machine: a socket, or a loopback address.
    pub(super) fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Socket(_) => true,
        }
    }
}

/// Returns all places of the target's first host, in the order in which they are tried.
pub(super) async fn places(target: &Target) -> io::Result<Vec<Place>> {
    let Target { host, port, .. } = target;
    if target.is_socket() {
        return Ok(vec![Place::Socket(PathBuf::from(host).join(format!(".s.PGSQL.{port}")))]);
    }
    if let Some(address) = target.address.or_else(|| host.parse::<IpAddr>().ok()) {
        return Ok(vec![Place::Tcp((address, *port).into())]);
    }
    let found: Vec<_> = lookup_host((host.as_str(), *port)).await?.map(Place::Tcp).collect();
    if found.is_empty() { Err(io::Error::other(format!("'{host}' has no address"))) } else { Ok(found) }
}

/// Result of a request for encryption.
pub(super) enum Opened {
    /// With TLS, and the channel binding data for SCRAM.
    Tls(Box<dyn Bytes>, Option<Vec<u8>>),
    /// Without TLS: it was not requested, or the server does not offer it.
    Plain(Box<dyn Bytes>),
    /// The server refused before any encryption: SQLSTATE and text.
    Refused(String, String),
}

/// Opens a connection, with TLS if requested and offered.
pub(super) async fn open(
    place: &Place,
    host: &str,
    tls: Option<&Connector>,
    how: SslNegotiation,
) -> io::Result<Opened> {
    let mut stream = match place {
        Place::Socket(path) => return Ok(Opened::Plain(Box::new(UnixStream::connect(path).await?))),
        Place::Tcp(address) => TcpStream::connect(address).await?,
    };
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
    let Some(tls) = tls else { return Ok(Opened::Plain(Box::new(stream))) };
    if how == SslNegotiation::Postgres {
        stream.write_all(&SSL_REQUEST).await?;
        match stream.read_u8().await? {
            b'S' => {}
            b'E' => return refused(stream).await,
            _ => return Ok(Opened::Plain(Box::new(stream))),
        }
    }
    let (stream, binding) = tls.connect(host, stream).await.map_err(|error| no_handshake(&error))?;
    Ok(Opened::Tls(Box::new(stream), binding))
}

/// Marks a failure of the handshake, for which a weaker `sslmode` falls back to plain text.
#[derive(Debug)]
pub(super) struct HandshakeFailed(String);

impl std::fmt::Display for HandshakeFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for HandshakeFailed {}

fn no_handshake(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), HandshakeFailed(error.to_string()))
}

/// Reads an error message sent instead of an answer, as a full pooler does.
async fn refused(mut stream: TcpStream) -> io::Result<Opened> {
    let length = usize::try_from(stream.read_u32().await?).unwrap_or(LONGEST_ERROR).clamp(4, LONGEST_ERROR) - 4;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let field = |letter: u8| {
        let mut fields = body.split(|byte| *byte == 0);
        fields.find_map(|field| field.strip_prefix(&[letter])).map(|text| String::from_utf8_lossy(text).into_owned())
    };
    Ok(Opened::Refused(field(b'C').unwrap_or_default(), field(b'M').unwrap_or_default()))
}
