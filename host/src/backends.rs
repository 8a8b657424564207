//! The import `backends`: the only power to end a session.
//!
//! Nothing here trusts the component. For every order the *server* checks, in the statement that
//! signals, that the session is the one that was seen, is still in the same spell of the same state,
//! is a client of this database, is not ours and is not protected. Each order is a statement, and so
//! a transaction, of its own: `pg_stat_activity` is frozen within a transaction, and a signal is not
//! undone by a rollback. The host counts the cap itself and looks afterwards who has really left.
//!
//! One window stays open: between the server's look at the session and the arrival of the signal,
//! some microseconds, the session can begin to work. PostgreSQL has nothing that closes it.

mod caps;
mod guard;
mod record;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use archon_pool_contract::fault::{Fault, kind};
use tokio_postgres::types::{ToSql, Type};
use wasmtime::component::Resource;

use self::caps::{Account, Caps, counts};
pub(crate) use self::caps::{Ledger, Restraint};
use self::guard::{Spell, boolean, count, identity, number, why_not};
pub(crate) use self::guard::{column, unexpected};
pub(crate) use self::record::denied;
use self::record::{event, record, trace};
use crate::audit_sink::{Act, AuditContext, Event, Place};
use crate::bindings::backends::{self, Backend, Order, Outcome, Signal};
use crate::bindings::database::Value;
use crate::bindings::types;
use crate::consent;
use crate::door::Entrance;
use crate::guard_sql::{CLASSIFY, COUNT, STILL_THERE, TERMINATE, WOULD_TERMINATE};
use crate::limits::Limits;
use crate::policy::Policy;
use crate::state::{Patience, State};

impl backends::Host for State {
    async fn deliver(
        &mut self,
        on: Resource<Entrance>,
        mut orders: Vec<Order>,
        dry_run: bool,
    ) -> wasmtime::Result<Result<Vec<Outcome>, types::Fault>> {
        let _stopped = self.enter()?;
        let call = self.author.host_call("backends.deliver");
        let given = given(&orders);
        for order in &mut orders {
            // Each is on record more than once. No state of the server's is as long.
            cut(&mut order.state, 64);
            cut(&mut order.reason, 1_000);
        }
        let counted = self.count_orders(orders.len());
        let session = self.table.get(&on)?;
        let delivered = if let Err(fault) = counted {
            Err(fault)
        } else if let Err(reached) = self.allowance.request(given) {
            Err(reached.into())
        } else if orders.iter().any(|order| order.signal == Signal::Cancel) {
            Err(Fault::new(kind::NOT_APPROVED, "no action of the contract cancels statements"))
        } else if let (false, Some(refusal)) = (dry_run, &self.intent.refusal) {
            // Never a silent dry run: the component would report as done what was not.
            let outcomes: Vec<_> = orders.iter().map(|_| Outcome::Denied(refusal.clone())).collect();
            record(session, &self.author, &orders, &outcomes, &[], dry_run).await;
            Ok(outcomes)
        } else {
            let requested = self.intent.max_kill_percentage;
            let (author, signalled) = (&self.author, &self.signalled);
            let delivery = Delivery::new(session, author, &self.policy, &self.limits, requested, dry_run, signalled);
            delivery.under(&self.restraint).patient(self.intent.patience).run(&orders, &mut self.ledger).await
        };
        let about = |event: Event| session.on_record(event).with("orders", orders.len()).with("dry_run", dry_run);
        call.end(delivered.as_ref().err(), about).await;
        Ok(delivered.map_err(Into::into))
    }
}

/// How many bytes of text the component gives.
pub(crate) fn given(orders: &[Order]) -> usize {
    orders.iter().map(|order| order.state.len() + order.reason.len()).sum()
}

/// Cuts a text to so many bytes, or a few less where a letter would be halved.
pub(crate) fn cut(text: &mut String, bytes: usize) {
    text.truncate(text.floor_char_boundary(bytes));
}

/// One call of `deliver`.
pub(crate) struct Delivery<'a> {
    session: &'a Entrance,
    author: &'a AuditContext,
    roles: Vec<String>,
    applications: Vec<String>,
    caps: Caps,
    restraint: Restraint,
    patience: Patience,
    dry_run: bool,
    leave_timeout: Duration,
    signalled: &'a AtomicBool,
}

impl<'a> Delivery<'a> {
    /// `requested` is the request's own cap, percent; it can only lower the policy's.
    pub(crate) fn new(
        session: &'a Entrance,
        author: &'a AuditContext,
        policy: &Policy,
        limits: &Limits,
        requested: u32,
        dry_run: bool,
        signalled: &'a AtomicBool,
    ) -> Self {
        Self {
            session,
            author,
            roles: policy.role_patterns(),
            applications: policy.application_patterns(),
            caps: Caps::new(policy, requested),
            restraint: Restraint::default(),
            patience: Patience::default(),
            dry_run,
            leave_timeout: limits.leave_timeout,
            signalled,
        }
    }

    /// The same, for sessions that have been in their state for long enough.
    pub(crate) fn patient(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// The same, with what is shared with other calls.
    pub(crate) fn under(mut self, restraint: &Restraint) -> Self {
        self.restraint = restraint.clone();
        self
    }

    /// Delivers the orders and writes down what became of each.
    pub(crate) async fn run(&self, orders: &[Order], ledger: &mut Ledger) -> Result<Vec<Outcome>, Fault> {
        self.session.reset().await?;
        let Ledger { accounts, spent } = ledger;
        let account = self.open_account(accounts).await?;
        // A dry run counts as a real one would, and leaves no trace in the ledger.
        let (mut account_copy, mut spent_copy) = (*account, *spent);
        let (account, spent) = if self.dry_run { (&mut account_copy, &mut spent_copy) } else { (account, spent) };

        let mut outcomes: Vec<Outcome> = Vec::with_capacity(orders.len());
        let mut sendings: Vec<Option<u64>> = Vec::with_capacity(orders.len());
        let refusal = self.ask(orders, account, *spent).await.err();
        while outcomes.len() < orders.len() {
            let done = outcomes.len();
            let rest = &orders[done..];
            if account.clients == 0 {
                // Nothing to count: the orders are for sessions that are gone, elsewhere or hidden.
                for order in rest {
                    outcomes.push(self.classify(&self.spell(order)).await);
                }
            } else if let Some(refusal) = &refusal {
                outcomes.extend(rest.iter().map(|_| Outcome::Denied(refusal.clone())));
            } else {
                // No more at once than the caps have left. Orders that turn out not to count free their
                // place for the next round.
                let announced = match self.caps.room(account, *spent) {
                    Ok(room) => self.announce(&rest[..rest.len().min(room)]).await,
                    Err(refusal) => Err(Outcome::Denied(refusal)),
                };
                match announced {
                    Ok(announced) => {
                        let sent = self.send(&rest[..announced.len()]).await;
                        let counted = sent.iter().filter(|outcome| counts(outcome)).count();
                        account.spent += counted as u64;
                        *spent += counted as u64;
                        if !self.dry_run {
                            self.restraint.hourly.give_back(&self.place(), sent.len() - counted);
                        }
                        outcomes.extend(sent);
                        sendings.extend(announced);
                    }
                    Err(outcome) => outcomes.extend(rest.iter().map(|_| outcome.clone())),
                }
            }
            self.settle(orders, &outcomes, &sendings, done, |outcome| !self.is_open(outcome)).await;
        }
        if !self.dry_run {
            let open: Vec<bool> = outcomes.iter().map(|outcome| self.is_open(outcome)).collect();
            self.verify(orders, &mut outcomes).await;
            let mut open = open.into_iter();
            self.settle(orders, &outcomes, &sendings, 0, |_| open.next() == Some(true)).await;
        }
        Ok(outcomes)
    }

    /// Whether it is still to be seen that a session has left.
    fn is_open(&self, outcome: &Outcome) -> bool {
        !self.dry_run && matches!(outcome, Outcome::Signalled)
    }

    /// Puts on record what became of some of the orders from `from` on.
    async fn settle(
        &self,
        orders: &[Order],
        outcomes: &[Outcome],
        sendings: &[Option<u64>],
        from: usize,
        mut is_settled: impl FnMut(&Outcome) -> bool,
    ) {
        let settled: Vec<usize> = (from..outcomes.len()).filter(|&index| is_settled(&outcomes[index])).collect();
        let sending: Vec<_> = settled.iter().map(|&index| sendings.get(index).copied().flatten()).collect();
        let (orders, outcomes): (Vec<_>, Vec<_>) =
            settled.into_iter().map(|index| (orders[index].clone(), outcomes[index].clone())).unzip();
        record(self.session, self.author, &orders, &outcomes, &sending, self.dry_run).await;
    }

    /// Asks whoever is to be asked, once, for all that could be sent.
    async fn ask(&self, orders: &[Order], account: &Account, spent: u64) -> Result<(), String> {
        if self.restraint.consent.is_none() || self.dry_run || account.clients == 0 {
            return Ok(());
        }
        let left = self.restraint.hourly.left(&self.place(), self.caps.max_kills_per_hour, Instant::now());
        let at_most = self.caps.room(account, spent).unwrap_or(0).min(left).min(orders.len());
        if at_most == 0 {
            // The caps say no, and say why.
            return Ok(());
        }
        let act = consent::Act::End { orders: orders.iter().map(Into::into).collect(), at_most };
        let asked = || self.session.on_record(self.author.event("consent")).with("orders", orders.len());
        self.restraint.ask(self.author, self.session.target(), self.session.user(), act, asked).await
    }

    /// Puts orders on record before they are sent: as many of the first as the hour has room for, at least
    /// one. If none, what becomes of them.
    async fn announce(&self, orders: &[Order]) -> Result<Vec<Option<u64>>, Outcome> {
        let (place, most, hourly) = (self.place(), self.caps.max_kills_per_hour, &self.restraint.hourly);
        if self.dry_run {
            let left = self.author.left(&place, most).await.map_err(|fault| Outcome::Failed(fault.into()))?;
            let left = left.min(hourly.left(&place, most, Instant::now()));
            return if left == 0 { Err(self.caps.over_hour()) } else { Ok(vec![None; orders.len().min(left)]) };
        }
        let granted = hourly.take(&place, orders.len(), most, Instant::now());
        let orders = &orders[..granted];
        if orders.is_empty() {
            return Err(self.caps.over_hour());
        }
        let events = orders.iter().map(|order| event(self.session, self.author, order, false, "sending", ""));
        let announced = match self.author.announce(&place, most, events).await {
            Ok(announced) => announced,
            Err(fault) => {
                hourly.give_back(&place, granted);
                return Err(Outcome::Failed(fault.into()));
            }
        };
        hourly.give_back(&place, granted - announced.len());
        if announced.is_empty() {
            return Err(self.caps.over_hour());
        }
        self.signalled.store(true, Ordering::SeqCst);
        // Before and not only after: if this call is dropped while it waits, the act has a record.
        for order in &orders[..announced.len()] {
            trace(self.session, self.author, order, false, "sending", "");
        }
        Ok(announced)
    }

    fn place(&self) -> Place {
        let target = self.session.target();
        Place::new(Act::Order, target.to_string(), &target.database)
    }

    async fn open_account<'l>(&self, accounts: &'l mut HashMap<(i64, i64), Account>) -> Result<&'l mut Account, Fault> {
        let params = vec![(&self.roles as _, Type::TEXT_ARRAY), (&self.applications as _, Type::TEXT_ARRAY)];
        let answer = self.session.own(COUNT, [params]).await.pop();
        let rows = answer.unwrap_or_else(|| Ok(Vec::new()))?;
        let row = rows.first().ok_or_else(|| unexpected("a count returned no row"))?;
        let database = (number(row, 0)?, number(row, 1)?);
        let (killable, clients) = (count(row, 2)?, count(row, 3)?);
        Ok(match accounts.entry(database) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Account::open(&self.caps, killable, clients)),
        })
    }

    /// Sends the orders in one round trip, each guarded and in its own transaction.
    async fn send(&self, orders: &[Order]) -> Vec<Outcome> {
        let sql = if self.dry_run { WOULD_TERMINATE } else { TERMINATE };
        let spells: Vec<Spell> = orders.iter().map(|order| self.spell(order)).collect();
        let params: Vec<_> = spells.iter().map(|spell| self.params(spell)).collect();
        let answers = self.session.own(sql, params).await;
        let mut outcomes = Vec::with_capacity(orders.len());
        for (answer, spell) in answers.into_iter().zip(&spells) {
            outcomes.push(self.outcome(answer, spell).await);
        }
        outcomes
    }

    async fn outcome(&self, answer: Result<Vec<Vec<Value>>, Fault>, spell: &Spell) -> Outcome {
        match answer {
            Ok(rows) => match rows.first().map(|row| boolean(row, 0)) {
                Some(Ok(true)) => Outcome::Signalled,
                // The process ended between the look and the signal.
                Some(Ok(false)) => Outcome::Gone,
                Some(Err(fault)) => Outcome::Failed(fault.into()),
                None => self.classify(spell).await,
            },
            Err(fault) if fault.kind == kind::INSUFFICIENT_PRIVILEGE => Outcome::Denied(format!(
                "{}: grant pg_signal_backend to role '{}'; a superuser's session takes a superuser",
                fault.message,
                self.session.user()
            )),
            Err(fault) if !self.dry_run && is_unsure(&fault) => Outcome::Failed(unverified(&fault).into()),
            Err(fault) => Outcome::Failed(fault.into()),
        }
    }

    async fn classify(&self, spell: &Spell) -> Outcome {
        let rows = match self.session.own(CLASSIFY, [self.params(spell)]).await.pop() {
            Some(Ok(rows)) => rows,
            Some(Err(fault)) => return Outcome::Failed(fault.into()),
            None => Vec::new(),
        };
        let Some(row) = rows.first() else { return Outcome::Gone };
        why_not(row).unwrap_or_else(|fault| Outcome::Failed(fault.into()))
    }

    fn params<'s>(&'s self, spell: &'s Spell) -> Vec<(&'s (dyn ToSql + Sync), Type)> {
        vec![
            (&spell.pid, Type::INT4),
            (&spell.backend_start, Type::TIMESTAMPTZ),
            (&spell.state, Type::TEXT),
            (&spell.state_change, Type::TIMESTAMPTZ),
            (&self.roles, Type::TEXT_ARRAY),
            (&self.applications, Type::TEXT_ARRAY),
            (&spell.least_age_ms, Type::FLOAT8),
        ]
    }

    fn spell(&self, order: &Order) -> Spell {
        Spell::of(order, self.patience)
    }

    /// Waits for the terminated sessions to leave, and marks those that do not.
    async fn verify(&self, orders: &[Order], outcomes: &mut [Outcome]) {
        let started = Instant::now();
        let (mut pause, longest) = self.session.pauses();
        loop {
            let waiting: Vec<usize> =
                (0..orders.len()).filter(|&index| matches!(outcomes[index], Outcome::Signalled)).collect();
            let pids: Vec<i32> = waiting.iter().map(|&index| orders[index].target.pid).collect();
            if pids.is_empty() {
                return;
            }
            let there = match self.session.own(STILL_THERE, [vec![(&pids as _, Type::INT4_ARRAY)]]).await.pop() {
                Some(Ok(rows)) => rows.iter().filter_map(|row| identity(row)).collect::<Vec<_>>(),
                // Sent is sent; that nobody could look is all that can be said.
                Some(Err(fault)) => {
                    for index in waiting {
                        outcomes[index] = Outcome::Failed(unverified(&fault).into());
                    }
                    return;
                }
                None => return,
            };
            let still = |index: &usize| {
                let Backend { pid, backend_start } = orders[*index].target;
                there.contains(&(pid, backend_start))
            };
            let survivors: Vec<usize> = waiting.into_iter().filter(still).collect();
            if survivors.is_empty() {
                return;
            }
            if started.elapsed() >= self.leave_timeout {
                for index in survivors {
                    outcomes[index] = Outcome::Survived;
                }
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }
}

/// Whether a statement that failed so may have been carried out.
fn is_unsure(fault: &Fault) -> bool {
    matches!(fault.kind.as_str(), kind::CONNECTION_LOST | kind::QUERY_CANCELED)
}

fn unverified(fault: &Fault) -> Fault {
    let message =
        format!("the signal may have been sent, but whether the session left is not known: {}", fault.message);
    // Whoever repeats it may hit the next session under this pid.
    Fault { message, retryable: false, ..fault.clone() }
}
