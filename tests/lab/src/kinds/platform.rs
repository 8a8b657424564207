//! Replication, backups and the services of a platform.

use std::rc::Rc;

use crate::case_builder::CaseBuilder;
use crate::clients::pool::{Event, Pool, Settings};
use crate::clients::script::{Script, Step};
use crate::clients::work::{Path, Work};
use crate::sim::session::Wait;
use crate::sim::{Client, Hold};
use crate::time::MINUTE;

fn protected(builder: &mut CaseBuilder, role: &str, application: &str) -> Client {
    Client { protected: true, ..(*builder.named(role, application)).clone() }
}

/// Walsenders of standbys and of logical replication.
pub fn replication(builder: &mut CaseBuilder) {
    for _ in 0..builder.random.count(1, 4) {
        let application = *builder.random.pick(&["walreceiver", "standby1", "debezium", "pg_receivewal"]);
        let client = Client { backend_type: "walsender", ..protected(builder, "replicator", application) };
        let steps = vec![Step::Connect, Step::Run("START_REPLICATION 0/3000000".into(), 9e6, 9.1e6)];
        builder.add(Script::new(Rc::new(client), steps));
    }
}

/// Backups: a transaction of hours that alternates between statements and pauses.
pub fn backups(builder: &mut CaseBuilder) {
    let application =
        *builder.random.pick(&["pg_dump", "pg_dump", "pg_dumpall", "pg_basebackup", "pgbackrest [backup]"]);
    let client = Rc::new(protected(builder, "backup", application));
    let hold = Hold { xid: false, relations: 60, snapshot: true };
    let sessions = builder.random.count(1, 4);
    for _ in 0..sessions {
        let steps = vec![
            Step::Pause(0.0, 1_800.0),
            Step::Connect,
            Step::Within("BEGIN".into(), 0.001, 0.002, Hold::default()),
            Step::Within("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY".into(), 0.001, 0.002, hold),
            Step::Slow("COPY public.sale TO STDOUT".into(), 10.0, 900.0, Wait::ClientWrite),
            Step::Within("COPY public.customer (id, name) TO stdout".into(), 1.0, 600.0, hold),
            Step::Pause(1.0, 400.0),
            Step::Within("COPY public.article (id, name) TO stdout".into(), 1.0, 600.0, hold),
            Step::Commit,
            Step::Pause(30.0, 900.0),
            Step::Again(2),
        ];
        builder.add(Script::new(Rc::clone(&client), steps));
    }
}

/// PostgREST, Auth (which sets no application name), Storage, Realtime, meta, cron.
pub fn supabase(builder: &mut CaseBuilder) {
    let services = [
        ("authenticator", "PostgREST 12.2.3", 10, "WITH pgrst_source AS (SELECT 1) SELECT * FROM pgrst_source"),
        ("supabase_auth_admin", "", 10, "SELECT users.id FROM users AS users WHERE id = {}"),
        ("supabase_storage_admin", "Supabase Storage API", 6, "SELECT name FROM storage.buckets WHERE id = {}"),
        ("supabase_admin", "realtime_connect", 5, "SELECT 1"),
        ("supabase_admin", "postgres-meta 0.83.2", 3, "SELECT pg_table_size('x')"),
        ("supabase_admin", "pg_cron scheduler", 1, "SELECT jobid FROM cron.job"),
    ];
    for (role, application, most, text) in services {
        let client = Rc::new(protected(builder, role, application));
        let size = builder.random.count(1, most);
        let mut settings = Settings::sized(builder.random.count(0, size), size);
        settings.lifetime = builder.random.chance(0.3).then_some(30 * MINUTE);
        let work = Work {
            statements: vec![text.to_owned()],
            ms: 4.0,
            pause_ms: 1.0,
            longest_pause_ms: 100.0,
            transaction: builder.random.chance(0.5),
            writes: false,
            snapshot: false,
        };
        let traffic = builder.traffic(0.005, 1.0);
        let begin = builder.begin;
        let paths = vec![Path { weight: 1.0, work, fault: None }];
        builder.add(Pool::new(client, settings, traffic, paths).event(begin, Event::Starts));
    }
    let listener = Rc::new(protected(builder, "authenticator", "PostgREST 12.2.3"));
    builder.add(Script::new(listener, vec![Step::Connect, Step::Listen("\"pgrst\"".into())]));
    let slot = protected(builder, "supabase_admin", "realtime_replication_connection");
    let client = Client { backend_type: "walsender", ..slot };
    let steps = vec![Step::Connect, Step::Run("START_REPLICATION SLOT s LOGICAL 0/0".into(), 9e6, 9.1e6)];
    builder.add(Script::new(Rc::new(client), steps));
}
