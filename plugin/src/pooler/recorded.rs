//! Views as a PgBouncer sent them: 1.18 of Debian, recorded with names and addresses changed, and 1.25 by its columns.

use std::collections::BTreeMap;

use archon_pool_contract::catalogue;
use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::host_api::{Answer, HostApi, Order, Outcome, ProbeTiming};
use archon_pool_contract::rows::{RowSet, Statement};
use archon_pool_contract::value::{Cell, Value};

use crate::fixture::NOW;

use super::views::{self, Console, PGBOUNCER};

/// PgBouncer 1.18.
pub(crate) const OLD: &str = include_str!("recorded/1.18.txt");
/// PgBouncer 1.25.
pub(super) const NEW: &str = include_str!("recorded/1.25.txt");

/// A host with a console that shows recorded views.
pub(crate) struct Shown {
    /// Kind of the console.
    pub(super) kind: Result<String, Fault>,
    /// Views that it shows.
    pub(super) views: BTreeMap<String, Answer>,
    /// Requested views, in order.
    pub(super) asked: Vec<String>,
}

impl Shown {
    pub(super) fn of(recorded: &str) -> Self {
        let view = |section: &str| {
            let mut lines = section.lines();
            let name = lines.next().unwrap_or_default().to_owned();
            let columns = lines.next().unwrap_or_default().split('|').map(|name| (name, 25));
            let mut rows = RowSet::with_columns(columns);
            lines.for_each(|line| rows.push(line.split('|').map(Cell::from)).expect("a value a column"));
            (name, Ok(rows))
        };
        let views = recorded.split("== ").filter(|section| !section.is_empty()).map(view).collect();
        Self { kind: Ok(PGBOUNCER.to_owned()), views, asked: Vec::new() }
    }

    /// Changes one view's answer.
    pub(super) fn change(&mut self, view: &str, change: impl FnOnce(&mut RowSet)) {
        if let Some(Ok(rows)) = self.views.get_mut(view) {
            change(rows);
        }
    }
}

/// Content of a recorded console.
pub(crate) fn console(recorded: &str) -> Console {
    views::read(&mut Shown::of(recorded)).expect("it can be read").expect("there is one")
}

impl HostApi for Shown {
    fn open(&mut self, _: Option<&str>) -> Result<(), Fault> {
        Ok(())
    }

    fn query(&mut self, batch: &[Statement]) -> Result<Vec<Answer>, Fault> {
        assert!(batch.iter().all(|statement| statement.sql == catalogue::CLOCK.sql), "only the time is asked for");
        self.asked.push("clock".to_owned());
        let now = RowSet::of_values([("at", 0)], &[vec![Value::Timestamp(NOW)]]).expect("a value a column");
        Ok(batch.iter().map(|_| Ok(now.clone())).collect())
    }

    fn probe(&mut self, _: u32, _: u32) -> Result<Vec<Result<ProbeTiming, Fault>>, Fault> {
        Ok(Vec::new())
    }

    fn console(&mut self) -> Result<String, Fault> {
        self.kind.clone()
    }

    fn show(&mut self, views: &[&str]) -> Result<Vec<Answer>, Fault> {
        self.asked.extend(views.iter().map(|&view| view.to_owned()));
        let unknown = |view: &str| Err(Fault::new(kind::UNSUPPORTED_VIEW, format!("there is no view {view}")));
        Ok(views.iter().map(|&view| self.views.get(view).cloned().unwrap_or_else(|| unknown(view))).collect())
    }

    fn deliver(&mut self, _: &[Order], _: bool) -> Option<Result<Vec<Outcome>, Fault>> {
        None
    }
}
