//! Termination of sessions, with the checks that the server makes for each order.
//!
//! The component is not trusted. For every order the *server* checks, in the statement that signals, that the session
//! is the one that was reported, has been in the same state since, is a client of this database, is not the host's own
//! and is not protected. Each order is a statement, and so a transaction, of its own: `pg_stat_activity` is frozen
//! within a transaction, and a signal is not undone by a rollback. The host counts the cap itself and checks afterwards
//! which sessions have ended.
//!
//! One race remains: between the server's check and the arrival of the signal, some microseconds, the session can begin
//! to work. PostgreSQL has no means to prevent it.

mod caps;
mod guard;
mod record;
mod thresholds;

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::snapshot::SessionKey;
use archon_pool_contract::value::Value;

use self::caps::{Account, Caps, counts};
pub(crate) use self::caps::{KillCounter, SharedCaps};
use self::guard::{boolean, count, expected_state, identity, number, why_not};
pub(crate) use self::record::{denied, record};
use self::record::{event, trace};
pub(crate) use self::thresholds::IdleThresholds;
use crate::audit_sink::{Act, AuditContext, Place};
use crate::bindings::Session;
use crate::bindings::backends::{Backend, Order, Outcome};
use crate::budget::{Reservation, Reserved};
use crate::consent;
use crate::guard_sql::{CLASSIFY, COUNT, STILL_THERE, TERMINATE, WOULD_TERMINATE};
use crate::limits::Limits;
use crate::parameter::Parameter;
use crate::policy::Policy;
use crate::record::session as session_in;

/// Refusal of an order for a session that the request does not select.
const NOT_SELECTED: &str = "it is not among the sessions that the request selects: options.only";

/// One call of `deliver`.
pub(crate) struct Delivery<'a> {
    session: &'a dyn Session,
    author: &'a AuditContext,
    roles: Vec<String>,
    applications: Vec<String>,
    only: Option<Arc<BTreeSet<SessionKey>>>,
    caps: Caps,
    shared_caps: SharedCaps,
    thresholds: IdleThresholds,
    dry_run: bool,
    leave_timeout: Duration,
    signalled: &'a AtomicBool,
}

impl<'a> Delivery<'a> {
    /// Creates a delivery. `requested` is the request's own cap in percent; it can only lower the policy's.
    pub(crate) fn new(
        session: &'a dyn Session,
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
            only: None,
            caps: Caps::new(policy, requested),
            shared_caps: SharedCaps::default(),
            thresholds: IdleThresholds::default(),
            dry_run,
            leave_timeout: limits.leave_timeout,
            signalled,
        }
    }

    /// Restricts the delivery to sessions that have been in their state for at least the thresholds.
    pub(crate) fn patient(mut self, thresholds: IdleThresholds) -> Self {
        self.thresholds = thresholds;
        self
    }

    /// Restricts the delivery to the sessions that the request selects, if it does.
    pub(crate) fn only(mut self, only: Option<Arc<BTreeSet<SessionKey>>>) -> Self {
        self.only = only;
        self
    }

    /// Sets the caps that are shared with other calls.
    pub(crate) fn under(mut self, shared_caps: &SharedCaps) -> Self {
        self.shared_caps = shared_caps.clone();
        self
    }

    /// Delivers the orders and records the outcome of each. Where the request selects sessions, orders for others are
    /// refused before anything is counted or asked.
    pub(crate) async fn run(&self, orders: &[Order], kills: &mut KillCounter) -> Result<Vec<Outcome>, Fault> {
        let Some(only) = &self.only else { return self.deliver(orders, kills).await };
        let is_selected = |order: &Order| {
            let Backend { pid, backend_start } = order.target;
            only.contains(&SessionKey { pid, backend_start })
        };
        let (selected, others): (Vec<Order>, Vec<Order>) = orders.iter().cloned().partition(is_selected);
        let refused = vec![Outcome::Denied(NOT_SELECTED.to_owned()); others.len()];
        record(self.session, self.author, &others, &refused, &[], self.dry_run).await;
        let mut delivered = self.deliver(&selected, kills).await?.into_iter();
        let mut refused = refused.into_iter();
        Ok(orders.iter().filter_map(|it| if is_selected(it) { delivered.next() } else { refused.next() }).collect())
    }

    async fn deliver(&self, orders: &[Order], kills: &mut KillCounter) -> Result<Vec<Outcome>, Fault> {
        self.session.reset().await?;
        let KillCounter { accounts, spent } = kills;
        let account = self.open_account(accounts).await?;
        // A dry run counts as a real one would, and leaves no trace in the kills.
        let (mut account_copy, mut spent_copy) = (*account, *spent);
        let (account, spent) = if self.dry_run { (&mut account_copy, &mut spent_copy) } else { (account, spent) };

        let mut outcomes: Vec<Outcome> = Vec::with_capacity(orders.len());
        let mut sendings: Vec<Option<u64>> = Vec::with_capacity(orders.len());
        let refusal = self.ask(orders, account, *spent).await.err();
        while outcomes.len() < orders.len() {
            let done = outcomes.len();
            let rest = &orders[done..];
            if account.clients == 0 {
                // Nothing to count: the sessions are gone, in another database or hidden.
                for order in rest {
                    outcomes.push(self.classify(order).await);
                }
            } else if let Some(refusal) = &refusal {
                outcomes.extend(rest.iter().map(|_| Outcome::Denied(refusal.clone())));
            } else {
                // No more at once than the caps leave. Orders that turn out not to count free their place for the next
                // round.
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
                            self.shared_caps.hourly.give_back(&self.place(), sent.len() - counted).await;
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

    /// Returns true if the session's end must still be verified.
    fn is_open(&self, outcome: &Outcome) -> bool {
        !self.dry_run && matches!(outcome, Outcome::Signalled)
    }

    /// Records the outcomes of some of the orders, from `from` on.
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

    /// Requests consent, once for all orders that could be sent; the error is the reason against it.
    async fn ask(&self, orders: &[Order], account: &Account, spent: u64) -> Result<(), String> {
        if self.shared_caps.consent.is_none() || self.dry_run || account.clients == 0 {
            return Ok(());
        }
        let left = self.shared_caps.hourly.left(&self.place(), self.caps.max_kills_per_hour, Instant::now()).await;
        let at_most = self.caps.room(account, spent).unwrap_or(0).min(left).min(orders.len());
        if at_most == 0 {
            // `run` reports the refusal of the caps.
            return Ok(());
        }
        let act = consent::Act::End { orders: orders.iter().map(Into::into).collect(), at_most };
        let asked = || session_in(self.author.event("consent"), self.session).with("orders", orders.len());
        self.shared_caps.ask(self.author, self.session.login(), self.session.role(), act, asked).await
    }

    /// Records orders before they are sent: the first ones, up to the cap per hour, at least one. If none is left, the
    /// error is the outcome of all.
    async fn announce(&self, orders: &[Order]) -> Result<Vec<Option<u64>>, Outcome> {
        let (place, most, hourly) = (self.place(), self.caps.max_kills_per_hour, &self.shared_caps.hourly);
        if self.dry_run {
            let left = self.author.left(&place, most).await.map_err(|fault| Outcome::Failed(fault.into()))?;
            let left = left.min(hourly.left(&place, most, Instant::now()).await);
            return if left == 0 { Err(self.caps.over_hour()) } else { Ok(vec![None; orders.len().min(left)]) };
        }
        let granted = hourly.take(&place, orders.len(), most, Instant::now()).await;
        if granted == 0 {
            return Err(self.caps.over_hour());
        }
        let reserved = self.reserve(&orders[..granted]).await;
        hourly.give_back(&place, granted - reserved.as_ref().copied().unwrap_or(0)).await;
        let granted = reserved.map_err(Outcome::Denied)?;
        let orders = &orders[..granted];
        let events = orders.iter().map(|order| event(self.session, self.author, order, false, "sending", ""));
        let announced = match self.author.announce(&place, most, events).await {
            Ok(announced) => announced,
            Err(fault) => {
                hourly.give_back(&place, granted).await;
                return Err(Outcome::Failed(fault.into()));
            }
        };
        hourly.give_back(&place, granted - announced.len()).await;
        if announced.is_empty() {
            return Err(self.caps.over_hour());
        }
        self.signalled.store(true, Ordering::SeqCst);
        // Traced before sending as well: if this call is dropped while it waits, the order has a record.
        for order in &orders[..announced.len()] {
            trace(self.session, self.author, order, false, "sending", "");
        }
        Ok(announced)
    }

    /// Takes places of the budget that other hosts share: for the first orders, at least one. The error is the reason
    /// against all.
    async fn reserve(&self, orders: &[Order]) -> Result<usize, String> {
        let Some(budget) = &self.shared_caps.budget else { return Ok(orders.len()) };
        let login = self.session.login();
        let reservation = Reservation {
            server: login.server,
            database: login.database,
            tenant: self.author.tenant.as_deref().map(str::to_owned),
            orders: orders.iter().map(Into::into).collect(),
        };
        let Reserved { granted, refusal } = budget.reserve(reservation).await;
        if granted == 0 { Err(refusal) } else { Ok(granted.min(orders.len())) }
    }

    fn place(&self) -> Place {
        let login = self.session.login();
        Place::new(Act::Order, login.server, &login.database)
    }

    async fn open_account<'l>(&self, accounts: &'l mut HashMap<(i64, i64), Account>) -> Result<&'l mut Account, Fault> {
        let params = [&self.roles, &self.applications].map(|names| Parameter::TextArray(names.clone())).to_vec();
        let answer = self.session.own(COUNT, vec![params]).await.pop();
        let rows = answer.unwrap_or_else(|| Ok(Vec::new()))?;
        let row = rows.first().ok_or_else(|| Fault::unexpected("a count returned no row"))?;
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
        let params = orders.iter().map(|order| self.params(order)).collect();
        let answers = self.session.own(sql, params).await;
        let mut outcomes = Vec::with_capacity(orders.len());
        for (answer, order) in answers.into_iter().zip(orders) {
            outcomes.push(self.outcome(answer, order).await);
        }
        outcomes
    }

    async fn outcome(&self, answer: Result<Vec<Vec<Value>>, Fault>, order: &Order) -> Outcome {
        match answer {
            Ok(rows) => match rows.first().map(|row| boolean(row, 0)) {
                Some(Ok(true)) => Outcome::Signalled,
                // The process ended between the check and the signal.
                Some(Ok(false)) => Outcome::Gone,
                Some(Err(fault)) => Outcome::Failed(fault.into()),
                None => self.classify(order).await,
            },
            Err(fault) if fault.kind == kind::INSUFFICIENT_PRIVILEGE => Outcome::Denied(format!(
                "{}: grant pg_signal_backend to role '{}'; a superuser's session takes a superuser",
                fault.message,
                self.session.role()
            )),
            Err(fault) if !self.dry_run && is_unsure(&fault) => Outcome::Failed(unverified(&fault).into()),
            Err(fault) => Outcome::Failed(fault.into()),
        }
    }

    async fn classify(&self, order: &Order) -> Outcome {
        let rows = match self.session.own(CLASSIFY, vec![self.params(order)]).await.pop() {
            Some(Ok(rows)) => rows,
            Some(Err(fault)) => return Outcome::Failed(fault.into()),
            None => Vec::new(),
        };
        let Some(row) = rows.first() else { return Outcome::Gone };
        why_not(row).unwrap_or_else(|fault| Outcome::Failed(fault.into()))
    }

    fn params(&self, order: &Order) -> Vec<Parameter> {
        expected_state(order, &self.roles, &self.applications, self.thresholds)
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
            let there = match self.session.own(STILL_THERE, vec![vec![Parameter::Int4Array(pids)]]).await.pop() {
                Some(Ok(rows)) => rows.iter().filter_map(|row| identity(row)).collect::<Vec<_>>(),
                // The signal was sent; verification failed.
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

/// Returns true if a statement that failed with this fault may have been carried out.
fn is_unsure(fault: &Fault) -> bool {
    matches!(fault.kind.as_str(), kind::CONNECTION_LOST | kind::QUERY_CANCELED)
}

fn unverified(fault: &Fault) -> Fault {
    let message =
        format!("the signal may have been sent, but whether the session left is not known: {}", fault.message);
    // A repeated call may end the next session that gets this pid.
    Fault { message, retryable: false, ..fault.clone() }
}
