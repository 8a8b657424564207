//! The imports as a component sees them: what a call's tape says comes between it and the host's powers.
//!
//! Without a tape they are passed on, and while one is recorded they are passed on and noted. From a cassette they
//! are answered here: then no credential is looked up, no server spoken to and nobody signalled, because the powers
//! are not called. The limits of a call hold all the same, since a cassette is as little to be trusted as a
//! component.

mod acting;
mod reading;
mod wire;

use archon_pool_contract::fault::Fault;
use wasmtime::component::HasData;

use crate::bindings::database::{Column, RowSet};
use crate::bindings::types;
use crate::cassette::{self, CallMode, Import, Recording};
use crate::row_set;
use crate::state::State;

/// What the imports are called on.
pub(crate) struct Taped<'a>(pub(crate) &'a mut State);

/// [`Taped`] for a linker.
pub(crate) struct HasTaped;

impl HasData for HasTaped {
    type Data<'a> = Taped<'a>;
}

/// What an imported function answers; the outer error ends the component.
type Answer<T> = wasmtime::Result<Result<T, types::Fault>>;

/// Answers to statements or views, each with its own fault.
type Answers = Vec<Result<RowSet, types::Fault>>;

impl types::Host for Taped<'_> {}

impl Taped<'_> {
    /// An import's arguments, where they matter to somebody.
    fn asked<I: Import>(&self, with: impl FnOnce(&CallMode) -> I) -> Option<I> {
        match &self.0.tape {
            CallMode::Off => None,
            tape => Some(with(tape)),
        }
    }

    /// The cassette's answer within the limits that `check` applies; none when the host has to give one.
    fn played<I: Import>(
        &mut self,
        with: Option<&I>,
        check: impl FnOnce(&mut State) -> Result<(), Fault>,
    ) -> wasmtime::Result<Option<Result<I::Ok, Fault>>> {
        let Some(with) = with.filter(|_| self.0.tape.is_replaying()) else { return Ok(None) };
        let _stopped = self.0.enter()?;
        let checked = check(self.0);
        let CallMode::Replaying(replayer) = &mut self.0.tape else { return Ok(None) };
        Ok(Some(checked.and_then(|()| replayer.answer(with))))
    }

    /// The same for a function that cannot fail: without an answer the component ends.
    fn told<I: Import>(&mut self, with: Option<&I>) -> wasmtime::Result<Option<I::Ok>> {
        self.played(with, unlimited)?.transpose().map_err(wasmtime::Error::new)
    }

    /// Notes an import with its answer, where a tape runs.
    fn note<I: Import>(&mut self, with: Option<I>, answer: impl FnOnce(&mut Recording) -> Result<I::Ok, Fault>) {
        if let (Some(with), CallMode::Recording(recording)) = (with, &mut self.0.tape) {
            let answer = answer(recording);
            recording.note(with, answer);
        }
    }

    /// Rows of a cassette, within the limits of a call.
    fn handed_over(&self, answers: Vec<cassette::Answer<cassette::RowSet>>) -> Answers {
        let within = |answer| Result::from(answer).map(|set| self.within(set)).map_err(types::Fault::from);
        answers.into_iter().map(within).collect()
    }

    fn within(&self, set: cassette::RowSet) -> RowSet {
        let State { allowance, limits, .. } = &*self.0;
        let columns = set.columns.into_iter().map(|(name, type_oid)| Column { name, type_oid }).collect();
        let mut within = RowSet { columns, rows: Vec::with_capacity(set.rows.len()), truncated: set.truncated };
        for row in set.rows {
            let row: Vec<_> = row.into_iter().map(wire::value).collect();
            let weight = row.iter().map(|value| row_set::weight(value) + size_of_val(value)).sum();
            if within.rows.len() >= limits.rows as usize || !allowance.take_row(weight) {
                within.truncated = true;
                break;
            }
            within.rows.push(row);
        }
        within
    }
}

/// Where no limit is but that on calls.
fn unlimited(_: &mut State) -> Result<(), Fault> {
    Ok(())
}
