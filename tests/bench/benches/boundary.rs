//! Measures the cost of passing the rows of `pg_stat_activity` to a component, without any analysis: the canonical ABI
//! copies each column into a component that only allocates memory for it.

use anyhow::Result;
use archon_pool::engine::{Engine, Metering};
use archon_pool::limits::Limits;
use archon_pool_bench::component::{Answers, RowSet, WitColumn, told};
use archon_pool_bench::figures::{self, Row, median};
use archon_pool_bench::population::Population;
use archon_pool_bench::processor_time;
use archon_pool_contract::catalogue;
use criterion::{BatchSize, BenchmarkId};
use wasmtime::component::{Component, Linker};
use wasmtime::{Store, UpdateDeadline};

const ROWS: [u32; 2] = [500, 5_000];
const GROUP: &str = "boundary";

/// Component that receives columns and allocates memory for them, one after the other.
const TAKER: &str = r#"(component
    (type $t (record (field "ends" (list u32)) (field "text" string)))
    (export $texts "texts" (type $t))
    (type $b (record (field "ends" (list u32)) (field "bytes" (list u8))))
    (export $byte-strings "byte-strings" (type $b))
    (type $v (variant (case "all-null") (case "booleans" (list u8)) (case "int64s" (list s64))
        (case "float64s" (list float64)) (case "texts" $texts) (case "byte-strings" $byte-strings)
        (case "timestamps" (list s64))))
    (export $cells "cells" (type $v))
    (type $c (record (field "name" string) (field "type-oid" u32) (field "nulls" (list u8)) (field "cells" $cells)))
    (export $column "column" (type $c))
    (core module $m
        (memory (export "memory") 512)
        (global $next (mut i32) (i32.const 16))
        (func (export "realloc") (param i32 i32 i32 i32) (result i32)
            (local $at i32)
            (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
            (global.set $next (i32.add (local.get $at) (local.get 3)))
            (local.get $at))
        (func (export "take") (param i32 i32)))
    (core instance $i (instantiate $m))
    (func (export "take") (param "columns" (list $column))
        (canon lift (core func $i "take") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#;

fn main() -> Result<()> {
    let engine = Engine::builder(&Limits::default()).pooled(8).build()?;
    let wasmtime = engine.wasmtime_of(Metering::TimeOnly);
    let component = Component::new(wasmtime, wat::parse_str(TAKER)?).map_err(told)?;
    let taker = Linker::<()>::new(wasmtime).instantiate_pre(&component).map_err(told)?;
    let take = |rows: RowSet| -> wasmtime::Result<()> {
        let mut store = Store::new(wasmtime, ());
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Continue(1)));
        store.set_epoch_deadline(1);
        let take = taker.instantiate(&mut store)?.get_typed_func::<(Vec<WitColumn>,), ()>(&mut store, "take")?;
        take.call(&mut store, (rows.columns,))
    };
    let mut criterion = processor_time::criterion();
    let mut group = criterion.benchmark_group(GROUP);
    for rows in ROWS {
        let population = Population::of(rows);
        let activity = || Answers::of(population.clone()).take(catalogue::ACTIVITY.sql);
        take(activity()).map_err(told)?;
        group.bench_function(BenchmarkId::new("rows", rows), |bencher| {
            bencher.iter_batched(activity, take, BatchSize::PerIteration);
        });
    }
    group.finish();
    criterion.final_summary();

    let [few, many] = ROWS;
    let per_row = (median(GROUP, "rows", Some(many))? - median(GROUP, "rows", Some(few))?) / (many - few);
    let nanos = per_row.as_secs_f64() * 1e9;
    let measured = format!("17 columns, {many} rows less {few}");
    figures::record(
        GROUP,
        &[Row::figure("the boundary, per row", nanos, "ns", measured, "boundary: copies of columns")],
    )
}
