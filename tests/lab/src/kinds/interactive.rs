//! Interactive users: long pauses, some of them inside a transaction.

use std::rc::Rc;

use crate::case_builder::CaseBuilder;
use crate::clients::script::{Script, Step};
use crate::sim::{Client, Hold};

fn interactive_user(builder: &mut CaseBuilder, application: &str) {
    let number = builder.random.count(1, 9);
    let client = builder.named(&format!("dev_{number}"), application);
    let hold = Hold { xid: builder.random.chance(0.5), relations: 2, snapshot: false };
    let mut steps = vec![
        Step::Pause(0.0, 3_000.0),
        Step::Connect,
        Step::Run("SELECT * FROM customer LIMIT {}".into(), 0.01, 3.0),
        Step::Pause(20.0, 3_000.0),
    ];
    if builder.random.chance(0.5) {
        steps.extend([
            Step::Within("BEGIN".into(), 0.001, 0.002, Hold::default()),
            Step::Within("UPDATE customer SET note = '' WHERE id = {}".into(), 0.01, 0.1, hold),
            Step::Pause(5.0, 2_000.0),
            Step::Commit,
        ]);
    }
    steps.push(Step::Again(2));
    builder.add(Script::new(client, steps));
}

/// Users of psql.
pub fn psql(builder: &mut CaseBuilder) {
    for _ in 0..builder.random.count(1, 4) {
        interactive_user(builder, "psql");
    }
}

/// Users of graphical tools, which keep several sessions.
pub fn graphical(builder: &mut CaseBuilder) {
    let tools = [
        "DBeaver 24.1.0 - Main",
        "DBeaver 24.1.0 - SQLEditor <Script.sql>",
        "DataGrip 2024.2",
        "pgAdmin 4 - DB:shop",
        "TablePlus",
        "Beekeeper Studio",
    ];
    for _ in 0..builder.random.count(1, 5) {
        let tool = *builder.random.pick(&tools);
        interactive_user(builder, tool);
    }
}

/// Desktop application on many machines: each has its own sessions, idle when its user is.
pub fn desktop_application(builder: &mut CaseBuilder) {
    let client = Client { counts_checkouts: false, ..builder.client() };
    for _ in 0..builder.random.count(4, 15) {
        let machine = Rc::new(builder.elsewhere(&client));
        let longest = builder.random.magnitude(300.0, 6_000.0);
        for _ in 0..builder.random.count(1, 3) {
            let steps = vec![
                Step::Pause(0.0, 3_000.0),
                Step::Connect,
                Step::Run("SELECT name, state FROM customer WHERE id = {}".into(), 0.01, 0.5),
                Step::Pause(2.0, 40.0),
                Step::Run("SELECT sum(total) FROM invoice WHERE customer_id = {}".into(), 0.01, 1.0),
                Step::Pause(2.0, 120.0),
                Step::Run("UPDATE customer SET seen_at = now() WHERE id = {}".into(), 0.01, 0.1),
                Step::Pause(10.0, longest),
                Step::Again(2),
            ];
            builder.add(Script::new(Rc::clone(&machine), steps));
        }
    }
}
