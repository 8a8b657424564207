//! Runs `make demo`: finds and ends a leak on a temporary private server.
//!
//! Creates typical problems (an application that forgets its connections, one that is idle in a transaction, one that
//! this blocks) beside a healthy workload, and runs the real program. Fails if the program misses the leak, ends
//! nothing, or damages the healthy application.

#![expect(clippy::print_stdout, reason = "a demo talks to the person who watches it")]

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use archon_pool_tests::{Cluster, Session, Workload, until};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

const FORGOTTEN: usize = 14;
/// Time between two requests of the leaking application.
const BETWEEN_REQUESTS: Duration = Duration::from_millis(300);
const IDLE_SECONDS: i64 = 10;

// All sessions are young, so the thresholds are low; the defaults are 5 min, 1 min and 25 %.
const OPTIONS: [&str; 3] = ["idleTimeoutMs=10000", "idleInTransactionTimeoutMs=5000", "maxKillPercentage=60"];

const SCHEMA: &str = "
    CREATE SCHEMA shop;
    CREATE TABLE shop.product AS SELECT id, 'product ' || id AS name, id * 10 AS price FROM generate_series(1, 1000) id;
    CREATE TABLE shop.invoice AS SELECT id, 'open' AS status, false AS reported FROM generate_series(1, 10) id;
    CREATE INDEX ON shop.product (id);
    CREATE TABLE shop.visit (at timestamptz, product int);
    GRANT USAGE ON SCHEMA shop TO PUBLIC;
    GRANT ALL ON ALL TABLES IN SCHEMA shop TO PUBLIC;";

#[tokio::main]
async fn main() -> Result<()> {
    let program = Program::find()?;

    headline("A private PostgreSQL server with a healthy application and a planted leak");
    let cluster = Cluster::builder().setting("max_connections", 60).start().await?;
    println!("PostgreSQL {} on 127.0.0.1:{}", version(&cluster), cluster.port());
    cluster.execute("CREATE DATABASE shop").await?;
    cluster.execute_in("shop", SCHEMA).await?;
    cluster.create_statistics("shop").await?;
    for role in ["app_web", "app_worker", "app_reports"] {
        cluster.create_role(role, "").await?;
    }
    // Minimum privileges: to see every session, and to end those of ordinary roles.
    cluster.create_role("pool_manager", "IN ROLE pg_monitor, pg_signal_backend").await?;

    let web = cluster.app("app_web", "web").in_database("shop");
    let visit = "INSERT INTO shop.visit SELECT now(), id FROM shop.product WHERE id = 42";
    let workload = Workload::start(&web, 4, visit, Duration::from_millis(20)).await?;
    println!("web               4 pooled connections, about 200 transactions a second");
    let _planted = plant(&cluster).await?;

    let leaked = format!(
        "application_name = 'checkout-service' AND state = 'idle' \
         AND state_change < clock_timestamp() - interval '{IDLE_SECONDS} seconds'"
    );
    println!("Waiting until the forgotten connections have been idle for {IDLE_SECONDS} s …");
    until("the leak is old enough", async || Ok(cluster.count(&leaked).await? == FORGOTTEN as i64)).await?;
    let before = Census::take(&cluster).await?;
    // The harness's own session must not appear in the findings.
    cluster.close_observer().await;

    let url = cluster.url("pool_manager", "shop");
    program.show("1. What is wrong?", &url, &["full-analysis"]).await?;
    let suspects = program.suspects(&url).await?;
    let (page, ticket) = program.reports()?;
    let report = ["report", "--html", &page, "--markdown", &ticket, "--rounds", "3", "--interval", "1"];
    program.show("The same as a page to mail, and as text for a ticket", &url, &report).await?;
    program.show("2. What would be ended? (a plan: nothing happens yet)", &url, &["kill-idle"]).await?;
    program.show("3. End it", &url, &["kill-idle", "--apply"]).await?;
    program.show("4. And now?", &url, &["monitor"]).await?;
    program.show("5. How large should the pool be?", &url, &["auto-scale"]).await?;

    let after = Census::take(&cluster).await?;
    headline("Sessions before and after, counted in pg_stat_activity");
    before.print_beside(&after);

    ensure!(suspects > 0, "the leak of checkout-service was not found");
    let ended = before.of("checkout-service") - after.of("checkout-service");
    ensure!(ended > 0, "no session of the leak was ended");
    ensure!(before.of("web") == after.of("web"), "a healthy session was ended");
    let transactions = workload.stop().await.context("the healthy application was hurt")?;
    println!();
    println!("{suspects} forgotten sessions suspected, {ended} ended (the cap is 60 %);");
    println!("the healthy application did {transactions} transactions meanwhile and noticed nothing.");
    println!("Open {page} in a browser.");
    Ok(())
}

/// Creates the three problems, which last as long as the returned sessions.
async fn plant(cluster: &Cluster) -> Result<Vec<Session>> {
    let checkout = cluster.app("app_web", "checkout-service").in_database("shop");
    let invoices = cluster.app("app_worker", "invoice-worker").in_database("shop");
    let reports = cluster.app("app_reports", "report-job").in_database("shop");

    let mut sessions = Vec::new();
    for request in 1..=FORGOTTEN {
        let price = format!("SELECT price FROM shop.product WHERE id = {request}");
        sessions.push(checkout.idle(&price).await?);
        // Requests come one by one: each opens a new connection although an idle one exists.
        sleep(BETWEEN_REQUESTS).await;
    }
    println!("checkout-service  opened a connection for each of {FORGOTTEN} requests, and forgot them all");
    sessions.push(invoices.idle_in_transaction("UPDATE shop.invoice SET status = 'sending' WHERE id = 1").await?);
    println!("invoice-worker    sits idle in a transaction and holds a row lock");
    sessions.push(reports.waiting("UPDATE shop.invoice SET reported = true WHERE id = 1").await?);
    println!("report-job        waits for that lock");
    Ok(sessions)
}

/// Program under demonstration.
struct Program {
    path: PathBuf,
    home: TempDir,
}

impl Program {
    fn find() -> Result<Self> {
        let path = env::current_exe()?.with_file_name("archon-pool");
        ensure!(path.is_file(), "{} is missing: run `cargo build --bin archon-pool`", path.display());
        Ok(Self { path, home: tempfile::tempdir()? })
    }

    /// Returns the paths of the HTML page and of the Markdown, beside the folder of the program.
    fn reports(&self) -> Result<(String, String)> {
        let folder = self.path.ancestors().nth(2).context("the program is in no target folder")?.join("demo");
        fs::create_dir_all(&folder)?;
        let path = |name: &str| folder.join(name).display().to_string();
        Ok((path("report.html"), path("report.md")))
    }

    /// Builds a command with this database and no other variables: a demo that ends sessions must not find the
    /// operator's own credentials.
    fn command(&self, url: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command.args(arguments).args(OPTIONS.iter().flat_map(|option| ["--option", option]));
        command.env_clear().env("HOME", self.home.path()).env("DATABASE_URL", url);
        for kept in ["PATH", "TERM", "COLORTERM", "COLUMNS", "NO_COLOR", "LANG"] {
            command.envs(env::var_os(kept).map(|value| (kept, value)));
        }
        command
    }

    /// Runs the program and shows its output.
    async fn show(&self, title: &str, url: &str, arguments: &[&str]) -> Result<()> {
        headline(title);
        println!("$ archon-pool {} --option {}\n", arguments.join(" "), OPTIONS.join(" --option "));
        let mut command = self.command(url, arguments);
        // Runs on a separate thread, because the workload continues meanwhile.
        let status = spawn_blocking(move || command.status()).await??;
        match status.code() {
            // Exit codes for healthy and for findings.
            Some(0 | 1) => Ok(()),
            _ => bail!("`archon-pool {}` could not run: {status}", arguments.join(" ")),
        }
    }

    /// Returns the number of suspects of the leak, from the program's JSON.
    async fn suspects(&self, url: &str) -> Result<usize> {
        let mut command = self.command(url, &["detect-leaks", "--json"]);
        let output = spawn_blocking(move || command.output()).await??;
        let answer: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("no JSON: {}", String::from_utf8_lossy(&output.stderr)))?;
        let suspects = answer["data"]["leakDetection"]["suspectedConnections"].as_array();
        let suspects = suspects.context("the answer has no suspectedConnections")?;
        Ok(suspects.iter().filter(|suspect| suspect["application"] == "checkout-service").count())
    }
}

/// Number of sessions by application.
struct Census(Vec<(String, i64)>);

impl Census {
    async fn take(cluster: &Cluster) -> Result<Self> {
        let mut counts = Vec::new();
        for application in ["web", "checkout-service", "invoice-worker", "report-job"] {
            let count = cluster.count(&format!("application_name = '{application}'")).await?;
            counts.push((application.to_owned(), count));
        }
        let waiting = cluster.count("wait_event_type = 'Lock'").await?;
        counts.push(("waiting for a lock".into(), waiting));
        counts.push(("all".into(), cluster.count("true").await?));
        Ok(Self(counts))
    }

    fn of(&self, application: &str) -> i64 {
        self.0.iter().find(|(name, _)| name == application).map_or(0, |(_, count)| *count)
    }

    fn print_beside(&self, after: &Self) {
        println!("{:<20}{:>8}{:>8}", "", "before", "after");
        for (name, count) in &self.0 {
            println!("{name:<20}{count:>8}{:>8}", after.of(name));
        }
    }
}

fn version(cluster: &Cluster) -> String {
    let number = cluster.version_num();
    format!("{}.{}", number / 10_000, number % 10_000)
}

fn headline(text: &str) {
    println!("\n━━ {text} ━━\n");
}
