//! SCRAM exchange of a hostile server.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::messages::{POSTGRES_VERSION, authentication, greeting};

/// Invalid step of the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scram {
    /// Requests this many iterations.
    Rounds(u32),
    /// Answers with a nonce that does not continue the client's.
    Nonce,
    /// Sends a signature for another password.
    Signature,
    /// Sends no final message, and admits the client.
    NoFinal,
    /// Sends an error in place of the signature, and admits the client.
    Error,
}

/// Runs the exchange up to the invalid step, and admits the client if it continues.
pub(crate) async fn exchange(stream: &mut TcpStream, scram: Scram) -> io::Result<()> {
    let text = response(stream).await?;
    let nonce = text.split(',').find_map(|part| part.strip_prefix("r=")).unwrap_or_default();
    let nonce = if scram == Scram::Nonce { "another" } else { nonce };
    let rounds = if let Scram::Rounds(rounds) = scram { rounds } else { 4096 };
    let challenge = format!("r={nonce}hostile,s=c2FsdHNhbHRzYWx0c2FsdA==,i={rounds}");
    stream.write_all(&authentication(11, challenge.as_bytes())).await?;
    response(stream).await?;
    let last = match scram {
        Scram::NoFinal => Vec::new(),
        Scram::Error => authentication(12, b"e=other-error"),
        _ => authentication(12, b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    };
    stream.write_all(&[last, greeting(POSTGRES_VERSION)].concat()).await
}

/// Reads the client's next message as text.
async fn response(stream: &mut TcpStream) -> io::Result<String> {
    if stream.read_u8().await? != b'p' {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let length = usize::try_from(stream.read_u32().await?).unwrap_or(4).clamp(4, 1 << 16);
    let mut body = vec![0; length - 4];
    stream.read_exact(&mut body).await?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}
