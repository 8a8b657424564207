//! Whole connections that are lost: opened and never closed.

use std::rc::Rc;

use crate::case_builder::CaseBuilder;
use crate::clients::functions::Functions;
use crate::clients::pool::{Event, Pool, Settings};
use crate::clients::requests::Requests;
use crate::clients::script::{Script, Step};
use crate::clients::traffic::Traffic;
use crate::sim::Client;
use crate::time::{SECOND, seconds};

use super::pools::{SET_UP, random_options};

fn from(builder: &mut CaseBuilder) -> i64 {
    if builder.random.chance(0.7) { builder.before(0.0, 0.9) } else { builder.during(0.0, 0.4) }
}

/// Requests that open `opens` sessions each; about `wanted` requests forget theirs.
fn losing(builder: &mut CaseBuilder, opens: usize, wanted: f64, most: f64, works: bool) {
    let client = Client { counts_checkouts: false, ..builder.client() };
    let forgets_from = from(builder);
    let rest = (builder.last - forgets_from) as f64 / SECOND as f64;
    let traffic = Traffic::steady(builder.rate(wanted / most / rest, 30.0 * wanted / rest));
    let forgets = builder.probability(wanted, traffic.rate, forgets_from);
    let paths = if works { builder.paths() } else { Vec::new() };
    let set_up = *builder.random.pick(SET_UP);
    builder.add(Requests { client: Rc::new(client), traffic, opens, set_up, paths, forgets, forgets_from });
}

/// Each request creates a pool and never closes it.
pub fn pool_per_request(builder: &mut CaseBuilder) {
    let opens = builder.random.count(1, 3);
    let wanted = builder.random.magnitude(4.0, 60.0 / opens as f64);
    losing(builder, opens, wanted, 1.0, true);
}

/// Some requests return before they close their session.
pub fn without_close(builder: &mut CaseBuilder) {
    let wanted = builder.random.magnitude(3.0, 40.0);
    losing(builder, 1, wanted, 0.3, true);
}

/// A client connects, runs nothing and loses the connection.
pub fn connect_only(builder: &mut CaseBuilder) {
    let wanted = builder.random.magnitude(5.0, 40.0);
    losing(builder, 1, wanted, 1.0, false);
}

/// A discarded instance leaves its session open.
pub fn serverless(builder: &mut CaseBuilder) {
    let client = Client { counts_checkouts: false, ..builder.client() };
    let addresses = if builder.random.chance(0.5) { 1 } else { builder.random.count(3, 12) };
    let clients = (0..addresses).map(|_| Rc::new(builder.elsewhere(&client))).collect();
    let mut traffic = builder.traffic(0.05, 0.8);
    for _ in 0..builder.random.count(2, 8) {
        let at = builder.begin + (builder.random.unit() * (builder.last - builder.begin) as f64) as i64;
        let factor = builder.random.between(5.0, 12.0) / traffic.rate.max(0.05);
        traffic = traffic.with_rate_factor(at, at + 20 * SECOND, factor);
    }
    let mut paths = builder.paths();
    for path in &mut paths {
        path.work.ms = path.work.ms * 10.0 + 100.0;
    }
    let thrown_after = seconds(builder.random.magnitude(200.0, 900.0));
    let stays = builder.random.between(0.4, 1.0);
    builder.add(Functions::new(clients, traffic, paths, thrown_after, stays));
}

/// Each run of a job leaves its session open.
pub fn cron(builder: &mut CaseBuilder) {
    let application = *builder.random.pick(&["sync", "export", "cleanup", "", "python"]);
    let client = builder.named("jobs", application);
    let every = *builder.random.pick(&[60.0, 120.0, 300.0, 600.0]);
    let last = (builder.lasts() / every) as usize;
    let skip = if builder.random.chance(0.5) { last.saturating_sub(40) as f64 * every } else { 0.0 };
    let work = builder.work(false);
    let mut steps = vec![Step::Pause(skip, skip + every), Step::Connect];
    for text in &work.statements {
        steps.push(Step::Run(text.clone(), 0.01, 2.0));
    }
    steps.extend([Step::Lose, Step::Pause(every * 0.98, every * 1.02), Step::Again(1)]);
    builder.add(Script::new(client, steps));
}

/// Threads end and leave their pools open, filled to the minimum.
pub fn pool_per_thread(builder: &mut CaseBuilder) {
    let client = Rc::new(Client { counts_checkouts: true, ..builder.client() });
    let size = builder.random.count(1, 4);
    let settings = random_options(builder, Settings::sized(size, size.max(2)));
    let threads = builder.random.count(2, 5);
    let rebirths = builder.random.count(1, 5);
    let traffic = Traffic::steady(builder.rate(0.05, 0.5)).shared(threads);
    let paths = builder.paths();
    for _ in 0..threads {
        let mut pool = Pool::new(Rc::clone(&client), settings.clone(), traffic.clone(), paths.clone());
        pool = pool.event(builder.begin, Event::Starts);
        for _ in 0..rebirths {
            let at = if builder.random.chance(0.7) { builder.before(0.1, 1.0) } else { builder.during(0.0, 0.8) };
            pool = pool.event(at, Event::LosesAll);
        }
        builder.add(pool);
    }
}

/// The application creates a new pool on an error and forgets the old one.
pub fn reconnect_storm(builder: &mut CaseBuilder) {
    let client = Rc::new(builder.client());
    let size = builder.random.count(4, 15);
    let settings = random_options(builder, Settings::sized(size, size));
    let traffic = builder.traffic(0.1, 2.0);
    let paths = builder.paths();
    let mut pool = Pool::new(client, settings, traffic, paths).event(builder.begin, Event::Starts);
    for _ in 0..builder.random.count(1, 4) {
        let at = if builder.random.chance(0.6) { builder.before(0.3, 1.0) } else { builder.during(0.0, 0.6) };
        pool = pool.event(at, Event::LosesAll);
    }
    builder.add(pool);
}

/// Jobs run one after another, each with a small pool; slow ones are paused and never resumed.
pub fn paused_jobs(builder: &mut CaseBuilder) {
    let client = Rc::new(builder.client());
    let size = builder.random.count(1, 4);
    let settings = random_options(builder, Settings::sized(size, size));
    let traffic = Traffic::steady(builder.random.between(0.05, 1.0));
    let paths = builder.paths();
    let mut jobs = Pool::new(client, settings, traffic, paths);
    let every = builder.lasts() / builder.random.between(4.0, 40.0);
    let takes_too_long = builder.random.between(0.1, 0.6);
    let mut at = builder.begin;
    while at < builder.last {
        let ends = at + seconds(every * builder.random.between(0.2, 0.8));
        let end = if builder.random.chance(takes_too_long) { Event::Crashes } else { Event::Stops };
        jobs = jobs.event(at, Event::Starts).event(ends, end);
        at += seconds(every);
    }
    builder.add(jobs);
}
