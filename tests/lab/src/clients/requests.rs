//! Simulates an application without a pool that opens sessions for each request, and may not close them.

use std::rc::Rc;

use crate::sim::world::BEGIN;
use crate::sim::{Actor, Client, Sid, World};

use super::traffic::Traffic;
use super::work::{Path, choose, set_up};

/// Client that opens sessions for each request.
pub struct Requests {
    /// Client of the sessions.
    pub client: Rc<Client>,
    /// Arrival of requests.
    pub traffic: Traffic,
    /// Number of sessions opened per request; the first one is used.
    pub opens: usize,
    /// Statements that the driver sends after connecting.
    pub set_up: &'static [&'static str],
    /// Code paths of the requests; empty if the session is not used.
    pub paths: Vec<Path>,
    /// Probability that a request closes nothing.
    pub forgets: f64,
    /// Time from which requests forget to close.
    pub forgets_from: i64,
}

const ARRIVAL: u64 = 0;

impl Actor for Requests {
    fn wake(&mut self, world: &mut World, reason: u64) {
        match reason {
            BEGIN | ARRIVAL => {
                if let Some(at) = self.traffic.next(world.now, &mut world.random) {
                    world.wake_at(at, ARRIVAL);
                }
                if reason == ARRIVAL {
                    self.serve(world);
                }
            }
            sid => world.close(sid as Sid),
        }
    }
}

impl Requests {
    fn serve(&mut self, world: &mut World) {
        let forgets = world.now >= self.forgets_from && world.random.chance(self.forgets);
        for n in 0..self.opens {
            let Some(sid) = world.open(&self.client) else { return };
            let mut end = set_up(world, sid, world.now, self.set_up);
            if n == 0 && !self.paths.is_empty() {
                let (path, fault) = choose(&self.paths, world);
                end = self.paths[path].work.perform(world, sid, end, fault);
            }
            // A pool per request counts no overdue checkout: the whole pool is lost.
            if forgets {
                world.forget(sid);
            } else {
                world.hold(sid, Some(world.now));
                world.wake_at(end + 1_000, sid as u64);
            }
        }
    }
}
