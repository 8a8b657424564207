//! Applications behind a PgBouncer, with and without its console.

use std::rc::Rc;

use crate::clients::pooled::{Application, Pooled};
use crate::clients::work::Fault;
use crate::scene::Scene;
use crate::sim::Client;
use crate::sim::pooler::Pooler;

/// Configuration and fault of a pooler's applications.
struct Setting {
    session_mode: bool,
    console: bool,
    leaks: bool,
}

fn application(scene: &mut Scene, as_seen: &Client, name: &str, visits: bool, rate: (f64, f64)) -> Application {
    let client = Client { application: name.to_owned(), ..as_seen.clone() };
    Application {
        client: Rc::new(client),
        address: scene.address(),
        keeps: if visits { 0 } else { scene.random.count(2, 10) },
        visits,
        in_order: scene.random.chance(0.5),
        traffic: scene.traffic(rate.0, rate.1),
        paths: scene.paths(),
    }
}

fn set_up(scene: &mut Scene, setting: &Setting) {
    let address = scene.address();
    let number = scene.random.whole(1, 99);
    let as_seen = Client {
        address: Some(address.clone()),
        role: format!("pooled_{number}"),
        counts_checkouts: false,
        ..scene.client()
    };
    let names = ["web", "api", "worker", "mobile"];
    let count = scene.random.count(2, 4);
    let mut applications: Vec<Application> = names[..count]
        .iter()
        .map(|name| {
            let visits = setting.session_mode && scene.random.chance(0.5);
            application(scene, &as_seen, name, visits, (0.05, 2.0))
        })
        .collect();
    let mut size = scene.random.count(4, 20);
    if setting.leaks {
        let wanted = scene.random.magnitude(1.0, size as f64 * 0.8);
        let mut leaking = application(scene, &as_seen, "hooks", setting.session_mode, (0.05, 0.5));
        let fault = match (setting.session_mode, scene.random.chance(0.3)) {
            (true, _) => Fault::NotReleased,
            (false, true) => Fault::NotRolledBack,
            (false, false) => Fault::NotCommitted,
        };
        leaking.keeps = if setting.session_mode { 0 } else { leaking.keeps + wanted as usize };
        let probability = scene.probability(wanted, leaking.traffic.rate, scene.begin);
        for path in &mut leaking.paths {
            path.fault = Some((fault, probability));
        }
        applications.push(leaking);
    }
    if setting.session_mode {
        size += applications.iter().map(|application| application.keeps).sum::<usize>();
    }
    let pooler = Pooler {
        session_mode: setting.session_mode,
        size,
        role: as_seen.role.clone(),
        database: as_seen.database.clone(),
        address,
        ..Pooler::default()
    };
    let (pooled, state) = Pooled::new(pooler, applications);
    scene.add(pooled);
    if setting.console {
        scene.world.pooler = Some(state);
    }
}

/// A client of the pooler leaves its transaction open.
pub fn transaction_leak(scene: &mut Scene) {
    set_up(scene, &Setting { session_mode: false, console: true, leaks: true });
}

/// Clients of the pooler never disconnect.
pub fn session_leak(scene: &mut Scene) {
    set_up(scene, &Setting { session_mode: true, console: true, leaks: true });
}

/// An open transaction, without the console that would show its client.
pub fn unseen_leak(scene: &mut Scene) {
    set_up(scene, &Setting { session_mode: false, console: false, leaks: true });
}

/// Idle server connections of a PgBouncer.
pub fn innocent(scene: &mut Scene) {
    set_up(scene, &Setting { session_mode: false, console: true, leaks: false });
}

/// Clients that stay connected to a pooler, and others that connect and disconnect.
pub fn session_innocent(scene: &mut Scene) {
    set_up(scene, &Setting { session_mode: true, console: true, leaks: false });
}

/// The same as `innocent` without the console.
pub fn unseen_innocent(scene: &mut Scene) {
    set_up(scene, &Setting { session_mode: false, console: false, leaks: false });
}
