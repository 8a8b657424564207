//! The imports `credentials` and `database`: questions to a server.

use std::time::{Duration, Instant};

use archon_pool_plugin::fault::{Fault, kind};
use futures_util::future::join_all;
use wasmtime::component::Resource;

use crate::bindings::database::{ProbeTiming, RowSet, Statement};
use crate::bindings::{credentials, database, types};
use crate::credentials::Credential;
use crate::error;
use crate::limits::{Limits, Reached};
use crate::session::{Presence, Session};
use crate::state::State;
use crate::target::Target;

/// What an imported function answers; the outer error ends the component.
type Answer<T> = wasmtime::Result<Result<T, types::Fault>>;

impl types::Host for State {}

impl credentials::Host for State {
    async fn lookup(&mut self, name: Option<String>) -> Answer<Resource<Credential>> {
        let _stopped = self.enter()?;
        let found = match &self.lent {
            Some(lent) => lent.lookup(name.as_deref(), &self.limits, &self.presence).await,
            None => Err(Fault::new(kind::CREDENTIALS_NOT_FOUND, "Supabase credentials not found: this call has none")),
        };
        match found {
            Ok(credential) => Ok(Ok(self.table.push(credential)?)),
            Err(fault) => Ok(Err(fault.into())),
        }
    }
}

impl credentials::HostCredential for State {
    async fn name(&mut self, credential: Resource<Credential>) -> wasmtime::Result<String> {
        let _stopped = self.enter()?;
        Ok(self.table.get(&credential)?.name.clone())
    }

    async fn drop(&mut self, credential: Resource<Credential>) -> wasmtime::Result<()> {
        self.table.delete(credential)?;
        Ok(())
    }
}

impl database::HostSession for State {
    async fn open(&mut self, using: Resource<Credential>) -> Answer<Resource<Session>> {
        let _stopped = self.enter()?;
        if let Err(fault) = self.count_session() {
            return Ok(Err(fault.into()));
        }
        let target = &self.table.get(&using)?.target;
        match Session::open(target, &self.limits, &self.presence).await {
            Ok(session) => Ok(Ok(self.table.push(session)?)),
            Err(fault) => {
                self.sessions -= 1;
                Ok(Err(fault.into()))
            }
        }
    }

    async fn query(
        &mut self,
        session: Resource<Session>,
        batch: Vec<Statement>,
    ) -> Answer<Vec<Result<RowSet, types::Fault>>> {
        let _stopped = self.enter()?;
        let (wanted, limit) = (batch.len(), self.limits.statements);
        if wanted > limit {
            return Ok(Err(Fault::from(Reached::Statements { wanted, limit }).into()));
        }
        for (index, statement) in batch.iter().enumerate() {
            if let Err(why) = self.policy.sql.check(&statement.sql) {
                let message = format!("statement {index} is not sent: {why}");
                return Ok(Err(Fault::new(kind::INSUFFICIENT_PRIVILEGE, message).into()));
            }
        }
        let session = self.table.get(&session)?;
        let answers = session.query(&batch, self.policy.sql.is_ours()).await;
        Ok(answers
            .map(|answers| answers.into_iter().map(|answer| answer.map_err(Into::into)).collect())
            .map_err(Into::into))
    }

    async fn drop(&mut self, session: Resource<Session>) -> wasmtime::Result<()> {
        self.table.delete(session)?;
        self.sessions = self.sessions.saturating_sub(1);
        Ok(())
    }
}

impl database::Host for State {
    async fn probe(
        &mut self,
        using: Resource<Credential>,
        count: u32,
        timeout_ms: u32,
    ) -> Answer<Vec<Result<ProbeTiming, types::Fault>>> {
        let _stopped = self.enter()?;
        if let Err(fault) = self.count_probes(count) {
            return Ok(Err(fault.into()));
        }
        let target = &self.table.get(&using)?.target;
        let timeout = Duration::from_millis(timeout_ms.into()).min(self.limits.connect_timeout);
        let probes = (0..count).map(|_| probe(target, &self.limits, &self.presence, timeout));
        Ok(Ok(join_all(probes).await.into_iter().map(|outcome| outcome.map_err(Into::into)).collect()))
    }
}

async fn probe(target: &Target, limits: &Limits, presence: &Presence, timeout: Duration) -> Result<ProbeTiming, Fault> {
    let probing = async {
        let started = Instant::now();
        let session = Session::unchecked(target, limits, presence).await?;
        let connect = started.elapsed();
        let round_trip = session.round_trip().await?;
        Ok(ProbeTiming { connect_us: micros(connect), round_trip_us: micros(round_trip) })
    };
    match tokio::time::timeout(timeout, probing).await {
        Ok(outcome) => outcome,
        Err(_) => Err(error::unreachable(target, &format!("the probe was not done within {} ms", timeout.as_millis()))),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Policy, Sql};
    use crate::state::Intent;

    fn state(sql: Sql) -> State {
        let policy = Policy { sql, ..Policy::default() };
        let intent = Intent { refusal: None, max_kill_percentage: 100 };
        let (presence, _) = tokio::sync::mpsc::channel(1);
        State::new(&Limits::default(), &policy, Default::default(), intent, None, presence, Default::default())
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
            || vec![statement(archon_pool_plugin::catalogue::CLOCK.sql), statement("SELECT pg_terminate_backend(7)")];
        // No such session: what is refused is refused before anything is looked at.
        let session = || Resource::new_own(0);
        let fault =
            database::HostSession::query(&mut state(Sql::Catalogue), session(), batch()).await.unwrap().unwrap_err();
        assert_eq!(fault.kind, kind::INSUFFICIENT_PRIVILEGE);
        assert!(fault.message.contains("statement 1 ") && fault.message.contains("`sql`"), "{}", fault.message);
        assert!(database::HostSession::query(&mut state(Sql::Any), session(), batch()).await.is_err());
    }
}
