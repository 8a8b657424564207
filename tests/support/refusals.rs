//! Server that refuses every login with one error, in the wording of real poolers and servers.

use std::net::Ipv4Addr;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::cluster::PASSWORD;

/// Code of a request for TLS in place of the protocol's version.
const SSL_REQUEST: u32 = 80_877_103;
/// Code of a request for GSSAPI encryption.
const GSS_REQUEST: u32 = 80_877_104;

/// Scripted server on a free port of 127.0.0.1. Dropping it stops the server.
#[derive(Debug)]
pub struct Refusing {
    port: u16,
    server: JoinHandle<()>,
}

impl Refusing {
    /// Starts a server that refuses with these fields of an `ErrorResponse`.
    ///
    /// # Errors
    ///
    /// Fails if it cannot listen.
    pub async fn with(severity: &str, sqlstate: &str, message: &str) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let mut fields = Vec::new();
        for (kind, text) in [(b'S', severity), (b'V', severity), (b'C', sqlstate), (b'M', message)] {
            fields.push(kind);
            fields.extend_from_slice(text.as_bytes());
            fields.push(0);
        }
        fields.push(0);
        let length = u32::try_from(fields.len() + 4)?.to_be_bytes();
        let answer = [&b"E"[..], &length, &fields].concat();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A disconnecting client is not an error.
                let _ = refuse(stream, &answer).await;
            }
        });
        Ok(Self { port, server })
    }

    /// Returns a connection string, password included.
    pub fn url(&self) -> String {
        format!("postgres://app:{PASSWORD}@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Refusing {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn refuse(mut stream: TcpStream, answer: &[u8]) -> Result<()> {
    loop {
        let length = stream.read_u32().await?;
        let code = stream.read_u32().await?;
        if code != SSL_REQUEST && code != GSS_REQUEST {
            let rest = u64::from(length.saturating_sub(8));
            tokio::io::copy(&mut (&mut stream).take(rest), &mut tokio::io::sink()).await?;
            break;
        }
        stream.write_all(b"N").await?;
    }
    stream.write_all(answer).await?;
    stream.shutdown().await?;
    Ok(())
}
