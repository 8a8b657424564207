//! Simulates an application's connection pool: HikariCP, node-postgres, SQLAlchemy and others differ in checkout
//! order, minimum idle size and eviction.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::sim::world::{BEGIN, Statement};
use crate::sim::{Actor, Client, Sid, World};
use crate::time::SECOND;

use super::traffic::Traffic;
use super::work::{Path, choose, set_up};

/// Checkout order of idle sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Most recently returned session first.
    Lifo,
    /// Longest idle session first.
    Fifo,
    /// Random session.
    Random,
    /// First session in the order in which they were opened.
    Opened,
}

/// Configuration of a pool.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Minimum number of sessions.
    pub min: usize,
    /// Maximum number of sessions.
    pub max: usize,
    /// Number of idle sessions kept beside those in use (HikariCP's `minimumIdle`).
    pub ready: usize,
    /// Checkout order.
    pub order: Order,
    /// Idle time after which a session is closed, except for the minimum.
    pub idle_timeout: Option<i64>,
    /// Age after which a session is closed once it is returned.
    pub lifetime: Option<i64>,
    /// Idle time after which a keepalive statement runs.
    pub keepalive: Option<i64>,
    /// Statements that the driver sends after connecting.
    pub set_up: &'static [&'static str],
    /// Statement sent when a session is returned.
    pub reset: Option<&'static str>,
    /// Statement sent before a session is checked out.
    pub ping: Option<&'static str>,
}

impl Settings {
    /// Creates settings for a pool between two sizes that never closes sessions.
    pub fn sized(min: usize, max: usize) -> Self {
        Self {
            min,
            max,
            ready: 0,
            order: Order::Lifo,
            idle_timeout: None,
            lifetime: None,
            keepalive: None,
            set_up: &[],
            reset: None,
            ping: None,
        }
    }
}

/// Event that affects a whole pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The process starts.
    Starts,
    /// The process ends, and closes all sessions.
    Stops,
    /// The machine crashes without closing its connections.
    Crashes,
    /// The application creates a new pool and loses the old one.
    LosesAll,
}

/// Pool with the application that uses it.
pub struct Pool {
    client: Rc<Client>,
    settings: Settings,
    traffic: Traffic,
    paths: Vec<Path>,
    events: Vec<(i64, Event)>,
    idle: VecDeque<Sid>,
    out: Vec<Sid>,
    waiting: VecDeque<i64>,
    running: bool,
}

const ARRIVAL: u64 = 0;
const MAINTENANCE: u64 = 1;
const RELEASE: u64 = 1 << 32;
/// Checkout timeout of a request.
const CHECKOUT_TIMEOUT: i64 = 30 * SECOND;

impl Pool {
    /// Creates a pool that starts at the first of its events.
    pub fn new(client: Rc<Client>, settings: Settings, traffic: Traffic, paths: Vec<Path>) -> Self {
        Self {
            client,
            settings,
            traffic,
            paths,
            events: Vec::new(),
            idle: VecDeque::new(),
            out: Vec::new(),
            waiting: VecDeque::new(),
            running: false,
        }
    }

    /// Adds an event at a time.
    pub fn event(mut self, at: i64, event: Event) -> Self {
        self.events.push((at, event));
        self
    }

    fn total(&self) -> usize {
        self.idle.len() + self.out.len()
    }

    fn open(&mut self, world: &mut World) -> Option<Sid> {
        let sid = world.open(&self.client)?;
        set_up(world, sid, world.now, self.settings.set_up);
        Some(sid)
    }

    fn fill(&mut self, world: &mut World) {
        while self.total() < self.settings.max
            && (self.total() < self.settings.min || self.idle.len() < self.settings.ready)
        {
            let Some(sid) = self.open(world) else { return };
            self.idle.push_front(sid);
        }
    }

    fn take(&mut self, world: &mut World) -> Option<Sid> {
        let taken = match self.settings.order {
            Order::Lifo => self.idle.pop_back(),
            Order::Fifo => self.idle.pop_front(),
            Order::Random | Order::Opened if self.idle.is_empty() => None,
            Order::Opened => {
                let first = self.idle.iter().enumerate().min_by_key(|(_, sid)| **sid)?;
                self.idle.remove(first.0)
            }
            Order::Random => {
                let at = world.random.count(0, self.idle.len() - 1);
                self.idle.remove(at)
            }
        };
        taken.or_else(|| if self.total() < self.settings.max { self.open(world) } else { None })
    }

    fn serve(&mut self, world: &mut World, sid: Sid) {
        world.session(sid);
        let start = world.now;
        if let Some(ping) = self.settings.ping {
            world.execute(sid, start, &Statement::single(ping, 300));
        }
        let (path, fault) = choose(&self.paths, world);
        let end = self.paths[path].work.perform(world, sid, start, fault);
        world.hold(sid, Some(start));
        self.out.push(sid);
        if fault.is_some() {
            world.forget(sid);
        } else {
            world.wake_at(end, RELEASE | sid as u64);
        }
    }

    fn release(&mut self, world: &mut World, sid: Sid) {
        let Some(at) = self.out.iter().position(|&out| out == sid) else { return };
        self.out.swap_remove(at);
        world.hold(sid, None);
        let Some(session) = world.session(sid) else { return };
        let old = self.settings.lifetime.is_some_and(|lifetime| session.started + lifetime < session.state_change);
        if old || !self.running {
            world.close(sid);
            return;
        }
        if let Some(reset) = self.settings.reset {
            world.execute(sid, world.now, &Statement::single(reset, 300));
        }
        let now = world.now;
        self.waiting.retain(|&since| since + CHECKOUT_TIMEOUT > now);
        if self.waiting.pop_front().is_some() {
            self.serve(world, sid);
        } else {
            self.idle.push_back(sid);
        }
    }

    /// Closes expired and long idle sessions, sends keepalives, and opens sessions up to the minimum.
    fn maintain(&mut self, world: &mut World) {
        let now = world.now;
        let mut kept = VecDeque::new();
        let mut spare = self.total().saturating_sub(self.settings.min.max(self.settings.ready));
        for sid in std::mem::take(&mut self.idle) {
            let Some(session) = world.session(sid) else { continue };
            // Pools vary the lifetime, so that sessions do not all expire at once.
            let spread = session.pid as i64 % 16;
            let old = self
                .settings
                .lifetime
                .is_some_and(|lifetime| now - session.started > lifetime - lifetime / 400 * spread);
            let unused = self.settings.idle_timeout.is_some_and(|timeout| now - session.last_change_at() > timeout);
            let quiet = self.settings.keepalive.is_some_and(|keepalive| now - session.last_change_at() > keepalive);
            if old || (unused && spare > 0) {
                spare = spare.saturating_sub(1);
                world.close(sid);
                continue;
            }
            if quiet {
                world.execute(sid, now, &Statement::single("SELECT 1", 200));
            }
            kept.push_back(sid);
        }
        self.idle = kept;
        self.fill(world);
        let ticks =
            [self.settings.idle_timeout, self.settings.lifetime.map(|lifetime| lifetime / 10), self.settings.keepalive];
        let tick = ticks.into_iter().flatten().min().unwrap_or(600 * SECOND) / 3;
        world.wake_at(now + tick.clamp(5 * SECOND, 600 * SECOND), MAINTENANCE);
    }

    fn apply(&mut self, world: &mut World, event: Event) {
        match event {
            Event::Starts => {
                self.running = true;
                self.fill(world);
                if let Some(at) = self.traffic.next(world.now, &mut world.random) {
                    world.wake_at(at, ARRIVAL);
                }
                world.wake_at(world.now + 10 * SECOND, MAINTENANCE);
            }
            Event::Stops => {
                self.running = false;
                for sid in self.idle.drain(..) {
                    world.close(sid);
                }
                // Forgotten sessions end with their process.
                let forgotten = |world: &World, sid: &Sid| {
                    world.sessions.get(sid).is_none_or(|session| session.forgotten.is_some())
                };
                for sid in self.out.extract_if(.., |sid| forgotten(world, sid)).collect::<Vec<_>>() {
                    world.close(sid);
                }
            }
            Event::Crashes | Event::LosesAll => {
                let now = world.now;
                for sid in self.idle.drain(..).chain(self.out.drain(..)) {
                    if let Some(session) = world.session(sid)
                        && session.forgotten.is_none()
                    {
                        session.cut_off(now);
                    }
                }
                self.waiting.clear();
                self.running = event == Event::LosesAll;
                if self.running {
                    self.fill(world);
                }
            }
        }
    }
}

impl Actor for Pool {
    fn wake(&mut self, world: &mut World, reason: u64) {
        match reason {
            ARRIVAL if self.running => {
                if let Some(at) = self.traffic.next(world.now, &mut world.random) {
                    world.wake_at(at, ARRIVAL);
                }
                match self.take(world) {
                    Some(sid) => self.serve(world, sid),
                    None => self.waiting.push_back(world.now),
                }
            }
            MAINTENANCE if self.running => self.maintain(world),
            ARRIVAL | MAINTENANCE => {}
            BEGIN => {
                let due = self.events.iter().position(|&(at, _)| at <= world.now);
                if let Some(at) = due {
                    let (_, event) = self.events.remove(at);
                    self.apply(world, event);
                }
                if let Some(&(at, _)) = self.events.iter().min_by_key(|event| event.0) {
                    world.wake_at(at, BEGIN);
                }
            }
            sid => self.release(world, (sid - RELEASE) as Sid),
        }
    }
}
