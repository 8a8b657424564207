//! Sets up a case: the server, its clients, and the part that each of them belongs to.

use std::rc::Rc;

use crate::clients::traffic::Traffic;
use crate::clients::work::{Path, Work};
use crate::random::Random;
use crate::sim::world::BEGIN;
use crate::sim::{Actor, Client, World};
use crate::time::SECOND;

/// Application names, unrelated to the behaviour of a part.
const APPLICATIONS: &[&str] = &[
    "orders",
    "billing",
    "search",
    "profile",
    "inventory",
    "mailer",
    "gateway",
    "catalog",
    "reviews",
    "payments",
    "reports",
    "uploads",
    "geo",
    "pricing",
    "ledger",
    "tickets",
    "notifier",
    "shipping",
    "accounts",
    "feed",
    "chat",
    "media",
    "quotes",
    "surveys",
    "labels",
    "node",
    "PostgreSQL JDBC Driver",
    "Npgsql",
    "puma: cluster worker",
    "",
];
const ENTITIES: &[&str] =
    &["item", "customer", "invoice", "article", "booking", "message", "product", "parcel", "vote"];

/// Maximum number of requests of one application in a case: more would add no coverage.
const MOST_REQUESTS: f64 = 6_000.0;

/// Case that is being set up.
pub struct CaseBuilder {
    /// Simulated server.
    pub world: World,
    /// Actors of the case.
    pub actors: Vec<Box<dyn Actor>>,
    /// Random numbers for the setup.
    pub random: Random,
    /// Start of the applications, microseconds.
    pub begin: i64,
    /// Time of the first look.
    pub first: i64,
    /// Time of the last look.
    pub last: i64,
    /// Index of the part that is being set up.
    pub part: usize,
}

impl CaseBuilder {
    /// Adds an actor.
    pub fn add(&mut self, actor: impl Actor + 'static) {
        self.actors.push(Box::new(actor));
        self.world.wake_actor(self.actors.len() - 1, self.begin, BEGIN);
    }

    /// Returns the duration of the case, seconds.
    pub fn lasts(&self) -> f64 {
        (self.last - self.begin) as f64 / SECOND as f64
    }

    /// Draws a time between two shares of the period before the first look.
    pub fn before(&mut self, low: f64, high: f64) -> i64 {
        self.begin + ((self.first - self.begin) as f64 * self.random.between(low, high)) as i64
    }

    /// Draws a time between two shares of the period of the looks.
    pub fn during(&mut self, low: f64, high: f64) -> i64 {
        self.first + ((self.last - self.first) as f64 * self.random.between(low, high)) as i64
    }

    /// Creates a new application.
    pub fn client(&mut self) -> Client {
        let application = (*self.random.pick(APPLICATIONS)).to_owned();
        let number = self.random.whole(1, 99);
        Client {
            role: format!("app_{number}"),
            database: self.world.server.database.clone(),
            application,
            address: Some(self.address()),
            backend_type: "client backend",
            part: self.part,
            protected: false,
            counts_checkouts: true,
            tracked: true,
        }
    }

    /// Draws a client address.
    pub fn address(&mut self) -> String {
        format!("10.{}.{}.{}", self.random.whole(1, 60), self.random.whole(0, 250), self.random.whole(2, 250))
    }

    /// Returns the same application on another machine.
    pub fn elsewhere(&mut self, client: &Client) -> Client {
        Client { address: Some(self.address()), ..client.clone() }
    }

    /// Creates a client with a given role and name.
    pub fn named(&mut self, role: &str, application: &str) -> Rc<Client> {
        let client = self.client();
        Rc::new(Client {
            role: role.to_owned(),
            application: application.to_owned(),
            counts_checkouts: false,
            ..client
        })
    }

    /// Draws a rate of requests per second, bounded by `MOST_REQUESTS`.
    pub fn rate(&mut self, low: f64, high: f64) -> f64 {
        self.random.magnitude(low, high).min(MOST_REQUESTS / self.lasts())
    }

    /// Draws traffic at a rate between these two, sometimes with a periodic variation.
    pub fn traffic(&mut self, low: f64, high: f64) -> Traffic {
        let mut traffic = Traffic::steady(self.rate(low, high));
        if self.random.chance(0.3) {
            let length = (self.random.magnitude(600.0, 86_400.0) * SECOND as f64) as i64;
            traffic.wave = Some((length, self.random.between(0.2, 0.9)));
        }
        traffic
    }

    /// Draws a type of short request.
    pub fn work(&mut self, transaction: bool) -> Work {
        let entity = *self.random.pick(ENTITIES);
        let other = *self.random.pick(ENTITIES);
        let writes = self.random.chance(0.4);
        let first = format!("SELECT name, state FROM {entity} WHERE id = {{}}");
        let second = if writes {
            format!("UPDATE {entity} SET seen_at = now() WHERE id = {{}}")
        } else {
            format!("SELECT count(*) FROM {other} WHERE {entity}_id = {{}}")
        };
        let both = transaction || self.random.chance(0.4);
        let statements = if both {
            vec![first, second]
        } else if writes {
            vec![second]
        } else {
            vec![first]
        };
        Work {
            statements,
            ms: self.random.magnitude(1.0, 40.0),
            pause_ms: self.random.magnitude(0.5, 30.0),
            longest_pause_ms: 20_000.0,
            transaction,
            writes,
            snapshot: false,
        }
    }

    /// Draws several code paths of one application, without faults.
    pub fn paths(&mut self) -> Vec<Path> {
        let count = self.random.count(2, 5);
        let path = |builder: &mut Self| {
            let transaction = builder.random.chance(0.4);
            Path { weight: builder.random.between(0.2, 2.0), work: builder.work(transaction), fault: None }
        };
        (0..count).map(|_| path(self)).collect()
    }

    /// Returns the probability of a fault per request that yields about `wanted` faults in the rest of the case.
    pub fn probability(&self, wanted: f64, rate: f64, from: i64) -> f64 {
        let requests = rate * (self.last - from) as f64 / SECOND as f64;
        (wanted / requests.max(1.0)).min(1.0)
    }
}
