//! Sessions that a pool checked out and never got back.

use std::rc::Rc;

use crate::case_builder::CaseBuilder;
use crate::clients::pool::{Event, Order, Pool, Settings};
use crate::clients::requests::Requests;
use crate::clients::traffic::Traffic;
use crate::clients::work::{Fault, Path};
use crate::time::{MINUTE, seconds};

use super::pools::random_options;

/// Returns the settings of a typical pool.
fn pool(builder: &mut CaseBuilder) -> Settings {
    let size = builder.random.count(10, 40);
    let mut settings = random_options(builder, Settings::sized(0, size));
    match builder.random.count(0, 3) {
        0 => settings.idle_timeout = Some(seconds(builder.random.magnitude(10.0, 600.0))),
        1 => {
            settings.ready = builder.random.count(1, size / 2);
            settings.lifetime = Some(30 * MINUTE);
            settings.idle_timeout = Some(10 * MINUTE);
        }
        2 => settings.order = Order::Fifo,
        _ => settings.min = builder.random.count(1, size / 2),
    }
    settings
}

/// Adds a pool whose paths with this fault lose about `wanted` sessions in all.
fn losing(
    builder: &mut CaseBuilder,
    settings: Settings,
    rate: f64,
    mut paths: Vec<Path>,
    fault: Fault,
    wanted: f64,
    on: &[usize],
) {
    let share: f64 =
        on.iter().map(|&path| paths[path].weight).sum::<f64>() / paths.iter().map(|path| path.weight).sum::<f64>();
    let probability = builder.probability(wanted, rate * share, builder.begin);
    for &path in on {
        paths[path].fault = Some((fault, probability));
    }
    let client = Rc::new(builder.client());
    let begin = builder.begin;
    builder.add(Pool::new(client, settings, Traffic::steady(rate), paths).event(begin, Event::Starts));
}

/// Every path may not return a session.
pub fn forgotten(builder: &mut CaseBuilder) {
    let settings = pool(builder);
    let rate = builder.rate(0.05, 2.0);
    let paths = builder.paths();
    let all: Vec<usize> = (0..paths.len()).collect();
    let wanted = builder.random.magnitude(3.0, 40.0);
    losing(builder, settings, rate, paths, Fault::NotReleased, wanted, &all);
}

/// A failing path does not return its session.
pub fn exception(builder: &mut CaseBuilder) {
    let settings = pool(builder);
    let rate = builder.rate(0.05, 2.0);
    let mut paths = builder.paths();
    let wanted = builder.random.magnitude(3.0, 25.0);
    paths[0].work.transaction = false;
    losing(builder, settings, rate, paths, Fault::NotReleased, wanted, &[0]);
}

/// One rare path of a healthy pool does not return its session.
pub fn one_path(builder: &mut CaseBuilder) {
    let settings = pool(builder);
    let rate = builder.rate(0.2, 3.0);
    let mut paths = builder.paths();
    let work = builder.work(false);
    paths.push(Path { weight: 0.02, work, fault: None });
    let rare = paths.len() - 1;
    let wanted = builder.random.magnitude(2.0, 12.0);
    losing(builder, settings, rate, paths, Fault::NotReleased, wanted, &[rare]);
}

/// One lost session in some hours, in a rarely used tool.
pub fn admin_tool(builder: &mut CaseBuilder) {
    let mut settings = pool(builder);
    settings.min = 0;
    let rate = builder.rate(0.002, 0.02);
    let paths = builder.paths();
    let wanted = builder.random.magnitude(3.0, 12.0);
    losing(builder, settings, rate, paths, Fault::NotReleased, wanted, &[0]);
}

/// A few lost sessions per day.
pub fn slow_growth(builder: &mut CaseBuilder) {
    let settings = pool(builder);
    let rate = builder.rate(0.02, 1.0);
    let paths = builder.paths();
    let wanted = builder.random.magnitude(5.0, 25.0);
    losing(builder, settings, rate, paths, Fault::NotReleased, wanted, &[0, 1]);
}

/// A leaking job shares role, name and address with a healthy pool.
pub fn same_name(builder: &mut CaseBuilder) {
    let client = Rc::new(builder.client());
    let size = builder.random.count(5, 20);
    let settings = random_options(builder, Settings::sized(size, size));
    let traffic = builder.traffic(0.1, 2.0);
    let paths = builder.paths();
    let begin = builder.begin;
    builder.add(Pool::new(Rc::clone(&client), settings, traffic, paths).event(begin, Event::Starts));
    let wanted = builder.random.magnitude(3.0, 20.0);
    let traffic = Traffic::steady(wanted / builder.lasts());
    let paths = builder.paths();
    let lost = Rc::new(crate::sim::Client { counts_checkouts: false, ..(*client).clone() });
    builder.add(Requests { client: lost, traffic, opens: 1, set_up: &[], paths, forgets: 1.0, forgets_from: 0 });
}

/// The release runs before the last statement, or never: idle, or in a transaction.
pub fn missing_await(builder: &mut CaseBuilder) {
    let settings = pool(builder);
    let rate = builder.rate(0.05, 2.0);
    let mut paths = builder.paths();
    let wanted = builder.random.magnitude(2.0, 15.0);
    let probability = builder.probability(wanted, rate / paths.len() as f64, builder.begin);
    for (n, path) in paths.iter_mut().enumerate() {
        path.weight = 1.0;
        path.fault = match n {
            0 => Some((Fault::NotReleased, probability)),
            1 => Some((Fault::NotCommitted, probability)),
            _ => None,
        };
    }
    let client = Rc::new(builder.client());
    let begin = builder.begin;
    builder.add(Pool::new(client, settings, Traffic::steady(rate), paths).event(begin, Event::Starts));
}
