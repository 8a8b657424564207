//! An application without a pool of its own that opens what a request needs, and may forget to close it.

use std::rc::Rc;

use crate::sim::world::BEGIN;
use crate::sim::{Actor, Client, Sid, World};

use super::traffic::Traffic;
use super::work::{Path, choose, set_up};

/// Opens sessions for each request.
pub struct Requests {
    /// Whose they are.
    pub client: Rc<Client>,
    /// When requests come.
    pub traffic: Traffic,
    /// How many sessions each opens; it uses the first.
    pub opens: usize,
    /// What its driver sends when it has connected.
    pub set_up: &'static [&'static str],
    /// What a request does with it; nothing when there is no path.
    pub paths: Vec<Path>,
    /// How probable it is that it closes nothing.
    pub forgets: f64,
    /// From when on it does.
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
            // A pool of its own counts no checkout that is overdue: what is lost is the pool.
            if forgets {
                world.forget(sid);
            } else {
                world.hold(sid, Some(world.now));
                world.wake_at(end + 1_000, sid as u64);
            }
        }
    }
}
