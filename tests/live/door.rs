//! `pool-door.wasm` under the `wasmtime` program, which knows nothing of this project, against a stub of the query
//! endpoint that runs on a real server.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use archon_pool::components::DOOR;
use archon_pool_tests::management_api::{REFERENCE, Reply, TOKEN};
use archon_pool_tests::{Cluster, ManagementApi, clients, supabase, unused_port};
use serde_json::Value;
use wit_component::{DecodedWasm, decode};

use crate::cli::text;

/// The component, compiled once by the program.
struct Door {
    folder: tempfile::TempDir,
}

impl Door {
    async fn compile() -> Result<Self> {
        let door = Self { folder: tempfile::tempdir()? };
        std::fs::write(door.folder.path().join("pool-door.wasm"), DOOR)?;
        let output = door.run(&["compile", "pool-door.wasm"], &[]).await?;
        assert!(output.status.success(), "{}", text(&output.stderr));
        Ok(door)
    }

    /// Calls the function, with the environment that is given to the component.
    async fn full_analysis(&self, project: &str, environment: &[(&str, &str)]) -> Result<Output> {
        let call = format!("full-analysis({project:?})");
        let mut arguments = vec!["run", "--allow-precompiled", "-S", "http", "--invoke", &call];
        // Without a value it is taken from the environment: arguments can be read by all users of a machine.
        environment.iter().for_each(|(name, _)| arguments.extend(["--env", name]));
        arguments.push("pool-door.cwasm");
        self.run(&arguments, environment).await
    }

    async fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Output> {
        let mut command = Command::new(clients::wasmtime()?);
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_clear().env("HOME", self.folder.path()).envs(environment.iter().copied());
        let output = tokio::task::spawn_blocking(move || command.output()).await?.context("wasmtime")?;
        let everything = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(!everything.contains(TOKEN), "the token is not shown: {everything}");
        Ok(output)
    }
}

/// Returns the text within `case("…")`, which is written as JSON writes it, but for apostrophes.
fn result(output: &Output, case: &str) -> Result<String> {
    let shown = text(&output.stdout);
    let quoted = shown.trim().strip_prefix(&format!("{case}(")).and_then(|rest| rest.strip_suffix(')'));
    let quoted = quoted.with_context(|| format!("no {case}: {shown}{}", text(&output.stderr)))?;
    serde_json::from_str(&quoted.replace(r"\'", "'")).with_context(|| shown.clone())
}

#[test]
fn the_component_imports_wasi_and_exports_one_function() -> Result<()> {
    let DecodedWasm::Component(resolve, world) = decode(DOOR)? else { anyhow::bail!("it is no component") };
    let world = &resolve.worlds[world];
    for import in world.imports.keys().map(|key| resolve.name_world_key(key)) {
        // Imports that any host of WASI with HTTP has: no files, sockets or output.
        let known = ["wasi:http/", "wasi:io/", "wasi:clocks/", "wasi:cli/environment@"];
        assert!(known.iter().any(|prefix| import.starts_with(prefix)), "{import}");
    }
    let exports: Vec<_> = world.exports.keys().map(|key| resolve.name_world_key(key)).collect();
    assert_eq!(exports, ["full-analysis"]);
    Ok(())
}

#[tokio::test]
async fn a_project_is_analysed_without_a_host_of_ours() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    supabase::lay_out(&mut cluster).await?;
    let api = ManagementApi::of(&cluster).await?;
    let held = cluster.app("postgres", "shop").idle_in_transaction("UPDATE orders SET n = 1 WHERE id = 1").await?;
    let environment = [("SUPABASE_ACCESS_TOKEN", TOKEN), ("SUPABASE_API_URL", &api.url())];
    let output = Door::compile().await?.full_analysis(REFERENCE, &environment).await?;
    let report: Value = serde_json::from_str(&result(&output, "ok")?)?;
    assert_eq!(report["coverage"]["complete"], true, "{report:#}");
    assert_eq!(report["poolStats"]["connections"]["idleInTransaction"], 1, "{report:#}");
    assert_eq!(report["scaling"]["controller"], "supabase", "{report:#}");
    assert!(report["actions"].as_array().is_some_and(|actions| actions.iter().all(|it| it["executed"] == false)));
    let requests = api.requests();
    assert!(!requests.is_empty() && requests.iter().all(|request| !request.what.starts_with("PATCH")), "{requests:?}");
    for query in requests.iter().filter_map(|request| request.body["query"].as_str()) {
        assert!(query.contains("'transaction_read_only', 'on'") && !query.contains("pg_terminate"), "{query}");
    }
    assert!(held.answers().await);
    Ok(())
}

#[tokio::test]
async fn an_error_is_one_sentence_that_names_what_to_set() -> Result<()> {
    let (door, api) = (Door::compile().await?, ManagementApi::start().await?);
    let gone = format!("http://127.0.0.1:{}", unused_port()?);
    let token = ("SUPABASE_ACCESS_TOKEN", TOKEN);
    let url = api.url();
    let stub = ("SUPABASE_API_URL", url.as_str());
    for (project, environment, words) in [
        (REFERENCE, &[stub][..], ["credentials-not-found", "SUPABASE_ACCESS_TOKEN"]),
        (REFERENCE, &[("SUPABASE_ACCESS_TOKEN", "sbp_wrong"), stub], ["authentication-failed", "revoked"]),
        ("my-project", &[token, stub], ["credential-invalid", "20 lowercase letters"]),
        ("postgres://u:hunter2@host", &[token, stub], ["secret-in-params", "password"]),
        (REFERENCE, &[token, ("SUPABASE_API_URL", "http://example.com")], ["credential-invalid", "SUPABASE_API_URL"]),
        (REFERENCE, &[token, ("SUPABASE_API_URL", &gone)], ["server-unreachable", "127.0.0.1"]),
    ] {
        let error = result(&door.full_analysis(project, environment).await?, "err")?;
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
        assert!(!error.contains("sbp_") && !error.contains("hunter2"), "{error}");
    }
    Ok(())
}

/// The error of a connection that was reset before the answer was read.
const UNSENT: &str = "the request could not be sent";

#[tokio::test]
async fn trouble_of_the_api_is_an_error_and_its_words_do_not_repeat_the_token() -> Result<()> {
    let (door, api) = (Door::compile().await?, ManagementApi::start().await?);
    let environment = [("SUPABASE_ACCESS_TOKEN", TOKEN), ("SUPABASE_API_URL", &api.url())];
    for (reply, words) in [
        (Reply::new(429, "{}").header("x-ratelimit-reset", "7"), ["overloaded", "in 7 s"]),
        (Reply::new(503, r#"{"message": "try later"}"#), ["server-unreachable", "try later"]),
        (Reply::new(418, format!(r#"{{"message": "no {TOKEN} here"}}"#)), ["unexpected-answer", "418"]),
        (Reply::new(200, "[{]"), ["unexpected-answer", "not of the known form"]),
        (Reply::new(200, " ".repeat(9 << 20)), ["more than 8 MiB", "127.0.0.1"]),
        (Reply::new(200, "[]").after(Duration::from_secs(60)), ["no answer within 15 s", "127.0.0.1"]),
    ] {
        let mut error = UNSENT.to_owned();
        // A server that answers early may reset the connection, on which the answer is lost.
        for _ in 0..5 {
            if !error.contains(UNSENT) {
                break;
            }
            // Twice, in case it is asked again.
            api.clear_replies();
            api.next(reply.clone());
            api.next(reply.clone());
            error = result(&door.full_analysis(REFERENCE, &environment).await?, "err")?;
        }
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
        api.clear_replies();
    }
    Ok(())
}
