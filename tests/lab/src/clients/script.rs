//! Runs a script in one session: a listener, a leader, a batch job, a backup, an interactive user.

use std::rc::Rc;

use crate::sim::session::Wait;
use crate::sim::world::Statement;
use crate::sim::{Actor, Client, Hold, Sid, State, World};
use crate::time::seconds;

/// Step of a script.
#[derive(Debug, Clone)]
pub enum Step {
    /// Connects, unless connected.
    Connect,
    /// Disconnects.
    Disconnect,
    /// Loses the session without closing it.
    Lose,
    /// Runs a statement; its duration is between these seconds.
    Run(String, f64, f64),
    /// Runs a statement within a transaction that holds `Hold`.
    Within(String, f64, f64, Hold),
    /// Ends the transaction.
    Commit,
    /// Runs a statement with a wait event.
    Slow(String, f64, f64, Wait),
    /// Pauses; the duration is between these seconds.
    Pause(f64, f64),
    /// Takes this number of advisory locks.
    Advisory(i64),
    /// Creates a temporary table.
    Temporary,
    /// Runs `LISTEN` with this text.
    Listen(String),
    /// Continues at this step.
    Again(usize),
}

/// Client that runs a script.
pub struct Script {
    client: Rc<Client>,
    steps: Vec<Step>,
    at: usize,
    session: Option<Sid>,
}

impl Script {
    /// Creates a client that runs these steps and then stays connected.
    pub fn new(client: Rc<Client>, steps: Vec<Step>) -> Self {
        Self { client, steps, at: 0, session: None }
    }

    /// Runs a step. Returns the time of the next one.
    fn step(&mut self, world: &mut World, step: Step) -> i64 {
        let now = world.now;
        if let Step::Connect = step {
            if self.session.is_none() {
                self.session = world.open(&self.client);
            }
            return now + seconds(world.random.between(0.01, 0.1));
        }
        if let Step::Pause(low, high) = step {
            return now + seconds(world.random.between(low, high));
        }
        if let Step::Again(at) = step {
            self.at = at;
            return now;
        }
        let Some(sid) = self.session else { return now };
        let run = |world: &mut World, text: &str, low: f64, high: f64, then: State, hold: Hold, wait: Option<Wait>| {
            let lasts = seconds(world.random.between(low, high));
            let text = text.replace("{}", &world.random.whole(1, 99_999).to_string());
            world.execute(sid, now, &Statement { text: &text, lasts, then, hold, wait })
        };
        let none = Hold::default();
        match step {
            Step::Disconnect => {
                world.close(sid);
                self.session = None;
                now
            }
            Step::Lose => {
                world.forget(sid);
                self.session = None;
                now
            }
            Step::Run(text, low, high) => run(world, &text, low, high, State::Idle, none, None),
            Step::Slow(text, low, high, wait) => run(world, &text, low, high, State::Idle, none, Some(wait)),
            Step::Within(text, low, high, hold) => run(world, &text, low, high, State::Open, hold, None),
            Step::Commit => run(world, "COMMIT", 0.001, 0.005, State::Idle, none, None),
            Step::Advisory(count) => {
                let end = run(world, "SELECT pg_advisory_lock({})", 0.001, 0.002, State::Idle, none, None);
                if let Some(session) = world.session(sid) {
                    session.advisory += count;
                }
                end
            }
            Step::Temporary => {
                let end = run(world, "CREATE TEMP TABLE staging (id bigint)", 0.002, 0.01, State::Idle, none, None);
                if let Some(session) = world.session(sid) {
                    session.temporary = true;
                }
                end
            }
            Step::Listen(channel) => {
                let end = run(world, &format!("LISTEN {channel}"), 0.001, 0.002, State::Idle, none, None);
                if let Some(session) = world.session(sid) {
                    session.listens = true;
                }
                end
            }
            Step::Connect | Step::Pause(..) | Step::Again(_) => now,
        }
    }
}

impl Actor for Script {
    fn wake(&mut self, world: &mut World, _: u64) {
        // Steps without duration follow at once; the bound ends a loop without a pause.
        for _ in 0..64 {
            let Some(step) = self.steps.get(self.at).cloned() else { return };
            self.at += 1;
            if let Some(sid) = self.session {
                world.session(sid);
            }
            let due = self.step(world, step);
            if due > world.now {
                world.wake_at(due, 0);
                return;
            }
        }
    }
}
