//! Orders of the commands that act, as series.

use std::collections::BTreeMap;

use archon_pool_audit::{Orders, outcomes};
use archon_pool_core::audit_sink::{Act, Place};
use archon_pool_core::policy::Policy;

use crate::shown::{OTHER, label};

/// Places with series of their own; orders in others are summed.
const PLACES: usize = 50;

/// Orders as series. Places are kept once they were seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OrderStatus {
    /// True unless the log could not be read.
    pub(crate) is_readable: bool,
    /// Orders by server, database, action and outcome.
    pub(crate) counts: BTreeMap<(String, String, &'static str, &'static str), u64>,
    /// Orders left in this hour by server, database and action.
    pub(crate) left: BTreeMap<(String, String, &'static str), u64>,
}

impl OrderStatus {
    /// Returns the status after another reading.
    pub(crate) fn after(&self, orders: &Orders, is_readable: bool, policy: &Policy) -> Self {
        let mut next = Self { is_readable, ..self.clone() };
        let hour = orders.last_hour();
        // All are counted anew: several places may be one label.
        next.counts.values_mut().for_each(|count| *count = 0);
        for place in orders.counts().map(|count| count.place).chain(hour.iter().map(|(place, _)| place.clone())) {
            next.know(&place, policy);
        }
        for count in orders.counts() {
            let (server, database) = next.labels(&count.place);
            *next.counts.entry((server, database, count.action, count.outcome)).or_default() += count.count;
        }
        for ((server, database, action), left) in &mut next.left {
            let spent = hour.iter().filter(|(place, _)| {
                (label(&place.server), label(&place.database)) == (server.clone(), database.clone())
                    && capped(place.act, policy).is_some_and(|(of, _)| of == *action)
            });
            let most = [Act::Order, Act::Resize].into_iter().filter_map(|act| capped(act, policy));
            let most = most.filter(|(of, _)| of == action).map(|(_, most)| most).sum::<u64>();
            *left = most.saturating_sub(spent.map(|(_, count)| count).sum());
        }
        next
    }

    /// Shows all outcomes of a place from zero on: an increase is only seen after a first value.
    fn know(&mut self, place: &Place, policy: &Policy) {
        let (server, database) = self.labels(place);
        for (action, outcome) in outcomes(place.act) {
            self.counts.entry((server.clone(), database.clone(), action, outcome)).or_default();
        }
        if let Some((action, most)) = capped(place.act, policy).filter(|_| server != OTHER) {
            self.left.entry((server, database, action)).or_insert(most);
        }
    }

    /// Returns the labels of a place: its own, or those of all that are too many.
    fn labels(&self, place: &Place) -> (String, String) {
        let (server, database) = (label(&place.server), label(&place.database));
        let mut known: Vec<_> = self.counts.keys().map(|(server, database, ..)| (server, database)).collect();
        known.dedup();
        let is_known = known.contains(&(&server, &database));
        if is_known || known.len() < PLACES { (server, database) } else { (OTHER.to_owned(), OTHER.to_owned()) }
    }
}

/// Returns the action whose cap per hour counts an act, and the cap; none for statements.
fn capped(act: Act, policy: &Policy) -> Option<(&'static str, u64)> {
    match act {
        Act::Order => Some(("terminate", policy.max_kills_per_hour.into())),
        Act::Resize => Some(("resize", policy.max_resizes_per_hour.into())),
        Act::Statement => None,
    }
}

#[cfg(test)]
mod tests {
    use archon_pool_audit::Audit;
    use archon_pool_core::audit_sink::{AuditSink as _, Event};
    use jiff::Timestamp;

    use super::*;

    fn event(name: &'static str, database: &str, outcome: &str) -> Event {
        Event::new(name).with("server", "db:5432").with("database", database).with("outcome", outcome)
    }

    fn left(status: &OrderStatus, action: &'static str) -> Option<u64> {
        status.left.get(&("db:5432".to_owned(), "shop".to_owned(), action)).copied()
    }

    #[tokio::test]
    async fn orders_are_counted_from_zero_on_and_what_is_left_of_the_hour_is_known() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit");
        let policy = Policy { max_kills_per_hour: 2, ..Policy::default() };
        let mut orders = Orders::follow(&path);
        orders.read(Timestamp::now()).expect("read");
        let audit = Audit::open(&path).expect("a log");
        let place = |act| Place::new(act, "db:5432", "shop");
        let sent =
            audit.announce(place(Act::Order), 2, vec![event("order", "shop", "sending"); 2]).await.expect("sent");
        orders.read(Timestamp::now()).expect("read");
        let status = OrderStatus::default().after(&orders, true, &policy);
        assert_eq!(status.counts.values().sum::<u64>(), 0, "{status:?}");
        assert_eq!((status.counts.len(), left(&status, "terminate")), (7, Some(0)));

        let ended = vec![
            event("order", "shop", "signalled").with("sending", sent[0]),
            event("order", "shop", "gone").with("sending", sent[1]),
        ];
        audit.write(ended).await;
        orders.read(Timestamp::now()).expect("read");
        let status = status.after(&orders, true, &policy);
        assert_eq!((status.counts.values().sum::<u64>(), left(&status, "terminate")), (2, Some(1)));
        assert_eq!(left(&status, "resize"), None, "nothing was ever resized");
        assert_eq!(status.after(&orders, true, &policy), status, "reading again changes nothing");
    }

    #[tokio::test]
    async fn many_places_are_summed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit");
        let mut orders = Orders::follow(&path);
        orders.read(Timestamp::now()).expect("read");
        let audit = Audit::open(&path).expect("a log");
        let all = (0..200).map(|number| event("resize", &format!("d{number}"), "failed")).collect();
        audit.write(all).await;
        orders.read(Timestamp::now()).expect("read");
        let status = OrderStatus::default().after(&orders, true, &Policy::default());
        assert_eq!(status.counts.values().sum::<u64>(), 200);
        let other = (OTHER.to_owned(), OTHER.to_owned(), "resize", "failed");
        assert_eq!(status.counts[&other], 150);
        assert!(status.counts.len() <= (PLACES + 1) * outcomes(Act::Resize).count());
    }
}
