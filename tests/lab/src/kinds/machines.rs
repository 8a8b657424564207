//! Machines, replicas and versions that start and stop.

use std::rc::Rc;

use crate::clients::pool::{Event, Pool, Settings};
use crate::clients::traffic::Traffic;
use crate::scene::Scene;
use crate::sim::Client;
use crate::time::{SECOND, seconds};

use super::pools::habits;

/// A machine crashed with its pool; another one took over.
pub fn crashed(scene: &mut Scene) {
    let client = scene.client();
    let size = scene.random.count(4, 20);
    let settings = habits(scene, Settings::sized(size, size));
    let traffic = scene.traffic(0.2, 3.0);
    let paths = scene.paths();
    let at = if scene.random.chance(0.5) { scene.before(0.5, 1.0) } else { scene.during(0.0, 0.4) };
    let begin = scene.begin;
    let dies = Pool::new(Rc::new(client.clone()), settings.clone(), traffic.clone(), paths.clone());
    scene.add(dies.event(begin, Event::Starts).event(at, Event::Dies));
    let address = if scene.random.chance(0.3) { client.address.clone() } else { Some(scene.address()) };
    let next = Client { address, ..client };
    let starts = at + seconds(scene.random.between(5.0, 120.0));
    scene.add(Pool::new(Rc::new(next), settings, traffic, paths).event(starts, Event::Starts));
}

/// Replicas are killed by a scale-down: each leaves its pool open.
pub fn killed(scene: &mut Scene) {
    let client = scene.client();
    let size = scene.random.count(2, 8);
    let settings = habits(scene, Settings::sized(size, size));
    let replicas = scene.random.count(3, 8);
    let traffic = Traffic::steady(scene.rate(0.2, 2.0)).shared(replicas);
    let paths = scene.paths();
    for n in 0..replicas {
        let client = Rc::new(scene.elsewhere(&client));
        let mut pool = Pool::new(client, settings.clone(), traffic.clone(), paths.clone());
        pool = pool.event(scene.begin, Event::Starts);
        if n >= 2 {
            let at = if scene.random.chance(0.5) { scene.before(0.6, 1.0) } else { scene.during(0.0, 0.5) };
            pool = pool.event(at, Event::Dies);
        }
        scene.add(pool);
    }
}

/// A network partition: some machines are cut off from the server at once, and some of them reconnect with new pools.
pub fn partitioned(scene: &mut Scene) {
    let client = scene.client();
    let size = scene.random.count(2, 6);
    let settings = habits(scene, Settings::sized(size, size));
    let machines = scene.random.count(4, 10);
    let traffic = Traffic::steady(scene.rate(0.2, 3.0)).shared(machines);
    let paths = scene.paths();
    let at = if scene.random.chance(0.5) { scene.before(0.5, 1.0) } else { scene.during(0.0, 0.4) };
    let cut_off = scene.random.count(1, machines - 1);
    for n in 0..machines {
        let client = Rc::new(scene.elsewhere(&client));
        let mut pool = Pool::new(client, settings.clone(), traffic.clone(), paths.clone());
        pool = pool.event(scene.begin, Event::Starts);
        if n < cut_off {
            pool = pool.event(at, Event::Dies);
            if scene.random.chance(0.5) {
                pool = pool.event(at + seconds(scene.random.between(60.0, 900.0)), Event::Starts);
            }
        }
        scene.add(pool);
    }
}

/// One of two machines works, the other is on standby.
pub fn failover(scene: &mut Scene) {
    let client = scene.client();
    let size = scene.random.count(2, 12);
    let mut settings = habits(scene, Settings::sized(size, size));
    settings.keepalive = scene.random.chance(0.3).then(|| seconds(scene.random.magnitude(30.0, 1_200.0)));
    let paths = scene.paths();
    let traffic = scene.traffic(0.1, 2.0);
    let there = if scene.random.chance(0.6) { scene.before(0.3, 1.0) } else { scene.during(0.0, 0.6) };
    let back =
        if scene.random.chance(0.4) { there + seconds(scene.random.magnitude(300.0, 7_200.0)) } else { i64::MAX };
    let first = traffic.clone().spell(there, back, 0.0);
    let second = traffic.spell(0, there, 0.0).spell(back, i64::MAX, 0.0);
    for traffic in [first, second] {
        let client = Rc::new(scene.elsewhere(&client));
        scene.add(Pool::new(client, settings.clone(), traffic, paths.clone()).event(scene.begin, Event::Starts));
    }
}

/// The old version's pools drain, then close. Usually the new version starts before, sometimes with a share of the
/// requests as a canary.
pub fn blue_green(scene: &mut Scene) {
    let client = scene.client();
    let machines = if scene.random.chance(0.4) { scene.random.count(2, 4) } else { 1 };
    let size = if machines > 1 { scene.random.count(2, 8) } else { scene.random.count(4, 20) };
    let settings = habits(scene, Settings::sized(size, size));
    let traffic = scene.traffic(0.2, 2.0).shared(machines);
    let paths = scene.paths();
    let switch = if scene.random.chance(0.5) { scene.before(0.6, 1.0) } else { scene.during(0.0, 0.6) };
    let drains = seconds(scene.random.magnitude(60.0, 2_400.0));
    let same_machines = scene.random.chance(0.4);
    let tried = scene.random.chance(0.2);
    let late = !tried && scene.random.chance(0.25);
    let ahead = match (tried, late) {
        (true, _) => scene.random.whole(300, 7_200),
        (false, true) => -scene.random.whole(1, 60),
        (false, false) => scene.random.whole(5, 300),
    };
    let starts = (switch - ahead * SECOND).max(scene.begin);
    let old = traffic.clone().spell(switch, i64::MAX, 0.0);
    let new = traffic.spell(0, switch, if tried { 0.05 } else { 0.0 });
    for _ in 0..machines {
        let blue = scene.elsewhere(&client);
        let green = if same_machines { blue.clone() } else { scene.elsewhere(&client) };
        let blue = Pool::new(Rc::new(blue), settings.clone(), old.clone(), paths.clone());
        scene.add(blue.event(scene.begin, Event::Starts).event(switch + drains, Event::Stops));
        let green = Pool::new(Rc::new(green), settings.clone(), new.clone(), paths.clone());
        scene.add(green.event(starts, Event::Starts));
    }
}

/// Autoscaled replicas from many addresses, each with a small pool that closes with it. Some receive no more requests
/// for a while before.
pub fn replicas(scene: &mut Scene) {
    let client = scene.client();
    let size = scene.random.count(2, 8);
    let settings = habits(scene, Settings::sized(size, size));
    let count = scene.random.count(3, 10);
    let traffic = Traffic::steady(scene.rate(0.1, 2.0)).shared(count);
    let paths = scene.paths();
    for _ in 0..count {
        let client = Rc::new(scene.elsewhere(&client));
        let starts = if scene.random.chance(0.5) { scene.begin } else { scene.during(0.0, 0.8) };
        let mut traffic = traffic.clone();
        let mut stops = None;
        if scene.random.chance(0.5) {
            let at = starts.max(scene.first) + seconds(scene.random.magnitude(120.0, 3_600.0));
            if scene.random.chance(0.4) {
                traffic = traffic.spell(at - seconds(scene.random.magnitude(30.0, 900.0)), i64::MAX, 0.0);
            }
            stops = Some(at);
        }
        let mut pool = Pool::new(client, settings.clone(), traffic, paths.clone()).event(starts, Event::Starts);
        if let Some(at) = stops {
            pool = pool.event(at, Event::Stops);
        }
        scene.add(pool);
    }
}

/// A standby started beside the active machine and never used.
pub fn standby(scene: &mut Scene) {
    let client = scene.client();
    let size = scene.random.count(3, 20);
    let settings = habits(scene, Settings::sized(size, size));
    let paths = scene.paths();
    let begin = scene.begin;
    let works = scene.traffic(0.1, 2.0);
    scene.add(Pool::new(Rc::new(client.clone()), settings.clone(), works, paths.clone()).event(begin, Event::Starts));
    let other = scene.elsewhere(&client);
    let starts = if scene.random.chance(0.7) { begin } else { scene.before(0.0, 1.0) };
    scene.add(Pool::new(Rc::new(other), settings, Traffic::default(), paths).event(starts, Event::Starts));
}
