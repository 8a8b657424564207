//! The imports `credentials` and `database`: sessions and queries.

use std::time::{Duration, Instant};

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::rows::RowSet;
use futures_util::future::join_all;
use wasmtime::component::Resource;

use crate::audit_sink::Event;
use crate::bindings::database::{ProbeTiming, Statement, Value};
use crate::bindings::{Answers, CredentialHandle, SessionHandle, credentials, database, types};
use crate::context::ContextView;
use crate::digest::Digest;
use crate::record;

use super::orders::Orders;

/// The result of an imported function; the outer error ends the component.
type Answer<T> = wasmtime::Result<Result<T, types::Fault>>;

impl types::Host for ContextView<'_> {}

impl credentials::Host for ContextView<'_> {
    async fn lookup(&mut self, name: Option<String>) -> Answer<Resource<CredentialHandle>> {
        let _stopped = self.context.enter()?;
        let call = self.context.author.host_call("credentials.lookup");
        let found = match &self.context.scope {
            Some(scope) => scope.lookup(name.as_deref()).await,
            None => Err(Fault::new(kind::CREDENTIALS_NOT_FOUND, "Supabase credentials not found: this call has none")),
        };
        let about = |event| found.iter().fold(event, |event, found| record::credential(event, &**found));
        call.end(found.as_ref().err(), about).await;
        match found {
            Ok(credential) => Ok(Ok(self.table.push(credential)?)),
            Err(fault) => Ok(Err(fault.into())),
        }
    }
}

impl credentials::HostCredential for ContextView<'_> {
    async fn name(&mut self, credential: Resource<CredentialHandle>) -> wasmtime::Result<String> {
        let _stopped = self.context.enter()?;
        let call = self.context.author.host_call("credentials.name");
        let name = self.table.get(&credential)?.name().to_owned();
        call.end(None, |event| event.with("credential", name.as_str())).await;
        Ok(name)
    }

    async fn drop(&mut self, credential: Resource<CredentialHandle>) -> wasmtime::Result<()> {
        self.table.delete(credential)?;
        Ok(())
    }
}

impl database::HostSession for ContextView<'_> {
    async fn open(&mut self, using: Resource<CredentialHandle>) -> Answer<Resource<SessionHandle>> {
        let _stopped = self.context.enter()?;
        let call = self.context.author.host_call("database.open");
        if let Err(fault) = self.context.count_session() {
            call.end(Some(&fault), |event| event).await;
            return Ok(Err(fault.into()));
        }
        let credential = self.table.get(&using)?;
        let opened = credential.open_session().await;
        let path = opened.as_ref().ok().map(|session| session.access_path());
        let about = |event| record::credential(event, &**credential).with_some("access_path", path);
        call.end(opened.as_ref().err(), about).await;
        match opened {
            Ok(session) => Ok(Ok(self.table.push(session)?)),
            Err(fault) => {
                self.context.sessions -= 1;
                Ok(Err(fault.into()))
            }
        }
    }

    async fn access_path(&mut self, session: Resource<SessionHandle>) -> wasmtime::Result<String> {
        let _stopped = self.context.enter()?;
        let call = self.context.author.host_call("database.access-path");
        let path = self.table.get(&session)?.access_path();
        call.end(None, |event| event.with("access_path", path)).await;
        Ok(path.to_owned())
    }

    async fn notes(&mut self, session: Resource<SessionHandle>) -> wasmtime::Result<Vec<String>> {
        let _stopped = self.context.enter()?;
        let call = self.context.author.host_call("database.notes");
        let mut notes = self.table.get(&session)?.notes();
        notes.extend(self.context.note_on_caps());
        call.end(None, |event| event.with("notes", notes.len())).await;
        Ok(notes)
    }

    async fn query(
        &mut self,
        session: Resource<SessionHandle>,
        batch: Vec<Statement>,
    ) -> Answer<Vec<Result<database::RowSet, types::Fault>>> {
        let _stopped = self.context.enter()?;
        let mut call = self.context.author.host_call("database.query");
        if let Err(reached) = self.context.count_batch(batch.len(), given(&batch)) {
            let fault = Fault::from(reached);
            call.end(Some(&fault), |event| event).await;
            return Ok(Err(fault.into()));
        }
        let started = Instant::now();
        let refused = batch.iter().enumerate().find_map(|(index, statement)| {
            let rules = &self.context.statements;
            let allowed = rules.check(&statement.sql).and_then(|()| rules.check_params(weight(&statement.params)));
            allowed.err().map(|why| (index, why))
        });
        let orders = if refused.is_none() { Orders::of(&self.context.statements, &batch) } else { Orders::default() };
        let refused = refused.or_else(|| orders.refused(self.context.intent.acting.as_deref()));
        // Checking a statement is CPU time that the component causes.
        self.context.time.charge(started.elapsed());
        if let Some((index, why)) = refused {
            let fault = Fault::new(kind::NOT_APPROVED, format!("statement {index} is not sent: {why}"));
            call.refused(&batch[index].sql, &why);
            call.end(Some(&fault), |event| event.with("statements", batch.len())).await;
            return Ok(Err(fault.into()));
        }
        let session = &**self.table.get(&session)?;
        let announced = match orders
            .announce(&self.context.author, &self.context.shared_caps, &self.context.signalled, session)
            .await
        {
            Ok(announced) => announced,
            Err(fault) => {
                call.end(Some(&fault), |event| record::session(event, session).with("statements", digests(&batch)))
                    .await;
                return Ok(Err(fault.into()));
            }
        };
        let answers = session.query(&batch, &self.context.budget).await;
        announced.settle(&self.context.author, session, &answers).await;
        let about =
            |event: Event| weighed(record::session(event, session).with("statements", digests(&batch)), &answers);
        call.end(answers.as_ref().err(), about).await;
        Ok(answers
            .map(|answers| answers.into_iter().map(|answer| answer.map(Into::into).map_err(Into::into)).collect())
            .map_err(Into::into))
    }

    async fn drop(&mut self, session: Resource<SessionHandle>) -> wasmtime::Result<()> {
        self.table.delete(session)?;
        self.context.sessions = self.context.sessions.saturating_sub(1);
        Ok(())
    }
}

impl database::Host for ContextView<'_> {
    async fn probe(
        &mut self,
        using: Resource<CredentialHandle>,
        count: u32,
        timeout_ms: u32,
    ) -> Answer<Vec<Result<ProbeTiming, types::Fault>>> {
        let _stopped = self.context.enter()?;
        let call = self.context.author.host_call("database.probe");
        if let Err(fault) = self.context.count_probes(count) {
            call.end(Some(&fault), |event| event.with("probes", count)).await;
            return Ok(Err(fault.into()));
        }
        let credential = self.table.get(&using)?;
        let timeout = Duration::from_millis(timeout_ms.into()).min(self.context.limits.connect_timeout);
        let outcomes = join_all((0..count).map(|_| credential.probe(timeout))).await;
        let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
        let about = |event| record::credential(event, &**credential).with("probes", count).with("failed", failed);
        call.end(None, about).await;
        Ok(Ok(outcomes.into_iter().map(|outcome| outcome.map_err(Into::into)).collect()))
    }
}

/// Returns the number of bytes of text and parameters that the component passes.
pub(crate) fn given(batch: &[Statement]) -> usize {
    batch.iter().map(|statement| statement.sql.len() + weight(&statement.params)).sum()
}

/// Returns the number of bytes of a statement's parameters.
fn weight(params: &[Value]) -> usize {
    let weight = |value: &Value| match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => size_of::<Value>(),
    };
    params.iter().map(weight).sum()
}

/// Returns the digests of a batch's texts.
fn digests(batch: &[Statement]) -> Vec<String> {
    batch.iter().map(|statement| Digest::of(statement.sql.as_bytes()).to_string()).collect()
}

/// Adds the size of a batch's answers to an event.
pub(crate) fn weighed(event: Event, answers: &Answers) -> Event {
    let Ok(answers) = answers else { return event };
    let sets = || answers.iter().flatten();
    let rows: usize = sets().map(|set| set.count).sum();
    let bytes: usize = sets().map(RowSet::weight).sum();
    let truncated = sets().filter(|set| set.truncated).count();
    let failed = answers.iter().filter(|answer| answer.is_err()).count();
    event.with("rows", rows).with("bytes", bytes).with("truncated", truncated).with("failed", failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::audit_sink::{AuditContext, AuditSink};
    use crate::call_state::CallState;
    use crate::context::{CallContext, HasContext, Intent};
    use crate::limits::{LimitError, Limits};
    use crate::memory::MemoryAudit;
    use crate::policy::{Policy, Sql};

    fn state(sql: Sql) -> CallState {
        let mut context = CallContext::new(&Limits::default(), &Policy { sql, ..Policy::default() });
        context.intent = Intent { refusal: None, acting: None, ..Intent::none("nothing is resized here") };
        CallState::new(context, 1)
    }

    /// Sends a batch to a session that does not exist: refusals come before the session is looked up.
    async fn query(
        state: &mut CallState,
        batch: Vec<Statement>,
    ) -> Answer<Vec<Result<database::RowSet, types::Fault>>> {
        database::HostSession::query(&mut state.context(), Resource::new_own(0), batch).await
    }

    fn statement(sql: &str) -> Statement {
        Statement { sql: sql.into(), params: Vec::new(), max_rows: 1 }
    }

    #[tokio::test]
    async fn probes_sessions_statements_and_host_calls_are_limited() {
        let mut state = state(Sql::Any);
        let limits = state.context.limits.clone();
        assert!(state.context.count_probes(limits.probes).is_ok());
        let fault = state.context.count_probes(1).unwrap_err();
        assert!(fault.message.contains("`probes`"), "{fault}");
        for _ in 0..limits.sessions {
            state.context.count_session().unwrap();
        }
        let fault = state.context.count_session().unwrap_err();
        assert!(fault.message.contains("`sessions`"), "{fault}");
        let fault = query(&mut state, vec![statement(""); limits.statements + 1]).await.unwrap().unwrap_err();
        assert!(fault.message.contains("`statements`"), "{}", fault.message);
        let error = std::iter::from_fn(|| Some(state.context.enter().map(drop))).find_map(Result::err).unwrap();
        assert_eq!(error.downcast_ref(), Some(&LimitError::HostCalls(limits.host_calls)));
    }

    #[tokio::test]
    async fn a_component_cannot_end_a_session_by_its_own_sql() {
        let batch = || {
            let clock = archon_pool_contract::catalogue::CLOCK.sql;
            vec![statement(clock), statement("SELECT pg_terminate_backend(7)")]
        };
        let fault = query(&mut state(Sql::Catalogue), batch()).await.unwrap().unwrap_err();
        assert_eq!(fault.kind, kind::NOT_APPROVED);
        assert!(fault.message.contains("statement 1 ") && fault.message.contains("`sql`"), "{}", fault.message);
        assert!(query(&mut state(Sql::Any), batch()).await.is_err());
        let mut planning = state(Sql::Any);
        planning.context.intent.acting = Some("nothing may act".into());
        let fault = query(&mut planning, batch()).await.unwrap().unwrap_err();
        let message = &fault.message;
        assert!(message.contains("statement 1 ") && message.contains("nothing may act"), "{message}");
    }

    #[tokio::test]
    async fn a_refused_statement_is_recorded_by_its_digest_without_parameters() {
        let audit = MemoryAudit::default();
        let sink: Arc<dyn AuditSink> = Arc::new(audit.clone());
        let mut state = state(Sql::Catalogue);
        state.context.author = AuditContext::default().recorded_by(Some(&sink), None);
        let params = vec![Value::Text("hunter2".into())];
        let batch = vec![Statement { sql: "SELECT 1 -- mine".into(), params, max_rows: 1 }];
        assert!(query(&mut state, batch).await.unwrap().is_err());
        let events = audit.events();
        let digest = Digest::of(b"SELECT 1 -- mine").to_string();
        assert_eq!((events[0].name(), &events[0].fields()["statement"]), ("refused", &digest.as_str().into()));
        assert_eq!((events[1].name(), &events[1].fields()["outcome"]), ("host-call", &kind::NOT_APPROVED.into()));
        assert_eq!(events[1].fields()["statements"], 1);
        let text = format!("{events:?}");
        assert!(!text.contains("hunter2") && !text.contains("mine"), "{text}");
    }
}
