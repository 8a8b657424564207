//! Runs the observer on a [`Population`] in place of a server: with the product's engine and a minimal host, so that
//! the component and its boundary are measured.

use std::borrow::Cow;

use anyhow::Context as _;
use archon_pool::components::{World, embedded};
use archon_pool::engine::{Engine, Metering};
use archon_pool::limits::Limits;
use archon_pool_contract::columns::{Cells, Column};
use archon_pool_contract::rows;
use wasmtime::component::{Component, ComponentExportIndex, HasSelf, Instance, InstancePre, Linker, Resource};
use wasmtime::{Result, Store, UpdateDeadline};

use crate::population::Population;

use self::generated::archon::connection_pool::{credentials, database, pooler, types};

#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::needless_pass_by_value,
    reason = "generated code"
)]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "observer",
        imports: { default: trappable },
    });
}

pub use self::generated::archon::connection_pool::database::{Column as WitColumn, RowSet};

/// Compiled and linked observer.
pub struct Observed {
    // Advances the epoch.
    engine: Engine,
    pre: InstancePre<Answers>,
    run: ComponentExportIndex,
}

/// Interface with the JSON functions.
const SKILL: &str = "archon:connection-pool/skill@1.0.0";

/// Answers of the host in the types of the bindings, so that no conversion is measured.
pub struct Answers(Vec<(&'static str, Option<RowSet>)>);

impl Answers {
    /// Converts the answers of a population.
    pub fn of(mut population: Population) -> Self {
        let answer =
            |entry: &archon_pool_contract::catalogue::Entry| (entry.sql, Some(row_set(population.take(entry.sql))));
        Self(archon_pool_contract::catalogue::ALL.iter().map(answer).collect())
    }

    /// Returns the answer to a statement; each is available once.
    pub fn take(&mut self, sql: &str) -> RowSet {
        let found = self.0.iter_mut().find(|(known, _)| *known == sql);
        found.and_then(|(_, rows)| rows.take()).unwrap_or_else(|| row_set(rows::RowSet::default()))
    }
}

impl Observed {
    /// Compiles the observer or loads it from the compile cache: the built-in one, or the file that
    /// `ARCHON_BENCH_COMPONENT` names, for a comparison with another build.
    pub fn new() -> anyhow::Result<Self> {
        let bytes = match std::env::var_os("ARCHON_BENCH_COMPONENT") {
            Some(file) => std::fs::read(file)?.into(),
            None => Cow::from(embedded(World::Observer)),
        };
        let engine = Engine::builder(&Limits::default()).pooled(8).build()?;
        let component = Component::from_binary(engine.wasmtime_of(Metering::TimeOnly), &bytes).map_err(told)?;
        let pre = Self::link(engine.wasmtime_of(Metering::TimeOnly), &component).map_err(told)?;
        let skill = component.get_export_index(None, SKILL);
        let run = skill.and_then(|skill| component.get_export_index(Some(&skill), "run"));
        Ok(Self { engine, pre, run: run.context("the component has no skill.run")? })
    }

    fn link(engine: &wasmtime::Engine, component: &Component) -> Result<InstancePre<Answers>> {
        let mut linker = Linker::new(engine);
        types::add_to_linker::<_, HasSelf<Answers>>(&mut linker, |answers| answers)?;
        credentials::add_to_linker::<_, HasSelf<Answers>>(&mut linker, |answers| answers)?;
        database::add_to_linker::<_, HasSelf<Answers>>(&mut linker, |answers| answers)?;
        pooler::add_to_linker::<_, HasSelf<Answers>>(&mut linker, |answers| answers)?;
        linker.instantiate_pre(component)
    }

    /// Creates a new instance with these answers, metered as the product's are. As in the product, only the called
    /// export is looked up.
    pub fn instance(&self, answers: Answers) -> Result<(Store<Answers>, Instance)> {
        let mut store = Store::new(self.engine.wasmtime_of(Metering::TimeOnly), answers);
        // The answers for 50,000 backends exceed the limit of one call.
        store.set_hostcall_fuel(usize::MAX);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Continue(1)));
        store.set_epoch_deadline(1);
        let instance = self.pre.instantiate(&mut store)?;
        Ok((store, instance))
    }

    /// Runs a SkillInput and returns the SkillOutput's text.
    pub fn run(&self, answers: Answers, input: &str) -> anyhow::Result<String> {
        let calling = || -> Result<String> {
            let (mut store, instance) = self.instance(answers)?;
            let run = instance.get_typed_func::<(&str,), (String,)>(&mut store, self.run)?;
            Ok(run.call(&mut store, (input,))?.0)
        };
        calling().map_err(told)
    }
}

/// Converts wasmtime's error into an `anyhow` error.
pub fn told(error: wasmtime::Error) -> anyhow::Error {
    anyhow::Error::from_boxed(error.into_boxed_dyn_error())
}

type Answered<T> = Result<std::result::Result<T, types::Fault>>;

impl types::Host for Answers {}
impl credentials::Host for Answers {
    fn lookup(&mut self, _: Option<String>) -> Answered<Resource<credentials::Credential>> {
        Ok(Ok(Resource::new_own(1)))
    }
}

impl credentials::HostCredential for Answers {
    fn name(&mut self, _: Resource<credentials::Credential>) -> Result<String> {
        Ok("bench".to_owned())
    }

    fn drop(&mut self, _: Resource<credentials::Credential>) -> Result<()> {
        Ok(())
    }
}

impl database::Host for Answers {
    fn probe(
        &mut self,
        _: Resource<credentials::Credential>,
        _: u32,
        _: u32,
    ) -> Answered<Vec<std::result::Result<database::ProbeTiming, types::Fault>>> {
        Ok(Ok(Vec::new()))
    }
}

impl database::HostSession for Answers {
    fn open(&mut self, _: Resource<credentials::Credential>) -> Answered<Resource<database::Session>> {
        Ok(Ok(Resource::new_own(2)))
    }

    fn access_path(&mut self, _: Resource<database::Session>) -> Result<String> {
        Ok("direct".to_owned())
    }

    fn notes(&mut self, _: Resource<database::Session>) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn query(
        &mut self,
        _: Resource<database::Session>,
        batch: Vec<database::Statement>,
    ) -> Answered<Vec<std::result::Result<RowSet, types::Fault>>> {
        Ok(Ok(batch.iter().map(|statement| Ok(self.take(&statement.sql))).collect()))
    }

    fn drop(&mut self, _: Resource<database::Session>) -> Result<()> {
        Ok(())
    }
}

impl pooler::Host for Answers {}

impl pooler::HostConsole for Answers {
    fn open(&mut self, _: Resource<credentials::Credential>) -> Answered<Resource<pooler::Console>> {
        let kind = archon_pool_contract::fault::kind::NO_POOLER.to_owned();
        Ok(Err(types::Fault { kind, message: "there is none".to_owned(), sqlstate: None, retryable: false }))
    }

    fn kind(&mut self, _: Resource<pooler::Console>) -> Result<String> {
        Ok(String::new())
    }

    fn show(
        &mut self,
        _: Resource<pooler::Console>,
        _: Vec<String>,
    ) -> Answered<Vec<std::result::Result<RowSet, types::Fault>>> {
        Ok(Ok(Vec::new()))
    }

    fn drop(&mut self, _: Resource<pooler::Console>) -> Result<()> {
        Ok(())
    }
}

fn row_set(set: rows::RowSet) -> RowSet {
    let cells = |cells| match cells {
        Cells::AllNull => database::Cells::AllNull,
        Cells::Booleans(values) => database::Cells::Booleans(values),
        Cells::Int64s(values) => database::Cells::Int64s(values),
        Cells::Float64s(values) => database::Cells::Float64s(values),
        Cells::Texts { ends, text } => database::Cells::Texts(database::Texts { ends, text }),
        Cells::ByteStrings { ends, bytes } => database::Cells::ByteStrings(database::ByteStrings { ends, bytes }),
        Cells::Timestamps(values) => database::Cells::Timestamps(values),
    };
    let column = |column: Column| database::Column {
        name: column.name,
        type_oid: column.type_oid,
        nulls: column.nulls,
        cells: cells(column.cells),
    };
    let columns = set.columns.into_iter().map(column).collect();
    RowSet { columns, count: u32::try_from(set.count).expect("a few rows"), truncated: set.truncated }
}
