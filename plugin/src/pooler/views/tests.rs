use archon_pool_contract::columns::Column;
use archon_pool_contract::rows::RowSet;
use archon_pool_contract::value::Cell;

use crate::fixture::NOW;
use crate::pooler::recorded::{NEW, OLD, Shown, console};

use super::*;

#[test]
fn a_pgbouncer_1_18_is_read() {
    let Console { pooler, local_addresses, connected } = console(OLD);
    assert_eq!(connected.len(), 6, "each connection has a time");
    assert_eq!((pooler.kind.as_str(), pooler.version.as_deref()), ("pgbouncer", Some("PgBouncer 1.18.0")));
    assert_eq!(pooler.asked_at, NOW);
    assert_eq!(local_addresses, ["127.0.0.1".parse().ok(); 2]);
    let [pool] = &pooler.pools[..] else { panic!("the console is no pool: {:?}", pooler.pools) };
    assert_eq!((pool.database.as_str(), pool.role.as_str(), pool.mode.as_str()), ("store", "app", "transaction"));
    assert_eq!((pool.clients_waiting, pool.servers_active, pool.servers_idle), (2, 1, 1));
    assert_eq!(pool.max_wait_us, 4_250_000);
    let [client, local] = &pooler.clients[..] else { panic!("ours and the console are none: {:?}", pooler.clients) };
    assert_eq!(
        (client.application.as_str(), client.address.as_deref(), client.port),
        ("leaker", Some("10.0.0.9"), 57_482)
    );
    assert_eq!((client.link.as_deref(), client.id.as_deref()), (Some("0x555c2a9aae50"), None));
    assert_eq!((local.address.as_deref(), local.port, local.wait_us, &local.link), (None, 0, 4_250_000, &None));
    let pids: Vec<_> = pooler.servers.iter().map(|server| (server.remote_pid, server.link.is_some())).collect();
    assert_eq!(pids, [(32_688, true), (32_687, false)]);
    let [store] = &pooler.databases[..] else { panic!("one database: {:?}", pooler.databases) };
    assert_eq!((store.name.as_str(), store.database.as_str()), ("store", "shop"));
    assert_eq!((store.pool_size, store.own_size, store.reserve_size), (Some(3), true, Some(1)));
    assert_eq!((store.max_connections, store.current_connections), (Some(7), 2));
    assert_eq!(pooler.roles, []);
    let [counters] = &pooler.counters[..] else { panic!("one database: {:?}", pooler.counters) };
    assert_eq!((counters.transactions, counters.queries, counters.wait_us), (3, 4, 19_292));
    assert_eq!((counters.transaction_us, counters.query_us), (106_037, 108_675));
    let timeout = pooler.settings.iter().find(|setting| setting.name == "query_wait_timeout");
    assert_eq!(timeout.and_then(Setting::as_ms), Some(120_000));
}

#[test]
fn a_pgbouncer_1_25_is_read_with_its_additional_columns() {
    let Console { pooler, .. } = console(NEW);
    let ids: Vec<_> = pooler.clients.iter().map(|client| client.id.as_deref()).collect();
    assert_eq!(ids, [Some("17"), Some("18")]);
    assert_eq!(pooler.roles, [PooledRole { name: "app".into(), pool_size: Some(9), max_connections: Some(12) }]);
    let shop = &pooler.databases[0];
    assert_eq!((shop.own_size, shop.reserve_size, shop.max_connections), (false, Some(5), None));
    assert_eq!(pooler.pools[0].mode, "session");
}

#[test]
fn the_clock_is_read_before_the_views_and_clients_after_servers() {
    let mut shown = Shown::of(OLD);
    read(&mut shown).expect("it can be read");
    assert_eq!(
        shown.asked,
        ["clock", "version", "config", "databases", "users", "stats", "pools", "servers", "clients"]
    );
}

#[test]
fn without_a_console_nothing_is_queried_and_there_is_no_fault() {
    let mut shown = Shown::of(OLD);
    shown.kind = Err(Fault::new(kind::NO_POOLER, "none"));
    assert_eq!(read(&mut shown), Ok(None));
    assert_eq!(shown.asked, [""; 0]);
    shown.kind = Err(Fault::new(kind::AUTHENTICATION_FAILED, "wrong password"));
    assert_eq!(read(&mut shown).expect_err("it refuses").kind, kind::AUTHENTICATION_FAILED);
}

#[test]
fn only_sizes_are_queried_for_other_kinds() {
    let mut shown = Shown::of(OLD);
    shown.kind = Ok("supabase".to_owned());
    let console = read(&mut shown).expect("it can be read").expect("there is one");
    assert_eq!(shown.asked, ["clock", "config"]);
    assert_eq!((console.pooler.kind.as_str(), console.pooler.pools.len()), ("supabase", 0));
    assert!(console.pooler.settings.iter().any(|setting| setting.name == "default_pool_size"));
}

/// Replaces one value.
fn put(rows: &mut RowSet, row: usize, column: usize, text: &str) {
    let Column { name, type_oid, .. } = &rows.columns[column];
    let cells = |at| [if at == row { Cell::from(text) } else { rows.columns[column].cell(at) }];
    let mut changed = RowSet::with_columns([(name.clone(), *type_oid)]);
    (0..rows.count).for_each(|at| changed.push(cells(at)).expect("a text"));
    rows.columns[column] = changed.columns.remove(0);
}

#[test]
fn missing_columns_and_invalid_numbers_are_named_with_their_view() {
    let fault = |change: &dyn Fn(&mut Shown)| {
        let mut shown = Shown::of(NEW);
        change(&mut shown);
        read(&mut shown).expect_err("it is not as it should be").message
    };
    let renamed = fault(&|shown| shown.change("servers", |rows| rows.columns[14].name = "pointer".into()));
    assert_eq!(renamed, "view servers: column ptr is missing");
    let text = fault(&|shown| shown.change("pools", |rows| put(rows, 1, 3, "many")));
    assert_eq!(text, "view pools: column cl_waiting is no number in its range");
    let size = fault(&|shown| shown.change("users", |rows| put(rows, 1, 1, "-1")));
    assert_eq!(size, "view users: column pool_size is no number in its range");
    let cut = fault(&|shown| shown.change("clients", |rows| rows.truncated = true));
    assert!(cut.starts_with("view clients: the host's limits cut it off"), "{cut}");
    let gone = fault(&|shown| drop(shown.views.remove("stats")));
    assert_eq!(gone, "view stats: there is no view stats");
}

#[test]
fn columns_are_read_in_any_order() {
    let mut shown = Shown::of(NEW);
    for view in ["pools", "servers", "clients", "databases"] {
        shown.change(view, |rows| rows.columns.reverse());
    }
    assert_eq!(read(&mut shown), Ok(Some(console(NEW))));
}
