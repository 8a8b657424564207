//! What the scenarios play on: one server, one pooler, and the roll of who is lost.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use archon_pool_lab::look::Harm;
use archon_pool_tests::pgbouncer::PgBouncer;
use archon_pool_tests::{App, Cluster, Session};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_postgres::Client;

use super::scenario::Scenario;
use crate::actions::OPERATOR;

/// The pooler's databases, one a mode.
pub(super) const TRANSACTION_MODE: &str = "in-transaction-mode";
pub(super) const SESSION_MODE: &str = "in-session-mode";

/// One scenario loses something this often at the most.
const MOST_LOSSES: usize = 16;

/// A session for all time: its process id and when it started.
pub(super) type Identity = (i32, i64);

/// What is true of a session beyond what its state tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    /// Its code has no way to use or close it any more.
    Lost,
    /// It must not be ended, whatever it does.
    Harm(Harm),
}

/// The server, the pooler, and the truth.
pub(super) struct Stage {
    /// The server.
    pub(super) cluster: Cluster,
    /// The pooler before it.
    pub(super) bouncer: PgBouncer,
    labels: RefCell<HashMap<Identity, Label>>,
    // What is lost stays open.
    lost: RefCell<(Vec<Session>, Vec<Client>)>,
    ready: Cell<usize>,
    closed: watch::Sender<bool>,
}

impl Stage {
    /// A server with a role for each scenario, and a pooler that lets all of them in.
    pub(super) async fn build(scenarios: &[Scenario]) -> Result<Rc<Self>> {
        let builder = Cluster::builder().setting("max_connections", 400).setting("max_wal_senders", 4);
        let builder = builder.hba("host replication all 127.0.0.1/32 scram-sha-256");
        let cluster = builder.hba("host all all 127.0.0.0/8 scram-sha-256").start().await?;
        cluster.create_role(OPERATOR, "IN ROLE pg_monitor, pg_signal_backend").await?;
        for scenario in scenarios {
            cluster.create_role(scenario.name(), "").await?;
        }
        cluster
            .execute(
                "CREATE TABLE stock (id int PRIMARY KEY, n int); GRANT ALL ON stock TO PUBLIC;
                 INSERT INTO stock SELECT id, 5 FROM generate_series(1, 100) id",
            )
            .await?;
        let names: Vec<&str> = scenarios.iter().map(Scenario::name).collect();
        let bouncer = PgBouncer::before(&cluster)
            .users(&names)
            .setting("default_pool_size", 30)
            .database(TRANSACTION_MODE, "dbname=postgres pool_mode=transaction")
            .database(SESSION_MODE, "dbname=postgres pool_mode=session")
            .start()
            .await?;
        Ok(Rc::new(Self {
            cluster,
            bouncer,
            labels: RefCell::default(),
            lost: RefCell::default(),
            ready: Cell::new(0),
            closed: watch::channel(false).0,
        }))
    }

    /// What is known of a session.
    pub(super) fn label(&self, identity: Identity) -> Option<Label> {
        self.labels.borrow().get(&identity).copied()
    }

    /// How many scenarios are set up.
    pub(super) fn ready(&self) -> usize {
        self.ready.get()
    }

    /// Tells every scenario to end.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }
}

/// A scenario's way to the stage.
pub(super) struct Part {
    /// The stage.
    pub(super) stage: Rc<Stage>,
    /// The scenario's name.
    pub(super) name: &'static str,
}

impl Part {
    /// The scenario's application, under its own role.
    pub(super) fn app(&self) -> App<'_> {
        self.called(self.name)
    }

    /// Another application under the scenario's role.
    pub(super) fn called<'a>(&'a self, application: &'a str) -> App<'a> {
        self.stage.cluster.app(self.name, application)
    }

    /// A client of the pooler.
    pub(super) async fn pooled(&self, database: &str) -> Result<Client> {
        self.stage.bouncer.connect_to(database, self.name, self.name).await
    }

    /// Its code has lost this session at the end of its last use.
    pub(super) fn lose(&self, session: Session) {
        self.stage.labels.borrow_mut().insert((session.pid(), session.backend_start()), Label::Lost);
        self.stage.lost.borrow_mut().0.push(session);
    }

    /// Its code has lost this client of the pooler, which has this session of the server.
    pub(super) async fn lose_pooled(&self, client: Client, pid: i32) -> Result<()> {
        let sql = "SELECT (extract(epoch FROM backend_start) * 1000000)::int8 FROM pg_stat_activity WHERE pid = $1";
        let row = self.stage.cluster.observer().await?.query_opt(sql, &[&pid]).await?;
        let start = row.context("the pooler's session is gone")?.get(0);
        self.stage.labels.borrow_mut().insert((pid, start), Label::Lost);
        self.stage.lost.borrow_mut().1.push(client);
        Ok(())
    }

    /// Ending this session would destroy something that its state does not tell.
    pub(super) fn needs(&self, session: &Session, harm: Harm) {
        self.stage.labels.borrow_mut().insert((session.pid(), session.backend_start()), Label::Harm(harm));
    }

    /// The scenario is set up.
    pub(super) fn ready(&self) {
        self.stage.ready.set(self.stage.ready.get() + 1);
    }

    /// What loses something every so often. On a slow machine it ends before the server is full.
    pub(super) fn losses(&self, milliseconds: u64) -> Ticks {
        Ticks { left: MOST_LOSSES, ..self.every(milliseconds) }
    }

    /// What comes every so often, until the stage is closed.
    pub(super) fn every(&self, milliseconds: u64) -> Ticks {
        let mut ticks = interval(Duration::from_millis(milliseconds));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ticks { ticks, left: usize::MAX, closed: self.stage.closed.subscribe() }
    }

    /// Keeps whatever is open until the stage is closed.
    pub(super) async fn rest(&self) -> Result<()> {
        self.ready();
        // The stage outlives its scenarios.
        self.stage.closed.subscribe().wait_for(|&closed| closed).await?;
        Ok(())
    }
}

/// See [`Part::every`].
pub(super) struct Ticks {
    ticks: Interval,
    left: usize,
    closed: watch::Receiver<bool>,
}

impl Ticks {
    /// Waits for the next; false once the stage is closed.
    pub(super) async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.closed.wait_for(|&closed| closed) => false,
            _ = self.ticks.tick(), if self.left > 0 => {
                self.left -= 1;
                true
            }
        }
    }
}
