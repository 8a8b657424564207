//! Whole connections that are lost: opened and never closed.

use std::rc::Rc;

use crate::clients::functions::Functions;
use crate::clients::pool::{Event, Pool, Settings};
use crate::clients::requests::Requests;
use crate::clients::script::{Script, Step};
use crate::clients::traffic::Traffic;
use crate::scene::Scene;
use crate::sim::Client;
use crate::time::{SECOND, seconds};

use super::pools::{SET_UP, habits};

fn from(scene: &mut Scene) -> i64 {
    if scene.random.chance(0.7) { scene.before(0.0, 0.9) } else { scene.during(0.0, 0.4) }
}

/// Requests that open `opens` sessions each; about `wanted` requests forget theirs.
fn losing(scene: &mut Scene, opens: usize, wanted: f64, most: f64, works: bool) {
    let client = Client { counts_checkouts: false, ..scene.client() };
    let forgets_from = from(scene);
    let rest = (scene.last - forgets_from) as f64 / SECOND as f64;
    let traffic = Traffic::steady(scene.rate(wanted / most / rest, 30.0 * wanted / rest));
    let forgets = scene.probability(wanted, traffic.rate, forgets_from);
    let paths = if works { scene.paths() } else { Vec::new() };
    let set_up = *scene.random.pick(SET_UP);
    scene.add(Requests { client: Rc::new(client), traffic, opens, set_up, paths, forgets, forgets_from });
}

/// Each request creates a pool and never closes it.
pub fn pool_per_request(scene: &mut Scene) {
    let opens = scene.random.count(1, 3);
    let wanted = scene.random.magnitude(4.0, 60.0 / opens as f64);
    losing(scene, opens, wanted, 1.0, true);
}

/// Some requests return before they close their session.
pub fn without_close(scene: &mut Scene) {
    let wanted = scene.random.magnitude(3.0, 40.0);
    losing(scene, 1, wanted, 0.3, true);
}

/// A client connects, runs nothing and loses the connection.
pub fn connect_only(scene: &mut Scene) {
    let wanted = scene.random.magnitude(5.0, 40.0);
    losing(scene, 1, wanted, 1.0, false);
}

/// A discarded instance leaves its session open.
pub fn serverless(scene: &mut Scene) {
    let client = Client { counts_checkouts: false, ..scene.client() };
    let addresses = if scene.random.chance(0.5) { 1 } else { scene.random.count(3, 12) };
    let clients = (0..addresses).map(|_| Rc::new(scene.elsewhere(&client))).collect();
    let mut traffic = scene.traffic(0.05, 0.8);
    for _ in 0..scene.random.count(2, 8) {
        let at = scene.begin + (scene.random.unit() * (scene.last - scene.begin) as f64) as i64;
        let factor = scene.random.between(5.0, 12.0) / traffic.rate.max(0.05);
        traffic = traffic.spell(at, at + 20 * SECOND, factor);
    }
    let mut paths = scene.paths();
    for path in &mut paths {
        path.work.ms = path.work.ms * 10.0 + 100.0;
    }
    let thrown_after = seconds(scene.random.magnitude(200.0, 900.0));
    let stays = scene.random.between(0.4, 1.0);
    scene.add(Functions::new(clients, traffic, paths, thrown_after, stays));
}

/// Each run of a job leaves its session open.
pub fn cron(scene: &mut Scene) {
    let application = *scene.random.pick(&["sync", "export", "cleanup", "", "python"]);
    let client = scene.named("jobs", application);
    let every = *scene.random.pick(&[60.0, 120.0, 300.0, 600.0]);
    let last = (scene.lasts() / every) as usize;
    let skip = if scene.random.chance(0.5) { last.saturating_sub(40) as f64 * every } else { 0.0 };
    let work = scene.work(false);
    let mut steps = vec![Step::Pause(skip, skip + every), Step::Connect];
    for text in &work.statements {
        steps.push(Step::Run(text.clone(), 0.01, 2.0));
    }
    steps.extend([Step::Lose, Step::Pause(every * 0.98, every * 1.02), Step::Again(1)]);
    scene.add(Script::new(client, steps));
}

/// Threads end and leave their pools open, filled to the minimum.
pub fn pool_per_thread(scene: &mut Scene) {
    let client = Rc::new(Client { counts_checkouts: true, ..scene.client() });
    let size = scene.random.count(1, 4);
    let settings = habits(scene, Settings::sized(size, size.max(2)));
    let threads = scene.random.count(2, 5);
    let rebirths = scene.random.count(1, 5);
    let traffic = Traffic::steady(scene.rate(0.05, 0.5)).shared(threads);
    let paths = scene.paths();
    for _ in 0..threads {
        let mut pool = Pool::new(Rc::clone(&client), settings.clone(), traffic.clone(), paths.clone());
        pool = pool.event(scene.begin, Event::Starts);
        for _ in 0..rebirths {
            let at = if scene.random.chance(0.7) { scene.before(0.1, 1.0) } else { scene.during(0.0, 0.8) };
            pool = pool.event(at, Event::LosesAll);
        }
        scene.add(pool);
    }
}

/// The application creates a new pool on an error and forgets the old one.
pub fn storm(scene: &mut Scene) {
    let client = Rc::new(scene.client());
    let size = scene.random.count(4, 15);
    let settings = habits(scene, Settings::sized(size, size));
    let traffic = scene.traffic(0.1, 2.0);
    let paths = scene.paths();
    let mut pool = Pool::new(client, settings, traffic, paths).event(scene.begin, Event::Starts);
    for _ in 0..scene.random.count(1, 4) {
        let at = if scene.random.chance(0.6) { scene.before(0.3, 1.0) } else { scene.during(0.0, 0.6) };
        pool = pool.event(at, Event::LosesAll);
    }
    scene.add(pool);
}

/// Jobs run one after another, each with a small pool; slow ones are paused and never resumed.
pub fn paused_jobs(scene: &mut Scene) {
    let client = Rc::new(scene.client());
    let size = scene.random.count(1, 4);
    let settings = habits(scene, Settings::sized(size, size));
    let traffic = Traffic::steady(scene.random.between(0.05, 1.0));
    let paths = scene.paths();
    let mut jobs = Pool::new(client, settings, traffic, paths);
    let every = scene.lasts() / scene.random.between(4.0, 40.0);
    let takes_too_long = scene.random.between(0.1, 0.6);
    let mut at = scene.begin;
    while at < scene.last {
        let ends = at + seconds(every * scene.random.between(0.2, 0.8));
        let end = if scene.random.chance(takes_too_long) { Event::Dies } else { Event::Stops };
        jobs = jobs.event(at, Event::Starts).event(ends, end);
        at += seconds(every);
    }
    scene.add(jobs);
}
