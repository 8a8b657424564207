//! Statements that may do more than read, on a real server: shown before approval, never sent without `apply`, and
//! logged before they are sent.

use std::path::Path;

use anyhow::Result;
use archon_pool::audit::Audit;
use archon_pool::consent::Act;
use archon_pool::digest::Digest;
use archon_pool::engine::Engine;
use archon_pool::host::CallOptions;
use archon_pool::limits::Limits;
use archon_pool::plugin::Plugin;
use archon_pool::policy_file::{Approval, lowered};
use archon_pool_contract::fault::kind;
use archon_pool_tests::Cluster;
use serde_json::{Value, json};

use crate::audit::events;
use crate::cli::{HEALTHY, NOT_RUN, code, text};
use crate::hostile::attacked_server::{HOSTILE, responses};
use crate::policy_file::Workspace;
use crate::support::host_for;

/// Statement that ends every session of the role's own application.
const ENDS: &str = "SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a \
                    WHERE a.application_name = 'worker'";

/// Creates a policy file of the hostile component that pins the statement.
fn pinned(apply: bool) -> Result<Approval> {
    let text = format!(
        "version = 1\n[plugin]\nname = 'hostile.wasm'\nsha256 = '{}'\nworld = 'manager'\n[sql]\nmode = 'pinned'\n\
         [[sql.statement]]\nid = 'ends'\npurpose = ''\nsha256 = '{}'\n[signals]\napply = {apply}\n",
        Digest::of(HOSTILE),
        Digest::of(ENDS.as_bytes()),
    );
    Ok(Approval::read("hostile.policy.toml", text.as_bytes())?)
}

fn request(dry_run: bool) -> Value {
    json!({
        "action": "monitor", "options": { "dryRun": dry_run },
        "attack": { "name": "query", "batches": [[ENDS]] },
    })
}

#[tokio::test]
async fn a_pinned_statement_that_ends_sessions_is_not_sent_without_apply() -> Result<()> {
    let cluster = Cluster::start().await?;
    cluster.create_role("app", "").await?;
    let mut session = cluster.app("app", "worker").idle("SELECT 1").await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("audit.log");
    let engine = Engine::new(&Limits::default())?;
    let plugin = Plugin::from_bytes(&engine, "hostile.wasm", HOSTILE)?;
    let host = host_for(cluster.url("app", "postgres")).audit(Audit::open(&path)?);

    for (apply, dry_run, word) in [(false, false, "set the policy's apply"), (true, true, "options.dryRun")] {
        let answer = host
            .with_policy(pinned(apply)?.policy(host.policy()))
            .call(&plugin, request(dry_run), CallOptions::default())
            .await;
        let (output, signalled) = (answer.output?, answer.signalled);
        let reported = responses(&output).join("\n");
        assert!(reported.contains("more than read statistics") && reported.contains(word), "{reported}");
        assert!(!signalled && session.answers().await);
    }
    let consenting = lowered(&host, Some(&pinned(true)?)).consent(|proposal| async move {
        let Act::Send { statements } = proposal.act else { return Ok(()) };
        Err(format!("not today: {statements:?}"))
    });
    let reported = responses(&consenting.run(&plugin, request(false)).await?).join("\n");
    assert!(reported.contains("not today") && reported.contains(ENDS), "{reported}");
    assert!(session.answers().await);
    let (_, lines) = events(&path)?;
    assert!(lines.iter().all(|line| line["event"] != "order"), "nothing was sent");

    let answer = host
        .with_policy(pinned(true)?.policy(host.policy()))
        .call(&plugin, request(false), CallOptions::default())
        .await;
    assert!(answer.signalled, "it may not be repeated blindly");
    answer.output?;
    assert!(session.ended_by().await.is_some(), "what was allowed was done");
    let (summary, lines) = events(&path)?;
    let orders: Vec<_> = lines.iter().filter(|line| line["event"] == "order").collect();
    let digest = json!(Digest::of(ENDS.as_bytes()).to_string());
    assert_eq!(
        orders.iter().map(|line| line["outcome"].as_str()).collect::<Vec<_>>(),
        [Some("sending"), Some("executed")]
    );
    assert!(orders.iter().all(|line| line["statement"] == digest && line["signal"] == "statement"), "{orders:?}");
    assert_eq!(orders[1]["sending"], orders[0]["seq"]);
    assert!(summary.unfinished.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_statement_that_only_reads_needs_no_apply_when_it_is_pinned() -> Result<()> {
    let cluster = Cluster::start().await?;
    cluster.create_role("app", "").await?;
    let engine = Engine::new(&Limits::default())?;
    let plugin = Plugin::from_bytes(&engine, "hostile.wasm", HOSTILE)?;
    let reads = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a WHERE a.state = 'idle'";
    let text = format!(
        "version = 1\n[plugin]\nname = 'hostile.wasm'\nsha256 = '{}'\nworld = 'manager'\n[sql]\nmode = 'pinned'\n\
         [[sql.statement]]\nid = 'reads'\npurpose = ''\nsha256 = '{}'\n",
        Digest::of(HOSTILE),
        Digest::of(reads.as_bytes()),
    );
    let approval = Approval::read("it.toml", text.as_bytes())?;
    let host = host_for(cluster.url("app", "postgres"));
    let host = lowered(&host, Some(&approval));
    let request = json!({ "action": "monitor", "attack": { "name": "query", "batches": [[reads]] } });
    let answer = host.call(&plugin, request, CallOptions::default()).await;
    let output = answer.output?;
    assert!(!answer.signalled && responses(&output).join("\n").contains("ok 1 rows"), "{output}");
    Ok(())
}

/// Creates a component that only describes itself, with one statement.
fn describing(sql: &str) -> Result<Vec<u8>> {
    let statement =
        json!({ "id": "ends", "purpose": "reads", "sha256": Digest::of(sql.as_bytes()).to_string(), "sql": sql });
    let description = json!({ "version": "1.0.0", "statements": [statement] }).to_string();
    Ok(wat::parse_str(archon_pool_tests::describing(&description))?)
}

#[tokio::test]
async fn approve_shows_statements_that_may_change_something_and_writes_nothing_until_accepted() -> Result<()> {
    let (cluster, workspace) = (Cluster::start().await?, Workspace::new()?);
    std::fs::write(workspace.path("it.wasm"), describing(ENDS)?)?;
    let (wasm, policy) = (workspace.file("it.wasm"), workspace.path("it.policy.toml"));
    let digest = Digest::of(ENDS.as_bytes()).to_string();

    let shown = workspace.run(&cluster, &["approve", &wasm, "--color", "always"]).await?;
    assert_eq!(code(&shown), NOT_RUN);
    let (page, why) = (text(&shown.stdout), text(&shown.stderr));
    assert!(page.contains(&format!("\u{1b}[1m\u{1b}[31m    {ENDS}")), "{page:?}");
    assert!(page.contains("not sent while signals.apply = false") && !page.contains("none:"), "{page}");
    assert!(why.contains(&format!("--accept {digest}")), "{why}");
    assert!(!Path::new(&policy).exists());

    let json = workspace.run(&cluster, &["approve", &wasm, "--json"]).await?;
    let answer: Value = serde_json::from_slice(&json.stdout)?;
    assert_eq!((code(&json), &answer["error"]["kind"]), (NOT_RUN, &json!(kind::NOT_APPROVED)));
    assert_eq!(
        (&answer["data"]["statements"][0]["sql"], &answer["data"]["statements"][0]["acts"]),
        (&json!(ENDS), &json!(true))
    );
    assert!(!policy.exists());

    let wrong = workspace.run(&cluster, &["approve", &wasm, "--accept", &"0".repeat(64)]).await?;
    assert!(code(&wrong) != HEALTHY && !policy.exists(), "{}", text(&wrong.stderr));
    let accepted = workspace.run(&cluster, &["approve", &wasm, "--accept", &digest]).await?;
    assert_eq!(code(&accepted), HEALTHY, "{}", text(&accepted.stderr));
    assert!(!Approval::load(&policy)?.signals().apply);
    Ok(())
}
