//! The files in `deploy/`: valid, and about metrics that exist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use archon_pool_tests::{Cluster, Monitoring, PgBouncer, Serving, until};
use serde_json::Value;

use super::{promtool, rounds};
use crate::actions::{OPERATOR, create_roles_and_table};
use crate::cli::{run, text};

/// Folder of the shipped files.
pub(super) fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/cli/deploy")
}

fn shipped(name: &str) -> Result<String> {
    Ok(std::fs::read_to_string(deploy().join(name))?)
}

/// Returns all names of our metrics in a text.
fn names(text: &str) -> BTreeSet<String> {
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    // The crate's name in an address is none.
    let lines = text.lines().filter(|line| !line.contains("runbook_url"));
    let words = lines.flat_map(|line| line.split(|letter| !word(letter)));
    words.filter(|word| word.starts_with("archon_pool_")).map(str::to_owned).collect()
}

/// Returns every expression of the dashboard.
fn expressions(dashboard: &Value) -> Vec<String> {
    match dashboard {
        Value::Object(fields) => {
            let own = fields.get("expr").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(fields.values().flat_map(expressions)).collect()
        }
        Value::Array(items) => items.iter().flat_map(expressions).collect(),
        _ => Vec::new(),
    }
}

/// Starts the program on a server with every kind of trouble that has a metric.
async fn everything() -> Result<(Cluster, PgBouncer, Serving)> {
    let flags = ["--interval", "1", "--probe-interval", "1", "--idle-in-transaction-timeout-ms", "1000"];
    let cluster = Cluster::start().await?;
    create_roles_and_table(&cluster).await?;
    let pooler = PgBouncer::before(&cluster).users(&["app"]).start().await?;
    let environment =
        [("DATABASE_URL", &*cluster.url(OPERATOR, "postgres")), ("PGBOUNCER_URL", &*pooler.console_url())];
    let folder = tempfile::tempdir()?.keep();
    let orders = folder.join("audit").display().to_string();
    let serving = Serving::start(&[&flags[..], &["--orders", &orders]].concat(), &environment).await?;
    end_a_transaction(&cluster, &orders).await?;
    rounds(&serving, "default", 3.0).await?;
    Ok((cluster, pooler, serving))
}

/// Ends a session by a command of its own, with this audit log.
async fn end_a_transaction(cluster: &Cluster, audit: &str) -> Result<()> {
    let open = cluster.app("app", "forgotten").idle_in_transaction("SELECT 1").await?;
    let old = format!("pid = {} AND clock_timestamp() - state_change > interval '1.5 seconds'", open.pid());
    until("the transaction is old enough", async || Ok(cluster.count(&old).await? == 1)).await?;
    let apply = ["kill-idle", "--apply", "--max-kill-percentage", "100", "--audit", audit];
    let flags = ["--idle-in-transaction-timeout-ms", "1000", "--sample-ms", "0", "--min-size", "1"];
    let output = run(cluster, OPERATOR, &[&apply[..], &flags].concat()).await?;
    ensure!(cluster.count(&format!("pid = {}", open.pid())).await? == 0, "{}", text(&output.stdout));
    Ok(())
}

#[tokio::test]
async fn the_rules_and_the_configuration_pass_promtool() -> Result<()> {
    let path = |name: &str| deploy().join(name).display().to_string();
    promtool(&["check", "rules", &path("alerts.yaml")], String::new()).await?;
    promtool(&["check", "config", &path("prometheus.yml")], String::new()).await?;
    promtool(&["test", "rules", &path("alerts.test.yaml")], String::new()).await?;
    let (alerts, cases) = (shipped("alerts.yaml")?, shipped("alerts.test.yaml")?);
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/serve/README.md"))?;
    for name in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        for case in ["fires", "stays silent"] {
            ensure!(cases.contains(&format!("- name: {name} {case}\n")), "no case in which {name} {case}");
        }
        ensure!(alerts.contains(&format!("/#{}\n", name.to_lowercase())), "{name} has no runbook");
        ensure!(readme.contains(&format!("\n### {name}\n")), "README.md says nothing about {name}");
    }
    ensure!(alerts.matches("- alert: ").count() == alerts.matches("for: ").count(), "each alert has a `for`");
    Ok(())
}

#[tokio::test]
async fn every_metric_of_the_alerts_and_the_dashboard_is_in_a_real_scrape() -> Result<()> {
    let (cluster, _pooler, serving) = everything().await?;
    let _open = cluster.app("app", "cron").idle_in_transaction("SELECT 1").await?;
    let finding = r#"archon_pool_finding{target="default",id="idle-in-transaction",severity="warning"}"#;
    serving.shows(finding, 1.0).await?;
    let ended = |server: &str| {
        format!(
            "archon_pool_orders_total{{server=\"{server}\",database=\"postgres\",action=\"terminate\",outcome=\"signalled\"}}"
        )
    };
    let server = format!("127.0.0.1:{}", cluster.port());
    serving.shows(&ended(&server), 1.0).await?;
    let left =
        format!("archon_pool_orders_left_this_hour{{server=\"{server}\",database=\"postgres\",action=\"terminate\"}}");
    serving.shows(&left, 999.0).await?;
    for file in ["alerts.yaml", "dashboard.json"] {
        let (wanted, mut missing) = (names(&shipped(file)?), Vec::new());
        // Between two rounds a session may be too young for a report to list it.
        until("a scrape has all metrics", async || {
            let scraped = names(&serving.scrape().await?);
            missing = wanted.difference(&scraped).cloned().collect();
            Ok(missing.is_empty())
        })
        .await
        .with_context(|| format!("{file} has metrics that no scrape has: {missing:?}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn every_expression_of_the_dashboard_is_one_for_prometheus() -> Result<()> {
    let (_cluster, _pooler, serving) = everything().await?;
    let monitoring = Monitoring::start(&deploy(), serving.port(), &[(": 15s", ": 1s")]).await?;
    until("it is scraped", async || Ok(!monitoring.query("archon_pool_up == 1").await?.is_empty())).await?;
    ensure!(monitoring.scrape_error().await?.is_none(), "{:?}", monitoring.scrape_error().await?);
    let dashboard: Value = serde_json::from_str(&shipped("dashboard.json")?)?;
    ensure!(dashboard.get("__inputs").is_none(), "a provisioned dashboard has no inputs");
    let expressions = expressions(&dashboard);
    ensure!(expressions.len() > 30, "{}", expressions.len());
    for expression in expressions {
        let asked = expression.replace("$target", ".*").replace("$__rate_interval", "1m");
        monitoring.query(&asked).await?;
    }
    Ok(())
}

#[test]
fn the_panels_of_the_dashboard_do_not_overlap() -> Result<()> {
    let dashboard: Value = serde_json::from_str(&shipped("dashboard.json")?)?;
    let mut taken = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().into_iter().flatten() {
        let at = |name: &str| panel["gridPos"][name].as_u64().unwrap_or_default();
        for (x, y) in (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y))) {
            ensure!(taken.insert((x, y)) && x < 24, "{} overlaps another panel", panel["title"]);
        }
        ensure!(ids.insert(panel["id"].as_u64()), "{} has the id of another panel", panel["title"]);
    }
    Ok(())
}

#[test]
fn systemd_accepts_the_unit_and_finds_it_confined() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let unit = folder.path().join("archon-pool.service");
    let program = archon_pool_tests::binaries::archon_pool()?.display().to_string();
    std::fs::write(&unit, shipped("archon-pool.service")?.replace("/usr/bin/archon-pool", &program))?;
    // Exposure in tenths; a service without options has 96.
    for arguments in [&["verify", "--man=no"][..], &["security", "--offline=true", "--threshold=15", "--no-pager"]] {
        let mut command = std::process::Command::new("systemd-analyze");
        let output = command.args(arguments).arg(&unit).output().context("`apt-get install systemd`")?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        ensure!(output.status.success(), "{arguments:?}: {said}");
        ensure!(arguments[0] != "verify" || said.is_empty(), "{said}");
    }
    Ok(())
}

#[test]
fn the_container_is_built_from_every_folder_of_the_workspace() -> Result<()> {
    let containerfile = shipped("Containerfile")?;
    let copied: BTreeSet<_> = containerfile.lines().filter_map(|line| line.strip_prefix("COPY ")).collect();
    let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"))?;
    let members = manifest.split("members = [").nth(1).and_then(|rest| rest.split(']').next()).context("members")?;
    let folders: BTreeSet<_> =
        members.split('"').skip(1).step_by(2).filter_map(|member| member.split('/').next()).collect();
    ensure!(folders.len() >= 3, "{folders:?}");
    for folder in folders.into_iter().chain([".cargo", "wit"]) {
        ensure!(copied.contains(&*format!("{folder} {folder}")), "Containerfile does not copy {folder}");
    }
    Ok(())
}

#[test]
fn the_flags_of_the_units_are_those_of_the_program() -> Result<()> {
    let help =
        std::process::Command::new(archon_pool_tests::binaries::archon_pool()?).args(["serve", "--help"]).output()?;
    let help = String::from_utf8(help.stdout)?;
    for name in ["archon-pool.service", "kubernetes.yaml", "Containerfile", "prometheus.yml"] {
        let text = shipped(name)?;
        let lines = text.lines().filter(|line| line.contains("serve") || line.contains("args:"));
        for flag in lines.flat_map(str::split_whitespace).filter_map(|word| word.strip_prefix("--")) {
            let flag = flag.trim_matches([',', '`', ':', ']']);
            ensure!(help.contains(&format!("--{flag}")), "{name} has --{flag}");
        }
    }
    Ok(())
}
