//! The one step of SCRAM that a hostile server takes: a challenge that is expensive to answer.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::messages::authentication;

/// Reads the client's first message, and answers it with a challenge of so many rounds.
pub(crate) async fn challenge(stream: &mut TcpStream, rounds: u32) -> io::Result<()> {
    if stream.read_u8().await? != b'p' {
        return Ok(());
    }
    let length = usize::try_from(stream.read_u32().await?).unwrap_or(4).clamp(4, 1 << 16);
    let mut body = vec![0; length - 4];
    stream.read_exact(&mut body).await?;
    let text = String::from_utf8_lossy(&body);
    let nonce = text.split(',').find_map(|part| part.strip_prefix("r=")).unwrap_or_default();
    let challenge = format!("r={nonce}hostile,s=c2FsdHNhbHRzYWx0c2FsdA==,i={rounds}");
    stream.write_all(&authentication(11, challenge.as_bytes())).await
}
