//! Serves live pages for the browser tests: a server with trouble under hostile names, a silent one, and one that is
//! gone.
//!
//! Prints one line of JSON with the address once the pages are up, then obeys commands on stdin, each answered by `done`:
//! `leak` opens a session more, `silence` and `speak` stop and restore the network of the target `silent`, `end` ends
//! the program that serves, and `restart` starts it again on the same port. It ends with stdin.

#![expect(clippy::print_stdout, reason = "it talks to the test that started it")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use archon_pool_tests::proxy::{Direction, Flow};
use archon_pool_tests::until::until_within;
use archon_pool_tests::{Cluster, PASSWORD, Proxy, Serving, Session, until, unused_port};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// Names that would be markup, at most as long as PostgreSQL's.
const APPLICATION: &str = "<script>alert(1)</script>";
const ROLE: &str = "<img src=x onerror=alert(2)>";
const DATABASE: &str = "<style>*{display:none}</style>'&amp;";

/// Role of the program that serves.
const MONITOR: &str = "monitor";

/// Time for the leaked sessions to grow old enough.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<()> {
    let cluster = Cluster::builder().setting("max_connections", 60).start().await?;
    cluster.create_role(MONITOR, "IN ROLE pg_monitor").await?;
    cluster.create_role(ROLE, "").await?;
    cluster.execute(&format!("CREATE DATABASE \"{DATABASE}\"")).await?;
    cluster.execute_in(DATABASE, "CREATE TABLE stock AS SELECT 1 AS id; GRANT ALL ON stock TO PUBLIC").await?;
    let proxy = Proxy::start(&cluster).await?;
    let app = cluster.app(ROLE, APPLICATION).in_database(DATABASE);
    let mut leaked: Vec<Session> = Vec::new();
    for _ in 0..8 {
        leaked.push(leak(&cluster, APPLICATION).await?);
    }
    let _open = app.idle_in_transaction("UPDATE stock SET id = 2 /* <script>alert(3)</script> */").await?;
    let _waiting = app.waiting("UPDATE stock SET id = 3").await?;

    let folder = tempfile::tempdir()?;
    let nowhere =
        format!("postgres://{MONITOR}:{PASSWORD}@127.0.0.1:{}/%3Cscript%3Ealert(4)%3C%2Fscript%3E", cluster.port());
    let files = Files::write(
        folder.path(),
        &[("hostile", cluster.url(MONITOR, "postgres")), ("silent", proxy.url(MONITOR, "postgres")), ("gone", nowhere)],
    )?;
    let listen = format!("127.0.0.1:{}", unused_port()?);
    let mut serving = Some(Serving::start(&files.flags(&listen), &[]).await?);
    if let Some(serving) = &serving {
        let suspected = async || Ok(serving.scrape().await?.lines().any(is_suspected));
        until_within(PATIENCE, "the leak is suspected", suspected).await.with_context(|| serving.log())?;
    }
    println!("{}", json!({ "address": listen }));

    let mut commands = BufReader::new(tokio::io::stdin()).lines();
    while let Some(command) = commands.next_line().await? {
        match command.as_str() {
            "leak" => leaked.push(leak(&cluster, APPLICATION).await?),
            "silence" => set(&proxy, Flow::Drop),
            "speak" => {
                set(&proxy, Flow::Pass);
                proxy.cut();
            }
            "end" => drop(serving.take()),
            "restart" => serving = Some(Serving::start(&files.flags(&listen), &[]).await?),
            other => bail!("there is no command {other}"),
        }
        println!("done");
    }
    Ok(())
}

/// Opens a session that is forgotten, as requests open them one after the other.
async fn leak(cluster: &Cluster, application: &str) -> Result<Session> {
    let app = cluster.app(ROLE, application).in_database(DATABASE);
    let session = app.idle("SELECT id FROM stock /* <script>alert(5)</script> */").await?;
    let settled = format!("pid = {} AND clock_timestamp() - state_change > interval '0.4 seconds'", session.pid());
    until("the next request comes", async || Ok(cluster.count(&settled).await? == 1)).await?;
    Ok(session)
}

fn is_suspected(line: &str) -> bool {
    let of_ours = line.starts_with("archon_pool_leak_suspects{target=\"hostile\",application=\"<script>");
    of_ours && line.rsplit_once(' ').is_some_and(|(_, count)| count.parse::<f64>().is_ok_and(|count| count >= 8.0))
}

fn set(proxy: &Proxy, flow: Flow) {
    [Direction::ToServer, Direction::ToClient].into_iter().for_each(|direction| proxy.set(direction, flow));
}

/// Files of targets and credentials.
struct Files {
    targets: String,
    credentials: String,
}

impl Files {
    fn write(folder: &Path, urls: &[(&str, String)]) -> Result<Self> {
        let path = |name: &str| folder.join(name).display().to_string();
        let files = Self { targets: path("targets.toml"), credentials: path("credentials.toml") };
        let entry = |(name, url): &(&str, String)| format!("[{name}]\nurl = \"{url}\"\n");
        fs::write(&files.credentials, urls.iter().map(entry).collect::<String>())?;
        fs::set_permissions(&files.credentials, fs::Permissions::from_mode(0o600))?;
        fs::write(&files.targets, urls.iter().map(|(name, _)| format!("[targets.{name}]\n")).collect::<String>())?;
        fs::set_permissions(&files.targets, fs::Permissions::from_mode(0o644))?;
        Ok(files)
    }

    /// Returns the flags of the program.
    fn flags<'f>(&'f self, listen: &'f str) -> Vec<&'f str> {
        vec![
            "--listen",
            listen,
            "--targets",
            &self.targets,
            "--credentials-file",
            &self.credentials,
            "--interval",
            "1",
            "--idle-timeout-ms",
            "10000",
            "--idle-in-transaction-timeout-ms",
            "2000",
            "--min-size",
            "1",
            "--sample-ms",
            "0",
            "--limit",
            "connect_timeout=2s",
            "--limit",
            "deadline=10s",
        ]
    }
}
