//! The memory that the nodes of a plan hold until their statement ends, KiB.
//!
//! A sort, a hash table or a list of rows spills to a file when it reaches [`WORK_MEM_KIB`], so each counts as that.
//! Some have no limit, or one that larger rows exceed later, so their maximum number of rows counts:
//!
//! - the hash table of a subquery after `IN`, `= ANY` or `EXISTS`, and that of `EXCEPT` and `INTERSECT`, never spill;
//! - a sort with `LIMIT` keeps its best rows, and a hash table of groups their states, of any length;
//! - a merge of spilled rows keeps one of each file.
//!
//! The planner avoids nodes that it estimates as too large, but a statement can mislead it: a condition such as `x + 0
//! = x` is estimated as one row of 200. A hash join of equal rows has no limit either; the session turns those off
//! ([`SESSION_SETTINGS`](archon_pool_core::statement_checker::SESSION_SETTINGS)).

use super::estimate::Work;

/// Memory of one node before it spills: the session's `work_mem`.
const WORK_MEM_KIB: u64 = 256;
/// Maximum memory that the nodes of one statement may hold together.
pub(super) const MOST_HELD_KIB: u64 = 30_000;

/// Rows that fit into a sort of that memory when they are small, of 72 bytes each.
const SORTED_ROWS: u64 = WORK_MEM_KIB * 1024 / 72;
/// Groups that fit into a hash table of that memory, of 128 bytes each.
const GROUPS: u64 = WORK_MEM_KIB * 1024 / 128;
/// Files that are merged at a time with that memory, with the row that is compared.
const MERGED: u64 = 8;
/// Bytes of a row in a hash table beside its values.
const HASHED_ROW_BYTES: u64 = 100;
/// Key bytes of a side of `FULL JOIN`.
const JOINED_BYTES: u64 = 256;

/// Returns the memory of a relation in `FROM`: its view's function, and a sort or a list to join it.
pub(super) fn relation() -> Work {
    Work::holding(2 * WORK_MEM_KIB)
}

/// Returns the memory of rows of this size that are sorted, grouped, made distinct or materialised.
pub(super) fn spilling(row_bytes: u64) -> Work {
    Work::holding(WORK_MEM_KIB.saturating_add(rows(MERGED, row_bytes)))
}

/// Returns the memory of rows that are sorted, with an optional limit.
pub(super) fn sorted(row_bytes: u64, limit: Option<u64>) -> Work {
    let mut work = spilling(row_bytes);
    work += Work::holding(rows(limit.unwrap_or(SORTED_ROWS).min(SORTED_ROWS), row_bytes));
    work
}

/// Returns the memory of an aggregate's state for each group.
pub(super) fn state(bytes: u64) -> Work {
    Work::holding(rows(GROUPS, bytes))
}

/// Returns the memory of rows in a hash table that never spills.
pub(super) fn hashed(count: u64, row_bytes: u64) -> Work {
    Work::holding(rows(count, row_bytes.saturating_add(HASHED_ROW_BYTES)))
}

/// Returns the memory of the smaller side of `FULL JOIN`, which may be hashed when nothing else is possible.
pub(super) fn full_join(left: u64, right: u64) -> Work {
    hashed(left.max(right), JOINED_BYTES)
}

/// Returns the maximum number of rows of a relation, for estimates of memory.
///
/// Sessions are bounded by `max_connections`; the number of relations, roles and locks is not.
pub(super) fn rows_of(relation: &str) -> u64 {
    match relation {
        "pg_class" | "pg_locks" | "pg_namespace" | "pg_roles" | "pg_auth_members" => 50_000,
        _ => 5_000,
    }
}

fn rows(count: u64, bytes: u64) -> u64 {
    count.saturating_mul(bytes) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_has_the_memory_settings_that_the_check_assumes() {
        assert!(archon_pool_core::statement_checker::SESSION_SETTINGS.contains(&format!("work_mem = {WORK_MEM_KIB};")));
    }
}
