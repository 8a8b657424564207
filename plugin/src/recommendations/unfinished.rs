//! Statements of which the client never sends the rest.

use super::advisor::{Advisor, Found, Severity, finding, name};
use super::fixes;
use crate::clock::{self, counted, span};

impl Advisor<'_> {
    pub(super) fn unfinished(&self) -> Found {
        let mut lost: Vec<_> = self
            .snapshot
            .clients()
            .filter_map(|backend| Some((self.unfinished.waited_ms(backend)?, backend)))
            .collect();
        lost.sort_by_key(|(waited, backend)| (std::cmp::Reverse(*waited), backend.pid));
        let (longest, oldest) = *lost.first()?;
        let text = format!(
            "{} active in a statement that the client never finished, the oldest ({}) for {}: each holds a slot, executes \
             nothing and is no demand. Send Sync after Parse, Bind and Execute, end COPY FROM STDIN on every path, and \
             close connections after errors.",
            counted(lost.len(), "session"),
            name(oldest),
            span(longest)
        );
        let backends: Vec<_> = lost.iter().map(|(_, backend)| *backend).collect();
        let evidence = self.examples(&backends).into_iter().zip(&backends).map(|(line, backend)| {
            let client = backend.client_address.as_deref().unwrap_or("a local socket");
            let since = backend.query_start.map(clock::iso).unwrap_or_default();
            format!("{line}; begun at {since}, client {client}")
        });
        let fix = fixes::end_unfinished(self.snapshot, oldest);
        Some(finding(Severity::Warning, "unfinished-statements", text, evidence.collect(), fix))
    }
}
