//! Sessions that queue for a lock held by an open, a forgotten or a prepared transaction.

use std::rc::Rc;

use crate::sim::session::Wait;
use crate::sim::world::{BEGIN, Statement};
use crate::sim::{Actor, Client, Hold, Sid, State, World};
use crate::time::{SECOND, seconds};

use super::traffic::Traffic;

/// Head of the queue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Head {
    /// Transaction that its client has forgotten.
    Forgotten,
    /// Transaction that continues after this number of seconds.
    Working(f64),
    /// Prepared transaction.
    Prepared,
}

/// Pool whose requests update one row.
pub struct Contention {
    client: Rc<Client>,
    head: Head,
    /// Time at which the head locks the row.
    from: i64,
    traffic: Traffic,
    most: usize,
    /// Timeout of a request that waits for the lock.
    patience: i64,
    holder: Option<Sid>,
    idle: Vec<Sid>,
    waiting: Vec<Sid>,
    busy: Vec<Sid>,
    total: usize,
}

const ARRIVAL: u64 = 0;
const HEAD: u64 = 1;
const HEAD_ENDS: u64 = 2;
const WAITED: u64 = 1 << 32;
const UPDATE: &str = "UPDATE account SET balance = balance - {} WHERE id = 7";

impl Contention {
    /// Creates a pool of at most `most` sessions.
    pub fn new(client: Rc<Client>, head: Head, from: i64, traffic: Traffic, most: usize, patience: i64) -> Self {
        Self {
            client,
            head,
            from,
            traffic,
            most,
            patience,
            holder: None,
            idle: Vec::new(),
            waiting: Vec::new(),
            busy: Vec::new(),
            total: 0,
        }
    }

    fn take(&mut self, world: &mut World) -> Option<Sid> {
        self.idle.pop().or_else(|| {
            if self.total >= self.most {
                return None;
            }
            let sid = world.open(&self.client)?;
            self.total += 1;
            Some(sid)
        })
    }

    fn blocked(&self, world: &World) -> bool {
        world.now >= self.from && (self.holder.is_some() || self.head == Head::Prepared)
    }

    fn take_the_row(&mut self, world: &mut World) {
        if self.head == Head::Prepared {
            return;
        }
        let Some(sid) = self.take(world) else {
            world.wake_at(world.now + SECOND, HEAD);
            return;
        };
        world.session(sid);
        let hold = Hold { xid: true, relations: 2, snapshot: false };
        world.execute(sid, world.now, &Statement::within("BEGIN", 200, Hold::default()));
        let text = UPDATE.replace("{}", "10");
        let end = world.execute(sid, world.now, &Statement::within(&text, 900, hold));
        world.hold(sid, Some(world.now));
        self.holder = Some(sid);
        match self.head {
            Head::Forgotten => world.forget(sid),
            Head::Working(lasts) => world.wake_at(end + seconds(lasts), HEAD_ENDS),
            Head::Prepared => {}
        }
    }

    fn request(&mut self, world: &mut World) {
        let Some(sid) = self.take(world) else { return };
        world.session(sid);
        world.hold(sid, Some(world.now));
        self.busy.push(sid);
        let text = UPDATE.replace("{}", &world.random.whole(1, 99).to_string());
        if !self.blocked(world) {
            let end = world.execute(sid, world.now, &Statement::single(&text, 2_000));
            world.wake_at(end, WAITED | sid as u64);
            return;
        }
        let first = self.waiting.first().copied();
        let (what, behind, prepared) = match (first, self.holder) {
            // The second in the queue waits for the tuple lock of the first.
            (Some(first), _) => ("ExclusiveLock on tuple (0,1) of relation public.account", vec![first], false),
            (None, Some(holder)) => ("ShareLock on transaction 731", vec![holder], false),
            (None, None) => ("ShareLock on transaction 731", Vec::new(), true),
        };
        let wait = Wait::Lock { what: what.to_owned(), since: world.now + 500, behind, prepared };
        let hold = Hold { xid: true, relations: 2, snapshot: false };
        let statement = Statement { text: &text, lasts: self.patience, then: State::Idle, hold, wait: Some(wait) };
        let end = world.execute(sid, world.now, &statement);
        self.waiting.push(sid);
        world.wake_at(end, WAITED | sid as u64);
    }

    fn waited(&mut self, world: &mut World, sid: Sid) {
        let Some(at) = self.busy.iter().position(|&busy| busy == sid) else { return };
        self.busy.swap_remove(at);
        self.waiting.retain(|&waiting| waiting != sid);
        world.session(sid);
        world.hold(sid, None);
        self.idle.push(sid);
        self.move_up(world);
    }

    /// Updates the waits after the head has left: the first session waits for the transaction itself.
    fn move_up(&mut self, world: &mut World) {
        let (first, holder) = (self.waiting.first().copied(), self.holder);
        let Some(session) = first.and_then(|sid| world.session(sid)) else { return };
        if let Some(Wait::Lock { what, behind, prepared, .. }) = &mut session.wait {
            *what = "ShareLock on transaction 731".to_owned();
            *behind = holder.into_iter().collect();
            *prepared = holder.is_none();
        }
        let first = self.waiting.first().copied();
        for &sid in self.waiting.iter().skip(1) {
            if let Some(Wait::Lock { behind, .. }) = world.session(sid).and_then(|session| session.wait.as_mut()) {
                *behind = first.into_iter().collect();
            }
        }
    }

    fn head_ends(&mut self, world: &mut World) {
        let Some(holder) = self.holder.take() else { return };
        world.session(holder);
        world.execute(holder, world.now, &Statement::single("COMMIT", 500));
        world.hold(holder, None);
        self.idle.push(holder);
        for sid in std::mem::take(&mut self.waiting) {
            if let Some(session) = world.session(sid) {
                session.ahead.clear();
                session.wait = None;
                let now = world.now;
                world.execute(sid, now, &Statement::single("COMMIT", 500));
            }
            world.hold(sid, None);
            self.busy.retain(|&busy| busy != sid);
            self.idle.push(sid);
        }
        let next = world.now + seconds(world.random.between(20.0, 200.0));
        world.wake_at(next, HEAD);
    }
}

impl Actor for Contention {
    fn wake(&mut self, world: &mut World, reason: u64) {
        match reason {
            BEGIN | ARRIVAL => {
                if let Some(at) = self.traffic.next(world.now, &mut world.random) {
                    world.wake_at(at, ARRIVAL);
                }
                if reason == BEGIN {
                    world.wake_at(self.from, HEAD);
                } else {
                    self.request(world);
                }
            }
            HEAD => self.take_the_row(world),
            HEAD_ENDS => self.head_ends(world),
            sid => self.waited(world, (sid - WAITED) as Sid),
        }
    }
}
