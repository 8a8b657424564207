//! A case, played.

use anyhow::{Context as _, Result, ensure};
use archon_pool::cassette::{Cassette, End, Replay, Replayed, Replayer};
use archon_pool::components::World;
use archon_pool::limits::Limits;
use archon_pool_plugin::skill;

use crate::support::{host_with, plugin};

/// Which built-in component a case is of.
pub(crate) fn world(cassette: &Cassette) -> Result<World> {
    let name = &cassette.header.component.name;
    let found = World::ALL.into_iter().find(|world| world.file_name() == name);
    found.with_context(|| format!("there is no component {name}"))
}

/// How each call ends in a host that holds nothing but the cassette.
pub(crate) async fn ends(cassette: &Cassette) -> Result<Vec<End>> {
    let plugin = plugin(world(cassette)?);
    let host = host_with(archon_pool::credentials(), Limits::default()).interceptor(Replay::new(cassette.clone()));
    let mut ends = Vec::new();
    for call in &cassette.calls {
        ends.push(match host.run(plugin, serde_json::from_str(&call.input)?).await {
            Ok(output) => End::Returned(output.to_string()),
            Err(fault) => End::Ended(fault),
        });
    }
    Ok(ends)
}

/// Checks that the plugin's own code answers the same. It has no host that could end a call.
pub(crate) fn natively(name: &str, cassette: &Cassette) -> Result<()> {
    let world = world(cassette)?;
    for (number, call) in cassette.calls.iter().enumerate() {
        let End::Returned(expected) = &call.end else { continue };
        let mut host = Replayed::new(Replayer::new(call.exchanges.clone()), world);
        let answer = skill::run(&mut host, &call.input);
        ensure!(answer == *expected, "{name}, call {number}:\n{answer}\nis not\n{expected}");
    }
    Ok(())
}
