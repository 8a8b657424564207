//! One pool of PgBouncer in transaction mode, event by event: clients arrive, queue, hold a server connection for one
//! transaction and leave. Server connections are opened one after the other as clients wait, the one that was free last
//! is used first, and what is above the size is closed when it is free (PgBouncer 1.25, `src/janitor.c`,
//! `src/objects.c`).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

pub(super) const SECOND: i64 = 1_000_000;
/// Time to open a server connection, microseconds.
const OPENING: i64 = 20_000;
/// `server_idle_timeout`.
const IDLE_TIMEOUT: i64 = 600 * SECOND;

/// A transaction that a client brings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) at: i64,
    /// Duration once it has a server connection; none when it never ends by itself.
    pub(super) takes: Option<i64>,
}

/// Totals of a run. Times in microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    pub(super) served: u64,
    pub(super) wait: i64,
    pub(super) longest_wait: i64,
    /// Server connections × time.
    pub(super) held: i64,
    pub(super) worked: i64,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) now: i64,
    pub(super) size: u32,
    /// Free server connections by the time of their last use, which is their order.
    free: VecDeque<(i64, i32)>,
    /// Server connections in use by the time of their release.
    busy: BinaryHeap<Reverse<(i64, i32)>>,
    /// Server connections whose transaction does not end, with the time at which it fell silent.
    stuck: Vec<(i64, i32)>,
    opening: Option<i64>,
    waiting: VecDeque<Arrival>,
    pids: i32,
    pub(super) totals: Totals,
}

impl Queue {
    pub(super) fn of(size: u32) -> Self {
        Self { size, ..Self::default() }
    }

    pub(super) fn open(&self) -> u32 {
        (self.free.len() + self.busy.len() + self.stuck.len()) as u32
    }

    pub(super) fn waiting(&self) -> u32 {
        self.waiting.len() as u32
    }

    pub(super) fn longest_wait_now(&self) -> i64 {
        self.waiting.front().map_or(0, |first| self.now - first.at)
    }

    pub(super) fn is_opening(&self) -> bool {
        self.opening.is_some()
    }

    pub(super) fn free(&self) -> impl Iterator<Item = i32> {
        self.free.iter().map(|&(_, pid)| pid)
    }

    pub(super) fn busy(&self) -> impl Iterator<Item = i32> {
        self.busy.iter().map(|&Reverse((_, pid))| pid)
    }

    /// Pids and the start of their silence.
    pub(super) fn stuck(&self) -> &[(i64, i32)] {
        &self.stuck
    }

    /// Ends the transactions that do not end by themselves.
    pub(super) fn end_stuck(&mut self) {
        for (_, pid) in std::mem::take(&mut self.stuck) {
            self.release(pid);
        }
    }

    pub(super) fn resize(&mut self, size: u32) {
        self.size = size;
        while self.open() > self.size && self.free.pop_front().is_some() {}
        self.serve();
    }

    /// Advances the time, with a client that arrives at its end.
    pub(super) fn arrive(&mut self, arrival: Arrival) {
        self.pass_until(arrival.at);
        self.waiting.push_back(arrival);
        self.serve();
    }

    pub(super) fn pass_until(&mut self, until: i64) {
        loop {
            let released = self.busy.peek().map(|&Reverse((at, _))| at);
            let Some(at) = [released, self.opening].into_iter().flatten().min().filter(|&at| at <= until) else {
                break;
            };
            self.clock(at);
            if self.opening == Some(at) {
                self.opening = None;
                self.pids += 1;
                self.release(self.pids);
            } else if let Some(Reverse((_, pid))) = self.busy.pop() {
                self.release(pid);
            }
        }
        self.clock(until);
        let idle = |&(since, _): &(i64, i32)| until - since > IDLE_TIMEOUT;
        while self.free.front().is_some_and(idle) {
            self.free.pop_front();
        }
    }

    fn clock(&mut self, to: i64) {
        self.totals.held += i64::from(self.open()) * (to - self.now);
        self.now = to;
    }

    fn release(&mut self, pid: i32) {
        if self.open() < self.size {
            self.free.push_back((self.now, pid));
            self.serve();
        }
    }

    fn serve(&mut self) {
        while !self.waiting.is_empty() {
            let Some((_, pid)) = self.free.pop_back() else { break };
            let Some(client) = self.waiting.pop_front() else { break };
            let wait = self.now - client.at;
            self.totals.wait += wait;
            self.totals.longest_wait = self.totals.longest_wait.max(wait);
            self.totals.served += 1;
            match client.takes {
                Some(takes) => {
                    self.totals.worked += takes;
                    self.busy.push(Reverse((self.now + takes, pid)));
                }
                None => self.stuck.push((self.now, pid)),
            }
        }
        if !self.waiting.is_empty() && self.opening.is_none() && self.open() < self.size {
            self.opening = Some(self.now + OPENING);
        }
    }
}
