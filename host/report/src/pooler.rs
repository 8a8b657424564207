//! Section of the pooler: its queue, its rates and its pools.

use archon_pool_contract::report::{PoolStatus, PoolerStats};

use crate::page::Page;
use crate::table::{Table, number, text, word};
use crate::text::{Fields, count, decimal, measured};

const MOST_POOLS: usize = 10;

/// Adds the section; none without a pooler.
pub(super) fn pooler(page: &mut Page, pooler: Option<&PoolerStats>) {
    let Some(pooler) = pooler else { return };
    page.title("Pooler");
    for (name, value) in fields(pooler) {
        page.field(name, &value);
    }
    if !pooler.pools.is_empty() {
        page.blank();
        page.table(pools(&pooler.pools), MOST_POOLS);
    }
}

/// Describes the pooler's program, connections, queue and rates.
pub(super) fn fields(pooler: &PoolerStats) -> Fields {
    let (clients, servers) = (count(pooler.clients as usize, "client"), count(pooler.servers as usize, "connection"));
    vec![
        ("program", pooler.version.as_ref().unwrap_or(&pooler.kind).clone()),
        ("connections", format!("{clients} share {servers} to servers")),
        ("queue", queue(pooler)),
        ("rates", rates(pooler)),
    ]
}

/// Lists the pools, the longest queue first.
pub(super) fn pools(pools: &[PoolStatus]) -> Table {
    let mut table = Table::new([
        text("database"),
        text("role"),
        word("mode"),
        number("size"),
        number("active"),
        number("idle"),
        number("waiting"),
        number("longest"),
    ]);
    for pool in pools {
        table.row([
            pool.database.clone(),
            pool.role.clone(),
            pool.mode.clone(),
            pool.size.map_or_else(|| "no limit".to_owned(), |size| size.to_string()),
            pool.active.to_string(),
            pool.idle.to_string(),
            pool.waiting.to_string(),
            if pool.waiting > 0 { measured(pool.max_wait) } else { String::new() },
        ]);
    }
    table
}

fn queue(pooler: &PoolerStats) -> String {
    match pooler.waiting {
        0 => "nobody waits".to_owned(),
        waiting => format!("{waiting} waiting, the first of them for {}", measured(pooler.max_wait)),
    }
}

fn rates(pooler: &PoolerStats) -> String {
    let Some(rate) = pooler.transactions_per_second else { return "not measured: the notes say why".to_owned() };
    let waited = pooler.avg_wait_time.map(|wait| format!(", each after {} in the queue", measured(wait)));
    format!("per second: {} transactions{}", decimal(rate), waited.unwrap_or_default())
}
