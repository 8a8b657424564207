//! Machines, replicas and versions that start and stop.

use std::rc::Rc;

use crate::case_builder::CaseBuilder;
use crate::clients::pool::{Event, Pool, Settings};
use crate::clients::traffic::Traffic;
use crate::sim::Client;
use crate::time::{SECOND, seconds};

use super::pools::random_options;

/// A machine crashed with its pool; another one took over.
pub fn crashed(builder: &mut CaseBuilder) {
    let client = builder.client();
    let size = builder.random.count(4, 20);
    let settings = random_options(builder, Settings::sized(size, size));
    let traffic = builder.traffic(0.2, 3.0);
    let paths = builder.paths();
    let at = if builder.random.chance(0.5) { builder.before(0.5, 1.0) } else { builder.during(0.0, 0.4) };
    let begin = builder.begin;
    let crashing = Pool::new(Rc::new(client.clone()), settings.clone(), traffic.clone(), paths.clone());
    builder.add(crashing.event(begin, Event::Starts).event(at, Event::Crashes));
    let address = if builder.random.chance(0.3) { client.address.clone() } else { Some(builder.address()) };
    let next = Client { address, ..client };
    let starts = at + seconds(builder.random.between(5.0, 120.0));
    builder.add(Pool::new(Rc::new(next), settings, traffic, paths).event(starts, Event::Starts));
}

/// Replicas are killed by a scale-down: each leaves its pool open.
pub fn killed(builder: &mut CaseBuilder) {
    let client = builder.client();
    let size = builder.random.count(2, 8);
    let settings = random_options(builder, Settings::sized(size, size));
    let replicas = builder.random.count(3, 8);
    let traffic = Traffic::steady(builder.rate(0.2, 2.0)).shared(replicas);
    let paths = builder.paths();
    for n in 0..replicas {
        let client = Rc::new(builder.elsewhere(&client));
        let mut pool = Pool::new(client, settings.clone(), traffic.clone(), paths.clone());
        pool = pool.event(builder.begin, Event::Starts);
        if n >= 2 {
            let at = if builder.random.chance(0.5) { builder.before(0.6, 1.0) } else { builder.during(0.0, 0.5) };
            pool = pool.event(at, Event::Crashes);
        }
        builder.add(pool);
    }
}

/// A network partition: some machines are cut off from the server at once, and some of them reconnect with new pools.
pub fn partitioned(builder: &mut CaseBuilder) {
    let client = builder.client();
    let size = builder.random.count(2, 6);
    let settings = random_options(builder, Settings::sized(size, size));
    let machines = builder.random.count(4, 10);
    let traffic = Traffic::steady(builder.rate(0.2, 3.0)).shared(machines);
    let paths = builder.paths();
    let at = if builder.random.chance(0.5) { builder.before(0.5, 1.0) } else { builder.during(0.0, 0.4) };
    let cut_off = builder.random.count(1, machines - 1);
    for n in 0..machines {
        let client = Rc::new(builder.elsewhere(&client));
        let mut pool = Pool::new(client, settings.clone(), traffic.clone(), paths.clone());
        pool = pool.event(builder.begin, Event::Starts);
        if n < cut_off {
            pool = pool.event(at, Event::Crashes);
            if builder.random.chance(0.5) {
                pool = pool.event(at + seconds(builder.random.between(60.0, 900.0)), Event::Starts);
            }
        }
        builder.add(pool);
    }
}

/// One of two machines works, the other is on standby.
pub fn failover(builder: &mut CaseBuilder) {
    let client = builder.client();
    let size = builder.random.count(2, 12);
    let mut settings = random_options(builder, Settings::sized(size, size));
    settings.keepalive = builder.random.chance(0.3).then(|| seconds(builder.random.magnitude(30.0, 1_200.0)));
    let paths = builder.paths();
    let traffic = builder.traffic(0.1, 2.0);
    let there = if builder.random.chance(0.6) { builder.before(0.3, 1.0) } else { builder.during(0.0, 0.6) };
    let back =
        if builder.random.chance(0.4) { there + seconds(builder.random.magnitude(300.0, 7_200.0)) } else { i64::MAX };
    let first = traffic.clone().with_rate_factor(there, back, 0.0);
    let second = traffic.with_rate_factor(0, there, 0.0).with_rate_factor(back, i64::MAX, 0.0);
    for traffic in [first, second] {
        let client = Rc::new(builder.elsewhere(&client));
        builder.add(Pool::new(client, settings.clone(), traffic, paths.clone()).event(builder.begin, Event::Starts));
    }
}

/// The old version's pools drain, then close. Usually the new version starts before, sometimes with a share of the
/// requests as a canary.
pub fn blue_green(builder: &mut CaseBuilder) {
    let client = builder.client();
    let machines = if builder.random.chance(0.4) { builder.random.count(2, 4) } else { 1 };
    let size = if machines > 1 { builder.random.count(2, 8) } else { builder.random.count(4, 20) };
    let settings = random_options(builder, Settings::sized(size, size));
    let traffic = builder.traffic(0.2, 2.0).shared(machines);
    let paths = builder.paths();
    let switch = if builder.random.chance(0.5) { builder.before(0.6, 1.0) } else { builder.during(0.0, 0.6) };
    let drains = seconds(builder.random.magnitude(60.0, 2_400.0));
    let same_machines = builder.random.chance(0.4);
    let tried = builder.random.chance(0.2);
    let late = !tried && builder.random.chance(0.25);
    let ahead = match (tried, late) {
        (true, _) => builder.random.whole(300, 7_200),
        (false, true) => -builder.random.whole(1, 60),
        (false, false) => builder.random.whole(5, 300),
    };
    let starts = (switch - ahead * SECOND).max(builder.begin);
    let old = traffic.clone().with_rate_factor(switch, i64::MAX, 0.0);
    let new = traffic.with_rate_factor(0, switch, if tried { 0.05 } else { 0.0 });
    for _ in 0..machines {
        let blue = builder.elsewhere(&client);
        let green = if same_machines { blue.clone() } else { builder.elsewhere(&client) };
        let blue = Pool::new(Rc::new(blue), settings.clone(), old.clone(), paths.clone());
        builder.add(blue.event(builder.begin, Event::Starts).event(switch + drains, Event::Stops));
        let green = Pool::new(Rc::new(green), settings.clone(), new.clone(), paths.clone());
        builder.add(green.event(starts, Event::Starts));
    }
}

/// Autoscaled replicas from many addresses, each with a small pool that closes with it. Some receive no more requests
/// for a while before.
pub fn replicas(builder: &mut CaseBuilder) {
    let client = builder.client();
    let size = builder.random.count(2, 8);
    let settings = random_options(builder, Settings::sized(size, size));
    let count = builder.random.count(3, 10);
    let traffic = Traffic::steady(builder.rate(0.1, 2.0)).shared(count);
    let paths = builder.paths();
    for _ in 0..count {
        let client = Rc::new(builder.elsewhere(&client));
        let starts = if builder.random.chance(0.5) { builder.begin } else { builder.during(0.0, 0.8) };
        let mut traffic = traffic.clone();
        let mut stops = None;
        if builder.random.chance(0.5) {
            let at = starts.max(builder.first) + seconds(builder.random.magnitude(120.0, 3_600.0));
            if builder.random.chance(0.4) {
                traffic = traffic.with_rate_factor(at - seconds(builder.random.magnitude(30.0, 900.0)), i64::MAX, 0.0);
            }
            stops = Some(at);
        }
        let mut pool = Pool::new(client, settings.clone(), traffic, paths.clone()).event(starts, Event::Starts);
        if let Some(at) = stops {
            pool = pool.event(at, Event::Stops);
        }
        builder.add(pool);
    }
}

/// A standby started beside the active machine and never used.
pub fn standby(builder: &mut CaseBuilder) {
    let client = builder.client();
    let size = builder.random.count(3, 20);
    let settings = random_options(builder, Settings::sized(size, size));
    let paths = builder.paths();
    let begin = builder.begin;
    let works = builder.traffic(0.1, 2.0);
    builder.add(Pool::new(Rc::new(client.clone()), settings.clone(), works, paths.clone()).event(begin, Event::Starts));
    let other = builder.elsewhere(&client);
    let starts = if builder.random.chance(0.7) { begin } else { builder.before(0.0, 1.0) };
    builder.add(Pool::new(Rc::new(other), settings, Traffic::default(), paths).event(starts, Event::Starts));
}
