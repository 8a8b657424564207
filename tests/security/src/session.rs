//! Serves a session of PostgreSQL's protocol up to the stage at which the behaviour begins.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::behaviour::{Behaviour, Kind, Stage, Then};
use crate::console;
use crate::messages::{POSTGRES_VERSION, TEXT, columns, complete, greeting, message, ready, row};
use crate::perform::perform;

/// Codes of requests that may precede the startup packet.
const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;
const CANCEL: u32 = 80_877_102;

/// Maximum length of a client's message.
const LONGEST: usize = 1 << 20;

/// Serves one connection.
pub(crate) async fn serve(mut stream: TcpStream, behaviour: &Behaviour) -> io::Result<()> {
    if behaviour.stage == Stage::Accept {
        return perform(&mut stream, behaviour).await.map(drop);
    }
    let Some(options) = startup(&mut stream, behaviour).await? else { return Ok(()) };
    if behaviour.stage == Stage::Startup {
        if !perform(&mut stream, behaviour).await? {
            return Ok(());
        }
    } else {
        let version = if behaviour.kind == Kind::Console { console::VERSION } else { POSTGRES_VERSION };
        stream.write_all(&greeting(version)).await?;
    }
    answer(&mut stream, behaviour, &options).await
}

/// Reads the startup packet. Returns none if the client disconnects or the behaviour begins before it.
async fn startup(stream: &mut TcpStream, behaviour: &Behaviour) -> io::Result<Option<String>> {
    loop {
        let length = usize::try_from(stream.read_u32().await?).unwrap_or(0);
        if !(8..=LONGEST).contains(&length) {
            return Ok(None);
        }
        let mut packet = vec![0; length - 4];
        stream.read_exact(&mut packet).await?;
        let code = packet.first_chunk().map_or(0, |code| u32::from_be_bytes(*code));
        match code {
            SSL if behaviour.stage == Stage::Tls => {
                perform(stream, behaviour).await?;
                return Ok(None);
            }
            SSL | GSS => stream.write_all(b"N").await?,
            CANCEL => return Ok(None),
            _ => {
                let texts: Vec<_> = packet[4..].split(|byte| *byte == 0).collect();
                let options = texts.chunks(2).find(|pair| pair[0] == b"options").and_then(|pair| pair.get(1));
                return Ok(Some(options.map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default()));
            }
        }
    }
}

/// Purpose of a client's statement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Controls a transaction, or changes a setting.
    Housekeeping,
    /// Checks the session's settings.
    Setup,
    /// All other statements.
    Statement,
}

fn purpose(sql: &str) -> Purpose {
    let first = sql.trim_start().split([' ', ';']).next().unwrap_or_default().to_ascii_uppercase();
    let is_setup = sql.starts_with("SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN")
        || sql.starts_with("SELECT pg_catalog.current_setting('default_transaction_read_only'");
    match first.as_str() {
        "" | "BEGIN" | "SET" | "COMMIT" | "ROLLBACK" | "DISCARD" | "DEALLOCATE" => Purpose::Housekeeping,
        _ if is_setup => Purpose::Setup,
        _ => Purpose::Statement,
    }
}

/// Answers until the client disconnects or the behaviour has begun.
async fn answer(stream: &mut TcpStream, behaviour: &Behaviour, options: &str) -> io::Result<()> {
    let mut queued = Vec::new();
    let mut last = Purpose::Housekeeping;
    loop {
        let tag = stream.read_u8().await?;
        let length = usize::try_from(stream.read_u32().await?).unwrap_or(0);
        if !(4..=LONGEST).contains(&length) {
            return Ok(());
        }
        let mut body = vec![0; length - 4];
        stream.read_exact(&mut body).await?;
        let mut texts = body.split(|byte| *byte == 0);
        match tag {
            b'Q' => {
                let sql = String::from_utf8_lossy(texts.next().unwrap_or_default()).into_owned();
                last = purpose(&sql);
                if last == Purpose::Setup && !begins(behaviour, last) {
                    queued.extend(settings(&sql, options));
                }
                if last != Purpose::Setup {
                    queued.extend(complete("OK"));
                }
            }
            b'P' => {
                let sql = String::from_utf8_lossy(texts.nth(1).unwrap_or_default()).into_owned();
                last = purpose(&sql);
                queued.extend([message(b'1', b""), message(b'2', b"")].concat());
                if !begins(behaviour, last) {
                    queued.extend(if last == Purpose::Setup {
                        settings(&sql, options)
                    } else {
                        [columns(&[("a", TEXT)]), complete("SELECT 0")].concat()
                    });
                }
                continue;
            }
            b'S' => {}
            b'X' => return Ok(()),
            _ => continue,
        }
        if !begins(behaviour, last) {
            queued.extend(ready());
            stream.write_all(&std::mem::take(&mut queued)).await?;
            continue;
        }
        let before = std::mem::take(&mut queued);
        if tag == b'S' {
            stream.write_all(&before).await?;
        }
        if !perform(stream, behaviour).await? {
            return Ok(());
        }
    }
}

fn begins(behaviour: &Behaviour, purpose: Purpose) -> bool {
    match behaviour.stage {
        Stage::Setup => purpose == Purpose::Setup,
        Stage::Statement => purpose == Purpose::Statement,
        // Behaviours of earlier stages have begun already; they apply here only if they continue.
        _ => matches!(behaviour.then, Then::Continue) && behaviour.kind == Kind::Postgres,
    }
}

/// Returns the settings that the host requested in its startup packet.
fn settings(sql: &str, options: &str) -> Vec<u8> {
    if !sql.contains("pg_settings") {
        return [columns(&[("holds", TEXT)]), row(&["t"]), complete("SELECT 1")].concat();
    }
    let set = options.split("-c ").filter_map(|each| each.trim().split_once('='));
    let mut answer = columns(&[("name", TEXT), ("setting", TEXT)]);
    for (name, value) in set {
        answer.extend(row(&[name, value]));
    }
    answer.extend(complete("SELECT"));
    answer
}
