//! `archon-pool mcp` on real servers: tools, results, resources, consent, and text that reads like an instruction.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use archon_pool::components::World;
use archon_pool::plugin::Plugin;
use archon_pool::policy::Policy;
use archon_pool_mcp::plan_folder::PlanFolder;
use archon_pool_mcp::{Server, Settings};
use archon_pool_tests::agent::{Agent, CLIENT, Called, Client, Era, Home, Person, params};
use archon_pool_tests::{Cluster, PASSWORD, Session, until};
use rmcp::model::{GetPromptRequestParams, ReadResourceRequestParams};
use rmcp::service::{ClientServiceExt as _, RunningService};
use rmcp::{RoleClient, serve_server};
use serde_json::{Value, json};

use crate::actions::{OPERATOR, cluster, cluster_shows_age};
use crate::support::host_under;

/// Our own sessions on the server.
const OURS: &str = "application_name = 'archon-pool'";

mod apply;
mod consent;
mod hostile;
mod http;
mod resize;
mod sessions;
mod stdio;

/// Thresholds so that a leak is found within seconds.
fn impatient() -> Value {
    json!({"idleTimeoutMs": 10_000, "idleInTransactionTimeoutMs": 1_000, "sampleMs": 0})
}

/// Thresholds of a plan.
fn planning() -> Value {
    json!({"idleTimeoutMs": 10_000, "idleInTransactionTimeoutMs": 1_000, "minSize": 1})
}

/// A server with a planted leak, an agent's home, and the sessions of healthy applications.
struct Scene {
    cluster: Cluster,
    home: Home,
    url: String,
}

impl Scene {
    async fn new() -> Result<Self> {
        let cluster = cluster().await?;
        let url = cluster.url(OPERATOR, "postgres");
        Ok(Self { cluster, home: Home::new()?, url })
    }

    /// Opens a session that an application forgot in a transaction, old enough for a plan.
    async fn leak(&self) -> Result<Session> {
        let leak =
            self.cluster.app("app", "invoice-worker").idle_in_transaction("SELECT n FROM stock WHERE id = 1").await?;
        cluster_shows_age(&self.cluster, leak.pid(), 2).await?;
        Ok(leak)
    }

    async fn agent(&self, era: Era, person: Person, flags: &[&str]) -> Result<Agent> {
        Agent::start(&self.home, &self.url, flags, era, person).await
    }

    /// Creates a server in this process, which may apply plans.
    fn server(&self, adjust: impl FnOnce(Settings) -> Settings) -> Result<Server> {
        let policy = Policy { apply: true, max_kill_percentage: 100, ..Policy::default() };
        let host = host_under(self.url.clone(), policy);
        let component = |world| Plugin::built_in(host.engine(), world).map(Arc::new);
        let (observer, manager) = (component(World::Observer)?, component(World::Manager)?);
        let plans = PlanFolder::open(&self.home.file("plans"))?;
        let names = Arc::new(|| Ok(Vec::new()));
        let settings = Settings::new(host, observer, manager, names, plans);
        let options = serde_json::Map::from_iter([("maxKillPercentage".to_owned(), json!(100))]);
        Ok(Server::new(adjust(Settings { allow_apply: true, options, ..settings }))?)
    }

    /// Starts an agent that may apply plans.
    async fn trusted(&self, era: Era, person: Person) -> Result<Agent> {
        self.agent(era, person, &TRUSTED).await
    }

    /// Returns the id of a plan for all that can be ended.
    async fn plan(&self, agent: &Agent) -> Result<String> {
        let planned = agent.ok("plan_kill_idle", planning()).await?;
        let id = planned.content["planId"].as_str().with_context(|| planned.text.clone())?;
        Ok(id.to_owned())
    }

    /// Fails unless the session is still there.
    async fn lives(&self, session: &Session) -> Result<()> {
        let there = self.cluster.count(&format!("pid = {}", session.pid())).await?;
        ensure!(there == 1, "the session was ended: {}", self.home.log());
        Ok(())
    }
}

/// Connects a client to a server in this process.
async fn connect(server: &Server, era: Era, person: Person) -> Result<RunningService<RoleClient, Client>> {
    let (client, other) = tokio::io::duplex(1 << 16);
    let server = server.clone();
    tokio::spawn(async move {
        let running = serve_server(server, other).await?;
        anyhow::Ok(running.waiting().await?)
    });
    Ok(Client::new(person).serve_with_lifecycle(client, era.lifecycle()).await?)
}

/// Flags of a server that may apply plans.
const TRUSTED: [&str; 3] = ["--allow-apply", "--max-kill-percentage", "100"];

/// The lines of an audit log.
fn audit(home: &Home) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(home.file("audit.jsonl"))?;
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

#[tokio::test]
async fn both_protocols_list_the_same_tools_and_only_the_flag_adds_the_one_that_applies() -> Result<()> {
    let scene = Scene::new().await?;
    for era in [Era::Handshake, Era::Inline] {
        let agent = scene.agent(era, Person::Nobody, &[]).await?;
        let tools = agent.client().list_all_tools().await?;
        let names: Vec<&str> = tools.iter().map(|tool| &*tool.name).collect();
        let reading =
            ["monitor", "detect_leaks", "health_check", "full_analysis", "explain_session", "list_credentials"];
        ensure!(names == [&reading[..], &["plan_kill_idle", "plan_auto_scale"]].concat(), "{names:?}");
        for tool in &tools {
            let hints = tool.annotations.as_ref().context("hints")?;
            ensure!(hints.read_only_hint == Some(true) && hints.destructive_hint == Some(false), "{}", tool.name);
        }
        let refused = agent.call("apply_plan", json!({"planId": "0123456789abcdef"})).await;
        ensure!(refused.is_err_and(|error| error.to_string().contains("no tool of this name")), "it is not listed");
    }
    let trusted = scene.trusted(Era::Inline, Person::Nobody).await?;
    let tools = trusted.client().list_all_tools().await?;
    let apply = tools.iter().find(|tool| tool.name == "apply_plan").context("it is listed")?;
    let hints = apply.annotations.as_ref().context("hints")?;
    ensure!(hints.read_only_hint == Some(false) && hints.destructive_hint == Some(true));
    ensure!(hints.idempotent_hint == Some(false));
    Ok(())
}

#[tokio::test]
async fn a_planted_leak_is_found_and_explained() -> Result<()> {
    let scene = Scene::new().await?;
    let _healthy = scene.cluster.app("app", "web").idle_many(3, "SELECT 1").await?;
    let leak = scene.leak().await?;
    for era in [Era::Handshake, Era::Inline] {
        let agent = scene.agent(era, Person::Nobody, &[]).await?;
        let mut found: Option<Called> = None;
        until("the leak is suspected", async || {
            let called = agent.ok("detect_leaks", impatient()).await?;
            let is_found = called.content["suspected"] == 1;
            found = Some(called);
            Ok(is_found)
        })
        .await
        .with_context(|| format!("{found:?}"))?;
        let found = found.context("a result")?;
        let suspect = &found.content["suspects"][0];
        ensure!(suspect["pid"] == leak.pid() && suspect["untrustedApplication"] == "invoice-worker", "{suspect}");
        ensure!(suspect["untrustedLastQuery"] == "SELECT n FROM stock WHERE id = ?", "{suspect}");
        ensure!(found.text.contains("untrustedApplication \"invoice-worker\""), "{}", found.text);

        let explained = agent.ok("explain_session", with(impatient(), json!({"id": suspect["session"]}))).await?;
        ensure!(explained.content["suspected"] == true && explained.content["pid"] == leak.pid(), "{}", explained.text);
        let evidence = explained.content["evidence"].as_array().context("evidence")?;
        ensure!(evidence.iter().any(|piece| piece["weight"].as_f64().is_some_and(|weight| weight > 0.0)));

        for tool in ["monitor", "health_check", "full_analysis"] {
            let called = agent.ok(tool, impatient()).await?;
            ensure!(called.content["sessions"]["total"].as_u64() >= Some(5), "{tool}: {}", called.text);
            ensure!(called.content.to_string().len() <= 8 << 10);
        }
        ensure!(!scene.home.log().contains(PASSWORD));
    }
    scene.lives(&leak).await
}

#[tokio::test]
async fn reports_findings_recordings_and_prompts_are_there() -> Result<()> {
    let scene = Scene::new().await?;
    let _leak = scene.leak().await?;
    let agent = scene.agent(Era::Inline, Person::Nobody, &[]).await?;
    let called = agent.ok("full_analysis", impatient()).await?;
    let read = async |uri: &Value| -> Result<Value> {
        let uri = uri.as_str().context("an address")?;
        let read = agent.client().read_resource(ReadResourceRequestParams::new(uri)).await?;
        Ok(serde_json::to_value(read.contents.into_iter().next().context("contents")?)?)
    };
    let report = read(&called.content["reportUri"]).await?;
    let report: Value = serde_json::from_str(report["text"].as_str().context("text")?)?;
    ensure!(report["untrustedReport"]["action"] == "full-analysis", "{report}");
    let findings = read(&json!("archon://findings")).await?;
    let findings: Value = serde_json::from_str(findings["text"].as_str().context("text")?)?;
    ensure!(findings["reportUri"] == called.content["reportUri"], "{findings}");
    let cassette = read(&called.content["cassetteUri"]).await?;
    ensure!(
        cassette["mimeType"] == "application/jsonl" && cassette["blob"].as_str().is_some_and(|it| it.len() > 1_000)
    );
    ensure!(agent.client().read_resource(ReadResourceRequestParams::new("archon://report/99")).await.is_err());
    let listed = agent.client().list_all_resources().await?;
    ensure!(listed.len() == 3 && listed[0].uri == "archon://findings");

    let prompts = agent.client().list_all_prompts().await?;
    ensure!(prompts.len() == 3);
    let prompt = agent.client().get_prompt(GetPromptRequestParams::new("diagnose")).await?;
    ensure!(serde_json::to_string(&prompt)?.contains("full_analysis"));
    Ok(())
}

#[tokio::test]
async fn arguments_that_a_tool_does_not_list_are_refused_and_so_are_other_credentials() -> Result<()> {
    let scene = Scene::new().await?;
    let agent = scene.agent(Era::Inline, Person::Nobody, &["--min-size", "2"]).await?;
    for (tool, arguments, words) in [
        ("monitor", json!({"read_only": false}), "an argument is unknown"),
        ("plan_kill_idle", json!({"dryRun": false}), "an argument is unknown"),
        ("plan_kill_idle", json!({"confirm": true}), "an argument is unknown"),
        ("plan_kill_idle", json!({"minSize": 0}), "set by the operator"),
        ("monitor", json!({"idleTimeoutMs": 1}), "idleTimeoutMs"),
        ("monitor", json!({"credential": "postgres://u:p@h/d"}), "list_credentials"),
        ("explain_session", json!({}), "id is required"),
        ("explain_session", json!({"id": "x"}), "process id"),
    ] {
        let called = agent.call(tool, arguments.clone()).await?;
        ensure!(
            called.is_error && called.content.is_null() && called.text.contains(words),
            "{arguments}: {}",
            called.text
        );
    }
    let names = agent.ok("list_credentials", json!({})).await?;
    ensure!(names.content == json!({"names": ["environment"], "default": "environment", "truncated": false}));
    ensure!(agent.ok("monitor", json!({"credential": "environment", "sampleMs": 0})).await?.content["at"].is_string());
    Ok(())
}

#[tokio::test]
async fn a_fault_of_the_server_is_a_result_and_not_the_end() -> Result<()> {
    let scene = Scene::new().await?;
    let agent = scene.agent(Era::Inline, Person::Nobody, &["--limit", "connect_timeout=2s"]).await?;
    agent.ok("monitor", json!({"sampleMs": 0})).await?;
    scene.cluster.stop().await?;
    let failed = agent.call("monitor", json!({"sampleMs": 0})).await?;
    ensure!(failed.is_error && failed.text.contains("untrustedMessage"), "{}", failed.text);
    scene.cluster.restart().await?;
    until("it answers again", async || Ok(!agent.call("monitor", json!({"sampleMs": 0})).await?.is_error)).await
}

#[tokio::test]
async fn the_skill_is_installed_by_a_command() -> Result<()> {
    let home = Home::new()?;
    let skill = |arguments: &[&str]| -> Result<String> {
        let output = home.command("postgres://nobody@127.0.0.1:1/x", &[&["skill"], arguments].concat())?.output()?;
        ensure!(output.status.success(), "{}", home.log());
        Ok(String::from_utf8(output.stdout)?)
    };
    let shown = skill(&["show"])?;
    let path = skill(&["install"])?;
    ensure!(path.trim().ends_with(".claude/skills/archon-pool/SKILL.md"), "{path}");
    ensure!(std::fs::read_to_string(path.trim())? == shown && shown.contains("## What it never does"));
    let elsewhere = home.file("skills").display().to_string();
    ensure!(skill(&["install", "--dir", &elsewhere])?.starts_with(&elsewhere));
    Ok(())
}

/// Joins two objects.
fn with(mut one: Value, other: Value) -> Value {
    if let (Value::Object(fields), Value::Object(more)) = (&mut one, other) {
        fields.extend(more);
    }
    one
}
