//! The leak laboratory without simulation: real clients of a real server and PgBouncer in labelled scenarios, which
//! all run at the same time. The component analyses them repeatedly through the host, and the laboratory's rules
//! score it.
//!
//! Thresholds are the component's minimum, and scenarios run in seconds. Evidence that needs many times the threshold
//! is not available, so the leaks that depend on it are listed as missed.

mod checkouts;
mod connections;
mod environment;
mod fidelity;
mod looks;
mod pool;
mod pooled;
mod pools;
mod scenario;
mod services;
mod transactions;

use std::fmt::Write as _;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use archon_pool::limits::Limits;
use archon_pool_lab::score::Score;
use archon_pool_tests::until;
use secrecy::SecretString;
use tokio::task::{JoinSet, LocalSet};

use self::environment::{Environment, ScenarioHandle};
use self::looks::{IDLE_MS, Looks};
use self::scenario::Scenario;
use crate::actions::OPERATOR;
use crate::support::host_with;

/// Milliseconds between two looks.
const BETWEEN_LOOKS: u64 = 2_000;
/// Number of looks during which sessions are lost and found.
const LOOKS: usize = 16;
/// Maximum duration: on a slow machine there are fewer looks, because sessions idle for many times the threshold are
/// classified differently.
const LONGEST: Duration = Duration::from_secs(38);

fn scenarios() -> Vec<Scenario> {
    let leaks = connections::ALL.into_iter().chain(checkouts::ALL).chain(transactions::ALL);
    leaks.chain(pooled::ALL).chain(pools::ALL).chain(services::ALL).collect()
}

/// Expected result of each scenario. Some lost sessions cannot be distinguished from innocent ones within so few
/// seconds.
#[test]
fn the_expected_findings_of_every_scenario() {
    let line = |scenario: &Scenario| match (scenario.kind.leaks, scenario.floor) {
        (false, _) => format!("{:<22} innocent    {}", scenario.name(), scenario.kind.label),
        (true, 0) => format!("{:<22} may miss    {}", scenario.name(), scenario.kind.label),
        (true, floor) => format!("{:<22} {floor:>3} % found {}", scenario.name(), scenario.kind.label),
    };
    insta::assert_snapshot!(scenarios().iter().map(line).collect::<Vec<_>>().join("\n"));
}

#[tokio::test]
async fn live_scenarios_are_classified_as_labelled() -> Result<()> {
    let scenarios = scenarios();
    ensure!(scenarios.len() >= 30, "only {} scenarios", scenarios.len());
    let looks = LocalSet::new().run_until(run_scenarios(&scenarios)).await?;
    let scores = looks.scores(&scenarios)?;
    let table = table(&scores);
    show(&format!("{} looks at {} scenarios\n{table}", looks.count(), scenarios.len()));
    for (scenario, score) in &scores {
        let (name, counts) = (scenario.name(), score.rules[0].all);
        ensure!(score.withheld == 0, "{name}: a verdict was withheld\n{table}");
        ensure!(
            score.wrongly_ended.is_empty(),
            "{name}: kill-idle would end what is needed: {:?}\n{table}",
            score.wrongly_ended
        );
        let enough = counts.found * 100 >= counts.lost() * scenario.floor;
        ensure!(enough, "{name}: less than {} % of the lost sessions were found\n{table}", scenario.floor);
        ensure!(scenario.kind.leaks == (counts.lost() > 0), "{name}: {} sessions are lost\n{table}", counts.lost());
        ensure!(scenario.kind.leaks || counts.left_alone > 0, "{name}: no session was seen\n{table}");
    }
    let wrong: u32 = scores.iter().map(|(_, score)| score.rules[0].all.wrong).sum();
    ensure!(wrong == 0, "{wrong} innocent sessions were suspected\n{}{table}", looks.wrong());
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the table is what one runs this for, with `--nocapture`")]
fn show(table: &str) {
    println!("{table}");
}

/// Runs all scenarios, and takes looks.
async fn run_scenarios(scenarios: &[Scenario]) -> Result<Looks> {
    let environment = Environment::build(scenarios).await?;
    let url = SecretString::from(environment.cluster.url(OPERATOR, "postgres"));
    let credentials = archon_pool::credentials().url(url).pooler(SecretString::from(environment.bouncer.watcher_url()));
    let mut looks = Looks::through(host_with(credentials, Limits::default()));
    let mut running = JoinSet::new();
    // Started one after the other, so that a pool fills as fast as it would alone; scenarios that lose sessions at
    // once start last.
    for (before, scenario) in scenarios.iter().rev().enumerate() {
        let (name, handle) =
            (scenario.name(), ScenarioHandle { environment: Rc::clone(&environment), name: scenario.name() });
        let future = (scenario.run)(handle);
        running.spawn_local(async move { future.await.context(name) });
        until(&format!("{name} is set up"), async || {
            none_has_ended(&mut running)?;
            Ok(environment.ready() > before)
        })
        .await?;
    }
    let watch = ScenarioHandle { environment: Rc::clone(&environment), name: "looks" };
    let mut ticks = watch.every(BETWEEN_LOOKS);
    let begun = Instant::now();
    while looks.count() < LOOKS && begun.elapsed() < LONGEST && ticks.next().await {
        none_has_ended(&mut running)?;
        looks.take(&environment).await?;
    }
    environment.close();
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(looks)
}

/// Reports a failed scenario at once, not after the timeout of the wait.
fn none_has_ended(running: &mut JoinSet<Result<()>>) -> Result<()> {
    match running.try_join_next() {
        Some(ended) => ended?.and_then(|()| anyhow::bail!("a scenario ended by itself")),
        None => Ok(()),
    }
}

/// Formats the score of every scenario, with the lost sessions that were not found.
fn table(scores: &[(&Scenario, Score)]) -> String {
    let mut table = String::new();
    let line = "scenario                 lost found missed wrong innocent ended reconnects label";
    writeln!(table, "{line}").expect("text");
    let (mut lost, mut found, mut wrong) = (0, 0, 0);
    for (scenario, score) in scores {
        let (counts, kills) = (score.rules[0].all, score.kills);
        lost += counts.lost();
        found += counts.found;
        wrong += counts.wrong;
        writeln!(
            table,
            "{:<24} {:>4} {:>5} {:>6} {:>5} {:>8} {:>5} {:>10} {}",
            scenario.name(),
            counts.lost(),
            counts.found,
            counts.missed,
            counts.wrong,
            counts.left_alone,
            kills.lost,
            kills.reconnects,
            scenario.kind.label
        )
        .expect("text");
    }
    let percent = |part: u32, whole: u32| f64::from(part) * 100.0 / f64::from(whole.max(1));
    let (precision, recall) = (percent(found, found + wrong), percent(found, lost));
    writeln!(table, "precision {precision:.1} %, recall {recall:.1} %, beyond {} s", IDLE_MS / 1_000).expect("text");
    table
}
