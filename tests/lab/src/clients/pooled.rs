//! Simulates applications behind one PgBouncer, with the server's and the pooler's view of them.

use std::cell::RefCell;
use std::rc::Rc;

use crate::sim::pooler::{PooledClient, Pooler, ServerConnection};
use crate::sim::world::{BEGIN, Statement};
use crate::sim::{Actor, Client, Sid, World};
use crate::time::SECOND;

use super::traffic::Traffic;
use super::work::{Path, choose};

/// Application behind the pooler.
pub struct Application {
    /// Client as the server sees it: the application's name, the pooler's address.
    pub client: Rc<Client>,
    /// Real client address.
    pub address: String,
    /// Number of permanent connections to the pooler.
    pub keeps: usize,
    /// True if each request opens and closes its own connection.
    pub visits: bool,
    /// True if requests use the first free connection, so that the last ones are a reserve; otherwise a random one.
    pub in_order: bool,
    /// Arrival of requests.
    pub traffic: Traffic,
    /// Code paths of the requests.
    pub paths: Vec<Path>,
}

/// Pooler with its applications.
pub struct Pooled {
    state: Rc<RefCell<Pooler>>,
    applications: Vec<Application>,
    /// Application index of each client.
    of: Vec<usize>,
    /// True for clients that run a request or were forgotten.
    busy: Vec<bool>,
    waiting: Vec<usize>,
}

const ARRIVAL: u64 = 1 << 20;
const MAINTENANCE: u64 = 1 << 21;
const RELEASE: u64 = 1 << 32;
const SERVER_IDLE_TIMEOUT: i64 = 600 * SECOND;
const SERVER_LIFETIME: i64 = 3_600 * SECOND;
const QUERY_WAIT_TIMEOUT: i64 = 120 * SECOND;

impl Pooled {
    /// Creates a pooler; its state can be shown on a console.
    pub fn new(pooler: Pooler, applications: Vec<Application>) -> (Self, Rc<RefCell<Pooler>>) {
        let state = Rc::new(RefCell::new(pooler));
        let pooled =
            Self { state: Rc::clone(&state), applications, of: Vec::new(), busy: Vec::new(), waiting: Vec::new() };
        (pooled, state)
    }

    fn join(&mut self, world: &mut World, application: usize) -> usize {
        let number = self.of.len();
        self.of.push(application);
        self.busy.push(false);
        let app = &self.applications[application];
        let client = PooledClient {
            application: app.client.application.clone(),
            address: app.address.clone(),
            port: world.random.whole(30_000, 60_000) as u32,
            connected: world.now,
            link: None,
            waits: None,
        };
        self.state.borrow_mut().clients.insert(number, client);
        number
    }

    /// Returns a server connection for a client: a free one, or a new one if the pool allows it.
    fn link(&mut self, world: &mut World, client: usize) -> Option<Sid> {
        let as_seen = Rc::clone(&self.applications[self.of[client]].client);
        let mut state = self.state.borrow_mut();
        let free = state.servers.iter().rposition(|server| server.link.is_none());
        let server = match free {
            Some(at) => state.servers.remove(at),
            None if state.servers.len() < state.size => ServerConnection { sid: world.open(&as_seen)?, link: None },
            None => return None,
        };
        state.servers.push(ServerConnection { link: Some(client), ..server });
        if let Some(known) = state.clients.get_mut(&client) {
            known.link = Some(server.sid);
            let waited = known.waits.take().map_or(0, |since| world.now - since);
            state.wait_us += waited.unsigned_abs();
        }
        if let Some(session) = world.session(server.sid) {
            session.client = as_seen;
        }
        Some(server.sid)
    }

    fn unlink(&mut self, world: &mut World, client: usize) {
        let mut state = self.state.borrow_mut();
        let sid = state.clients.get_mut(&client).and_then(|client| client.link.take());
        let Some(sid) = sid else { return };
        let Some(at) = state.servers.iter().position(|server| server.sid == sid) else { return };
        let server = state.servers.remove(at);
        state.servers.push(ServerConnection { link: None, ..server });
        world.hold(sid, None);
    }

    fn request(&mut self, world: &mut World, client: usize) {
        let linked = self.state.borrow().clients.get(&client).and_then(|client| client.link);
        self.busy[client] = true;
        let Some(sid) = linked.or_else(|| self.link(world, client)) else {
            if let Some(client) = self.state.borrow_mut().clients.get_mut(&client) {
                client.waits.get_or_insert(world.now);
            }
            self.waiting.push(client);
            return;
        };
        world.session(sid);
        let (path, fault) = choose(&self.applications[self.of[client]].paths, world);
        let start = world.now;
        let end = self.applications[self.of[client]].paths[path].work.perform(world, sid, start, fault);
        world.hold(sid, Some(start));
        let mut state = self.state.borrow_mut();
        state.transactions += 1;
        state.transaction_us += (end - start).unsigned_abs();
        if fault.is_some() {
            world.forget(sid);
        } else {
            world.wake_at(end + 500, RELEASE | client as u64);
        }
    }

    fn release(&mut self, world: &mut World, client: usize) {
        self.busy[client] = false;
        let visits = self.applications[self.of[client]].visits;
        let session_mode = self.state.borrow().session_mode;
        let sid = self.state.borrow().clients.get(&client).and_then(|client| client.link);
        if let Some(sid) = sid {
            world.session(sid);
            world.hold(sid, None);
        }
        if !session_mode || visits {
            self.unlink(world, client);
        }
        if visits {
            self.state.borrow_mut().clients.remove(&client);
            if let Some(sid) = sid.filter(|_| session_mode) {
                world.execute(sid, world.now, &Statement::single("DISCARD ALL", 400));
            }
        }
        let now = world.now;
        let waiting = std::mem::take(&mut self.waiting);
        let late = |client: &usize, state: &Pooler| {
            let since = state.clients.get(client).and_then(|client| client.waits);
            since.is_none_or(|since| since + QUERY_WAIT_TIMEOUT < now)
        };
        let (late, mut left): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|client| late(client, &self.state.borrow()));
        for client in late {
            self.give_up(client);
        }
        let free = self.state.borrow().servers.iter().any(|server| server.link.is_none());
        let next = if free && !left.is_empty() { Some(left.remove(0)) } else { None };
        self.waiting = left;
        if let Some(next) = next {
            self.request(world, next);
        }
    }

    fn give_up(&mut self, client: usize) {
        self.busy[client] = false;
        let mut state = self.state.borrow_mut();
        if self.applications[self.of[client]].visits {
            state.clients.remove(&client);
        } else if let Some(client) = state.clients.get_mut(&client) {
            client.waits = None;
        }
    }

    fn arrive(&mut self, world: &mut World, application: usize) {
        if let Some(at) = self.applications[application].traffic.next(world.now, &mut world.random) {
            world.wake_at(at, ARRIVAL | application as u64);
        }
        let client = if self.applications[application].visits {
            Some(self.join(world, application))
        } else {
            let free = |&client: &usize| self.of[client] == application && !self.busy[client];
            let free: Vec<usize> = (0..self.of.len()).filter(free).collect();
            let any = !free.is_empty() && !self.applications[application].in_order;
            if any { Some(*world.random.pick(&free)) } else { free.first().copied() }
        };
        if let Some(client) = client {
            self.request(world, client);
        }
    }

    fn maintain(&mut self, world: &mut World) {
        let now = world.now;
        let servers = std::mem::take(&mut self.state.borrow_mut().servers);
        let mut kept = Vec::new();
        for server in servers {
            let Some(session) = world.session(server.sid) else { continue };
            let old = now - session.started > SERVER_LIFETIME;
            let unused = now - session.last_change_at() > SERVER_IDLE_TIMEOUT;
            if server.link.is_none() && (old || unused) {
                world.close(server.sid);
            } else {
                kept.push(server);
            }
        }
        self.state.borrow_mut().servers = kept;
        world.wake_at(now + 20 * SECOND, MAINTENANCE);
    }

    fn begin(&mut self, world: &mut World) {
        for application in 0..self.applications.len() {
            for _ in 0..self.applications[application].keeps {
                let client = self.join(world, application);
                if self.state.borrow().session_mode && self.link(world, client).is_none() {
                    self.busy[client] = true;
                }
            }
            if let Some(at) = self.applications[application].traffic.next(world.now, &mut world.random) {
                world.wake_at(at, ARRIVAL | application as u64);
            }
        }
        world.wake_at(world.now + 20 * SECOND, MAINTENANCE);
    }
}

impl Actor for Pooled {
    fn wake(&mut self, world: &mut World, reason: u64) {
        match reason {
            BEGIN => self.begin(world),
            MAINTENANCE => self.maintain(world),
            reason if reason >= RELEASE => self.release(world, (reason - RELEASE) as usize),
            reason => self.arrive(world, (reason - ARRIVAL) as usize),
        }
    }
}
