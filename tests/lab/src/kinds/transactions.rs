//! Open transactions: forgotten ones, and those that continue.

use std::rc::Rc;

use crate::case_builder::CaseBuilder;
use crate::clients::contention::{Contention, Head};
use crate::clients::pool::{Event, Pool, Settings};
use crate::clients::traffic::Traffic;
use crate::clients::work::Fault;
use crate::time::seconds;

use super::pools::{random_options, start};

fn losing(builder: &mut CaseBuilder, fault: Fault, wanted: f64, snapshot: bool) {
    let size = builder.random.count(8, 30);
    let min = builder.random.count(0, size);
    let settings = random_options(builder, Settings::sized(min, size));
    let rate = builder.rate(0.05, 2.0);
    let mut paths = builder.paths();
    let weight = paths[0].weight / paths.iter().map(|path| path.weight).sum::<f64>();
    let probability = builder.probability(wanted, rate * weight, builder.begin);
    paths[0].work.transaction = true;
    paths[0].work.snapshot = snapshot;
    paths[0].fault = Some((fault, probability));
    let client = Rc::new(builder.client());
    let begin = builder.begin;
    builder.add(Pool::new(client, settings, Traffic::steady(rate), paths).event(begin, Event::Starts));
}

/// A transaction is left open after a call to another service.
pub fn after_call(builder: &mut CaseBuilder) {
    let wanted = builder.random.magnitude(1.0, 10.0);
    losing(builder, Fault::NotCommitted, wanted, false);
}

/// A statement fails and the transaction is never rolled back.
pub fn aborted(builder: &mut CaseBuilder) {
    let wanted = builder.random.magnitude(1.0, 8.0);
    losing(builder, Fault::NotRolledBack, wanted, false);
}

/// A report's transaction was forgotten, with its snapshot.
pub fn snapshot(builder: &mut CaseBuilder) {
    let wanted = builder.random.magnitude(1.0, 4.0);
    losing(builder, Fault::NotCommitted, wanted, true);
}

/// Transactions that wait for a call to another service, and continue before the threshold.
pub fn thinking(builder: &mut CaseBuilder) {
    let size = builder.random.count(3, 20);
    let settings = random_options(builder, Settings::sized(size, size));
    let client = Rc::new(builder.client());
    let traffic = builder.traffic(0.02, 0.5);
    let mut paths = builder.paths();
    for path in &mut paths {
        path.work = builder.work(true);
        path.work.pause_ms = builder.random.magnitude(500.0, 20_000.0);
        path.work.longest_pause_ms = 45_000.0;
    }
    let begin = builder.begin;
    builder.add(Pool::new(client, settings, traffic, paths).event(begin, Event::Starts));
}

fn queue(builder: &mut CaseBuilder, head: Head) {
    let client = Rc::new(builder.client());
    let from = if builder.random.chance(0.6) { builder.before(0.5, 1.0) } else { builder.during(0.0, 0.5) };
    let traffic = Traffic::steady(builder.rate(0.02, 0.5));
    let most = builder.random.count(4, 20);
    let patience = seconds(builder.random.magnitude(20.0, 600.0));
    builder.add(Contention::new(client, head, from, traffic, most, patience));
}

/// The head of a queue for a row lock was forgotten; waiting sessions are innocent.
pub fn chain(builder: &mut CaseBuilder) {
    queue(builder, Head::Forgotten);
}

/// A queue for a row lock that moves on.
pub fn contention(builder: &mut CaseBuilder) {
    let working = builder.random.between(2.0, 40.0);
    queue(builder, Head::Working(working));
}

/// Sessions that wait for a prepared transaction, beside a healthy pool.
pub fn prepared(builder: &mut CaseBuilder) {
    queue(builder, Head::Prepared);
    let settings = random_options(builder, Settings::sized(3, 8));
    let traffic = builder.traffic(0.01, 0.5);
    start(builder, settings, traffic);
}
