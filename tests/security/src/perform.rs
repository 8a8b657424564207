//! Sends the bytes of a behaviour.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::behaviour::{Behaviour, Then};
use crate::scram;

/// Number of bytes sent at a time when a behaviour repeats.
const CHUNK: usize = 64 << 10;

/// Performs the behaviour until the client disconnects. Returns true if the session continues.
pub(crate) async fn perform(stream: &mut TcpStream, behaviour: &Behaviour) -> io::Result<bool> {
    stream.write_all(&(behaviour.first)()).await?;
    match behaviour.then {
        Then::Continue => return Ok(true),
        Then::Close => stream.shutdown().await?,
        Then::Silence => until_closed(stream).await?,
        Then::Repeat(next) => flood(stream, next).await?,
        Then::Trickle(bytes) => {
            for byte in bytes() {
                stream.write_all(&[byte]).await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            until_closed(stream).await?;
        }
        Then::Scram(scram) => {
            scram::exchange(stream, scram).await?;
            until_closed(stream).await?;
        }
    }
    Ok(false)
}

async fn flood(stream: &mut TcpStream, next: fn(u64) -> Vec<u8>) -> io::Result<()> {
    let mut count = 0;
    loop {
        let mut chunk = Vec::with_capacity(2 * CHUNK);
        while chunk.len() < CHUNK {
            chunk.extend(next(count));
            count += 1;
        }
        stream.write_all(&chunk).await?;
    }
}

/// Reads and drops the client's data until the connection is closed.
async fn until_closed(stream: &mut TcpStream) -> io::Result<()> {
    let mut dropped = [0; 4096];
    while stream.read(&mut dropped).await? > 0 {}
    Ok(())
}
