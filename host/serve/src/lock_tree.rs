//! Trees of locks: rounds are recorded while sessions wait, and the snapshot of such a call has the tree.

use std::sync::Arc;

use archon_pool_cassette::{Cassette, LastCall, collect_again};
use archon_pool_contract::fault::Fault;
use archon_pool_contract::report::Report;
use archon_pool_contract::snapshot::Snapshot;
use archon_pool_core::host::Host;
use archon_pool_core::plugin::Plugin;
use archon_pool_report::{LockTree, sanitize};

/// Host of one target's rounds, which can record them.
pub(crate) struct RecordingHost {
    plain: Host,
    recording: Host,
    last: LastCall,
}

impl RecordingHost {
    pub(crate) fn new(plain: Host) -> Self {
        let last = LastCall::default();
        Self { recording: plain.clone().interceptor(last.clone()), plain, last }
    }

    /// Returns the host for the next round. A recording takes time and memory, so that only a round after one with
    /// waiting sessions is recorded: its own waits are shown with the next.
    pub(crate) fn of_next(&self, before: Option<&Report>) -> &Host {
        if before.is_some_and(waits) { &self.recording } else { &self.plain }
    }

    /// Returns the tree of the latest round; none if it was not recorded, or nobody waits.
    pub(crate) async fn lock_tree(&self, plugin: &Plugin, report: &Report) -> Option<Arc<LockTree>> {
        let call = self.last.take()?;
        if !waits(report) {
            return None;
        }
        let tree = self.tree(plugin, call).await;
        tree.inspect_err(|fault| tracing::debug!("no tree of locks: {fault}")).ok().map(Arc::new)
    }

    async fn tree(&self, plugin: &Plugin, call: Cassette) -> Result<LockTree, Fault> {
        let Cassette { header, mut calls } = call;
        let call = calls.pop().ok_or_else(|| Fault::invalid("the call was not recorded"))?;
        let text = collect_again(&self.plain, plugin, header, call).await?;
        let snapshot: Snapshot = serde_json::from_str(&sanitize::strings(text.as_str()))
            .map_err(|error| Fault::unexpected(format!("the component's snapshot has another form: {error}")))?;
        Ok(LockTree::of(&snapshot))
    }
}

fn waits(report: &Report) -> bool {
    report.pool_stats.connections.waiting > 0
}
