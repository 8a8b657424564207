//! One change of a pool: its permission, its execution and its outcome.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::host_api;

use super::bounds::Sizing;
use crate::audit_sink::{Act as Counted, AuditContext, Event, Place};
use crate::backends::SharedCaps;
use crate::bindings::Console;
use crate::bindings::scaling::{ReconnectOutcome, SizeOrder, SizeOutcome};
use crate::consent::Act;
use crate::policy::Policy;
use crate::pooler::preview::ResizePreview;
use crate::record;

/// Beginning of the note on a change that would be made, and was not because of a dry run.
pub const DRY_RUN: &str = "a dry run: nothing was sent";

/// Changes that one call has made, or may have made.
#[derive(Debug, Default)]
pub(crate) struct Changed(Mutex<BTreeSet<String>>);

impl Changed {
    fn locked(&self) -> MutexGuard<'_, BTreeSet<String>> {
        // Nothing that holds the lock can panic halfway through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A console with the permissions and caps of a change.
pub(crate) struct Change<'a> {
    pub(crate) console: &'a dyn Console,
    pub(crate) author: &'a AuditContext,
    pub(crate) policy: &'a Policy,
    pub(crate) shared_caps: &'a SharedCaps,
    pub(crate) sizing: &'a Sizing,
    pub(crate) changed: &'a Changed,
    pub(crate) signalled: &'a AtomicBool,
    pub(crate) dry_run: bool,
}

/// Reason for which nothing is sent.
enum Barred {
    /// The policy, the request, a cap or the operator refuses.
    Denied(String),
    /// Sending is impossible for another reason.
    Failed(Fault),
}

/// A change as the audit log records it.
struct Record<'r> {
    event: &'static str,
    pool: Option<&'r str>,
    size: Option<u32>,
    before: Option<u32>,
    after: Option<u32>,
    reason: &'r str,
}

impl Change<'_> {
    pub(crate) async fn resize(&self, order: &SizeOrder) -> Result<SizeOutcome, Fault> {
        let SizeOrder { pool, size, reason } = order;
        let pool = pool.as_deref();
        let mut record = Record { event: "resize", pool, size: Some(*size), before: None, after: None, reason };
        let unsent = |before, note| SizeOutcome { before, after: None, executed: false, note };
        if let Err(why) = self.is_asked_for() {
            self.tell(&record, "denied", &why, None).await;
            return Ok(unsent(None, why));
        }
        let ResizePreview { before, note } = self.console.resizable(pool, *size).await?;
        record.before = before;
        let permitted = note.and_then(|note| {
            let before = before.ok_or("the size before is not known, so no step can be measured")?;
            self.sizing.bounds.clone()?.admits(before, *size)?;
            if before == *size { Err("it has this size already".to_owned()) } else { Ok((before, note)) }
        });
        let (from, note) = match permitted {
            Ok(permitted) => permitted,
            Err(why) => {
                self.tell(&record, "denied", &why, None).await;
                return Ok(unsent(before, why));
            }
        };
        let wanted = host_api::SizeOrder { pool: pool.map(str::to_owned), size: *size, reason: reason.clone() };
        let sending = match self.clear(&record, "size", Act::Resize { before: from, order: wanted }).await {
            Ok(sending) => sending,
            Err(Barred::Denied(why)) => {
                self.tell(&record, "denied", &why, None).await;
                return Ok(unsent(before, why));
            }
            Err(Barred::Failed(fault)) => return Err(fault),
        };
        if self.dry_run {
            self.tell(&record, "would-resize", &note, None).await;
            return Ok(unsent(before, format!("{DRY_RUN}; {note}")));
        }
        let after = match self.console.resize(pool, *size).await {
            Ok(after) => after,
            Err(fault) => return Err(self.failed(&record, fault, sending).await),
        };
        let executed = after == Some(*size);
        record.after = after;
        let note = if executed {
            note
        } else {
            let shown = after.map_or("no size".to_owned(), |after| after.to_string());
            format!("the console took it and shows {shown} afterwards: nothing was resized")
        };
        self.tell(&record, if executed { "executed" } else { "unexecuted" }, &note, sending).await;
        Ok(SizeOutcome { before, after, executed, note })
    }

    pub(crate) async fn reconnect(&self, database: &str, reason: &str) -> Result<ReconnectOutcome, Fault> {
        let record = Record { event: "reconnect", pool: Some(database), size: None, before: None, after: None, reason };
        let unsent = |note| ReconnectOutcome { executed: false, note };
        if let Err(why) = self.is_asked_for() {
            self.tell(&record, "denied", &why, None).await;
            return Ok(unsent(why));
        }
        let note = match self.console.reconnectable(database).await?.note {
            Ok(note) => note,
            Err(why) => {
                self.tell(&record, "denied", &why, None).await;
                return Ok(unsent(why));
            }
        };
        let act = Act::Reconnect { pool: database.to_owned(), reason: reason.to_owned() };
        let sending = match self.clear(&record, &format!("connections of '{database}'"), act).await {
            Ok(sending) => sending,
            Err(Barred::Denied(why)) => {
                self.tell(&record, "denied", &why, None).await;
                return Ok(unsent(why));
            }
            Err(Barred::Failed(fault)) => return Err(fault),
        };
        if self.dry_run {
            self.tell(&record, "would-reconnect", &note, None).await;
            return Ok(unsent(format!("{DRY_RUN}; {note}")));
        }
        if let Err(fault) = self.console.reconnect(database).await {
            return Err(self.failed(&record, fault, sending).await);
        }
        self.tell(&record, "executed", &note, sending).await;
        Ok(ReconnectOutcome { executed: true, note })
    }

    /// Checks that the policy and the request allow a change.
    fn is_asked_for(&self) -> Result<(), String> {
        if !self.policy.resize {
            return Err("the host's policy allows no resizes and no reconnects: set the policy's resize".into());
        }
        // A dry run needs no permission of the request.
        let refusal = self.sizing.refusal.as_ref().filter(|_| !self.dry_run);
        refusal.map_or(Ok(()), |refusal| Err(refusal.clone()))
    }

    /// Admits a change that is the call's first of its kind, is within the cap per hour, has consent and is recorded.
    /// Returns the line number of its announcement.
    async fn clear(&self, record: &Record<'_>, what: &str, act: Act) -> Result<Option<u64>, Barred> {
        if self.changed.locked().contains(what) {
            return Err(Barred::Denied(format!("one call changes the {what} of a pool once")));
        }
        let (place, most) = (self.place(), self.policy.max_resizes_per_hour);
        let over_hour = || {
            Barred::Denied(format!(
                "the cap of {most} changes an hour is reached for this console: the policy's max_resizes_per_hour"
            ))
        };
        let hourly = &self.shared_caps.hourly;
        let left = self.author.left(&place, most).await.map_err(Barred::Failed)?;
        if left.min(hourly.left(&place, most, Instant::now()).await) == 0 {
            return Err(over_hour());
        }
        if self.dry_run {
            return Ok(None);
        }
        self.ask(act).await.map_err(Barred::Denied)?;
        if hourly.take(&place, 1, most, Instant::now()).await == 0 {
            return Err(over_hour());
        }
        let announced = self.author.announce(&place, most, std::iter::once(self.line(record, "sending", ""))).await;
        let sending = match announced.map(|announced| announced.first().copied()) {
            Ok(Some(sending)) => sending,
            barred => {
                hourly.give_back(&place, 1).await;
                return Err(barred.err().map_or_else(over_hour, Barred::Failed));
            }
        };
        self.changed.locked().insert(what.to_owned());
        self.signalled.store(true, Ordering::SeqCst);
        // Traced before sending as well: if this call is dropped while it waits, the change has a record.
        self.trace(record, "sending", "");
        Ok(sending)
    }

    /// Requests consent where it is configured.
    async fn ask(&self, act: Act) -> Result<(), String> {
        let (login, asked) = (self.console.login(), || record::console(self.author.event("consent"), self.console));
        let role = login.user.clone();
        self.shared_caps.ask(self.author, login, &role, act, asked).await
    }

    /// Returns the place in which changes are counted.
    fn place(&self) -> Place {
        let login = self.console.login();
        Place::new(Counted::Resize, login.server, &login.database)
    }

    /// Returns the fault of a change that was sent and failed. Only one that the console itself refused is known not to
    /// have been made.
    async fn failed(&self, record: &Record<'_>, fault: Fault, sending: Option<u64>) -> Fault {
        if fault.kind == kind::INSUFFICIENT_PRIVILEGE {
            self.tell(record, "denied", &fault.message, sending).await;
            self.shared_caps.hourly.give_back(&self.place(), 1).await;
            return fault;
        }
        let message = format!("the change may have been made, but what came of it is not known: {}", fault.message);
        let fault = Fault { message, retryable: false, ..fault };
        self.tell(record, "failed", &fault.message, sending).await;
        fault
    }

    async fn tell(&self, record: &Record<'_>, outcome: &str, detail: &str, sending: Option<u64>) {
        self.trace(record, outcome, detail);
        self.author.write(|| vec![self.line(record, outcome, detail).with_some("sending", sending)]).await;
    }

    fn line(&self, record: &Record<'_>, outcome: &str, detail: &str) -> Event {
        record::console(self.author.event(record.event), self.console)
            .with_some("pool", record.pool)
            .with_some("size", record.size)
            .with_some("before", record.before)
            .with_some("after", record.after)
            .with("reason", record.reason)
            .with("dry_run", self.dry_run)
            .with("outcome", outcome)
            .with("detail", detail)
    }

    fn trace(&self, record: &Record<'_>, outcome: &str, detail: &str) {
        let login = self.console.login();
        tracing::info!(
            target: "audit",
            by = login.user,
            plugin = self.author.plugin.as_deref(),
            digest = self.author.digest.as_deref(),
            server = login.server,
            controller = self.console.kind(),
            change = record.event,
            pool = record.pool,
            size = record.size,
            before = record.before,
            after = record.after,
            reason = record.reason,
            dry_run = self.dry_run,
            outcome,
            detail,
        );
    }
}
