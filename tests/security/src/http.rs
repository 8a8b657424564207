//! Serves an HTTP connection and reads its requests.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::TcpStream;

use crate::behaviour::Behaviour;
use crate::perform::perform;

/// Maximum length of a request body.
const LONGEST: usize = 1 << 20;

/// Serves one connection.
pub(crate) async fn serve(mut stream: TcpStream, behaviour: &Behaviour) -> io::Result<()> {
    while request(&mut stream).await? {
        if !perform(&mut stream, behaviour).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Reads a whole request. Returns false at the end of the connection.
async fn request(stream: &mut TcpStream) -> io::Result<bool> {
    // A client sends its next request after the answer to this one, so the reader buffers nothing beyond its end.
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).await? == 0 {
            return Ok(false);
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length.min(LONGEST)];
    reader.read_exact(&mut body).await?;
    Ok(true)
}
