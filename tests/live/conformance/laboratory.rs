//! Cases of the leak laboratory, which scores the native code: WebAssembly has to answer the same, byte for byte.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use archon_pool::cassette::{Call, End, Replay};
use archon_pool::components::World;
use archon_pool::limits::Limits;
use archon_pool_lab::case::Case;
use archon_pool_lab::recording;

use crate::support::{host_with, plugin};

/// Kinds in focus of the cases: some of each family, leaking and innocent, with and without a pooler.
const KINDS: [&str; 12] = [
    "pool-per-request",
    "serverless-freeze",
    "forgotten-checkout",
    "same-name",
    "aborted-and-silent",
    "blocked-chain",
    "crashed-peer",
    "transaction-pooler",
    "session-pooler",
    "warm-pool",
    "session-mode",
    "supabase",
];

/// Returns the component's answer to a look.
async fn answer(call: &Call, replay: Replay) -> Result<End> {
    let host = host_with(archon_pool::credentials(), Limits::default()).interceptor(replay);
    Ok(match host.run(plugin(World::Observer), serde_json::from_str(&call.input)?).await {
        Ok(output) => End::Returned(output.to_string()),
        Err(fault) => End::Ended(fault),
    })
}

#[tokio::test]
async fn the_component_judges_the_laboratory_as_the_native_code_does() -> Result<()> {
    let mut looks = 0;
    for kind in KINDS {
        // The even numbers below twice the number of kinds contain each kind of the training half once.
        let teaching = archon_pool_lab::split::Split::Train.kinds();
        let at = teaching.iter().position(|known| known.name == kind).with_context(|| format!("no kind {kind}"))?;
        let number = u32::try_from(at * 2)?;
        let case = Case::generate(number);
        ensure!(case.parts[0].name == kind, "case {number} is of {}", case.parts[0].name);
        let cassette = recording::cassette(&case)?;
        let replay = Replay::new(cassette.clone());
        for (look, call) in cassette.calls.iter().enumerate() {
            let played = answer(call, replay.clone()).await?;
            ensure!(played == call.end, "{kind}, case {number}, look {look}:\n{played:?}\nis not\n{:?}", call.end);
            looks += 1;
        }
    }
    ensure!(KINDS.iter().collect::<BTreeSet<_>>().len() == KINDS.len(), "a kind is named twice");
    ensure!(looks >= 100, "only {looks} looks were compared");
    Ok(())
}
