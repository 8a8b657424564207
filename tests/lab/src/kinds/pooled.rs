//! Applications behind a PgBouncer, with and without its console.

use std::rc::Rc;

use crate::case_builder::CaseBuilder;
use crate::clients::pooled::{Application, Pooled};
use crate::clients::work::Fault;
use crate::sim::Client;
use crate::sim::pooler::Pooler;

/// Configuration and fault of a pooler's applications.
struct Setting {
    session_mode: bool,
    console: bool,
    leaks: bool,
}

fn application(builder: &mut CaseBuilder, as_seen: &Client, name: &str, visits: bool, rate: (f64, f64)) -> Application {
    let client = Client { application: name.to_owned(), ..as_seen.clone() };
    Application {
        client: Rc::new(client),
        address: builder.address(),
        keeps: if visits { 0 } else { builder.random.count(2, 10) },
        visits,
        in_order: builder.random.chance(0.5),
        traffic: builder.traffic(rate.0, rate.1),
        paths: builder.paths(),
    }
}

fn set_up(builder: &mut CaseBuilder, setting: &Setting) {
    let address = builder.address();
    let number = builder.random.whole(1, 99);
    let as_seen = Client {
        address: Some(address.clone()),
        role: format!("pooled_{number}"),
        counts_checkouts: false,
        ..builder.client()
    };
    let names = ["web", "api", "worker", "mobile"];
    let count = builder.random.count(2, 4);
    let mut applications: Vec<Application> = names[..count]
        .iter()
        .map(|name| {
            let visits = setting.session_mode && builder.random.chance(0.5);
            application(builder, &as_seen, name, visits, (0.05, 2.0))
        })
        .collect();
    let mut size = builder.random.count(4, 20);
    if setting.leaks {
        let wanted = builder.random.magnitude(1.0, size as f64 * 0.8);
        let mut leaking = application(builder, &as_seen, "hooks", setting.session_mode, (0.05, 0.5));
        let fault = match (setting.session_mode, builder.random.chance(0.3)) {
            (true, _) => Fault::NotReleased,
            (false, true) => Fault::NotRolledBack,
            (false, false) => Fault::NotCommitted,
        };
        leaking.keeps = if setting.session_mode { 0 } else { leaking.keeps + wanted as usize };
        let probability = builder.probability(wanted, leaking.traffic.rate, builder.begin);
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
    builder.add(pooled);
    if setting.console {
        builder.world.pooler = Some(state);
    }
}

/// A client of the pooler leaves its transaction open.
pub fn transaction_leak(builder: &mut CaseBuilder) {
    set_up(builder, &Setting { session_mode: false, console: true, leaks: true });
}

/// Clients of the pooler never disconnect.
pub fn session_leak(builder: &mut CaseBuilder) {
    set_up(builder, &Setting { session_mode: true, console: true, leaks: true });
}

/// An open transaction, without the console that would show its client.
pub fn unseen_leak(builder: &mut CaseBuilder) {
    set_up(builder, &Setting { session_mode: false, console: false, leaks: true });
}

/// Idle server connections of a PgBouncer.
pub fn innocent(builder: &mut CaseBuilder) {
    set_up(builder, &Setting { session_mode: false, console: true, leaks: false });
}

/// Clients that stay connected to a pooler, and others that connect and disconnect.
pub fn session_innocent(builder: &mut CaseBuilder) {
    set_up(builder, &Setting { session_mode: true, console: true, leaks: false });
}

/// The same as `innocent` without the console.
pub fn unseen_innocent(builder: &mut CaseBuilder) {
    set_up(builder, &Setting { session_mode: false, console: false, leaks: false });
}
