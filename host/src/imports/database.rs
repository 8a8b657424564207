//! The imports `credentials` and `database`: questions to a server.

use std::time::{Duration, Instant};

use archon_pool_contract::fault::{Fault, kind};
use futures_util::future::join_all;
use wasmtime::component::Resource;

use crate::audit_sink::Event;
use crate::bindings::database::{ProbeTiming, RowSet, Statement, Value};
use crate::bindings::{Answers, CredentialHandle, SessionHandle, credentials, database, types};
use crate::digest::Digest;
use crate::record;
use crate::row_set;
use crate::state::State;

use super::orders::Orders;

/// What an imported function answers; the outer error ends the component.
type Answer<T> = wasmtime::Result<Result<T, types::Fault>>;

impl types::Host for State {}

impl credentials::Host for State {
    async fn lookup(&mut self, name: Option<String>) -> Answer<Resource<CredentialHandle>> {
        let _stopped = self.enter()?;
        let call = self.author.host_call("credentials.lookup");
        let found = match &self.scope {
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

impl credentials::HostCredential for State {
    async fn name(&mut self, credential: Resource<CredentialHandle>) -> wasmtime::Result<String> {
        let _stopped = self.enter()?;
        let call = self.author.host_call("credentials.name");
        let name = self.table.get(&credential)?.name().to_owned();
        call.end(None, |event| event.with("credential", name.as_str())).await;
        Ok(name)
    }

    async fn drop(&mut self, credential: Resource<CredentialHandle>) -> wasmtime::Result<()> {
        self.table.delete(credential)?;
        Ok(())
    }
}

impl database::HostSession for State {
    async fn open(&mut self, using: Resource<CredentialHandle>) -> Answer<Resource<SessionHandle>> {
        let _stopped = self.enter()?;
        let call = self.author.host_call("database.open");
        if let Err(fault) = self.count_session() {
            call.end(Some(&fault), |event| event).await;
            return Ok(Err(fault.into()));
        }
        let credential = self.table.get(&using)?;
        let opened = credential.open_session().await;
        let way = opened.as_ref().ok().map(|session| session.access_path());
        let about = |event| record::credential(event, &**credential).with_some("way", way);
        call.end(opened.as_ref().err(), about).await;
        match opened {
            Ok(session) => Ok(Ok(self.table.push(session)?)),
            Err(fault) => {
                self.sessions -= 1;
                Ok(Err(fault.into()))
            }
        }
    }

    async fn way(&mut self, session: Resource<SessionHandle>) -> wasmtime::Result<String> {
        let _stopped = self.enter()?;
        let call = self.author.host_call("database.way");
        let way = self.table.get(&session)?.access_path();
        call.end(None, |event| event.with("way", way)).await;
        Ok(way.to_owned())
    }

    async fn notes(&mut self, session: Resource<SessionHandle>) -> wasmtime::Result<Vec<String>> {
        let _stopped = self.enter()?;
        let call = self.author.host_call("database.notes");
        let mut notes = self.table.get(&session)?.notes();
        notes.extend(self.note_on_caps());
        call.end(None, |event| event.with("notes", notes.len())).await;
        Ok(notes)
    }

    async fn query(
        &mut self,
        session: Resource<SessionHandle>,
        batch: Vec<Statement>,
    ) -> Answer<Vec<Result<RowSet, types::Fault>>> {
        let _stopped = self.enter()?;
        let mut call = self.author.host_call("database.query");
        if let Err(reached) = self.count_batch(batch.len(), given(&batch)) {
            let fault = Fault::from(reached);
            call.end(Some(&fault), |event| event).await;
            return Ok(Err(fault.into()));
        }
        let started = Instant::now();
        let refused = batch.iter().enumerate().find_map(|(index, statement)| {
            let sql = &self.policy.sql;
            let allowed = sql.check(&statement.sql).and_then(|()| sql.check_params(weight(&statement.params)));
            allowed.err().map(|why| (index, why))
        });
        let orders = if refused.is_none() { Orders::of(&self.policy.sql, &batch) } else { Orders::default() };
        let refused = refused.or_else(|| orders.refused(self.intent.acting.as_deref()));
        // Reading a statement is work that the component makes.
        self.time.charge(started.elapsed());
        if let Some((index, why)) = refused {
            let fault = Fault::new(kind::NOT_APPROVED, format!("statement {index} is not sent: {why}"));
            call.refused(&batch[index].sql, &why);
            call.end(Some(&fault), |event| event.with("statements", batch.len())).await;
            return Ok(Err(fault.into()));
        }
        let session = &**self.table.get(&session)?;
        let announced = match orders.announce(&self.author, &self.restraint, &self.signalled, session).await {
            Ok(announced) => announced,
            Err(fault) => {
                call.end(Some(&fault), |event| record::session(event, session).with("statements", digests(&batch)))
                    .await;
                return Ok(Err(fault.into()));
            }
        };
        let answers = session.query(&batch, &self.allowance).await;
        announced.settle(&self.author, session, &answers).await;
        let about =
            |event: Event| weighed(record::session(event, session).with("statements", digests(&batch)), &answers);
        call.end(answers.as_ref().err(), about).await;
        Ok(answers
            .map(|answers| answers.into_iter().map(|answer| answer.map_err(Into::into)).collect())
            .map_err(Into::into))
    }

    async fn drop(&mut self, session: Resource<SessionHandle>) -> wasmtime::Result<()> {
        self.table.delete(session)?;
        self.sessions = self.sessions.saturating_sub(1);
        Ok(())
    }
}

impl database::Host for State {
    async fn probe(
        &mut self,
        using: Resource<CredentialHandle>,
        count: u32,
        timeout_ms: u32,
    ) -> Answer<Vec<Result<ProbeTiming, types::Fault>>> {
        let _stopped = self.enter()?;
        let call = self.author.host_call("database.probe");
        if let Err(fault) = self.count_probes(count) {
            call.end(Some(&fault), |event| event.with("probes", count)).await;
            return Ok(Err(fault.into()));
        }
        let credential = self.table.get(&using)?;
        let timeout = Duration::from_millis(timeout_ms.into()).min(self.limits.connect_timeout);
        let outcomes = join_all((0..count).map(|_| credential.probe(timeout))).await;
        let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
        let about = |event| record::credential(event, &**credential).with("probes", count).with("failed", failed);
        call.end(None, about).await;
        Ok(Ok(outcomes.into_iter().map(|outcome| outcome.map_err(Into::into)).collect()))
    }
}

/// How many bytes of text and parameters the component gives.
pub(crate) fn given(batch: &[Statement]) -> usize {
    batch.iter().map(|statement| statement.sql.len() + weight(&statement.params)).sum()
}

/// How many bytes the parameters of a statement have.
fn weight(params: &[Value]) -> usize {
    let weight = |value: &Value| match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => size_of::<Value>(),
    };
    params.iter().map(weight).sum()
}

/// The digests of a batch's texts.
fn digests(batch: &[Statement]) -> Vec<String> {
    batch.iter().map(|statement| Digest::of(statement.sql.as_bytes()).to_string()).collect()
}

/// Puts into an event how much a batch answered.
pub(crate) fn weighed(event: Event, answers: &Answers) -> Event {
    let Ok(answers) = answers else { return event };
    let sets = || answers.iter().flatten();
    let rows: usize = sets().map(|set| set.rows.len()).sum();
    let bytes: usize = sets().flat_map(|set| set.rows.iter().flatten()).map(row_set::weight).sum();
    let truncated = sets().filter(|set| set.truncated).count();
    let failed = answers.iter().filter(|answer| answer.is_err()).count();
    event.with("rows", rows).with("bytes", bytes).with("truncated", truncated).with("failed", failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::cpu_scheduler::{CpuMeter, CpuScheduler};
    use crate::limits::{Limits, Reached};
    use crate::policy::{Policy, Sql};
    use crate::state::{Caller, Intent};

    fn state(sql: Sql) -> State {
        let policy = Policy { sql, ..Policy::default() };
        let caller = Caller {
            author: Default::default(),
            intent: Intent { refusal: None, acting: None, ..Intent::none("nothing is resized here") },
            restraint: Default::default(),
            scope: None,
            signalled: Default::default(),
            time: Arc::new(CpuMeter::new(CpuScheduler::new(), Duration::ZERO)),
            memories: 1,
            tape: Default::default(),
        };
        State::new(&Limits::default(), &policy, caller)
    }

    #[tokio::test]
    async fn what_one_call_may_ask_for_is_counted() {
        let mut state = state(Sql::Any);
        let limits = state.limits.clone();
        assert!(state.count_probes(limits.probes).is_ok());
        let fault = state.count_probes(1).unwrap_err();
        assert!(fault.message.contains("`probes`"), "{fault}");
        for _ in 0..limits.sessions {
            state.count_session().unwrap();
        }
        let fault = state.count_session().unwrap_err();
        assert!(fault.message.contains("`sessions`"), "{fault}");
        let statement = Statement { sql: String::new(), params: Vec::new(), max_rows: 1 };
        let batch = vec![statement; limits.statements + 1];
        let fault = database::HostSession::query(&mut state, Resource::new_own(0), batch).await.unwrap().unwrap_err();
        assert!(fault.message.contains("`statements`"), "{}", fault.message);
        let error = std::iter::from_fn(|| Some(state.enter().map(drop))).find_map(Result::err).unwrap();
        assert_eq!(error.downcast_ref(), Some(&Reached::HostCalls(limits.host_calls)));
    }

    #[tokio::test]
    async fn a_component_ends_no_session_by_sql_of_its_own() {
        let statement = |sql: &str| Statement { sql: sql.into(), params: Vec::new(), max_rows: 1 };
        let batch =
            || vec![statement(archon_pool_contract::catalogue::CLOCK.sql), statement("SELECT pg_terminate_backend(7)")];
        // No such session: what is refused is refused before anything is looked at.
        let session = || Resource::new_own(0);
        let fault =
            database::HostSession::query(&mut state(Sql::Catalogue), session(), batch()).await.unwrap().unwrap_err();
        assert_eq!(fault.kind, kind::NOT_APPROVED);
        assert!(fault.message.contains("statement 1 ") && fault.message.contains("`sql`"), "{}", fault.message);
        assert!(database::HostSession::query(&mut state(Sql::Any), session(), batch()).await.is_err());
        let mut planning = state(Sql::Any);
        planning.intent.acting = Some("nothing may act".into());
        let fault = database::HostSession::query(&mut planning, session(), batch()).await.unwrap().unwrap_err();
        assert!(
            fault.message.contains("statement 1 ") && fault.message.contains("nothing may act"),
            "{}",
            fault.message
        );
    }

    #[tokio::test]
    async fn what_is_refused_is_on_record_by_its_digest_and_parameters_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let audit: std::sync::Arc<dyn crate::audit_sink::AuditSink> =
            std::sync::Arc::new(crate::audit::Audit::open(&path).unwrap());
        let mut state = state(Sql::Catalogue);
        state.author = crate::audit_sink::AuditContext::default().recorded_by(Some(&audit), None);
        let params = vec![crate::bindings::database::Value::Text("hunter2".into())];
        let batch = vec![Statement { sql: "SELECT 1 -- mine".into(), params, max_rows: 1 }];
        let refused = database::HostSession::query(&mut state, Resource::new_own(0), batch).await.unwrap();
        assert!(refused.is_err());
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let digest = Digest::of(b"SELECT 1 -- mine").to_string();
        assert_eq!((&lines[1]["event"], &lines[1]["statement"]), (&"refused".into(), &digest.as_str().into()));
        assert_eq!((&lines[2]["event"], &lines[2]["outcome"]), (&"host-call".into(), &kind::NOT_APPROVED.into()));
        assert_eq!(lines[2]["statements"], 1);
        assert!(!text.contains("hunter2") && !text.contains("mine"), "{text}");
    }
}
