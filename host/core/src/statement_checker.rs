//! The checker of statements whose text is not approved.

use std::fmt::Debug;

/// Analyses the SQL of components for effects beyond reading. Without a checker, a host takes only the texts of the
/// contract's catalogue as harmless.
pub trait StatementChecker: Debug + Send + Sync {
    /// Admits a text that can do no more than read statistics in a session with [`SESSION_SETTINGS`]. The error names
    /// the part that could do more.
    fn admit(&self, text: &str) -> Result<(), String>;

    /// Returns the number of bytes that the parameters of an admitted statement may have.
    fn parameter_bytes(&self) -> usize;
}

/// Settings of the transaction of a component's own statement, with which a checker bounds its memory. Any role may set
/// them.
///
/// Until PostgreSQL 18, `enable_hashjoin` adds 10^10 to a plan's cost: all costs are made so small, and stay in
/// proportion, that it decides. A parallel worker has a memory of its own, and compiled expressions take hundreds of
/// megabytes: no timeout ends the compiler.
pub const SESSION_SETTINGS: &str = "SET LOCAL work_mem = 256; SET LOCAL hash_mem_multiplier = 1; \
     SET LOCAL enable_hashjoin = off; SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off; \
     SET LOCAL seq_page_cost = 1e-12; SET LOCAL random_page_cost = 4e-12; SET LOCAL cpu_tuple_cost = 1e-14; \
     SET LOCAL cpu_index_tuple_cost = 5e-15; SET LOCAL cpu_operator_cost = 2.5e-15; ";
