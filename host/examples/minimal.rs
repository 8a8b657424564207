//! The smallest program that asks a server what is wrong with its pool:
//! `DATABASE_URL=postgres://… cargo run --example minimal`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program's output")]

use archon_pool::components::World;
use archon_pool::engine::Engine;
use archon_pool::limits::Limits;
use archon_pool::plugin::Plugin;
use archon_pool::policy::Policy;
use archon_pool::skill_output::SkillOutput;
use serde_json::json;

#[tokio::main]
async fn main() {
    match report().await {
        Ok(report) => println!("{report:#}"),
        Err(fault) => {
            eprintln!("{fault}");
            std::process::exit(3);
        }
    }
}

/// What an operator should know and do.
async fn report() -> Result<SkillOutput, archon_pool::Fault> {
    let limits = Limits::default();
    let engine = Engine::new(&limits)?;
    // An observer: the power to end a session is not in this file.
    let plugin = Plugin::built_in(&engine, World::Observer)?;
    // Any file of the worlds can stand in its place: Plugin::from_file(&engine, path)?
    let host = archon_pool::host(engine, archon_pool::credentials().environment(), Policy::default(), limits);
    host.run(&plugin, json!({ "action": "full-analysis", "options": { "sampleMs": 0 } })).await
}
