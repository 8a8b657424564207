//! Replays a case.

use anyhow::{Context as _, Result, ensure};
use archon_pool::cassette::{Cassette, End, Replay, Replayed, Replayer};
use archon_pool::components::World;
use archon_pool::limits::Limits;
use archon_pool_plugin::skill;

use crate::support::{host_with, plugin};

/// Returns the built-in component of a case.
pub(crate) fn world(cassette: &Cassette) -> Result<World> {
    let name = &cassette.header.component.name;
    let found = World::ALL.into_iter().find(|world| world.file_name() == name);
    found.with_context(|| format!("there is no component {name}"))
}

/// Returns the result of each call in a host with nothing but the cassette.
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

/// Checks that the plugin's native code returns the same answers. No host can end its calls.
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
