//! Policy files: only approved components and statements run, on a real server.

use std::path::{Path, PathBuf};
use std::process::Output;

use anyhow::{Context as _, Result};
use archon_pool::components::{self, World};
use archon_pool::engine::Engine;
use archon_pool::host::describe;
use archon_pool::limits::Limits;
use archon_pool::policy::Policy;
use archon_pool::policy_file::{Approval, Proposal, lowered};
use archon_pool::verified_plugin::{Files, TrustRequirements, VerifiedPlugin};
use archon_pool_contract::fault::{Fault, kind};
use archon_pool_tests::Cluster;
use serde_json::{Value, json};

use crate::actions::{OPERATOR, cluster, cluster_shows_age};
use crate::cli::{FINDINGS, HEALTHY, NOT_RUN, code, run_from, text};
use crate::support::{host_for, run_in};

/// Folder with the built-in components as files, like third-party ones.
pub(crate) struct Workspace {
    folder: tempfile::TempDir,
}

impl Workspace {
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        components::write_all(folder.path(), None)?;
        Ok(Self { folder })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Returns a path as an argument.
    pub(crate) fn file(&self, file: &str) -> String {
        self.path(file).display().to_string()
    }

    /// Runs the program to completion, with a compile cache in this folder.
    pub(crate) async fn run(&self, cluster: &Cluster, arguments: &[&str]) -> Result<Output> {
        run_from(self.folder(), cluster, OPERATOR, arguments).await
    }

    /// Replaces text in a file.
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) -> Result<()> {
        let before = std::fs::read_to_string(self.path(file))?;
        assert!(before.contains(from), "{file} has {from}");
        Ok(std::fs::write(self.path(file), before.replace(from, to))?)
    }

    /// Changes a component's bytes, but not its behaviour: a custom section is appended.
    pub(crate) fn tamper(&self, file: &str) -> Result<()> {
        std::fs::write(self.path(file), tampered(&std::fs::read(self.path(file))?))?;
        Ok(())
    }
}

/// Returns the same component in other bytes.
pub(crate) fn tampered(component: &[u8]) -> Vec<u8> {
    [component, b"\0\x05\x04mark"].concat()
}

const MONITOR: &str = r#"{"action":"monitor","options":{"sampleMs":0}}"#;

async fn load(engine: &Engine, workspace: &Workspace) -> Result<VerifiedPlugin, Fault> {
    let files = Files::of(&workspace.path("pool-observer.wasm"), Some(&workspace.path("it.toml")));
    VerifiedPlugin::load(engine, &files, &TrustRequirements::default())
}

#[tokio::test]
async fn the_library_runs_only_approved_statements() -> Result<()> {
    let (cluster, workspace) = (cluster().await?, Workspace::new()?);
    let (limits, path) = (Limits::default(), workspace.path("it.toml"));
    let engine = Engine::new(&limits)?;
    let bare = Files::of(&workspace.path("pool-observer.wasm"), None);
    let verified = VerifiedPlugin::load(&engine, &bare, &TrustRequirements::default())?;
    assert!(Proposal::of(verified.plugin(), describe(verified.plugin(), &limits), &path).await?.write(false)?);

    let verified = load(&engine, &workspace).await?;
    let host = host_for(cluster.url(OPERATOR, "postgres"));
    let run = async |verified: &VerifiedPlugin| {
        let host = lowered(&host, verified.approval());
        run_in(verified.plugin(), &host, serde_json::from_str(MONITOR).expect("JSON")).await
    };
    let output = run(&verified).await;
    assert!(output.success, "{:?}", output.error);

    // Approval without one of the statements.
    let approval = verified.approval().context("an approval")?;
    let activity = approval.statements().iter().find(|statement| statement.id == "activity").context("activity")?;
    workspace.edit("it.toml", &activity.sha256.to_string(), &"0".repeat(64))?;
    let output = run(&load(&engine, &workspace).await?).await;
    let error = output.error.context("refused")?;
    assert_eq!(error.kind, kind::NOT_APPROVED);
    assert!(error.message.ends_with("its text is not approved: the policy pins statements by SHA-256"), "{error}");

    workspace.tamper("pool-observer.wasm")?;
    let fault = load(&engine, &workspace).await.expect_err("another component");
    assert_eq!(fault.kind, kind::NOT_APPROVED);
    Ok(())
}

#[tokio::test]
async fn a_policy_file_grants_no_more_than_its_world() -> Result<()> {
    let workspace = Workspace::new()?;
    let (limits, path) = (Limits::default(), workspace.path("it.toml"));
    let engine = Engine::new(&limits)?;
    let manager = VerifiedPlugin::built_in(&engine, World::Manager, None)?;
    Proposal::of(manager.plugin(), describe(manager.plugin(), &limits), &path).await?.write(false)?;
    VerifiedPlugin::built_in(&engine, World::Manager, Some(Approval::load(&path)?))?;
    workspace.edit("it.toml", "world = \"manager\"", "world = \"observer\"")?;
    let approval = Approval::load(&path)?;
    let fault = VerifiedPlugin::built_in(&engine, World::Manager, Some(approval.clone())).expect_err("more power");
    assert!(fault.kind == kind::NOT_APPROVED && fault.message.contains("observer"), "{fault}");
    assert!(!approval.policy(&Policy::default()).apply);
    Ok(())
}

#[tokio::test]
async fn an_approved_component_runs_and_a_changed_one_is_refused() -> Result<()> {
    let (cluster, workspace) = (cluster().await?, Workspace::new()?);
    let (wasm, policy) = (workspace.file("pool-observer.wasm"), workspace.file("pool-observer.policy.toml"));
    let cli = async |arguments: &[&str]| workspace.run(&cluster, arguments).await;
    let run_it = ["run", &wasm, "--policy", &policy, "--params", MONITOR, "--json"];

    let missing = cli(&run_it).await?;
    assert!(code(&missing) == NOT_RUN && text(&missing.stderr).contains("policy-invalid"), "{}", text(&missing.stderr));
    let approved = cli(&["approve", &wasm]).await?;
    assert_eq!(code(&approved), HEALTHY, "{}", text(&approved.stderr));
    assert!(text(&approved.stdout).contains("activity (new) "), "{}", text(&approved.stdout));
    let ran = cli(&run_it).await?;
    assert_eq!(code(&ran), HEALTHY, "{}", text(&ran.stderr));
    assert_eq!(serde_json::from_slice::<Value>(&ran.stdout)?["success"], true);
    let again = cli(&["approve", &wasm, "--json"]).await?;
    assert_eq!(serde_json::from_slice::<Value>(&again.stdout)?["written"], false);

    // A flag does not allow it either.
    let any = cli(&[&run_it[..], &["--allow-sql"]].concat()).await?;
    assert!(code(&any) == NOT_RUN && text(&any.stderr).contains("sql.mode"), "{}", text(&any.stderr));

    workspace.tamper("pool-observer.wasm")?;
    let other = cli(&run_it).await?;
    assert!(code(&other) == NOT_RUN && text(&other.stderr).contains("not-approved"), "{}", text(&other.stderr));
    let widened = cli(&["approve", &wasm]).await?;
    assert!(code(&widened) == NOT_RUN && text(&widened.stderr).contains("--replace"), "{}", text(&widened.stderr));
    assert_eq!(code(&cli(&["approve", &wasm, "--replace"]).await?), HEALTHY);
    assert_eq!(code(&cli(&run_it).await?), HEALTHY);

    workspace.edit("pool-observer.policy.toml", "apply = false", "aply = false")?;
    let wrong = cli(&run_it).await?;
    assert!(text(&wrong.stderr).contains("`aply = false`: unknown field"), "{}", text(&wrong.stderr));
    Ok(())
}

#[tokio::test]
async fn apply_without_approval_is_refused_and_ends_no_session() -> Result<()> {
    let (cluster, workspace) = (cluster().await?, Workspace::new()?);
    let session = cluster.app("app", "worker").idle_in_transaction("SELECT 1").await?;
    let policy = workspace.file("it.toml");
    let approved =
        workspace.run(&cluster, &["approve", &workspace.file("pool-manager.wasm"), "--policy", &policy]).await?;
    assert_eq!(code(&approved), HEALTHY, "{}", text(&approved.stderr));
    let kill = async |more: &[&str]| kill_idle(&workspace, &cluster, session.pid(), &policy, more).await;

    let refused = kill(&["--apply"]).await?;
    assert_eq!(code(&refused), NOT_RUN);
    assert!(text(&refused.stderr).contains("signals.apply"), "{}", text(&refused.stderr));
    assert_eq!(code(&kill(&[]).await?), FINDINGS, "a plan is no change");

    workspace.edit("it.toml", "apply = false\nmax-kill-percentage = 25", "apply = true\nmax-kill-percentage = 0")?;
    kill(&["--apply", "--max-kill-percentage", "100"]).await?;
    assert!(session.answers().await, "the file's cap counts");

    workspace.edit("it.toml", "percentage = 0", "percentage = 100")?;
    workspace.edit("it.toml", "max-kills-per-hour = 1000", "max-kills-per-hour = 0")?;
    kill(&["--apply", "--max-kill-percentage", "100"]).await?;
    assert!(session.answers().await, "the file's hourly cap counts");

    workspace.edit("it.toml", "max-kills-per-hour = 0", "max-kills-per-hour = 1000")?;
    workspace.edit("it.toml", "protected-roles = []", "protected-roles = [\"ap*\"]")?;
    kill(&["--apply", "--max-kill-percentage", "100"]).await?;
    assert!(session.answers().await, "the file's protected roles count");

    workspace.edit("it.toml", "protected-roles = [\"ap*\"]", "protected-roles = []")?;
    let done = kill(&["--apply", "--max-kill-percentage", "100", "--json"]).await?;
    let output: Value = serde_json::from_slice(&done.stdout)?;
    assert_eq!(output["data"]["actions"][0]["targets"][0]["outcome"], json!("ended"), "{output:#}");
    Ok(())
}

async fn kill_idle(workspace: &Workspace, cluster: &Cluster, pid: i32, policy: &str, more: &[&str]) -> Result<Output> {
    cluster_shows_age(cluster, pid, 2).await?;
    let short_thresholds = ["--idle-in-transaction-timeout-ms", "1000", "--min-size", "1", "--sample-ms", "0"];
    workspace.run(cluster, &[&["kill-idle", "--policy", policy], &short_thresholds[..], more].concat()).await
}

#[tokio::test]
async fn the_hourly_cap_applies_across_programs_of_one_user_without_a_log() -> Result<()> {
    let (cluster, workspace) = (cluster().await?, Workspace::new()?);
    let mut sessions = Vec::new();
    for _ in 0..2 {
        sessions.push(cluster.app("app", "worker").idle_in_transaction("SELECT 1").await?);
    }
    let policy = workspace.file("it.toml");
    let approved =
        workspace.run(&cluster, &["approve", &workspace.file("pool-manager.wasm"), "--policy", &policy]).await?;
    assert_eq!(code(&approved), HEALTHY, "{}", text(&approved.stderr));
    workspace.edit("it.toml", "apply = false\nmax-kill-percentage = 25", "apply = true\nmax-kill-percentage = 100")?;
    workspace.edit("it.toml", "max-kills-per-hour = 1000", "max-kills-per-hour = 1")?;
    for session in &sessions {
        cluster_shows_age(&cluster, session.pid(), 2).await?;
    }
    let short_thresholds = ["--idle-in-transaction-timeout-ms", "1000", "--min-size", "1", "--sample-ms", "0"];
    let kill = ["kill-idle", "--policy", &policy, "--apply", "--max-kill-percentage", "100"];
    for _ in 0..2 {
        let done = workspace.run(&cluster, &[&kill[..], &short_thresholds[..]].concat()).await?;
        let reported = text(&done.stdout);
        assert_eq!(cluster.count("application_name = 'worker'").await?, 1, "{reported}{}", text(&done.stderr));
        assert!(!reported.contains("count the calls of this process alone"), "{reported}");
    }
    Ok(())
}

#[tokio::test]
async fn a_report_with_apply_notes_caps_that_apply_to_one_process_only() -> Result<()> {
    let cluster = cluster().await?;
    let state = tempfile::tempdir()?;
    let host = host_for(cluster.url(OPERATOR, "postgres"));
    let kill = || crate::support::impatient("kill-idle");
    let notes = async |host: &archon_pool::host::Host, input: Value| -> Result<String> {
        let output = run_in(crate::support::plugin(World::Manager), host, input).await;
        Ok(output.data.with_context(|| format!("{:?}", output.error))?.notes.join("\n"))
    };
    let alone = "count the calls of this process alone";
    assert!(notes(&host, kill()).await?.contains(alone));
    assert!(!notes(&host, serde_json::from_str(MONITOR)?).await?.contains(alone));
    let shared = host.clone().share_hour(&state.path().join("hour"))?;
    assert!(!notes(&shared, kill()).await?.contains(alone));
    let logged = host.audit(archon_pool::audit::Audit::open(&state.path().join("audit.log"))?);
    assert!(!notes(&logged, kill()).await?.contains(alone));
    Ok(())
}
