//! The command `watch` against hostile servers: its memory, threads and open files do not grow.
//!
//! `SOAK_SECONDS` sets the duration, four rounds by default. Figures are printed once a minute.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use archon_pool_security::{Server, find};
use archon_pool_tests::binaries::{archon_pool, compile_cache};
use archon_pool_tests::soak::{mebibytes, report, soak_duration};
use archon_pool_tests::until::until;
use archon_pool_tests::{Cluster, PgBouncer};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// Behaviours with transient faults, after which `watch` continues.
const TRANSIENT: [&str; 6] = [
    "silent-after-accept",
    "silent-after-startup",
    "silent-at-setup",
    "silent-at-statement",
    "byte-a-second",
    "closed-in-a-message",
];
/// Number of rounds after which the program's caches are filled.
const WARM: usize = 2;
const GROWTH_MEBIBYTES: u64 = 16;

/// Running `watch` command with its rounds and its home; ended on drop.
struct Watch {
    child: Child,
    rounds: mpsc::UnboundedReceiver<String>,
    _home: TempDir,
}

/// Memory, threads and files of a process.
#[derive(Debug, Clone, Copy)]
struct Usage {
    resident_mebibytes: u64,
    threads: u64,
    open_files: usize,
}

impl Watch {
    fn start(url: &str) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let mut command = Command::new(archon_pool()?);
        command.args(["watch", "--json", "--interval", "1", "--limit", "deadline=900ms"]);
        command.args(["--limit", "connect_timeout=300ms", "--limit", "statement_timeout=300ms"]);
        command.env_clear().env("HOME", home.path()).env("XDG_CACHE_HOME", compile_cache()?).env("DATABASE_URL", url);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let stdout = child.stdout.take().context("no stdout")?;
        let (line, rounds) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|read| line.send(read))
        });
        Ok(Self { child, rounds, _home: home })
    }

    /// Returns the next round's answer; none if the program has ended.
    async fn round(&mut self) -> Result<Option<Value>> {
        let line = timeout(Duration::from_secs(120), self.rounds.recv()).await.context("no round in two minutes")?;
        Ok(line.map(|line| serde_json::from_str(&line)).transpose()?)
    }

    fn usage(&self) -> Result<Usage> {
        let process = format!("/proc/{}", self.child.id());
        let status = format!("{process}/status");
        let threads = fs::read_dir(format!("{process}/task"))?.count() as u64;
        let open_files = fs::read_dir(format!("{process}/fd"))?.count();
        Ok(Usage { resident_mebibytes: mebibytes(&status, "VmRSS:")?, threads, open_files })
    }

    /// Reads failed rounds for this duration, and compares the last with the first ones.
    async fn does_not_grow(&mut self, what: &str, soak_duration: Duration) -> Result<()> {
        let (started, mut count, mut printed) = (Instant::now(), 0_usize, 0);
        let mut warm = None;
        while count < 2 * WARM || started.elapsed() < soak_duration {
            let round = self.round().await?.with_context(|| format!("{what}: it ended after {count} rounds"))?;
            ensure!(round["success"] == false, "{what}: a round succeeded: {round:.1000}");
            count += 1;
            if count == WARM {
                warm = Some(self.usage()?);
            }
            let minute = started.elapsed().as_secs() / 60;
            if minute > printed {
                printed = minute;
                report(&format!("{what}, minute {minute}: round {count}, {:?}", self.usage()?));
            }
        }
        let (warm, now) = (warm.context("no round")?, self.usage()?);
        report(&format!("{what}: {warm:?} after {WARM} rounds, {now:?} after {count}"));
        ensure!(now.resident_mebibytes <= warm.resident_mebibytes + GROWTH_MEBIBYTES, "{what}: {warm:?}, then {now:?}");
        // A round in progress uses some of each.
        ensure!(now.threads <= warm.threads + 4, "{what}: {warm:?}, then {now:?}");
        ensure!(now.open_files <= warm.open_files + 4, "{what}: {warm:?}, then {now:?}");
        Ok(())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn url(port: u16) -> String {
    format!("postgres://app@127.0.0.1:{port}/shop?sslmode=disable")
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_does_not_grow_with_servers_that_misbehave_in_turn() -> Result<()> {
    let behaviours = TRANSIENT.map(|name| find("postgres", name).expect(name));
    let server = Server::in_turn(behaviours.to_vec()).await?;
    Watch::start(&url(server.port()))?.does_not_grow("in turn", soak_duration(0)?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_does_not_grow_with_a_paused_pooler_and_leaves_it_without_clients() -> Result<()> {
    let cluster = Cluster::start().await?;
    cluster.create_role("app", "").await?;
    let bouncer = PgBouncer::before(&cluster).users(&["app"]).start().await?;
    bouncer.command("PAUSE").await?;
    let mut watch = Watch::start(&bouncer.url("app", "postgres"))?;
    watch.does_not_grow("paused pooler", soak_duration(0)?).await?;
    drop(watch);
    // A paused PgBouncer does not check clients that wait for a server connection.
    bouncer.command("RESUME").await?;
    let clients = async || {
        let clients = bouncer.command("SHOW CLIENTS").await?;
        Ok(clients.iter().all(|client| client["database"] == "pgbouncer"))
    };
    until("the pooler has no client of ours", clients).await
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_ends_when_a_server_floods_it() -> Result<()> {
    let flood = find("postgres", "notices-after-ready").context("a flood")?;
    let server = Server::start(flood).await?;
    let mut watch = Watch::start(&url(server.port()))?;
    let round = watch.round().await?.context("no answer")?;
    ensure!(round["error"]["kind"] == "limit-exceeded", "{round}");
    ensure!(watch.round().await?.is_none(), "it went on");
    ensure!(watch.child.wait()?.code() == Some(3), "another exit status");
    Ok(())
}
