//! Logins against a scripted server, and texts with any bytes from real ones.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use archon_pool::components::World;
use archon_pool_contract::fault::kind;
use archon_pool_tests::cluster::PASSWORD;
use archon_pool_tests::{Cluster, until};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{fault, host_for, plugin, run_in};

fn monitor() -> Value {
    json!({ "action": "monitor", "options": { "sampleMs": 0 } })
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX).to_be_bytes();
    [&[tag], &length[..], body].concat()
}

fn error(severity: &str, sqlstate: &str, text: &[u8]) -> Vec<u8> {
    let fields = format!("S{severity}\0V{severity}\0C{sqlstate}\0M");
    message(b'E', &[fields.as_bytes(), text, b"\0\0"].concat())
}

/// Accepts one startup packet, without TLS.
async fn startup(stream: &mut TcpStream) -> Result<()> {
    loop {
        let length = usize::try_from(stream.read_u32().await?)?;
        let mut packet = vec![0; length - 4];
        stream.read_exact(&mut packet).await?;
        if packet != [4, 210, 22, 47] {
            return Ok(());
        }
        stream.write_all(b"N").await?;
    }
}

/// Starts a server that sends fixed messages after a login and after the first query. Returns its URL.
async fn scripted(greeting: Vec<u8>, at_first_query: Vec<u8>) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (greeting, at_first_query) = (greeting.clone(), at_first_query.clone());
            tokio::spawn(async move {
                startup(&mut stream).await?;
                stream.write_all(&greeting).await?;
                if !at_first_query.is_empty() {
                    stream.read_u8().await?;
                    stream.write_all(&at_first_query).await?;
                }
                stream.shutdown().await?;
                anyhow::Ok(())
            });
        }
    });
    Ok(format!("postgres://app:{PASSWORD}@127.0.0.1:{port}/shop"))
}

fn logged_in() -> Vec<u8> {
    let version = message(b'S', b"server_version\x0015.4\0");
    let encoding = message(b'S', b"server_encoding\0UTF8\0");
    [message(b'R', &[0; 4]), version, encoding, message(b'Z', b"I")].concat()
}

/// Reads the refusals of field.md, as the three hosts classify them.
fn refusals() -> Vec<Value> {
    serde_json::from_str(include_str!("../conformance/refusals.json")).expect("a table")
}

#[tokio::test]
async fn every_refusal_at_login_is_classified() -> Result<()> {
    let text = |case: &Value, name: &str| case["says"][name].as_str().unwrap_or_default().to_owned();
    for case in refusals().into_iter().filter(|case| case["at"] != "statement") {
        let message_text = text(&case, "message");
        let refusal = error(&text(&case, "severity"), &text(&case, "sqlstate"), message_text.as_bytes());
        let sslmode = if case["tls"] == "tried" { "prefer" } else { "disable" };
        let url = scripted(refusal, Vec::new()).await? + "?sslmode=" + sslmode;
        let fault = fault(&host_for(url), monitor()).await;
        assert_eq!(
            (json!(fault.kind), json!(fault.retryable)),
            (case["kind"].clone(), case["retryable"].clone()),
            "{message_text}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_refusal_at_the_first_query_counts_as_a_refused_login() -> Result<()> {
    for (text, expected) in [
        ("query_wait_timeout", kind::TOO_MANY_CONNECTIONS),
        ("server login has been failing, cached error: connect failed (server_login_retry)", kind::SERVER_UNREACHABLE),
        ("no such database: shop", kind::DATABASE_NOT_FOUND),
    ] {
        let url = scripted(logged_in(), error("FATAL", "08P01", text.as_bytes())).await?;
        let fault = fault(&host_for(url), monitor()).await;
        assert_eq!(fault.kind, expected, "{fault}");
    }
    Ok(())
}

#[tokio::test]
async fn a_refusal_with_invalid_bytes_is_shown() -> Result<()> {
    let refusal = error("FATAL", "28P01", b"authentification par mot de passe \xe9chou\xe9e");
    let fault = fault(&host_for(scripted(refusal, Vec::new()).await?), monitor()).await;
    assert_eq!(fault.kind, kind::AUTHENTICATION_FAILED);
    assert!(fault.message.contains("\u{fffd}chou\u{fffd}e"), "{fault}");
    Ok(())
}

#[tokio::test]
async fn a_password_is_not_sent_where_require_auth_forbids_it() -> Result<()> {
    let url = scripted(message(b'R', &3_u32.to_be_bytes()), logged_in()).await? + "?require_auth=scram-sha-256";
    let fault = fault(&host_for(url), monitor()).await;
    assert_eq!(fault.kind, kind::AUTHENTICATION_FAILED);
    assert!(fault.message.contains("require_auth") && !fault.message.contains(PASSWORD), "{fault}");
    Ok(())
}

#[tokio::test]
async fn the_next_host_is_tried_when_one_is_down_and_not_after_a_refusal() -> Result<()> {
    let cluster = Cluster::start().await?;
    cluster.create_role("app", "IN ROLE pg_monitor").await?;
    let down = archon_pool_tests::unused_port()?;
    let url = |first: u16, role: &str| {
        let port = cluster.port();
        format!("postgres://{role}:{PASSWORD}@127.0.0.1:{first},127.0.0.1:{port}/postgres")
    };
    let output = run_in(plugin(World::Observer), &host_for(url(down, "app")), monitor()).await;
    assert_eq!(output.error, None);
    let writable = url(down, "app") + "?target_session_attrs=read-write";
    assert_eq!(run_in(plugin(World::Observer), &host_for(writable), monitor()).await.error, None);
    let standby = url(down, "app") + "?target_session_attrs=standby";
    let fault = fault(&host_for(standby), monitor()).await;
    assert_eq!(fault.kind, kind::SERVER_UNREACHABLE);
    assert!(fault.message.contains("target_session_attrs=standby"), "{fault}");
    let either = url(down, "app") + "?target_session_attrs=prefer-standby";
    assert_eq!(run_in(plugin(World::Observer), &host_for(either), monitor()).await.error, None);
    Ok(())
}

/// Client that stays connected: `psql`, which sends any bytes.
struct Psql(Child);

impl Psql {
    fn start(cluster: &Cluster, database: &str, role: &[u8], encoding: &str, script: &[u8]) -> Result<Self> {
        let mut psql = Command::new("psql");
        psql.args(["-qAtX", "-h", "127.0.0.1", "-p", &cluster.port().to_string(), "-d", database, "-U"]);
        psql.arg(OsStr::from_bytes(role)).env("PGPASSWORD", PASSWORD).env("PGCLIENTENCODING", encoding);
        psql.env("PGAPPNAME", "odd").stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = psql.spawn().context("could not run psql")?;
        child.stdin.as_mut().context("psql has no input")?.write_all(script)?;
        Ok(Self(child))
    }
}

impl Drop for Psql {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // psql ends with its input; it may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const ACTIONS: [&str; 6] = ["monitor", "detect-leaks", "health-check", "auto-scale", "kill-idle", "full-analysis"];

/// pg_activity#149 #332, powa#136, temboard#887: one client's bytes must not make the tool fail.
#[tokio::test]
async fn every_action_succeeds_with_texts_in_any_encoding_from_any_database() -> Result<()> {
    let cluster = Cluster::builder().setting("track_activity_query_size", 100).start().await?;
    cluster.create_role("watcher", "SUPERUSER").await?;
    let databases = [("raw", "SQL_ASCII"), ("latin", "LATIN1"), ("win", "WIN1252"), ("japan", "EUC_JP")];
    for (name, encoding) in databases {
        let options = format!("ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
        cluster.execute(&format!("CREATE DATABASE {name} {options}")).await?;
    }
    let role = b"r\xf4le";
    let create = [&b"CREATE ROLE \"r\xf4le\" LOGIN PASSWORD '"[..], PASSWORD.as_bytes(), b"';\n"].concat();
    let _latin = Psql::start(&cluster, "latin", b"watcher", "LATIN1", &[&create[..], b"SELECT 'caf\xe9';\n"].concat())?;
    until("the role is there", async || Ok(cluster.count("application_name = 'odd' AND state = 'idle'").await? == 1))
        .await?;
    let _own = Psql::start(&cluster, "latin", role, "LATIN1", b"SELECT '\xe9\xe8\xff';\n")?;
    let _raw = Psql::start(&cluster, "raw", b"watcher", "SQL_ASCII", b"SELECT '\xff\xfe\xe6\x97', 1;\n")?;
    let _win = Psql::start(&cluster, "win", b"watcher", "WIN1252", b"SELECT '\x80 \x93quoted\x94';\n")?;
    let long = [&b"SELECT '"[..], &b"\xc6\xfc\xcb\xdc".repeat(60), b"';\n"].concat();
    let _japan = Psql::start(&cluster, "japan", b"watcher", "EUC_JP", &long)?;
    let utf8 = format!("SELECT '{}';\n", "日本語".repeat(30));
    let _utf8 = Psql::start(&cluster, "postgres", b"watcher", "UTF8", utf8.as_bytes())?;
    until("all are there", async || Ok(cluster.count("application_name = 'odd' AND state = 'idle'").await? == 6))
        .await?;
    for database in ["postgres", "raw", "latin", "win", "japan"] {
        let host = host_for(cluster.url("watcher", database));
        for action in ACTIONS {
            let input = json!({ "action": action, "options": { "sampleMs": 0, "dryRun": true } });
            let output = run_in(plugin(World::Manager), &host, input).await;
            assert_eq!(output.error, None, "{action} in {database}");
            let report = output.data.context("a report")?;
            assert!(!report.notes.iter().any(|note| note.contains("could not be read: ")), "{:?}", report.notes);
        }
    }
    Ok(())
}
