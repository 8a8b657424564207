//! Open transactions: forgotten ones, and those that continue.

use std::rc::Rc;

use crate::clients::contention::{Contention, Head};
use crate::clients::pool::{Event, Pool, Settings};
use crate::clients::traffic::Traffic;
use crate::clients::work::Fault;
use crate::scene::Scene;
use crate::time::seconds;

use super::pools::{habits, start};

fn losing(scene: &mut Scene, fault: Fault, wanted: f64, snapshot: bool) {
    let size = scene.random.count(8, 30);
    let min = scene.random.count(0, size);
    let settings = habits(scene, Settings::sized(min, size));
    let rate = scene.rate(0.05, 2.0);
    let mut paths = scene.paths();
    let weight = paths[0].weight / paths.iter().map(|path| path.weight).sum::<f64>();
    let probability = scene.probability(wanted, rate * weight, scene.begin);
    paths[0].work.transaction = true;
    paths[0].work.snapshot = snapshot;
    paths[0].fault = Some((fault, probability));
    let client = Rc::new(scene.client());
    let begin = scene.begin;
    scene.add(Pool::new(client, settings, Traffic::steady(rate), paths).event(begin, Event::Starts));
}

/// A transaction is left open after a call to another service.
pub fn after_call(scene: &mut Scene) {
    let wanted = scene.random.magnitude(1.0, 10.0);
    losing(scene, Fault::NotCommitted, wanted, false);
}

/// A statement fails and the transaction is never rolled back.
pub fn aborted(scene: &mut Scene) {
    let wanted = scene.random.magnitude(1.0, 8.0);
    losing(scene, Fault::NotRolledBack, wanted, false);
}

/// A report's transaction was forgotten, with its snapshot.
pub fn snapshot(scene: &mut Scene) {
    let wanted = scene.random.magnitude(1.0, 4.0);
    losing(scene, Fault::NotCommitted, wanted, true);
}

/// Transactions that wait for a call to another service, and continue before the threshold.
pub fn thinking(scene: &mut Scene) {
    let size = scene.random.count(3, 20);
    let settings = habits(scene, Settings::sized(size, size));
    let client = Rc::new(scene.client());
    let traffic = scene.traffic(0.02, 0.5);
    let mut paths = scene.paths();
    for path in &mut paths {
        path.work = scene.work(true);
        path.work.pause_ms = scene.random.magnitude(500.0, 20_000.0);
        path.work.longest_pause_ms = 45_000.0;
    }
    let begin = scene.begin;
    scene.add(Pool::new(client, settings, traffic, paths).event(begin, Event::Starts));
}

fn queue(scene: &mut Scene, head: Head) {
    let client = Rc::new(scene.client());
    let from = if scene.random.chance(0.6) { scene.before(0.5, 1.0) } else { scene.during(0.0, 0.5) };
    let traffic = Traffic::steady(scene.rate(0.02, 0.5));
    let most = scene.random.count(4, 20);
    let patience = seconds(scene.random.magnitude(20.0, 600.0));
    scene.add(Contention::new(client, head, from, traffic, most, patience));
}

/// The head of a queue for a row lock was forgotten; waiting sessions are innocent.
pub fn chain(scene: &mut Scene) {
    queue(scene, Head::Forgotten);
}

/// A queue for a row lock that moves on.
pub fn contention(scene: &mut Scene) {
    let working = scene.random.between(2.0, 40.0);
    queue(scene, Head::Working(working));
}

/// Sessions that wait for a prepared transaction, beside a healthy pool.
pub fn prepared(scene: &mut Scene) {
    queue(scene, Head::Prepared);
    let settings = habits(scene, Settings::sized(3, 8));
    let traffic = scene.traffic(0.01, 0.5);
    start(scene, settings, traffic);
}
