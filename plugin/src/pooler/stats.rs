//! The pooler's part of the report: its queue, its pools, and its rates by the difference of two readings.

use std::cmp::Reverse;

use archon_pool_contract::report::{PoolStatus, PoolerStats};
use archon_pool_contract::snapshot::{Pool, Pooler, PoolerCounters};

use crate::memory::Memory;
use crate::numbers::number;
use crate::numbers::rounded;

/// Counters over a shorter window are not used, microseconds.
const SHORTEST_WINDOW_MICROS: i64 = 100_000;

/// Statistics of the pooler. Kinds that only report a size have none; values that are not measurable are explained in
/// `notes`.
pub fn stats(pooler: &Pooler, memory: &Memory, notes: &mut Vec<String>) -> Option<PoolerStats> {
    if pooler.kind != super::views::PGBOUNCER {
        notes.push(format!("poolStats.pooler is not measurable: a console of kind {} tells sizes only", pooler.kind));
        return None;
    }
    let rates = rates(pooler, memory).unwrap_or_else(|reason| {
        notes.push(format!("the pooler's rates are not measurable: {reason}"));
        Rates { transactions_per_second: None, avg_wait_ms: None }
    });
    let mut pools: Vec<_> = pooler.pools.iter().collect();
    pools.sort_by_key(|pool| (Reverse((pool.clients_waiting, pool.max_wait_us)), &pool.database, &pool.role));
    let waits = pooler.pools.iter().map(|pool| pool.max_wait_us);
    Some(PoolerStats {
        kind: pooler.kind.clone(),
        version: pooler.version.clone(),
        clients: number(pooler.clients.len()),
        waiting: pooler.pools.iter().map(|pool| pool.clients_waiting).fold(0, u32::saturating_add),
        max_wait: ms(waits.max().unwrap_or(0)),
        servers: number(pooler.servers.len()),
        transactions_per_second: rates.transactions_per_second,
        avg_wait_time: rates.avg_wait_ms,
        pools: pools.into_iter().map(|pool| status(pool, pooler)).collect(),
    })
}

fn ms(micros: u64) -> f64 {
    rounded(micros as f64 / 1_000.0)
}

fn status(pool: &Pool, pooler: &Pooler) -> PoolStatus {
    PoolStatus {
        database: pool.database.clone(),
        role: pool.role.clone(),
        mode: pool.mode.clone(),
        size: size(pool, pooler),
        active: pool.servers_active,
        idle: pool.servers_idle.saturating_add(pool.servers_used),
        waiting: pool.clients_waiting,
        max_wait: ms(pool.max_wait_us),
    }
}

/// The role's size, else the database's, which is the default where it has none of its own; 0 is no limit.
fn size(pool: &Pool, pooler: &Pooler) -> Option<u32> {
    let role = pooler.roles.iter().find(|role| role.name == pool.role).and_then(|role| role.pool_size);
    let database = pooler.databases.iter().find(|database| database.name == pool.database);
    role.or_else(|| database.and_then(|database| database.pool_size)).filter(|&size| size > 0)
}

struct Rates {
    transactions_per_second: Option<f64>,
    avg_wait_ms: Option<f64>,
}

/// Over the databases that both readings have. A counter that went back was reset by a restart.
fn rates(pooler: &Pooler, memory: &Memory) -> Result<Rates, String> {
    let (then, before) =
        memory.pooler_counters().ok_or("they need two readings: hand back the previous report's carry")?;
    let micros = pooler.asked_at.saturating_sub(then);
    if micros < SHORTEST_WINDOW_MICROS {
        return Err("the previous reading was a moment ago".to_owned());
    }
    let (mut transactions, mut wait_us) = (0_u64, 0_u64);
    for now in &pooler.counters {
        let Some(before) = before.iter().find(|before| before.database == now.database) else { continue };
        let (more, waited) = difference(now, before).ok_or("the pooler was restarted in between")?;
        transactions = transactions.saturating_add(more);
        wait_us = wait_us.saturating_add(waited);
    }
    Ok(Rates {
        transactions_per_second: Some(rounded(transactions as f64 * 1_000_000.0 / micros as f64)),
        avg_wait_ms: (transactions > 0).then(|| rounded(wait_us as f64 / transactions as f64 / 1_000.0)),
    })
}

fn difference(now: &PoolerCounters, before: &PoolerCounters) -> Option<(u64, u64)> {
    Some((now.transactions.checked_sub(before.transactions)?, now.wait_us.checked_sub(before.wait_us)?))
}

#[cfg(test)]
mod tests;
