//! Metrics of the orders of other commands, from their audit log. Their labels are those of the log, which has no targets.

use super::exposition::{Exposition, Reading};
use super::metric::Metric;
use crate::order_status::OrderStatus;

pub(super) static METRICS: [Metric; 3] = [
    Metric::counter(
        "orders",
        "Orders of other commands since this program runs, by action and outcome; dry runs excluded",
    ),
    Metric::gauge(
        "orders_left_this_hour",
        "Orders that the cap per hour of the program's commands leaves; absent before a first order",
    ),
    Metric::gauge("orders_readable", "1 if the audit log of --orders could be read, and has no changed line"),
];

/// Adds them. What cannot be read is unknown, except for the orders that were counted before.
pub(super) fn add(exposition: &mut Exposition, status: &OrderStatus) {
    let [orders, left_this_hour, readable] = &METRICS;
    exposition.add(readable, &[], Reading::Gauge(f64::from(u8::from(status.is_readable))));
    for ((server, database, action, outcome), count) in &status.counts {
        let labels = [("server", &**server), ("database", database), ("action", action), ("outcome", outcome)];
        exposition.add(orders, &labels, Reading::Counter(*count as f64));
    }
    for ((server, database, action), left) in status.left.iter().filter(|_| status.is_readable) {
        let labels = [("server", &**server), ("database", database), ("action", action)];
        exposition.add(left_this_hour, &labels, Reading::Gauge(*left as f64));
    }
}
