//! The snapshot of a recorded call.

use archon_pool_contract::fault::Fault;
use archon_pool_core::host::Host;
use archon_pool_core::json_text::JsonText;
use archon_pool_core::plugin::Plugin;

use crate::format::{COLLECT, Call, Cassette, Header};
use crate::replay::Replay;

/// Collects the snapshot of a recorded call from its recording, without a server.
///
/// # Errors
///
/// Fails if the component asks for something that the call did not.
pub async fn collect_again(host: &Host, plugin: &Plugin, header: Header, call: Call) -> Result<JsonText, Fault> {
    let input = serde_json::from_str(&call.input).unwrap_or_default();
    let call = Call { function: COLLECT.to_owned(), ..call };
    let replay = Replay::new(Cassette { header, calls: vec![call] });
    host.clone().interceptor(replay).collect(plugin, input).await
}
