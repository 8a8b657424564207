//! Environment of the scenarios: one server, one pooler, and the labels of lost sessions.

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

/// Databases of the pooler, one for each mode.
pub(super) const TRANSACTION_MODE: &str = "in-transaction-mode";
pub(super) const SESSION_MODE: &str = "in-session-mode";

/// Maximum number of losses of one scenario.
const MOST_LOSSES: usize = 16;

/// Unique identity of a session: its process id and start.
pub(super) type Identity = (i32, i64);

/// Truth about a session that its state does not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    /// Lost: its code can neither use nor close it any more.
    Lost,
    /// Must not be ended, whatever its state.
    Harm(Harm),
}

/// Server and pooler, with the truth about the sessions.
pub(super) struct Environment {
    /// PostgreSQL server.
    pub(super) cluster: Cluster,
    /// Pooler in front of it.
    pub(super) bouncer: PgBouncer,
    labels: RefCell<HashMap<Identity, Label>>,
    // Lost sessions and clients, which stay open.
    lost: RefCell<(Vec<Session>, Vec<Client>)>,
    ready: Cell<usize>,
    closed: watch::Sender<bool>,
}

impl Environment {
    /// Starts a server with a role for each scenario, and a pooler that admits all of them.
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

    /// Returns the label of a session.
    pub(super) fn label(&self, identity: Identity) -> Option<Label> {
        self.labels.borrow().get(&identity).copied()
    }

    /// Returns the number of scenarios that are set up.
    pub(super) fn ready(&self) -> usize {
        self.ready.get()
    }

    /// Signals every scenario to end.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }
}

/// Scenario's handle to the environment.
pub(super) struct ScenarioHandle {
    /// Shared environment.
    pub(super) environment: Rc<Environment>,
    /// Name of the scenario.
    pub(super) name: &'static str,
}

impl ScenarioHandle {
    /// Returns the scenario's application, under its own role.
    pub(super) fn app(&self) -> App<'_> {
        self.app_named(self.name)
    }

    /// Returns another application under the scenario's role.
    pub(super) fn app_named<'a>(&'a self, application: &'a str) -> App<'a> {
        self.environment.cluster.app(self.name, application)
    }

    /// Connects a client to the pooler.
    pub(super) async fn pooled(&self, database: &str) -> Result<Client> {
        self.environment.bouncer.connect_to(database, self.name, self.name).await
    }

    /// Labels a session as lost from the end of its last use.
    pub(super) fn lose(&self, session: Session) {
        self.environment.labels.borrow_mut().insert((session.pid(), session.backend_start()), Label::Lost);
        self.environment.lost.borrow_mut().0.push(session);
    }

    /// Labels a client of the pooler, with its server session, as lost.
    pub(super) async fn lose_pooled(&self, client: Client, pid: i32) -> Result<()> {
        let sql = "SELECT (extract(epoch FROM backend_start) * 1000000)::int8 FROM pg_stat_activity WHERE pid = $1";
        let row = self.environment.cluster.observer().await?.query_opt(sql, &[&pid]).await?;
        let start = row.context("the pooler's session is gone")?.get(0);
        self.environment.labels.borrow_mut().insert((pid, start), Label::Lost);
        self.environment.lost.borrow_mut().1.push(client);
        Ok(())
    }

    /// Labels a session whose ending would cause damage that its state does not show.
    pub(super) fn label_harm(&self, session: &Session, harm: Harm) {
        self.environment.labels.borrow_mut().insert((session.pid(), session.backend_start()), Label::Harm(harm));
    }

    /// Reports that the scenario is set up.
    pub(super) fn ready(&self) {
        self.environment.ready.set(self.environment.ready.get() + 1);
    }

    /// Returns ticks for losses at an interval. On a slow machine they end before the server is full.
    pub(super) fn losses(&self, milliseconds: u64) -> Ticks {
        Ticks { left: MOST_LOSSES, ..self.every(milliseconds) }
    }

    /// Returns ticks at an interval, until the environment is closed.
    pub(super) fn every(&self, milliseconds: u64) -> Ticks {
        let mut ticks = interval(Duration::from_millis(milliseconds));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ticks { ticks, left: usize::MAX, closed: self.environment.closed.subscribe() }
    }

    /// Waits until the environment is closed, so that open sessions stay open.
    pub(super) async fn wait_until_closed(&self) -> Result<()> {
        self.ready();
        // The environment outlives its scenarios.
        self.environment.closed.subscribe().wait_for(|&closed| closed).await?;
        Ok(())
    }
}

/// Ticks at an interval; see [`ScenarioHandle::every`].
pub(super) struct Ticks {
    ticks: Interval,
    left: usize,
    closed: watch::Receiver<bool>,
}

impl Ticks {
    /// Waits for the next tick. Returns false once the environment is closed.
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
