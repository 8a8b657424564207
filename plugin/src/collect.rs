//! Collection of a snapshot: one batch in one round trip, whose rows are decoded by name, and a second one at most once a
//! minute.

pub mod batch;
mod decode;
mod second_query;

use std::collections::HashSet;

use archon_pool_contract::catalogue;
use archon_pool_contract::fault::Fault;
use archon_pool_contract::host_api::{HostApi, ProbeTiming};
use archon_pool_contract::params::{Action, Options};
use archon_pool_contract::rows::RowSet;
use archon_pool_contract::snapshot::{Backend, Gap, Probe, Reading, Sample, SessionKey, Snapshot, State};
use archon_pool_contract::value::Value;

use crate::application;
use crate::fast_map::Map;
use crate::memory::{self, Carry, Memory};
use crate::numbers::rounded;
use crate::pooler::{attribution, views};

use self::batch::{Answers, statement};
use self::decode::Lock;

/// The usual access path, which the report does not mention.
const DIRECT: &str = "direct";
/// Number of fresh connections that a health check opens.
const PROBES: u32 = 3;
/// Timeout of each of them, milliseconds.
const PROBE_TIMEOUT_MS: u32 = 5_000;

/// Collects a snapshot over the session that `host` has open. Without a usable carry there is an in-call sample, and
/// nothing that it could have kept.
///
/// The console comes first: a session that has been in its state since before then still has the client that
/// the console names.
pub fn collect(
    host: &mut impl HostApi,
    action: Action,
    options: &Options,
    carry: Option<&str>,
) -> Result<Snapshot, Fault> {
    let carry = memory::read(carry);
    let access_path = Some(host.access_path()?).filter(|path| path != DIRECT);
    let notes = host.notes()?;
    let console = views::read(host);
    let mut batch = vec![statement(catalogue::SERVER)];
    let sampled = carry.is_none() && options.sample_ms > 0;
    if sampled {
        batch.extend([catalogue::COUNTERS, catalogue::STATEMENT_COUNTS, catalogue::SESSIONS].map(statement));
        let mut pause = statement(catalogue::PAUSE);
        pause.params = vec![Value::Float64(options.sample_ms as f64 / 1_000.0)];
        batch.push(pause);
    }
    batch.extend(
        [
            catalogue::ACTIVITY,
            catalogue::CLOCK,
            catalogue::LOCKS,
            catalogue::PREPARED,
            catalogue::TEMP_OBJECTS,
            catalogue::COUNTERS,
        ]
        .map(statement),
    );
    let counts_statements = carry.as_ref().is_none_or(Carry::counts_statements);
    if counts_statements {
        batch.push(statement(catalogue::STATEMENT_COUNTS));
    }
    batch.push(statement(catalogue::ROLES));
    let asks_settings = carry.as_ref().is_none_or(Carry::asks_settings);
    if asks_settings {
        batch.extend([catalogue::SETTINGS, catalogue::ROLE_SETTINGS].map(statement));
    }
    let mut answers = Answers::new(host.query(&batch)?, batch.len())?;

    let (started_at, server) = answers.needed(catalogue::SERVER)?.decode_one(decode::server)?;
    let sample = if sampled { Some(read_sample(&mut answers)?) } else { None };
    let mut backends = answers.needed(catalogue::ACTIVITY)?.decode(decode::backend)?;
    let taken_at = answers.needed(catalogue::CLOCK)?.decode_one(|row| row.required_timestamp("at"))?;
    let mut index = Index::new(&mut backends);
    answers.optional(catalogue::LOCKS, |rows| index.locks(rows))?;
    let prepared_transactions =
        answers.optional(catalogue::PREPARED, |rows| rows.decode(decode::prepared_transaction))?.unwrap_or_default();
    answers.optional(catalogue::TEMP_OBJECTS, |rows| index.temp_objects(rows))?;
    if !server.knows_wait_starts() {
        index.wait_since_the_statement_began();
    }
    let mut reading = read_counters(&mut answers, taken_at, counts_statements)?;
    add_running(&mut reading, &backends, &server.database);
    let roles = answers.optional(catalogue::ROLES, |rows| rows.decode(decode::role))?.unwrap_or_default();
    let (settings, role_settings) =
        if asks_settings { second_query::settings(&mut answers)? } else { Default::default() };
    let mut gaps = answers.gaps;
    let pooler = match console {
        Ok(Some(console)) => {
            attribution::attribute(&mut backends, &console);
            Some(console.pooler)
        }
        Ok(None) => {
            attribution::set_apart(&mut backends, access_path.as_deref());
            None
        }
        Err(fault) => {
            attribution::set_apart(&mut backends, access_path.as_deref());
            gaps.push(Gap { what: "pooler".to_owned(), reason: fault.message, sqlstate: fault.sqlstate });
            None
        }
    };
    application::note_families(&mut backends);
    let mut snapshot = Snapshot {
        taken_at,
        started_at,
        server,
        backends,
        roles,
        settings,
        role_settings,
        prepared_transactions,
        reading,
        sample,
        slow_statements: Vec::new(),
        probes: Vec::new(),
        pooler,
        gaps,
        access_path,
        notes,
    };
    let memory = Memory::of(carry, &snapshot);
    second_query::complete(host, &mut snapshot, &memory, options, (asks_settings, counts_statements))?;
    if action.probes() {
        probe(host, &mut snapshot)?;
    }
    Ok(snapshot)
}

fn read_sample(answers: &mut Answers) -> Result<Sample, Fault> {
    let reading = read_counters(answers, 0, true)?;
    let key = |row: &mut archon_pool_contract::rows::Row<'_>| SessionKey {
        pid: row.narrow("pid"),
        backend_start: row.timestamp("backend_start").unwrap_or_default(),
    };
    let sessions = answers.optional(catalogue::SESSIONS, |rows| rows.decode(key))?.unwrap_or_default();
    answers.optional(catalogue::PAUSE, |_| Ok(()))?;
    // An error here occurs again in the main part, where it is reported.
    answers.gaps.retain(|gap| gap.what == catalogue::PAUSE.id);
    Ok(Sample { reading, sessions })
}

fn read_counters(answers: &mut Answers, at: i64, counts_statements: bool) -> Result<Reading, Fault> {
    let mut reading =
        answers.optional(catalogue::COUNTERS, |rows| rows.decode_one(decode::reading))?.unwrap_or(Reading {
            at,
            stats_reset: None,
            transactions: None,
            sessions: None,
            abandoned: None,
            active_ms: None,
            backends: None,
            statements: None,
        });
    if counts_statements {
        reading.statements = second_query::statement_counts(answers)?;
    }
    Ok(reading)
}

/// The sessions by pid, for the statements on locks and waits of a pid. All statements of a batch run within
/// milliseconds of each other; a pid that is not in the list any more is skipped.
struct Index<'a> {
    backends: &'a mut [Backend],
    by_pid: Map<i32, usize>,
}

impl<'a> Index<'a> {
    fn new(backends: &'a mut [Backend]) -> Self {
        let by_pid = backends.iter().enumerate().map(|(at, backend)| (backend.pid, at)).collect();
        Self { backends, by_pid }
    }

    fn get(&mut self, pid: i32) -> Option<&mut Backend> {
        self.by_pid.get(&pid).map(|&at| &mut self.backends[at])
    }

    fn locks(&mut self, rows: RowSet) -> Result<(), Fault> {
        for lock in rows.decode(decode::lock)? {
            match lock {
                Lock::Held { pid, advisory, relations } => {
                    if let Some(backend) = self.get(pid) {
                        (backend.advisory_locks, backend.relation_locks) = (advisory, relations);
                    }
                }
                Lock::Awaited { pid, waits_for, waiting_since, blockers, prepared } => {
                    // A parallel query names its leader several times.
                    let mut seen = HashSet::new();
                    let blockers = blockers.split(',').filter_map(|pid| pid.parse().ok());
                    let blocked_by: Vec<i32> = blockers.filter(|pid| seen.insert(*pid)).collect();
                    if let Some(backend) = self.get(pid) {
                        backend.waits_for = waits_for;
                        backend.waiting_since = waiting_since;
                        backend.blocked_by = blocked_by;
                        backend.blocked_by_prepared = prepared.split(',').filter_map(|id| id.parse().ok()).collect();
                    }
                }
            }
        }
        Ok(())
    }

    /// The best that is known without `waitstart`: the wait began after the statement did.
    fn wait_since_the_statement_began(&mut self) {
        for backend in self.backends.iter_mut().filter(|backend| backend.waits_for.is_some()) {
            backend.waiting_since = backend.state_change;
        }
    }

    fn temp_objects(&mut self, rows: RowSet) -> Result<(), Fault> {
        for pid in rows.decode(|row| row.narrow("pid"))? {
            if let Some(backend) = self.get(pid) {
                backend.temp_objects = true;
            }
        }
        Ok(())
    }
}

/// Adds the time of what is still running to the time of what has ended: microseconds, with no digits that only the
/// addition made. Not every reader of JSON keeps those, and the carry comes back through one.
fn add_running(reading: &mut Reading, backends: &[Backend], database: &str) {
    let at = reading.at;
    let running = |backend: &Backend| {
        let counts =
            backend.is_client() && backend.database.as_deref() == Some(database) && backend.state() == State::Active;
        if counts { backend.state_age_ms(at).unwrap_or(0) } else { 0 }
    };
    let sum: u64 = backends.iter().map(running).sum();
    reading.active_ms = reading.active_ms.map(|ended| rounded(ended + sum as f64));
}

/// Measures fresh connections, unless that would take the last free slots from an application.
fn probe(host: &mut impl HostApi, snapshot: &mut Snapshot) -> Result<(), Fault> {
    let free = crate::activity::free_slots(snapshot);
    if free <= PROBES {
        let reason = format!("{free} connection slots are free: probing would take the last ones");
        snapshot.gaps.push(Gap { what: "probes".into(), reason, sqlstate: None });
        return Ok(());
    }
    let ms = |us: u64| Some(us as f64 / 1_000.0);
    snapshot.probes = host
        .probe(PROBES, PROBE_TIMEOUT_MS)?
        .into_iter()
        .map(|outcome| match outcome {
            Ok(ProbeTiming { connect_us, round_trip_us }) => {
                Probe { connect_ms: ms(connect_us), round_trip_ms: ms(round_trip_us), error: None, sqlstate: None }
            }
            Err(fault) => {
                Probe { connect_ms: None, round_trip_ms: None, error: Some(fault.message), sqlstate: fault.sqlstate }
            }
        })
        .collect();
    Ok(())
}

#[cfg(test)]
mod tests;
