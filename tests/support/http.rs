//! A minimal client of HTTP, for servers whose answers a test reads.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::until::DEADLINE;

/// Answer of a server.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Head of the answer: the status line and the headers.
    pub head: String,
    /// Body.
    pub body: String,
}

/// Gets a path from a port of 127.0.0.1, with further headers as lines.
///
/// # Errors
///
/// Fails if the server does not answer in time, or not in HTTP.
pub async fn get(port: u16, path: &str, headers: &[&str]) -> Result<Answer> {
    timeout(DEADLINE, request(port, ("GET", path), headers, "")).await.context("no answer in time")?
}

/// Posts a body to a path of a port of 127.0.0.1, with further headers as lines; one of them can be `Host`.
///
/// # Errors
///
/// Same as [`get`].
pub async fn post(port: u16, path: &str, headers: &[&str], body: &str) -> Result<Answer> {
    timeout(DEADLINE, request(port, ("POST", path), headers, body)).await.context("no answer in time")?
}

/// Gets a path, and measures the time to the last byte of the answer.
///
/// # Errors
///
/// Same as [`get`].
pub async fn timed(port: u16, path: &str) -> Result<(Answer, Duration)> {
    let started = std::time::Instant::now();
    let answer = get(port, path, &[]).await?;
    Ok((answer, started.elapsed()))
}

async fn request(port: u16, (method, path): (&str, &str), headers: &[&str], body: &str) -> Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    // Version 1.0, whose answers end with the connection and have no parts.
    let mut request = format!("{method} {path} HTTP/1.0\r\n");
    if !headers.iter().any(|header| header.starts_with("Host:")) {
        request.push_str(&format!("Host: 127.0.0.1:{port}\r\n"));
    }
    headers.iter().for_each(|header| request.extend([header, "\r\n"]));
    if !body.is_empty() {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    request.extend(["\r\n", body]);
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    let text = String::from_utf8(bytes)?;
    let (head, body) = text.split_once("\r\n\r\n").context("the answer has no head")?;
    let status = head.split(' ').nth(1).context("the answer has no status")?.parse()?;
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}
