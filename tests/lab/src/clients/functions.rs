//! Simulates serverless functions: each instance has a session, is frozen between requests, and is discarded after an
//! idle time. Its session is closed then only with some probability.

use std::rc::Rc;

use crate::sim::world::BEGIN;
use crate::sim::{Actor, Client, Sid, World};

use super::traffic::Traffic;
use super::work::{Path, choose, set_up};

/// Function with its instances.
pub struct Functions {
    clients: Vec<Rc<Client>>,
    traffic: Traffic,
    paths: Vec<Path>,
    /// Idle time after which an instance is discarded.
    thrown_after: i64,
    /// Probability that the session of a discarded instance stays open.
    stays: f64,
    frozen: Vec<(Sid, i64)>,
}

const ARRIVAL: u64 = 0;

impl Functions {
    /// Creates a function; its instances use these addresses in turn.
    pub fn new(clients: Vec<Rc<Client>>, traffic: Traffic, paths: Vec<Path>, thrown_after: i64, stays: f64) -> Self {
        Self { clients, traffic, paths, thrown_after, stays, frozen: Vec::new() }
    }

    fn throw_away(&mut self, world: &mut World) {
        let old = world.now - self.thrown_after;
        for (sid, _) in self.frozen.extract_if(.., |&mut (_, since)| since < old).collect::<Vec<_>>() {
            if world.random.chance(self.stays) {
                world.session(sid);
                world.forget(sid);
            } else {
                world.close(sid);
            }
        }
    }
}

impl Actor for Functions {
    fn wake(&mut self, world: &mut World, reason: u64) {
        match reason {
            BEGIN | ARRIVAL => {
                if let Some(at) = self.traffic.next(world.now, &mut world.random) {
                    world.wake_at(at, ARRIVAL);
                }
                if reason == BEGIN {
                    return;
                }
                self.throw_away(world);
                let warm = self.frozen.pop().map(|(sid, _)| sid);
                let (sid, start) = match warm {
                    Some(sid) => (sid, world.now),
                    None => {
                        let at = world.random.count(0, self.clients.len() - 1);
                        let client = Rc::clone(&self.clients[at]);
                        let Some(sid) = world.open(&client) else { return };
                        (sid, set_up(world, sid, world.now, &["SET client_encoding = 'UTF8'"]))
                    }
                };
                world.session(sid);
                let (path, fault) = choose(&self.paths, world);
                let end = self.paths[path].work.perform(world, sid, start, fault);
                world.hold(sid, Some(world.now));
                world.wake_at(end, sid as u64);
            }
            sid => {
                world.hold(sid as Sid, None);
                self.frozen.push((sid as Sid, world.now));
            }
        }
    }
}
