//! One session for each credential, closed when nobody calls.

use std::time::Duration;

use super::*;

#[tokio::test]
async fn many_clients_share_one_session_and_it_is_closed_when_nobody_calls() -> Result<()> {
    let scene = Scene::new().await?;
    let server = scene.server(|settings| Settings { idle: Duration::from_millis(300), ..settings })?;
    let calls = (0..20).map(|number| {
        let (server, era) = (server.clone(), if number % 2 == 0 { Era::Handshake } else { Era::Inline });
        tokio::spawn(async move {
            let client = connect(&server, era, Person::Nobody).await?;
            let called = client.call_tool(params("monitor", json!({"sampleMs": 0}))).await?;
            ensure!(called.is_error != Some(true), "{called:?}");
            Ok(())
        })
    });
    let mut most = 0;
    for call in calls.collect::<Vec<_>>() {
        call.await??;
        most = most.max(scene.cluster.count(OURS).await?);
    }
    ensure!(most <= 1, "{most} sessions");
    until("the session is closed", async || Ok(scene.cluster.count(OURS).await? == 0)).await?;
    let client = connect(&server, Era::Inline, Person::Nobody).await?;
    client.call_tool(params("monitor", json!({"sampleMs": 0}))).await?;
    until("the next call has opened another, and it is closed", async || Ok(scene.cluster.count(OURS).await? == 0))
        .await
}

#[tokio::test]
async fn the_program_leaves_no_session_when_its_client_goes_away() -> Result<()> {
    let scene = Scene::new().await?;
    let agent = scene.agent(Era::Inline, Person::Nobody, &[]).await?;
    agent.ok("monitor", json!({"sampleMs": 0})).await?;
    ensure!(scene.cluster.count(OURS).await? == 1, "it is kept for the next call");
    drop(agent);
    until("its session is gone", async || Ok(scene.cluster.count(OURS).await? == 0)).await
}
