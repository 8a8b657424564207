//! Sessions with one purpose: listeners, leaders, workers, batches.

use crate::case_builder::CaseBuilder;
use crate::clients::script::{Script, Step};
use crate::sim::Hold;
use crate::sim::session::Wait;
use crate::time::SECOND;

/// Sessions that run `LISTEN`, some with a keepalive statement.
pub fn listeners(builder: &mut CaseBuilder) {
    let client = builder.named("app_events", "events");
    for n in 0..builder.random.count(1, 8) {
        let mut steps = vec![Step::Pause(0.0, 60.0), Step::Connect, Step::Listen(format!("channel_{n}"))];
        if builder.random.chance(0.3) {
            steps.extend([Step::Pause(20.0, 60.0), Step::Run("SELECT 1".into(), 0.001, 0.002), Step::Again(3)]);
        }
        builder.add(Script::new(client.clone(), steps));
    }
}

/// Sessions that hold an advisory lock while they are the leader.
pub fn leaders(builder: &mut CaseBuilder) {
    let client = builder.named("app_scheduler", "scheduler");
    for _ in 0..builder.random.count(1, 3) {
        let mut steps = vec![Step::Pause(0.0, 60.0), Step::Connect, Step::Advisory(1)];
        if builder.random.chance(0.5) {
            let every = builder.random.magnitude(10.0, 1_000.0);
            steps.extend([Step::Pause(every, every * 1.1), Step::Run("SELECT 1".into(), 0.001, 0.002), Step::Again(3)]);
        }
        builder.add(Script::new(client.clone(), steps));
    }
}

/// Sessions that own temporary tables and use them again.
pub fn temporary(builder: &mut CaseBuilder) {
    let client = builder.named("app_import", "import");
    for _ in 0..builder.random.count(1, 4) {
        let rest = builder.random.magnitude(30.0, 2_000.0);
        let steps = vec![
            Step::Pause(0.0, 300.0),
            Step::Connect,
            Step::Temporary,
            Step::Run("INSERT INTO staging SELECT generate_series(1, {})".into(), 0.1, 5.0),
            Step::Pause(rest, rest * 2.0),
            Step::Again(3),
        ];
        builder.add(Script::new(client.clone(), steps));
    }
}

/// Workers that poll for work, each in its own session.
pub fn pollers(builder: &mut CaseBuilder) {
    let application = *builder.random.pick(&["sidekiq", "worker", "jobs"]);
    let client = builder.named("app_jobs", application);
    let every = builder.random.magnitude(60.0, 1_800.0);
    for _ in 0..builder.random.count(2, 12) {
        let steps = vec![
            Step::Pause(0.0, every),
            Step::Connect,
            Step::Run("SELECT id FROM job WHERE taken_at IS NULL LIMIT 1".into(), 0.001, 0.02),
            Step::Pause(every * 0.9, every * 1.1),
            Step::Again(2),
        ];
        builder.add(Script::new(client.clone(), steps));
    }
}

/// Long statements with short pauses, some in transactions.
pub fn batch(builder: &mut CaseBuilder) {
    let client = builder.named("app_batch", "batch");
    for _ in 0..builder.random.count(1, 4) {
        let hold = Hold { xid: true, relations: 6, snapshot: false };
        let steps = vec![
            Step::Pause(0.0, 600.0),
            Step::Connect,
            Step::Within("BEGIN".into(), 0.001, 0.002, Hold::default()),
            Step::Within("INSERT INTO daily SELECT day, sum(total) FROM sale GROUP BY day".into(), 5.0, 400.0, hold),
            Step::Pause(0.1, 20.0),
            Step::Within("UPDATE daily SET closed = true WHERE day < {}".into(), 5.0, 120.0, hold),
            Step::Commit,
            Step::Pause(1.0, 60.0),
            Step::Again(2),
        ];
        builder.add(Script::new(client.clone(), steps));
    }
}

/// Statements that take many minutes.
pub fn analytics(builder: &mut CaseBuilder) {
    let application = *builder.random.pick(&["Metabase", "superset", "looker"]);
    let client = builder.named("app_bi", application);
    for _ in 0..builder.random.count(1, 5) {
        let text = "SELECT region, avg(total) FROM sale JOIN customer USING (customer_id) GROUP BY region";
        let steps = vec![
            Step::Pause(0.0, 1_200.0),
            Step::Connect,
            Step::Slow(text.into(), 60.0, 3_000.0, Wait::DataFileRead),
            Step::Pause(1.0, 40.0),
            Step::Disconnect,
            Step::Pause(10.0, 1_800.0),
            Step::Again(1),
        ];
        builder.add(Script::new(client.clone(), steps));
    }
}

/// A migration: an advisory lock on one session, changes on the same or another.
pub fn migration(builder: &mut CaseBuilder) {
    let application = *builder.random.pick(&["flyway", "", "PostgreSQL JDBC Driver", "alembic"]);
    let client = builder.named("app_owner", application);
    let starts = ((builder.first - builder.begin) / SECOND) as f64 * builder.random.between(0.9, 1.0);
    let hold = Hold { xid: true, relations: 9, snapshot: false };
    let changes = vec![
        Step::Within("BEGIN".into(), 0.001, 0.002, Hold::default()),
        Step::Within("ALTER TABLE customer ADD COLUMN note text".into(), 0.01, 5.0, hold),
        Step::Within("CREATE INDEX ON customer (note)".into(), 10.0, 900.0, hold),
        Step::Pause(0.1, 2.0),
        Step::Commit,
    ];
    let mut steps = vec![Step::Pause(starts, starts + 60.0), Step::Connect, Step::Advisory(1)];
    if builder.random.chance(0.5) {
        let mut other = vec![Step::Pause(starts + 61.0, starts + 70.0), Step::Connect];
        other.extend(changes);
        other.push(Step::Disconnect);
        builder.add(Script::new(client.clone(), other));
        steps.extend([Step::Pause(600.0, 1_500.0), Step::Disconnect]);
    } else {
        steps.extend(changes);
        steps.push(Step::Disconnect);
    }
    builder.add(Script::new(client, steps));
}

/// Clients that read a result slowly.
pub fn slow_reader(builder: &mut CaseBuilder) {
    let client = builder.named("app_export", "export");
    for _ in 0..builder.random.count(1, 3) {
        let steps = vec![
            Step::Pause(0.0, 600.0),
            Step::Connect,
            Step::Slow("COPY sale TO STDOUT".into(), 120.0, 4_000.0, Wait::ClientWrite),
            Step::Disconnect,
            Step::Pause(60.0, 900.0),
            Step::Again(1),
        ];
        builder.add(Script::new(client.clone(), steps));
    }
}
