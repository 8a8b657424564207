//! A case being set up: the server, who connects to it, and which part each of them plays.

use std::rc::Rc;

use crate::clients::traffic::Traffic;
use crate::clients::work::{Path, Work};
use crate::random::Random;
use crate::sim::world::BEGIN;
use crate::sim::{Actor, Client, World};
use crate::time::SECOND;

/// Application names. Nothing in them tells what a part does.
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

/// Most requests that one application makes in a case: more would show nothing new.
const MOST_REQUESTS: f64 = 6_000.0;

/// A case being set up.
pub struct Scene {
    /// The server.
    pub world: World,
    /// Who acts.
    pub actors: Vec<Box<dyn Actor>>,
    /// What the setting up draws from.
    pub random: Random,
    /// When the applications start, microseconds.
    pub begin: i64,
    /// The first look.
    pub first: i64,
    /// The last look.
    pub last: i64,
    /// The part that is being set up.
    pub part: usize,
}

impl Scene {
    /// Adds somebody who acts.
    pub fn add(&mut self, actor: impl Actor + 'static) {
        self.actors.push(Box::new(actor));
        self.world.wake_actor(self.actors.len() - 1, self.begin, BEGIN);
    }

    /// How long the case lasts, seconds.
    pub fn lasts(&self) -> f64 {
        (self.last - self.begin) as f64 / SECOND as f64
    }

    /// A moment between two shares of the time before the first look.
    pub fn before(&mut self, low: f64, high: f64) -> i64 {
        self.begin + ((self.first - self.begin) as f64 * self.random.between(low, high)) as i64
    }

    /// A moment between two shares of the time of the looks.
    pub fn during(&mut self, low: f64, high: f64) -> i64 {
        self.first + ((self.last - self.first) as f64 * self.random.between(low, high)) as i64
    }

    /// An application of its own.
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

    /// An address.
    pub fn address(&mut self) -> String {
        format!("10.{}.{}.{}", self.random.whole(1, 60), self.random.whole(0, 250), self.random.whole(2, 250))
    }

    /// The same application on another machine.
    pub fn elsewhere(&mut self, client: &Client) -> Client {
        Client { address: Some(self.address()), ..client.clone() }
    }

    /// A session with a purpose, by its role and name.
    pub fn named(&mut self, role: &str, application: &str) -> Rc<Client> {
        let client = self.client();
        Rc::new(Client {
            role: role.to_owned(),
            application: application.to_owned(),
            counts_checkouts: false,
            ..client
        })
    }

    /// A rate of requests a second, as far as it shows something new.
    pub fn rate(&mut self, low: f64, high: f64) -> f64 {
        self.random.magnitude(low, high).min(MOST_REQUESTS / self.lasts())
    }

    /// Traffic at a rate between these two, sometimes with a wave.
    pub fn traffic(&mut self, low: f64, high: f64) -> Traffic {
        let mut traffic = Traffic::steady(self.rate(low, high));
        if self.random.chance(0.3) {
            let length = (self.random.magnitude(600.0, 86_400.0) * SECOND as f64) as i64;
            traffic.wave = Some((length, self.random.between(0.2, 0.9)));
        }
        traffic
    }

    /// One kind of short work.
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

    /// Several code paths of one application, none of which fails.
    pub fn paths(&mut self) -> Vec<Path> {
        let count = self.random.count(2, 5);
        let path = |scene: &mut Self| {
            let transaction = scene.random.chance(0.4);
            Path { weight: scene.random.between(0.2, 2.0), work: scene.work(transaction), fault: None }
        };
        (0..count).map(|_| path(self)).collect()
    }

    /// How probable a fault must be for each request, for about so many of them in the rest of the case.
    pub fn probability(&self, wanted: f64, rate: f64, from: i64) -> f64 {
        let requests = rate * (self.last - from) as f64 / SECOND as f64;
        (wanted / requests.max(1.0)).min(1.0)
    }
}
