//! A call of a cassette as the imports of the plugin's own code, without WebAssembly.

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::host_api::{self, HostApi, Outcome, ProbeTiming, ReconnectOutcome, SizeOrder, SizeOutcome};
use archon_pool_contract::rows;
use archon_pool_core::world::World;

use super::answer::Answer;
use super::import::{
    AccessPath, Deliver, Kind, Lookup, Notes, Open, OpenConsole, Probe, Query, Reconnect, Resize, RowSet, Show,
};
use super::replayer::Replayer;

/// Answers the plugin's own code from one call of a cassette, with the imports of a world.
#[derive(Debug)]
pub struct Replayed {
    replayer: Replayer,
    world: World,
    credential: Option<u32>,
    session: Option<u32>,
    console: Option<u32>,
}

impl Replayed {
    /// Creates the imports of a world, answered from one call of a cassette.
    pub fn new(replayer: Replayer, world: World) -> Self {
        Self { replayer, world, credential: None, session: None, console: None }
    }

    fn credential(&self) -> Result<u32, Fault> {
        self.credential.ok_or_else(not_open)
    }

    fn session(&self) -> Result<u32, Fault> {
        self.session.ok_or_else(not_open)
    }

    fn open_console(&self) -> Result<u32, Fault> {
        self.console.ok_or_else(|| Fault::new(kind::NO_POOLER, "no console is open"))
    }

    /// Executes an import that only the world `manager` has.
    fn act<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Option<Result<T, Fault>> {
        (self.world >= World::Manager).then(|| act(self))
    }
}

impl HostApi for Replayed {
    fn open(&mut self, credential: Option<&str>) -> Result<(), Fault> {
        let credential = self.replayer.answer(&Lookup { name: credential.map(str::to_owned) })?.credential;
        self.session = Some(self.replayer.answer(&Open { credential })?.session);
        self.credential = Some(credential);
        Ok(())
    }

    fn query(&mut self, batch: &[rows::Statement]) -> Result<Vec<host_api::Answer>, Fault> {
        let session = self.session()?;
        let answers = self.replayer.answer(&Query { session, batch: batch.iter().map(Into::into).collect() })?;
        Ok(answers.into_iter().map(row_set).collect())
    }

    fn probe(&mut self, count: u32, timeout_ms: u32) -> Result<Vec<Result<ProbeTiming, Fault>>, Fault> {
        let credential = self.credential()?;
        let timings = self.replayer.answer(&Probe { credential, count, timeout_ms })?;
        Ok(timings.into_iter().map(|timing| Result::from(timing).map(Into::into)).collect())
    }

    fn access_path(&mut self) -> Result<String, Fault> {
        let session = self.session()?;
        self.replayer.answer(&AccessPath { session })
    }

    fn notes(&mut self) -> Result<Vec<String>, Fault> {
        let session = self.session()?;
        self.replayer.answer(&Notes { session })
    }

    fn console(&mut self) -> Result<String, Fault> {
        let credential = self.credential()?;
        let console = self.replayer.answer(&OpenConsole { credential })?.console;
        let kind = self.replayer.answer(&Kind { console })?;
        self.console = Some(console);
        Ok(kind)
    }

    fn show(&mut self, views: &[&str]) -> Result<Vec<host_api::Answer>, Fault> {
        let console = self.open_console()?;
        let views = views.iter().map(|&view| view.to_owned()).collect();
        Ok(self.replayer.answer(&Show { console, views })?.into_iter().map(row_set).collect())
    }

    fn resize(&mut self, order: &SizeOrder, dry_run: bool) -> Option<Result<SizeOutcome, Fault>> {
        let SizeOrder { pool, size, reason } = order.clone();
        self.act(|this| {
            let console = this.open_console()?;
            this.replayer.answer(&Resize { console, pool, size, reason, dry_run })
        })
    }

    fn reconnect(&mut self, database: &str, reason: &str, dry_run: bool) -> Option<Result<ReconnectOutcome, Fault>> {
        let (database, reason) = (database.to_owned(), reason.to_owned());
        self.act(|this| {
            let console = this.open_console()?;
            this.replayer.answer(&Reconnect { console, database, reason, dry_run })
        })
    }

    fn deliver(&mut self, orders: &[host_api::Order], dry_run: bool) -> Option<Result<Vec<Outcome>, Fault>> {
        self.act(|this| {
            let session = this.session()?;
            this.replayer.answer(&Deliver { session, orders: orders.iter().map(Into::into).collect(), dry_run })
        })
    }
}

fn row_set(answer: Answer<RowSet>) -> host_api::Answer {
    Result::from(answer).and_then(TryInto::try_into)
}

fn not_open() -> Fault {
    Fault::new(kind::CONNECTION_LOST, "no session is open")
}
