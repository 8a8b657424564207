//! Consent to a plan: a typed number, and nothing else.

use std::time::{Duration, Instant};

use rmcp::model::{CallToolResponse, InputRequiredResult, InputResponses};

use super::*;

/// Time in which an answer counts, where a test awaits its end.
const PATIENCE: Duration = Duration::from_millis(300);

/// Calls `apply_plan` and returns the question with its state.
async fn question(client: &RunningService<RoleClient, Client>, id: &str) -> Result<InputRequiredResult> {
    match client.call_tool_once(params("apply_plan", json!({"planId": id}))).await? {
        CallToolResponse::InputRequired(question) => Ok(question),
        other => anyhow::bail!("{other:?}"),
    }
}

/// Answers a question.
async fn reply(
    client: &RunningService<RoleClient, Client>,
    id: &str,
    state: Option<String>,
    response: Value,
) -> Result<Called> {
    let mut params = params("apply_plan", json!({"planId": id}));
    params.request_state = state;
    params.input_responses = Some(InputResponses::from([("number".to_owned(), response)]));
    match client.call_tool_once(params).await? {
        CallToolResponse::Complete(result) => Ok(result.into()),
        other => anyhow::bail!("{other:?}"),
    }
}

fn accepted(number: i64) -> Value {
    json!({"action": "accept", "content": {"number": number}})
}

fn ensure_refused(called: &Called, id: &str, words: &str) -> Result<()> {
    ensure!(called.is_error && called.content["status"] == "not-approved", "{}", called.text);
    ensure!(called.content["command"] == format!("archon-pool apply {id}"), "{}", called.content);
    ensure!(called.content["reason"].as_str().is_some_and(|reason| reason.contains(words)), "{}", called.content);
    ensure!(called.text.contains(&format!("archon-pool apply {id}")), "{}", called.text);
    Ok(())
}

#[tokio::test]
async fn a_typed_number_ends_exactly_the_planned_sessions() -> Result<()> {
    for era in [Era::Handshake, Era::Inline] {
        let scene = Scene::new().await?;
        let spared = scene.cluster.app("app", "web").idle("SELECT 1").await?;
        let mut leak = scene.leak().await?;
        let audit_file = scene.home.file("audit.jsonl").display().to_string();
        let flags = [&TRUSTED[..], &["--audit", &audit_file]].concat();
        let agent = scene.agent(era, Person::Types, &flags).await?;
        let planned = agent.ok("plan_kill_idle", planning()).await?;
        ensure!(
            planned.content["number"] == 1 && planned.content["targets"][0]["pid"] == leak.pid(),
            "{}",
            planned.text
        );
        ensure!(
            planned.content["validSeconds"] == 120 && planned.text.contains("nothing was changed"),
            "{}",
            planned.text
        );
        scene.lives(&leak).await?;
        let id = planned.content["planId"].as_str().context("an id")?;
        let applied = agent.ok("apply_plan", json!({"planId": id})).await.with_context(|| scene.home.log())?;
        ensure!(applied.content["status"] == "applied" && applied.content["changed"] == 1, "{}", applied.text);
        ensure!(applied.content["outcomes"][0]["outcome"] == "ended", "{}", applied.text);
        ensure!(leak.ended_by().await.is_some() && spared.answers().await);
        ensure!(agent.asked() == 1, "the person was asked once");
        let again = agent.call("apply_plan", json!({"planId": id})).await?;
        ensure!(again.is_error && again.text.contains("it was applied"), "{}", again.text);

        let lines = audit(&scene.home)?;
        let signalled: Vec<&Value> = lines.iter().filter(|line| line["outcome"] == "signalled").collect();
        ensure!(signalled.len() == 1 && signalled[0]["pid"] == leak.pid(), "{signalled:?}");
        ensure!(signalled[0]["author"] == format!("mcp:{CLIENT}"), "{}", signalled[0]);
        ensure!(lines.iter().any(|line| line["event"] == "consent" && line["granted"] == true), "consent is recorded");
    }
    Ok(())
}

#[tokio::test]
async fn without_a_typed_number_nobody_is_ended_and_a_person_gets_the_command() -> Result<()> {
    let scene = Scene::new().await?;
    let leak = scene.leak().await?;
    for era in [Era::Handshake, Era::Inline] {
        for (person, words) in [
            (Person::Nobody, "cannot ask"),
            (Person::Declines, "declined"),
            (Person::Cancels, "declined"),
            (Person::Mistypes, "number is wrong"),
            (Person::Accepts, "number is wrong"),
        ] {
            let agent = scene.trusted(era, person).await?;
            let id = scene.plan(&agent).await?;
            ensure_refused(&agent.call("apply_plan", json!({"planId": id})).await?, &id, words)?;
            if person != Person::Nobody {
                // Asking until somebody agrees is no consent.
                ensure_refused(&agent.call("apply_plan", json!({"planId": id})).await?, &id, "refused before")?;
                ensure!(agent.asked() == 1, "{era:?} {person:?}");
            }
        }
    }
    scene.lives(&leak).await
}

#[tokio::test]
async fn a_state_that_is_forged_replayed_or_of_another_plan_or_client_ends_nobody() -> Result<()> {
    let scene = Scene::new().await?;
    let leak = scene.leak().await?;
    let agent = scene.trusted(Era::Inline, Person::Types).await?;
    let (id, other) = (scene.plan(&agent).await?, scene.plan(&agent).await?);
    let asked = question(agent.client(), &id).await?;
    let state = asked.request_state.clone().context("a state")?;
    let forged = format!("{}x", &state[..state.len() - 1]);
    ensure_refused(&reply(agent.client(), &id, Some(forged), accepted(1)).await?, &id, "forged")?;
    ensure_refused(&reply(agent.client(), &id, Some("rs1.AAAA.BBBB".to_owned()), accepted(1)).await?, &id, "forged")?;
    ensure_refused(&reply(agent.client(), &other, Some(state.clone()), accepted(1)).await?, &other, "another plan")?;
    // An answer without the state of a question is a new request.
    let mut early = params("apply_plan", json!({"planId": id}));
    early.input_responses = Some(InputResponses::from([("number".to_owned(), accepted(1))]));
    ensure!(
        matches!(agent.client().call_tool_once(early).await?, CallToolResponse::InputRequired(_)),
        "it has no state"
    );
    // Another process has another key.
    let stranger = scene.trusted(Era::Inline, Person::Types).await?;
    ensure_refused(&reply(stranger.client(), &id, Some(state.clone()), accepted(1)).await?, &id, "forged")?;
    scene.lives(&leak).await?;

    ensure_refused(&reply(agent.client(), &id, Some(state.clone()), accepted(2)).await?, &id, "number is wrong")?;
    ensure_refused(&reply(agent.client(), &id, Some(state), accepted(1)).await?, &id, "refused before")?;
    let asked = question(agent.client(), &other).await?;
    let state = asked.request_state.context("a state")?;
    ensure_refused(
        &reply(agent.client(), &other, Some(state.clone()), json!({"action": "decline"})).await?,
        &other,
        "declined",
    )?;
    ensure_refused(&reply(agent.client(), &other, Some(state), accepted(1)).await?, &other, "refused before")?;
    scene.lives(&leak).await
}

/// The plans of all servers are in one folder, and those of a server with other options could be applied.
#[tokio::test]
async fn a_plan_of_another_server_is_not_applied() -> Result<()> {
    let scene = Scene::new().await?;
    let leak = scene.leak().await?;
    for era in [Era::Inline, Era::Handshake] {
        let planner = scene.trusted(era, Person::Types).await?;
        let id = scene.plan(&planner).await?;
        let stranger = scene.trusted(era, Person::Types).await?;
        let answer = stranger.call("apply_plan", json!({"planId": id})).await?;
        ensure_refused(&answer, &id, "another server")?;
    }
    scene.lives(&leak).await
}

#[tokio::test]
async fn a_state_is_used_once() -> Result<()> {
    let scene = Scene::new().await?;
    let mut leak = scene.leak().await?;
    let agent = scene.trusted(Era::Inline, Person::Types).await?;
    let id = scene.plan(&agent).await?;
    let state = question(agent.client(), &id).await?.request_state.context("a state")?;
    let applied = reply(agent.client(), &id, Some(state.clone()), accepted(1)).await?;
    ensure!(applied.content["status"] == "applied", "{}", applied.text);
    ensure!(leak.ended_by().await.is_some());
    let other = scene.leak().await?;
    let again = reply(agent.client(), &id, Some(state), accepted(1)).await?;
    ensure!(again.is_error && again.text.contains("it was applied"), "{}", again.text);
    scene.lives(&other).await
}

#[tokio::test]
async fn a_session_that_was_used_since_the_plan_is_spared() -> Result<()> {
    let scene = Scene::new().await?;
    let leak = scene.leak().await?;
    let agent = scene.trusted(Era::Inline, Person::Types).await?;
    let id = scene.plan(&agent).await?;
    leak.run("SELECT 2").await?;
    cluster_shows_age(&scene.cluster, leak.pid(), 2).await?;
    let applied = agent.call("apply_plan", json!({"planId": id})).await?;
    ensure!(applied.content["changed"] == 0, "{}", applied.text);
    ensure!(applied.text.contains("was used since the plan"), "{}", applied.text);
    scene.lives(&leak).await
}

/// Plans through a server in this process.
async fn planned(client: &RunningService<RoleClient, Client>) -> Result<String> {
    let planned: Called = client.call_tool(params("plan_kill_idle", planning())).await?.into();
    Ok(planned.content["planId"].as_str().with_context(|| planned.text.clone())?.to_owned())
}

#[tokio::test]
async fn silence_ends_nobody() -> Result<()> {
    let scene = Scene::new().await?;
    let leak = scene.leak().await?;
    let server = scene.server(|settings| Settings { patience: PATIENCE, ..settings })?;
    let client = connect(&server, Era::Handshake, Person::IsSilent).await?;
    let id = planned(&client).await?;
    let refused: Called = client.call_tool(params("apply_plan", json!({"planId": id}))).await?.into();
    ensure_refused(&refused, &id, "no answer came in time")?;
    scene.lives(&leak).await
}

#[tokio::test]
async fn a_late_answer_ends_nobody() -> Result<()> {
    let scene = Scene::new().await?;
    let leak = scene.leak().await?;
    let server = scene.server(|settings| Settings { patience: PATIENCE, ..settings })?;
    let client = connect(&server, Era::Inline, Person::IsSilent).await?;
    let id = planned(&client).await?;
    let (state, asked) = (question(&client, &id).await?.request_state, Instant::now());
    until("the state has expired", async || Ok(asked.elapsed() > PATIENCE)).await?;
    ensure_refused(&reply(&client, &id, state, accepted(1)).await?, &id, "expired")?;
    scene.lives(&leak).await
}

#[tokio::test]
async fn a_state_of_another_client_ends_nobody() -> Result<()> {
    let scene = Scene::new().await?;
    let leak = scene.leak().await?;
    let server = scene.server(|settings| settings)?;
    let client = connect(&server, Era::Inline, Person::Types).await?;
    let id = planned(&client).await?;
    let state = question(&client, &id).await?.request_state;
    let (client, other) = tokio::io::duplex(1 << 16);
    tokio::spawn(async move { anyhow::Ok(serve_server(server, other).await?.waiting().await?) });
    let stranger =
        Client::named(Person::Types, "another-client").serve_with_lifecycle(client, Era::Inline.lifecycle()).await?;
    ensure_refused(&reply(&stranger, &id, state, accepted(1)).await?, &id, "another plan or client")?;
    scene.lives(&leak).await
}
