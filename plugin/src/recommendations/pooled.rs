//! Text and fix for a suspect whose client is known from a pooler.

use archon_pool_contract::report::{ConnectionMetric, Fix};
use archon_pool_contract::snapshot::Snapshot;

use super::fixes;

/// Location of a suspect's client: address and port, and its number where the pooler has one.
pub(super) fn client(suspect: &ConnectionMetric) -> Option<String> {
    let through = suspect.through.as_ref()?;
    let client = through.client.as_ref()?;
    let place = match &suspect.client {
        Some(address) if address.contains(':') => format!("[{address}]:{}", client.port),
        Some(address) => format!("{address}:{}", client.port),
        None => "a local socket".to_owned(),
    };
    Some(match &client.id {
        Some(id) => format!("{place}, client {id} of {}", through.pooler),
        None => format!("{place} through {}", through.pooler),
    })
}

/// Return connections; until then, end this client at the pooler's console where that can name it, or its session
/// at the server.
pub(super) fn release(snapshot: &Snapshot, suspect: &ConnectionMetric) -> Option<Fix> {
    let client = suspect.through.as_ref()?.client.as_ref()?;
    let fix = fixes::return_connections();
    let Some(id) = &client.id else {
        let backend = snapshot.backends.iter().find(|backend| backend.pid == suspect.pid)?;
        return Some(match fixes::end_blocker(snapshot, backend) {
            Some(end) => Fix { summary: format!("{} {}", fix.summary, end.summary), ..end },
            None => fix,
        });
    };
    let summary = format!("{} At the pooler's console, `KILL_CLIENT {id}` ends this client.", fix.summary);
    Some(Fix { summary, ..fix })
}
