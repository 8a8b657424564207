//! Clients that are refused.

use anyhow::{Result, ensure};
use archon_pool_tests::Serving;

use crate::actions::{OPERATOR, cluster};

#[tokio::test]
async fn another_host_name_is_refused() -> Result<()> {
    let cluster = cluster().await?;
    let serving = Serving::of(&cluster.url(OPERATOR, "postgres"), &[]).await?;
    // As a browser would send it, whose page let its own name point to this address.
    let script = format!("GET /metrics HTTP/1.1\r\nHost: evil.example:{}\r\nConnection: close\r\n\r\n", serving.port());
    let answer = raw(serving.port(), &script).await?;
    ensure!(answer.starts_with("HTTP/1.1 421"), "{answer}");
    Ok(())
}

async fn raw(port: u16, request: &str) -> Result<String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
