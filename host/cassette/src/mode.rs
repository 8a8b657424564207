//! Recording and replay of a host's calls, for [`Host::interceptor`](archon_pool_core::host::Host::interceptor).

use archon_pool_contract::fault::Fault;
use archon_pool_contract::rows::RowSet;
use archon_pool_core::digest::Digest;
use archon_pool_core::interceptor::{CallMode, CallRecorder, CallReplayer, ImportAnswer, ImportCall, Interceptor};
use async_trait::async_trait;

use crate::answer::Answer;
use crate::exchange::Asked;
use crate::format::End;
use crate::import::{
    AccessPath, Console, Credential, CredentialName, Deliver, Kind, Lookup, Notes, Open, OpenConsole, Probe, Query,
    Reconnect, Resize, Session, Show,
};
use crate::recorder::Recorder;
use crate::recording::Recording;
use crate::replay::Replay;
use crate::replayer::Replayer;
use crate::wire;

impl Interceptor for Recorder {
    fn replays(&self) -> bool {
        false
    }

    fn begin(&self, component: &str, digest: Digest, function: &str, input: &str) -> Result<CallMode, Fault> {
        let recording = Recorder::begin(self, component, digest, function, input);
        Ok(recording.map_or(CallMode::Off, |recording| {
            CallMode::Recording(Box::new(RecordedCall { recorder: self.clone(), recording }))
        }))
    }
}

impl Interceptor for Replay {
    fn replays(&self) -> bool {
        true
    }

    fn begin(&self, _: &str, _: Digest, function: &str, _: &str) -> Result<CallMode, Fault> {
        Ok(CallMode::Replaying(Box::new(self.take(function)?)))
    }
}

/// A call that is recorded, with its recorder.
struct RecordedCall {
    recorder: Recorder,
    recording: Recording,
}

#[async_trait]
impl CallRecorder for RecordedCall {
    fn record(&mut self, call: ImportCall, answer: Result<ImportAnswer, Fault>) {
        self.recording.note(call, answer);
    }

    async fn end(self: Box<Self>, result: &Result<String, Fault>) {
        self.recorder.end(self.recording, End::of(result)).await;
    }
}

impl Recording {
    /// Adds an import with its answer. Handles are numbered in the order in which they were created.
    pub(crate) fn note(&mut self, call: ImportCall, answer: Result<ImportAnswer, Fault>) {
        let exchange = match (call, answer) {
            (ImportCall::Lookup { name }, answer) => {
                let answer = answer.and_then(ImportAnswer::into_handle);
                let number = answer.map(|handle| Credential { credential: self.credentials.give(handle) });
                Asked::exchange(Lookup { name }, number)
            }
            (ImportCall::CredentialName { credential }, answer) => Asked::exchange(
                CredentialName { credential: self.credentials.of(credential) },
                answer.and_then(ImportAnswer::into_text),
            ),
            (ImportCall::OpenSession { credential }, answer) => {
                let answer = answer.and_then(ImportAnswer::into_handle);
                let number = answer.map(|handle| Session { session: self.sessions.give(handle) });
                Asked::exchange(Open { credential: self.credentials.of(credential) }, number)
            }
            (ImportCall::AccessPath { session }, answer) => Asked::exchange(
                AccessPath { session: self.sessions.of(session) },
                answer.and_then(ImportAnswer::into_text),
            ),
            (ImportCall::Notes { session }, answer) => {
                Asked::exchange(Notes { session: self.sessions.of(session) }, answer.and_then(ImportAnswer::into_texts))
            }
            (ImportCall::Query { session, batch }, answer) => {
                let batch = batch.iter().map(wire::recorded_statement).collect();
                let answer = answer.and_then(ImportAnswer::into_row_sets).map(|sets| wire::each(sets, Into::into));
                Asked::exchange(Query { session: self.sessions.of(session), batch }, answer)
            }
            (ImportCall::Probe { credential, count, timeout_ms }, answer) => {
                let answer = answer
                    .and_then(ImportAnswer::into_timings)
                    .map(|timings| wire::each(timings, wire::recorded_timing));
                Asked::exchange(Probe { credential: self.credentials.of(credential), count, timeout_ms }, answer)
            }
            (ImportCall::OpenConsole { credential }, answer) => {
                let answer = answer.and_then(ImportAnswer::into_handle);
                let number = answer.map(|handle| Console { console: self.consoles.give(handle) });
                Asked::exchange(OpenConsole { credential: self.credentials.of(credential) }, number)
            }
            (ImportCall::ConsoleKind { console }, answer) => {
                Asked::exchange(Kind { console: self.consoles.of(console) }, answer.and_then(ImportAnswer::into_text))
            }
            (ImportCall::Show { console, views }, answer) => {
                let answer = answer.and_then(ImportAnswer::into_row_sets).map(|sets| wire::each(sets, Into::into));
                Asked::exchange(Show { console: self.consoles.of(console), views }, answer)
            }
            (ImportCall::Deliver { session, orders, dry_run }, answer) => {
                let orders = orders.iter().map(wire::recorded_order).collect();
                let answer =
                    answer.and_then(ImportAnswer::into_outcomes).map(|all| all.into_iter().map(Into::into).collect());
                Asked::exchange(Deliver { session: self.sessions.of(session), orders, dry_run }, answer)
            }
            (ImportCall::Resize { console, order, dry_run }, answer) => {
                let (console, pool, size, reason) = (self.consoles.of(console), order.pool, order.size, order.reason);
                let answer = answer.and_then(ImportAnswer::into_size).map(wire::recorded_size);
                Asked::exchange(Resize { console, pool, size, reason, dry_run }, answer)
            }
            (ImportCall::Reconnect { console, database, reason, dry_run }, answer) => {
                let answer = answer.and_then(ImportAnswer::into_reconnect).map(wire::recorded_reconnect);
                Asked::exchange(Reconnect { console: self.consoles.of(console), database, reason, dry_run }, answer)
            }
        };
        self.add(exchange);
    }
}

impl CallReplayer for Replayer {
    fn answer(&mut self, call: &ImportCall) -> Result<ImportAnswer, Fault> {
        Ok(match call {
            ImportCall::Lookup { name } => {
                ImportAnswer::Handle(Replayer::answer(self, &Lookup { name: name.clone() })?.credential)
            }
            &ImportCall::CredentialName { credential } => {
                ImportAnswer::Text(Replayer::answer(self, &CredentialName { credential })?)
            }
            &ImportCall::OpenSession { credential } => {
                ImportAnswer::Handle(Replayer::answer(self, &Open { credential })?.session)
            }
            &ImportCall::AccessPath { session } => ImportAnswer::Text(Replayer::answer(self, &AccessPath { session })?),
            &ImportCall::Notes { session } => ImportAnswer::Texts(Replayer::answer(self, &Notes { session })?),
            ImportCall::Query { session, batch } => {
                let batch = batch.iter().map(wire::recorded_statement).collect();
                let answers = Replayer::answer(self, &Query { session: *session, batch })?;
                ImportAnswer::RowSets(each(answers, RowSet::try_from))
            }
            &ImportCall::Probe { credential, count, timeout_ms } => {
                let answers = Replayer::answer(self, &Probe { credential, count, timeout_ms })?;
                ImportAnswer::Timings(each(answers, |timing| Ok(wire::timing(timing))))
            }
            &ImportCall::OpenConsole { credential } => {
                ImportAnswer::Handle(Replayer::answer(self, &OpenConsole { credential })?.console)
            }
            &ImportCall::ConsoleKind { console } => ImportAnswer::Text(Replayer::answer(self, &Kind { console })?),
            ImportCall::Show { console, views } => {
                let answers = Replayer::answer(self, &Show { console: *console, views: views.clone() })?;
                ImportAnswer::RowSets(each(answers, RowSet::try_from))
            }
            ImportCall::Deliver { session, orders, dry_run } => {
                let orders = orders.iter().map(wire::recorded_order).collect();
                let with = Deliver { session: *session, orders, dry_run: *dry_run };
                ImportAnswer::Outcomes(Replayer::answer(self, &with)?.into_iter().map(wire::outcome).collect())
            }
            ImportCall::Resize { console, order, dry_run } => {
                let (pool, size, reason) = (order.pool.clone(), order.size, order.reason.clone());
                let with = Resize { console: *console, pool, size, reason, dry_run: *dry_run };
                ImportAnswer::Size(wire::size_outcome(Replayer::answer(self, &with)?))
            }
            ImportCall::Reconnect { console, database, reason, dry_run } => {
                let (database, reason) = (database.clone(), reason.clone());
                let with = Reconnect { console: *console, database, reason, dry_run: *dry_run };
                ImportAnswer::ReconnectOutcome(wire::reconnect(Replayer::answer(self, &with)?))
            }
        })
    }
}

fn each<T, U>(answers: Vec<Answer<T>>, convert: impl Fn(T) -> Result<U, Fault>) -> Vec<Result<U, Fault>> {
    answers.into_iter().map(|answer| Result::from(answer).and_then(&convert)).collect()
}
