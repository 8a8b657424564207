//! The bytes on stdin and stdout.

use std::io::Write as _;
use std::process::Stdio;

use super::*;

#[tokio::test]
async fn stdout_has_messages_of_the_protocol_alone_and_the_program_ends_with_stdin() -> Result<()> {
    let scene = Scene::new().await?;
    let mut command = scene.home.command(&scene.url, &["mcp", "--log", "text"])?;
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let input = [
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"},
        }}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
            "name": "monitor", "arguments": {"sampleMs": 0},
        }}),
        json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "no_such_tool"}}),
    ];
    let input: String = input.iter().map(|message| format!("{message}\n")).collect();
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn()?;
        let mut stdin = child.stdin.take().context("stdin")?;
        stdin.write_all(input.as_bytes())?;
        // The answers to what was sent are still written.
        drop(stdin);
        anyhow::Ok(child.wait_with_output()?)
    })
    .await??;
    ensure!(output.status.success(), "{}: {}", output.status, scene.home.log());
    let stdout = String::from_utf8(output.stdout)?;
    let messages: Vec<Value> = stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    ensure!(messages.iter().all(|message| message["jsonrpc"] == "2.0"), "{stdout}");
    let answer = |id: u64| messages.iter().find(|message| message["id"] == id).with_context(|| stdout.clone());
    ensure!(answer(1)?["result"]["serverInfo"]["name"] == "archon-pool");
    ensure!(answer(2)?["result"]["structuredContent"]["sessions"]["total"].is_u64(), "{stdout}");
    ensure!(answer(3)?["error"]["code"] == -32602, "{stdout}");
    Ok(())
}
