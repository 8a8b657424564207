//! `explain` on a real server: the evidence of one session, and its confidence at each look.

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::actions::{OPERATOR, cluster};
use crate::cli::{FINDINGS, HEALTHY, USAGE, code, run, text};

const LOOKS: [&str; 8] =
    ["--looks", "2", "--interval", "1", "--idle-in-transaction-timeout-ms", "1000", "--sample-ms", "0"];

#[tokio::test]
async fn a_forgotten_transaction_is_explained_with_its_weights_at_each_look() -> Result<()> {
    let cluster = cluster().await?;
    let app = cluster.app("app", "shop");
    let forgotten = app.idle_in_transaction("UPDATE stock SET n = 1 WHERE id = 1").await?;
    let pid = forgotten.pid().to_string();
    let explain = [&["explain", &pid], &LOOKS[..]].concat();
    archon_pool_tests::until("it is beyond the threshold", async || {
        Ok(code(&run(&cluster, OPERATOR, &explain).await?) == FINDINGS)
    })
    .await?;
    let page = run(&cluster, OPERATOR, &explain).await?;
    let shown = text(&page.stdout);
    for part in ["a suspect", "idle-in-transaction", "holds-locks", "without any evidence", "2 looks"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }

    let json = run(&cluster, OPERATOR, &[&explain[..], &["--json"]].concat()).await?;
    let lines: Vec<Value> = text(&json.stdout).lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let latest = lines.last().context("a look")?;
    let explained = &latest["data"]["leakDetection"]["explained"][0];
    assert_eq!((lines.len(), explained["session"]["pid"].as_i64()), (2, Some(forgotten.pid().into())));
    let weights = explained["session"]["evidence"].as_array().context("evidence")?;
    let sum: f64 = weights.iter().filter_map(|piece| piece["weight"].as_f64()).sum();
    let odds = explained["prior"].as_f64().context("a prior")? + sum;
    let confidence = (100.0 / (1.0 + (-odds).exp())).round();
    assert_eq!(explained["session"]["confidence"].as_f64(), Some(confidence), "{explained}");
    Ok(())
}

#[tokio::test]
async fn a_session_in_use_is_no_suspect_and_an_unknown_one_is_an_error() -> Result<()> {
    let cluster = cluster().await?;
    let idle = cluster.app("app", "shop").idle("SELECT n FROM stock WHERE id = 1").await?;
    let pid = idle.pid().to_string();
    let output = run(&cluster, OPERATOR, &["explain", &pid, "--looks", "1", "--sample-ms", "0"]).await?;
    let shown = text(&output.stdout);
    assert_eq!(code(&output), HEALTHY, "{shown}");
    assert!(shown.contains("no suspect") && shown.contains("look again in"), "{shown}");

    let unknown = run(&cluster, OPERATOR, &["explain", "2147483647", "--looks", "1", "--sample-ms", "0"]).await?;
    assert_eq!(code(&unknown), USAGE);
    assert!(text(&unknown.stderr).contains("no client session of the server had process id 2147483647 in any look"));
    Ok(())
}
