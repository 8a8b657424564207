//! Pages of `kill-idle` and `auto-scale`: golden files of every kind of result, many sessions, and odd widths.

use archon_pool_contract::params::Action;
use archon_pool_contract::report::{Report, Spared, Target};
use insta::assert_snapshot;
use unicode_width::UnicodeWidthStr as _;

use super::super::answer::Answer;
use super::super::terminal::FIXED_WIDTH;
use super::{change_texts, fixture, page};

/// Widths of small windows, of files, and of large screens.
const WIDTHS: [usize; 7] = [40, 60, 72, 80, 100, 140, 300];

/// A plan for many sessions of a few applications.
fn many(number: i32) -> Report {
    let mut report = fixture::kill_plan();
    let action = &mut report.actions[0];
    let applications = ["checkout-service", "checkout-service", "web", "日本語-アプリ", ""];
    let target = |index: i32| Target {
        pid: 10_000 + index,
        application: applications[index as usize % applications.len()].into(),
        ..action.targets[0].clone()
    };
    let targets = (0..number).map(target).collect();
    action.targets = targets;
    action.reason = format!("{number} of 6000 sessions idle for longer than the threshold: {number} to end");
    report
}

/// The plan of [`many`], with an outcome for each session.
fn outcomes(outcomes: &[(&str, Option<&str>)]) -> Report {
    let mut report = many(outcomes.len() as i32);
    let action = &mut report.actions[0];
    action.dry_run = false;
    for (target, (outcome, detail)) in action.targets.iter_mut().zip(outcomes) {
        (target.outcome, target.detail) = ((*outcome).to_owned(), detail.map(str::to_owned));
    }
    action.executed = action.targets.iter().any(|target| target.outcome == "ended");
    report
}

fn shown(report: &Report) -> String {
    page(report, Action::KillIdle, FIXED_WIDTH)
}

fn first_line(report: &Report, action: Action) -> String {
    page(report, action, FIXED_WIDTH).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn each_selected_session_that_is_spared_has_its_reason() {
    let mut report = many(1);
    let action = &mut report.actions[0];
    action.reason = "1 of 2 selected sessions idle for longer than the threshold: 1 to end".into();
    action.spared = vec![Spared { pid: 7, reason: "it has left".into() }];
    let shown = shown(&report);
    assert_eq!(shown.lines().next(), Some("● 1 of 2 sessions would be ended; nothing was changed"));
    assert!(shown.contains("· pid 7 spared: it has left") && !shown.contains("in use"), "{shown}");
}

#[test]
fn a_plan_for_5000_sessions_is_a_page() {
    let shown = shown(&many(5_000));
    assert!(shown.lines().count() < 90, "{shown}");
    assert!(
        shown.contains(
            "… and 4950 more, 1980 of checkout-service, 990 of web, 990 of 日本語-アプリ, and those of 1 more"
        )
    );
    assert_eq!(shown.lines().next(), Some("● 5000 of 6000 sessions would be ended; nothing was changed"));
}

#[test]
fn every_outcome_is_counted_and_explained() {
    let cap = "denied: the cap of 2 per hour is reached";
    assert_snapshot!(shown(&outcomes(&[
        ("ended", None),
        ("gone", Some("it had already left")),
        ("changed", Some("it has done something since: left alone")),
        ("changed", Some("it has done something since: left alone")),
        ("survived", Some("it was signalled but is still there")),
        ("denied", Some(cap)),
        ("denied", Some(cap)),
        ("failed", Some("the server closed the connection (connection-lost)")),
    ])));
}

#[test]
fn results_are_stated_in_the_first_line() {
    let line = |report: &Report| first_line(report, Action::KillIdle);
    assert_eq!(line(&outcomes(&[("ended", None)])), "✔ 1 of 6000 sessions ended");
    assert_eq!(line(&outcomes(&[("denied", Some("the policy forbids it")); 2])), "✖ no session was ended: 2 denied");
    assert_eq!(line(&outcomes(&[("ended", None), ("gone", None)])), "▲ 1 of 2 planned sessions ended, 1 gone");
    let mut nothing = many(0);
    assert_eq!(line(&nothing), "✔ nothing to end: none of 6000 sessions is beyond its threshold");
    nothing.actions[0].reason = "3 of 9 sessions idle for longer than the threshold: 0 to end, 3 left for later; \
                                 maxKillPercentage 25 allows 0 per call"
        .into();
    assert_eq!(line(&nothing), "● nothing to end: 3 of 9 sessions beyond the threshold, and all of them spared");
    assert!(
        shown(&nothing).contains("9 spared: 3 over the cap, 6 in use or below the threshold\n  · maxKillPercentage")
    );
    let mut blind = fixture::half_blind();
    blind.actions = nothing.actions.clone();
    assert_eq!(line(&blind), "▲ nothing to end: up to 12 sessions hidden, and without full coverage nothing is ended");
    let mut powerless = many(2);
    powerless.actions[0].targets.iter_mut().for_each(|target| target.outcome = "not-executed".into());
    assert_eq!(line(&powerless), "● a plan for 2 of 6000 sessions, which this component cannot carry out");
}

#[test]
fn a_reason_in_other_words_is_printed_as_it_is() {
    let mut foreign = many(2);
    foreign.actions[0].reason = "because the operator's own component says so".into();
    foreign.actions[0].targets[0].reason = "it looks bored".into();
    assert_snapshot!(shown(&foreign));
}

#[test]
fn sizes_are_stated_in_the_first_line() {
    let line = |report: &Report| first_line(report, Action::AutoScale);
    let mut report = fixture::scaled();
    assert_eq!(line(&report), "✔ the pool was resized from 10 to 12 by pgbouncer");
    let action = &mut report.actions[0];
    (action.executed, action.reason) =
        (false, "from 10 to 12: demand; not executed: denied: the cap of 4 resizes per hour is reached".into());
    assert_eq!(
        line(&report),
        "✖ the pool was not resized from 10 to 12: denied: the cap of 4 resizes per hour is reached"
    );
    report.actions[0].dry_run = true;
    assert_eq!(
        line(&report),
        "▲ the pool would grow from 10 to 12, but: denied: the cap of 4 resizes per hour is reached"
    );
    report.actions[0].reason = "from 10 to 12: demand".into();
    assert_eq!(line(&report), "● the pool would grow from 10 to 12 by pgbouncer; nothing was changed");
    assert!(page(&report, Action::AutoScale, FIXED_WIDTH).contains("--apply resizes the pool"));
    report.scaling.target_size = 10;
    assert_eq!(line(&report), "✔ the pool stays at 10");
}

#[test]
fn each_session_is_one_line_at_every_width() {
    let report = many(20);
    for width in WIDTHS {
        let page = page(&report, Action::KillIdle, width);
        let rows = page.lines().filter(|line| line.trim_start().starts_with("planned ")).count();
        assert_eq!(rows, 20, "at {width}: {page}");
    }
}

#[test]
fn no_line_is_wider_than_the_page() {
    let mut long = many(20);
    long.actions[0].targets[0].application = "x".repeat(63);
    long.actions[0].targets[1].role = "r".repeat(63);
    let reports = [long, fixture::scaled(), fixture::half_blind(), fixture::behind_a_pooler(), fixture::full()];
    for (width, report) in WIDTHS.iter().flat_map(|width| reports.iter().map(move |report| (*width, report))) {
        let shown = [Action::KillIdle, Action::AutoScale, Action::DetectLeaks].map(|action| {
            let mut report = report.clone();
            report.findings.clear();
            page(&report, action, width)
        });
        // The time of a report is one word; a longer word is never cut.
        for line in shown.iter().flat_map(|page| page.lines()).filter(|line| line.split_whitespace().count() > 5) {
            assert!(line.width() <= width, "at {width}: {line}");
        }
    }
}

#[test]
fn names_of_applications_cannot_add_lines_or_colours() {
    let hostile = "x\u{1b}[31m\r\n  ended  1  forged\u{9b}2J\u{202e}";
    let mut value = serde_json::to_value(many(3)).expect("JSON");
    change_texts(&mut value["actions"][0]["targets"], &|text| text.push_str(hostile));
    let answer = Answer::of_report((&value).into());
    let report = answer.report().expect("a report");
    let (clean, dirty) = (page(&many(3), Action::KillIdle, FIXED_WIDTH), shown(report));
    assert!(!dirty.contains(|letter: char| letter != '\n' && letter.is_control()), "{dirty:?}");
    let rows = |page: &str| page.lines().filter(|line| line.contains("10000") || line.contains("10002")).count();
    assert_eq!(rows(&clean), 2);
    assert!(!dirty.lines().any(|line| line.trim_start().starts_with("ended")), "{dirty}");
}
