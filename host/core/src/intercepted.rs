//! The imports as a component calls them: recorded with their answers, or answered by a replayer, depending on the
//! call's mode.
//!
//! A replayer answers in place of the imports: no credential is looked up, no server is reached and no session is
//! signalled, because none of them is called. The limits of a call hold all the same, since a recording is as untrusted
//! as a component.

mod acting;
mod reading;

use archon_pool_contract::fault::Fault;
use archon_pool_contract::rows::RowSet;
use wasmtime::component::HasData;

use crate::bindings::{database, types};
use crate::context::{CallContext, ContextView};
use crate::interceptor::{CallMode, ImportAnswer, ImportCall};

/// The receiver of the imports.
pub(crate) struct Intercepted<'a>(pub(crate) ContextView<'a>);

/// [`Intercepted`] for a linker.
pub(crate) struct HasIntercepted;

impl HasData for HasIntercepted {
    type Data<'a> = Intercepted<'a>;
}

/// The answer of an imported function; the outer error ends the component.
type Answer<T> = wasmtime::Result<Result<T, types::Fault>>;

/// Answers to statements or views, each with its own fault.
type Answers = Vec<Result<database::RowSet, types::Fault>>;

impl types::Host for Intercepted<'_> {}

impl Intercepted<'_> {
    /// Creates the description of an import's call, where the mode needs it.
    fn call(&self, call: impl FnOnce() -> ImportCall) -> Option<ImportCall> {
        if matches!(self.0.context.mode, CallMode::Off) { None } else { Some(call()) }
    }

    /// Returns the replayer's answer within the limits that `check` applies; none when the import has to be called.
    fn replayed(
        &mut self,
        call: Option<&ImportCall>,
        check: impl FnOnce(&mut CallContext) -> Result<(), Fault>,
    ) -> wasmtime::Result<Option<Result<ImportAnswer, Fault>>> {
        let Some(call) = call.filter(|_| self.is_replaying()) else { return Ok(None) };
        let _stopped = self.0.context.enter()?;
        let checked = check(self.0.context);
        let CallMode::Replaying(replayer) = &mut self.0.context.mode else { return Ok(None) };
        Ok(Some(checked.and_then(|()| replayer.answer(call))))
    }

    /// Returns the replayer's answer for an opened session or console, which counts like any other.
    fn replayed_opening(&mut self, call: Option<&ImportCall>) -> wasmtime::Result<Option<Result<u32, Fault>>> {
        let mut counted = false;
        let opened = self.replayed(call, |context| {
            context.count_session()?;
            counted = true;
            Ok(())
        })?;
        let opened = opened.map(|answer| answer.and_then(ImportAnswer::into_handle));
        if counted && matches!(opened, Some(Err(_))) {
            self.closed();
        }
        Ok(opened)
    }

    /// Returns the replayer's answer of a function that cannot fail: without an answer the component ends.
    fn replayed_text(&mut self, call: Option<&ImportCall>) -> wasmtime::Result<Option<String>> {
        let text = self.replayed(call, unlimited)?.map(|answer| answer.and_then(ImportAnswer::into_text));
        text.transpose().map_err(wasmtime::Error::new)
    }

    /// Records an import with its answer, where the call is recorded.
    fn record<T>(
        &mut self,
        call: Option<ImportCall>,
        answer: &Result<T, types::Fault>,
        recorded: impl FnOnce(&T) -> ImportAnswer,
    ) {
        if let (Some(call), CallMode::Recording(recorder)) = (call, &mut self.0.context.mode) {
            recorder.record(call, answer.as_ref().map(recorded).map_err(|fault| fault.clone().into()));
        }
    }

    /// Records the answer of a function that cannot fail.
    fn record_plain(&mut self, call: Option<ImportCall>, answer: ImportAnswer) {
        self.record(call, &Ok(answer), Clone::clone);
    }

    fn is_replaying(&self) -> bool {
        self.0.context.mode.is_replaying()
    }

    /// Decrements the count of open sessions for a session or a console of a replayer.
    fn closed(&mut self) {
        self.0.context.sessions = self.0.context.sessions.saturating_sub(1);
    }

    /// Returns a replayer's rows, within the limits of a call.
    fn within_limits(&self, answers: Vec<Result<RowSet, Fault>>) -> Answers {
        answers.into_iter().map(|answer| answer.map(|set| self.cut(set).into()).map_err(types::Fault::from)).collect()
    }

    fn cut(&self, mut set: RowSet) -> RowSet {
        let CallContext { budget, limits, .. } = &*self.0.context;
        budget.cut(&mut set, limits.rows);
        set
    }
}

/// Checks nothing, where the number of calls is the only limit.
fn unlimited(_: &mut CallContext) -> Result<(), Fault> {
    Ok(())
}

/// Converts a list of answers, each with its own fault, for a recorder.
fn each<T: Clone, U: From<T>>(answers: &[Result<T, types::Fault>]) -> Vec<Result<U, Fault>> {
    answers.iter().map(|answer| answer.clone().map(Into::into).map_err(Into::into)).collect()
}
