//! Locks that a look takes.

use std::collections::BTreeSet;

use anyhow::Result;
use archon_pool_contract::catalogue;
use archon_pool_tests::Cluster;

use crate::actions::{OPERATOR, create_roles_and_table};

/// Relations whose `AccessShareLock` a look takes, beside their indexes.
const READ: [&str; 16] = [
    "pg_auth_members",
    "pg_authid",
    "pg_class",
    "pg_database",
    "pg_db_role_setting",
    "pg_extension",
    "pg_locks",
    "pg_namespace",
    "pg_prepared_xacts",
    "pg_proc",
    "pg_replication_slots",
    "pg_roles",
    "pg_settings",
    "pg_stat_activity",
    "pg_stat_database",
    "pg_stat_statements",
];

#[tokio::test]
async fn a_look_locks_catalogues_against_nothing_but_exclusive_access() -> Result<()> {
    let cluster = Cluster::start().await?;
    create_roles_and_table(&cluster).await?;
    anyhow::ensure!(cluster.create_statistics("postgres").await?, "the server lacks pg_stat_statements");
    let client = cluster.connect(OPERATOR).await?;
    client.batch_execute("BEGIN").await?;
    for entry in catalogue::ALL {
        if *entry == catalogue::PAUSE {
            client.query(entry.sql, &[&0.001]).await?;
        } else {
            client.query(entry.sql, &[]).await?;
        }
    }
    let sql = "SELECT l.locktype, l.mode, l.granted, coalesce(i.indrelid::regclass, l.relation::regclass)::text \
               FROM pg_locks l LEFT JOIN pg_index i ON i.indexrelid = l.relation WHERE l.pid = pg_backend_pid() \
               AND l.relation IS DISTINCT FROM 'pg_index'::regclass \
               AND coalesce(l.relation, 0) NOT IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'pg_index'::regclass)";
    let mut relations = BTreeSet::new();
    for row in client.query(sql, &[]).await? {
        let (kind, mode, granted): (String, String, bool) = (row.get(0), row.get(1), row.get(2));
        if kind == "virtualxid" {
            // Of every transaction, on itself.
            assert_eq!(mode, "ExclusiveLock");
            continue;
        }
        assert_eq!((kind.as_str(), mode.as_str(), granted), ("relation", "AccessShareLock", true));
        relations.insert(row.get::<_, String>(3));
    }
    assert_eq!(relations, READ.map(str::to_owned).into());
    Ok(())
}
