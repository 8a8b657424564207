//! Healthy pools, and healthy applications without one.

use std::rc::Rc;

use crate::case_builder::CaseBuilder;
use crate::clients::pool::{Event, Order, Pool, Settings};
use crate::clients::requests::Requests;
use crate::clients::traffic::Traffic;
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
pub fn random_options(builder: &mut CaseBuilder, mut settings: Settings) -> Settings {
    settings.set_up = *builder.random.pick(SET_UP);
    settings.reset = *builder.random.pick(&[None, None, Some("ROLLBACK"), Some("DISCARD ALL"), Some("RESET ALL")]);
    settings.ping = *builder.random.pick(&[None, None, None, Some("SELECT 1"), Some("/* ping */")]);
    settings
}

/// Starts a pool at the beginning of the case.
pub fn start(builder: &mut CaseBuilder, settings: Settings, traffic: Traffic) {
    let client = Rc::new(builder.client());
    let paths = builder.paths();
    let begin = builder.begin;
    builder.add(Pool::new(client, settings, traffic, paths).event(begin, Event::Starts));
}

/// LIFO pools of any size.
pub fn warm(builder: &mut CaseBuilder) {
    let size = builder.random.count(3, 40);
    let min = if builder.random.chance(0.6) { size } else { builder.random.count(0, size) };
    let settings = random_options(builder, Settings::sized(min, size));
    let traffic = builder.traffic(0.002, 3.0);
    start(builder, settings, traffic);
}

/// Pools with HikariCP's settings.
pub fn minimum_idle(builder: &mut CaseBuilder) {
    let size = builder.random.count(5, 30);
    let mut settings = random_options(builder, Settings::sized(0, size));
    settings.ready = if builder.random.chance(0.7) { size } else { builder.random.count(1, size) };
    settings.lifetime = Some(30 * MINUTE);
    settings.idle_timeout = Some(10 * MINUTE);
    if builder.random.chance(0.4) {
        settings.keepalive = Some(2 * MINUTE);
    }
    let traffic = builder.traffic(0.002, 2.0);
    start(builder, settings, traffic);
}

/// FIFO pools.
pub fn fifo(builder: &mut CaseBuilder) {
    let size = builder.random.count(3, 30);
    let mut settings = random_options(builder, Settings::sized(size, size));
    settings.order = *builder.random.pick(&[Order::Fifo, Order::Fifo, Order::Random]);
    let traffic = builder.traffic(0.003, 2.0);
    start(builder, settings, traffic);
}

/// Pools that look for a free session in the order of opening, with bursts that use the last ones.
pub fn fixed_order(builder: &mut CaseBuilder) {
    let size = builder.random.count(4, 20);
    let mut settings = random_options(builder, Settings::sized(size, size));
    settings.order = Order::Opened;
    let mut traffic = Traffic::steady(builder.rate(0.05, 1.0));
    for _ in 0..builder.random.count(2, 8) {
        let from = builder.during(0.0, 1.0);
        let lasts = builder.random.whole(5, 60) * SECOND;
        let factor = builder.random.between(5.0, 40.0) / traffic.rate.max(0.05);
        traffic = traffic.with_rate_factor(from, from + lasts, factor);
    }
    let mut paths = builder.paths();
    let slower = builder.random.magnitude(1.0, 20.0);
    for path in &mut paths {
        path.work.ms *= slower;
    }
    let client = Rc::new(builder.client());
    let begin = builder.begin;
    builder.add(Pool::new(client, settings, traffic, paths).event(begin, Event::Starts));
}

/// Pools of any order whose sessions are replaced one by one.
pub fn rotation(builder: &mut CaseBuilder) {
    let size = builder.random.count(4, 30);
    let mut settings = random_options(builder, Settings::sized(size, size));
    settings.order = *builder.random.pick(&[Order::Lifo, Order::Fifo]);
    settings.lifetime = Some(seconds(builder.random.magnitude(400.0, 7_200.0)));
    let traffic = builder.traffic(0.002, 2.0);
    start(builder, settings, traffic);
}

/// Pools with node-postgres's settings.
pub fn idle_timeout(builder: &mut CaseBuilder) {
    let min = if builder.random.chance(0.6) { 0 } else { builder.random.count(1, 5) };
    let size = builder.random.count(5, 20);
    let mut settings = random_options(builder, Settings::sized(min, size.max(min)));
    settings.idle_timeout = Some(seconds(builder.random.magnitude(10.0, 900.0)));
    settings.order = *builder.random.pick(&[Order::Lifo, Order::Lifo, Order::Fifo]);
    let traffic = builder.traffic(0.01, 3.0);
    start(builder, settings, traffic);
}

/// Pools with keepalive statements.
pub fn keepalive(builder: &mut CaseBuilder) {
    let size = builder.random.count(3, 25);
    let mut settings = random_options(builder, Settings::sized(size, size));
    settings.keepalive = Some(seconds(builder.random.magnitude(30.0, 1_200.0)));
    let traffic = builder.traffic(0.001, 1.0);
    start(builder, settings, traffic);
}

/// Pools that grew in a burst, which is over or recurs.
pub fn burst(builder: &mut CaseBuilder) {
    let size = builder.random.count(10, 40);
    let settings = random_options(builder, Settings::sized(0, size));
    let mut traffic = Traffic::steady(builder.rate(0.01, 0.5));
    for _ in 0..builder.random.count(1, 3) {
        let from = if builder.random.chance(0.7) { builder.before(0.3, 1.0) } else { builder.during(0.0, 0.6) };
        let lasts = builder.random.whole(10, 120) * SECOND;
        let factor = builder.random.between(20.0, 60.0) / traffic.rate.max(0.05);
        traffic = traffic.with_rate_factor(from, from + lasts, factor);
    }
    let client = Rc::new(builder.client());
    let mut paths = builder.paths();
    for path in &mut paths {
        path.work.ms *= 10.0;
    }
    let begin = builder.begin;
    builder.add(Pool::new(client, settings, traffic, paths).event(begin, Event::Starts));
}

/// Pools that are idle for hours.
pub fn quiet(builder: &mut CaseBuilder) {
    let size = builder.random.count(4, 40);
    let settings = random_options(builder, Settings::sized(size, size));
    let from = if builder.random.chance(0.6) { builder.before(0.2, 0.95) } else { builder.during(0.0, 0.5) };
    let until = if builder.random.chance(0.7) { i64::MAX } else { builder.during(0.6, 1.0) };
    let factor = if builder.random.chance(0.5) { 0.0 } else { 0.01 };
    let traffic = builder.traffic(0.2, 3.0).with_rate_factor(from, until, factor);
    let processes = builder.random.count(1, 3);
    for _ in 0..processes {
        start(builder, settings.clone(), traffic.clone());
    }
}

/// Machines that work at certain times, not always all of them.
pub fn hourly(builder: &mut CaseBuilder) {
    let client = builder.client();
    let size = builder.random.count(2, 12);
    let settings = random_options(builder, Settings::sized(size, size));
    let paths = builder.paths();
    let every = builder.random.magnitude(600.0, 7_200.0);
    let rate = builder.random.between(0.2, 3.0);
    let machines = builder.random.count(1, 5);
    let share = builder.random.between(0.5, 1.0);
    for _ in 0..machines {
        let mut traffic = Traffic::steady(rate).with_rate_factor(0, i64::MAX, 0.0);
        let mut at = builder.begin + seconds(builder.random.between(0.0, 20.0));
        while at < builder.last {
            if builder.random.chance(share) {
                traffic = traffic.with_rate_factor(at, at + seconds(every * builder.random.between(0.05, 0.2)), 1.0);
            }
            at += seconds(every);
        }
        let client = Rc::new(builder.elsewhere(&client));
        builder.add(Pool::new(client, settings.clone(), traffic, paths.clone()).event(builder.begin, Event::Starts));
    }
}

/// Many small pools with one name and address; a process is replaced now and then.
pub fn workers(builder: &mut CaseBuilder) {
    let client = Rc::new(builder.client());
    let processes = builder.random.count(3, 10);
    let size = builder.random.count(1, 4);
    let min = builder.random.count(0, 1);
    let settings = random_options(builder, Settings::sized(min, size));
    let each = builder.traffic(0.05, 2.0).shared(processes);
    let paths = builder.paths();
    let recycles = builder.random.chance(0.6);
    for _ in 0..processes {
        let mut pool = Pool::new(Rc::clone(&client), settings.clone(), each.clone(), paths.clone());
        pool = pool.event(builder.begin, Event::Starts);
        let mut at = builder.begin;
        if recycles {
            loop {
                at += seconds(builder.random.magnitude(1_200.0, 20_000.0));
                if at > builder.last {
                    break;
                }
                pool = pool.event(at, Event::Stops).event(at + SECOND, Event::Starts);
            }
        }
        builder.add(pool);
    }
}

/// Clients that connect and close for each request.
pub fn short_lived(builder: &mut CaseBuilder) {
    let client = Rc::new(builder.client());
    let traffic = builder.traffic(0.05, 3.0);
    let mut paths = builder.paths();
    let slower = builder.random.magnitude(1.0, 100.0);
    for path in &mut paths {
        path.work.ms *= slower;
    }
    let set_up = *builder.random.pick(SET_UP);
    let forgets_from = i64::MAX;
    builder.add(Requests { client, traffic, opens: 1, set_up, paths, forgets: 0.0, forgets_from });
}

/// Pools with all or nearly all sessions in use.
pub fn busy(builder: &mut CaseBuilder) {
    let size = builder.random.count(10, 60);
    let settings = random_options(builder, Settings::sized(size, size));
    let client = Rc::new(builder.client());
    let mut paths = builder.paths();
    let traffic = Traffic::steady(builder.rate(0.2, 2.0));
    let busy = builder.random.between(0.6, 1.3);
    for path in &mut paths {
        let statements = path.work.statements.len() as f64;
        path.work.ms = busy * size as f64 / traffic.rate / statements * 1_000.0;
        path.work.transaction = false;
    }
    let begin = builder.begin;
    builder.add(Pool::new(client, settings, traffic, paths).event(begin, Event::Starts));
}
