//! Healthy pools, and healthy applications without one.

use std::rc::Rc;

use crate::clients::pool::{Event, Order, Pool, Settings};
use crate::clients::requests::Requests;
use crate::clients::traffic::Traffic;
use crate::scene::Scene;
use crate::time::{MINUTE, SECOND, seconds};

/// Statements that drivers send after connecting.
pub const SET_UP: &[&[&str]] = &[
    &[],
    &[],
    &["SET extra_float_digits = 3", "SET application_name = 'PostgreSQL JDBC Driver'"],
    &["SET client_encoding TO 'UTF8'"],
    &["SELECT pg_catalog.version()", "SHOW standard_conforming_strings"],
    &["SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE"],
    &["SELECT typname FROM pg_type WHERE oid = 25"],
];

/// Sets random options of a pool.
pub fn habits(scene: &mut Scene, mut settings: Settings) -> Settings {
    settings.set_up = *scene.random.pick(SET_UP);
    settings.reset = *scene.random.pick(&[None, None, Some("ROLLBACK"), Some("DISCARD ALL"), Some("RESET ALL")]);
    settings.ping = *scene.random.pick(&[None, None, None, Some("SELECT 1"), Some("/* ping */")]);
    settings
}

/// Starts a pool at the beginning of the case.
pub fn start(scene: &mut Scene, settings: Settings, traffic: Traffic) {
    let client = Rc::new(scene.client());
    let paths = scene.paths();
    let begin = scene.begin;
    scene.add(Pool::new(client, settings, traffic, paths).event(begin, Event::Starts));
}

/// LIFO pools of any size.
pub fn warm(scene: &mut Scene) {
    let size = scene.random.count(3, 40);
    let min = if scene.random.chance(0.6) { size } else { scene.random.count(0, size) };
    let settings = habits(scene, Settings::sized(min, size));
    let traffic = scene.traffic(0.002, 3.0);
    start(scene, settings, traffic);
}

/// Pools with HikariCP's settings.
pub fn minimum_idle(scene: &mut Scene) {
    let size = scene.random.count(5, 30);
    let mut settings = habits(scene, Settings::sized(0, size));
    settings.ready = if scene.random.chance(0.7) { size } else { scene.random.count(1, size) };
    settings.lifetime = Some(30 * MINUTE);
    settings.idle_timeout = Some(10 * MINUTE);
    if scene.random.chance(0.4) {
        settings.keepalive = Some(2 * MINUTE);
    }
    let traffic = scene.traffic(0.002, 2.0);
    start(scene, settings, traffic);
}

/// FIFO pools.
pub fn fifo(scene: &mut Scene) {
    let size = scene.random.count(3, 30);
    let mut settings = habits(scene, Settings::sized(size, size));
    settings.order = *scene.random.pick(&[Order::Fifo, Order::Fifo, Order::Random]);
    let traffic = scene.traffic(0.003, 2.0);
    start(scene, settings, traffic);
}

/// Pools of any order whose sessions are replaced one by one.
pub fn rotation(scene: &mut Scene) {
    let size = scene.random.count(4, 30);
    let mut settings = habits(scene, Settings::sized(size, size));
    settings.order = *scene.random.pick(&[Order::Lifo, Order::Fifo]);
    settings.lifetime = Some(seconds(scene.random.magnitude(400.0, 7_200.0)));
    let traffic = scene.traffic(0.002, 2.0);
    start(scene, settings, traffic);
}

/// Pools with node-postgres's settings.
pub fn idle_timeout(scene: &mut Scene) {
    let min = if scene.random.chance(0.6) { 0 } else { scene.random.count(1, 5) };
    let size = scene.random.count(5, 20);
    let mut settings = habits(scene, Settings::sized(min, size.max(min)));
    settings.idle_timeout = Some(seconds(scene.random.magnitude(10.0, 900.0)));
    settings.order = *scene.random.pick(&[Order::Lifo, Order::Lifo, Order::Fifo]);
    let traffic = scene.traffic(0.01, 3.0);
    start(scene, settings, traffic);
}

/// Pools with keepalive statements.
pub fn keepalive(scene: &mut Scene) {
    let size = scene.random.count(3, 25);
    let mut settings = habits(scene, Settings::sized(size, size));
    settings.keepalive = Some(seconds(scene.random.magnitude(30.0, 1_200.0)));
    let traffic = scene.traffic(0.001, 1.0);
    start(scene, settings, traffic);
}

/// Pools that grew in a burst, which is over or recurs.
pub fn burst(scene: &mut Scene) {
    let size = scene.random.count(10, 40);
    let settings = habits(scene, Settings::sized(0, size));
    let mut traffic = Traffic::steady(scene.rate(0.01, 0.5));
    for _ in 0..scene.random.count(1, 3) {
        let from = if scene.random.chance(0.7) { scene.before(0.3, 1.0) } else { scene.during(0.0, 0.6) };
        let lasts = scene.random.whole(10, 120) * SECOND;
        let factor = scene.random.between(20.0, 60.0) / traffic.rate.max(0.05);
        traffic = traffic.spell(from, from + lasts, factor);
    }
    let client = Rc::new(scene.client());
    let mut paths = scene.paths();
    for path in &mut paths {
        path.work.ms *= 10.0;
    }
    let begin = scene.begin;
    scene.add(Pool::new(client, settings, traffic, paths).event(begin, Event::Starts));
}

/// Pools that are idle for hours.
pub fn quiet(scene: &mut Scene) {
    let size = scene.random.count(4, 40);
    let settings = habits(scene, Settings::sized(size, size));
    let from = if scene.random.chance(0.6) { scene.before(0.2, 0.95) } else { scene.during(0.0, 0.5) };
    let until = if scene.random.chance(0.7) { i64::MAX } else { scene.during(0.6, 1.0) };
    let factor = if scene.random.chance(0.5) { 0.0 } else { 0.01 };
    let traffic = scene.traffic(0.2, 3.0).spell(from, until, factor);
    let processes = scene.random.count(1, 3);
    for _ in 0..processes {
        start(scene, settings.clone(), traffic.clone());
    }
}

/// Machines that work at certain times, not always all of them.
pub fn hourly(scene: &mut Scene) {
    let client = scene.client();
    let size = scene.random.count(2, 12);
    let settings = habits(scene, Settings::sized(size, size));
    let paths = scene.paths();
    let every = scene.random.magnitude(600.0, 7_200.0);
    let rate = scene.random.between(0.2, 3.0);
    let machines = scene.random.count(1, 5);
    let share = scene.random.between(0.5, 1.0);
    for _ in 0..machines {
        let mut traffic = Traffic::steady(rate).spell(0, i64::MAX, 0.0);
        let mut at = scene.begin + seconds(scene.random.between(0.0, 20.0));
        while at < scene.last {
            if scene.random.chance(share) {
                traffic = traffic.spell(at, at + seconds(every * scene.random.between(0.05, 0.2)), 1.0);
            }
            at += seconds(every);
        }
        let client = Rc::new(scene.elsewhere(&client));
        scene.add(Pool::new(client, settings.clone(), traffic, paths.clone()).event(scene.begin, Event::Starts));
    }
}

/// Many small pools with one name and address; a process is replaced now and then.
pub fn workers(scene: &mut Scene) {
    let client = Rc::new(scene.client());
    let processes = scene.random.count(3, 10);
    let size = scene.random.count(1, 4);
    let min = scene.random.count(0, 1);
    let settings = habits(scene, Settings::sized(min, size));
    let each = scene.traffic(0.05, 2.0).shared(processes);
    let paths = scene.paths();
    let recycles = scene.random.chance(0.6);
    for _ in 0..processes {
        let mut pool = Pool::new(Rc::clone(&client), settings.clone(), each.clone(), paths.clone());
        pool = pool.event(scene.begin, Event::Starts);
        let mut at = scene.begin;
        if recycles {
            loop {
                at += seconds(scene.random.magnitude(1_200.0, 20_000.0));
                if at > scene.last {
                    break;
                }
                pool = pool.event(at, Event::Stops).event(at + SECOND, Event::Starts);
            }
        }
        scene.add(pool);
    }
}

/// Clients that connect and close for each request.
pub fn short_lived(scene: &mut Scene) {
    let client = Rc::new(scene.client());
    let traffic = scene.traffic(0.05, 3.0);
    let mut paths = scene.paths();
    let slower = scene.random.magnitude(1.0, 100.0);
    for path in &mut paths {
        path.work.ms *= slower;
    }
    let set_up = *scene.random.pick(SET_UP);
    let forgets_from = i64::MAX;
    scene.add(Requests { client, traffic, opens: 1, set_up, paths, forgets: 0.0, forgets_from });
}

/// Pools with all or nearly all sessions in use.
pub fn busy(scene: &mut Scene) {
    let size = scene.random.count(10, 60);
    let settings = habits(scene, Settings::sized(size, size));
    let client = Rc::new(scene.client());
    let mut paths = scene.paths();
    let traffic = Traffic::steady(scene.rate(0.2, 2.0));
    let busy = scene.random.between(0.6, 1.3);
    for path in &mut paths {
        let statements = path.work.statements.len() as f64;
        path.work.ms = busy * size as f64 / traffic.rate / statements * 1_000.0;
        path.work.transaction = false;
    }
    let begin = scene.begin;
    scene.add(Pool::new(client, settings, traffic, paths).event(begin, Event::Starts));
}
