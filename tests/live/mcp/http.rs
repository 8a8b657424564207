//! The server over HTTP: who may call it, and that clients leave nothing behind.

use std::fs;
use std::process::{Child, Stdio};

use archon_pool_tests::http::{self, Answer};
use archon_pool_tests::unused_port;

use super::*;
use crate::support::signal;

/// `archon-pool mcp --http`, ended on drop.
struct Listening {
    port: u16,
    child: Child,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = signal("TERM", self.child.id());
        let _ = self.child.wait();
    }
}

async fn listening(scene: &Scene, flags: &[&str]) -> Result<Listening> {
    let port = unused_port()?;
    let address = format!("127.0.0.1:{port}");
    let mut command = scene.home.command(&scene.url, &[&["mcp", "--http", &address], flags].concat())?;
    let child = command.stdout(Stdio::null()).spawn()?;
    let listening = Listening { port, child };
    let answers = async || Ok(http::get(port, "/mcp", &[]).await.is_ok());
    until("the server answers", answers).await.with_context(|| scene.home.log())?;
    Ok(listening)
}

impl Listening {
    async fn post(&self, headers: &[&str], method: &str, params: Value) -> Result<Answer> {
        let usual = ["Content-Type: application/json", "Accept: application/json, text/event-stream"];
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        http::post(self.port, "/mcp", &[&usual[..], headers].concat(), &body).await
    }

    /// Returns the memory of the process, KiB.
    fn resident(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("its memory")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

/// The token of a server, and the header with it.
const TOKEN: (&str, &str) = ("0123456789abcdef", "Authorization: Bearer 0123456789abcdef");

/// Writes the file of the token.
fn token_file(scene: &Scene) -> Result<String> {
    let path = scene.home.file("token");
    archon_pool_tests::target_files::write(&path, TOKEN.0, 0o600)?;
    Ok(path.display().to_string())
}

#[tokio::test]
async fn pages_other_hosts_and_clients_without_the_token_are_refused() -> Result<()> {
    let scene = Scene::new().await?;
    let server = listening(&scene, &["--token-file", &token_file(&scene)?, "--http-host", "pool.example"]).await?;
    let (host, bearer) = ("Host: pool.example", TOKEN.1);
    for (headers, status) in [
        (&[host][..], 401),
        (&[host, "Authorization: Bearer 0123456789abcdeX"], 401),
        (&[host, bearer], 200),
        (&["Host: evil.example", bearer], 403),
        (&[host, bearer, "Origin: https://evil.example"], 403),
        (&[host, bearer, "Origin: null"], 403),
    ] {
        let answer = server.post(headers, "tools/list", json!({})).await?;
        ensure!(answer.status == status, "{headers:?}: {}", answer.head);
    }
    ensure!(!scene.home.log().contains(TOKEN.0));
    for (flags, words) in [
        (&["--http", "0.0.0.0:0"][..], "--http-host"),
        (&["--http", "0.0.0.0:0", "--http-host", "x"], "--token-file"),
        (&["--http", "127.0.0.1:0", "--allow-apply"], "--token-file"),
        (&["--token-file", "x"], "--http"),
        (&["--json"], "stdout"),
    ] {
        let mut command = scene.home.command(&scene.url, &[&["mcp"], flags].concat())?;
        let output = tokio::task::spawn_blocking(move || command.stderr(Stdio::piped()).output()).await??;
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.code() == Some(2) && message.contains(words), "{flags:?}: {message}");
    }
    Ok(())
}

#[tokio::test]
async fn a_thousand_clients_leave_one_session_and_no_memory() -> Result<()> {
    let scene = Scene::new().await?;
    let server = listening(&scene, &[]).await?;
    let monitor = json!({"name": "monitor", "arguments": {"sampleMs": 0}});
    let client = async |number: usize| -> Result<()> {
        let answer = match number % 4 {
            0 => server.post(&[], "tools/call", monitor.clone()).await?,
            _ => server.post(&[], "tools/list", json!({})).await?,
        };
        ensure!(answer.status == 200 && answer.body.contains("\"result\""), "{}\n{}", answer.head, answer.body);
        ensure!(!answer.head.to_lowercase().contains("mcp-session-id"), "there are no sessions of clients");
        Ok(())
    };
    // The reports that are kept are there after these.
    for number in 0..100 {
        client(number).await?;
    }
    let before = server.resident()?;
    for number in 0..1_000 {
        client(number).await?;
    }
    ensure!(scene.cluster.count(OURS).await? == 1);
    let after = server.resident()?;
    ensure!(after < before + (16 << 10), "{before} KiB before, {after} KiB after");
    Ok(())
}

#[tokio::test]
async fn before_results_that_ask_nobody_can_be_asked_over_http() -> Result<()> {
    let scene = Scene::new().await?;
    let leak = scene.leak().await?;
    let token = token_file(&scene)?;
    let server = listening(&scene, &[&TRUSTED[..], &["--token-file", &token]].concat()).await?;
    let called =
        server.post(&[TOKEN.1], "tools/call", json!({"name": "plan_kill_idle", "arguments": planning()})).await?;
    let called: Value = serde_json::from_str(&called.body)?;
    let id = &called["result"]["structuredContent"]["planId"];
    ensure!(id.is_string(), "{called}");
    let call = json!({"name": "apply_plan", "arguments": {"planId": id}});
    let applied: Value = serde_json::from_str(&server.post(&[TOKEN.1], "tools/call", call).await?.body)?;
    ensure!(applied["result"]["structuredContent"]["status"] == "not-approved", "{applied}");
    scene.lives(&leak).await
}
