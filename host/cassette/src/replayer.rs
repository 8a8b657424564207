//! Answers from one call of a cassette.

use archon_pool_contract::fault::Fault;

use super::answer::Answer;
use super::exchange::{Exchange, Import};
use super::fault::mismatch;
use super::import::{Arguments, Query, RowSet, Statement};

/// Answers a component's imports from one call of a cassette, in the recorded order and, where a component calls them
/// in another, by their arguments.
#[derive(Debug)]
pub struct Replayer {
    tracks: Vec<Track>,
    /// Index before which all tracks have been used.
    first: usize,
}

/// An exchange that can be used once, or a batch whose answers can be used one by one.
#[derive(Debug)]
enum Track {
    Whole(Exchange),
    Apart(Vec<Option<(Statement, Answer<RowSet>)>>),
    Used,
}

impl Replayer {
    /// Creates a replayer of one call's imports.
    pub fn new(exchanges: Vec<Exchange>) -> Self {
        Self { tracks: exchanges.into_iter().map(Track::Whole).collect(), first: 0 }
    }

    /// Returns the recorded answer or fault of an import: the first unused one with the same arguments. A batch that
    /// was not recorded as a whole is answered statement by statement. Fails with `cassette-mismatch` when there is no
    /// answer; then nothing is used up.
    pub fn answer<I: Import>(&mut self, with: &I) -> Result<I::Ok, Fault> {
        self.recorded(with)
            .or_else(|| with.answer_in_parts(&mut |batch| self.apart(batch)))
            .unwrap_or_else(|| Err(unanswered::<I>("")))
    }

    /// Takes a batch's answers from several recorded batches.
    fn apart(&mut self, batch: &[Statement]) -> Result<Vec<Answer<RowSet>>, Fault> {
        let mut places: Vec<(usize, usize)> = Vec::with_capacity(batch.len());
        for statement in batch {
            let place = self.place(statement, &places);
            places.push(place.ok_or_else(|| unanswered::<Query>(&format!(" for statement {}", statement.sql)))?);
        }
        let taken = places.into_iter().filter_map(|(track, index)| self.part(track, index));
        Ok(taken.collect())
    }

    fn recorded<I: Import>(&mut self, with: &I) -> Option<Result<I::Ok, Fault>> {
        let is_it = |track: &Track| match track {
            Track::Whole(exchange) => I::of(exchange).is_some_and(|asked| with.is_same(&asked.with)),
            _ => false,
        };
        let found = self.first + self.tracks[self.first..].iter().position(is_it)?;
        let Track::Whole(exchange) = std::mem::replace(&mut self.tracks[found], Track::Used) else { return None };
        self.first += self.tracks[self.first..].iter().take_while(|track| matches!(track, Track::Used)).count();
        I::taken(exchange).map(|asked| asked.answer.into())
    }

    /// Finds the first answer to a statement that is neither used nor taken by another of the batch.
    fn place(&self, wanted: &Statement, taken_already: &[(usize, usize)]) -> Option<(usize, usize)> {
        let is_it = |track: usize, index: usize, statement: &Statement| {
            wanted.is_same(statement) && !taken_already.contains(&(track, index))
        };
        self.tracks.iter().enumerate().find_map(|(number, track)| {
            let index = match track {
                Track::Whole(Exchange::Query(asked)) if matches!(asked.answer, Answer::Ok(_)) => {
                    let mut batch = asked.with.batch.iter().enumerate();
                    batch.position(|(index, statement)| is_it(number, index, statement))
                }
                Track::Apart(parts) => parts.iter().enumerate().position(|(index, part)| {
                    part.as_ref().is_some_and(|(statement, _)| is_it(number, index, statement))
                }),
                _ => None,
            };
            index.map(|index| (number, index))
        })
    }

    /// Takes one answer out of a batch.
    fn part(&mut self, track: usize, index: usize) -> Option<Answer<RowSet>> {
        let track = &mut self.tracks[track];
        if let Track::Whole(_) = track
            && let Track::Whole(Exchange::Query(asked)) = std::mem::replace(track, Track::Used)
            && let Answer::Ok(answers) = asked.answer
        {
            *track = Track::Apart(asked.with.batch.into_iter().zip(answers).map(Some).collect());
        }
        let Track::Apart(parts) = track else { return None };
        parts.get_mut(index)?.take().map(|(_, answer)| answer)
    }
}

/// Creates the fault of an import that has no answer.
fn unanswered<I: Arguments>(about: &str) -> Fault {
    mismatch(format!("the cassette holds no answer to {}{about}: another component or input was recorded", I::NAME))
}
