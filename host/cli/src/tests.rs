//! Golden files: the printed output, byte by byte. `cargo insta review` shows and accepts changes.

use std::time::Duration;

use anstream::ColorChoice;
use anstream::adapter::strip_str;
use archon_pool::Fault;
use archon_pool_contract::fault::kind;
use archon_pool_contract::params::Action;
use archon_pool_contract::report::{Evidence, Explanation, Report};
use archon_pool_report as render;
use archon_pool_report::explanation::Look;
use archon_pool_report::{comparison, sanitize};
use clap::{CommandFactory as _, Parser as _};
use insta::assert_snapshot;
use serde_json::json;
use unicode_width::UnicodeWidthStr as _;

use super::answer::Answer;
use super::args::Args;
use super::error::CliError;
use super::exit::Exit;
use super::terminal::FIXED_WIDTH;
use super::terminal::tests::captured;

mod decisions;
pub(super) mod fixture;
#[cfg(feature = "nats")]
mod fleet;
mod pages;
mod plugins;
mod server_json;

/// Renders a page without colour, as in a file.
fn page(report: &Report, action: Action, width: usize) -> String {
    strip_str(&render::report(report, action, width)).to_string()
}

#[test]
fn full_analysis() {
    assert_snapshot!(page(&fixture::full(), Action::FullAnalysis, FIXED_WIDTH));
}

#[test]
fn full_analysis_on_a_narrow_terminal() {
    assert_snapshot!(page(&fixture::full(), Action::FullAnalysis, 60));
}

#[test]
fn full_analysis_in_colour() {
    assert_snapshot!(render::report(&fixture::full(), Action::FullAnalysis, FIXED_WIDTH).replace('\u{1b}', "␛"));
}

#[test]
fn full_analysis_behind_a_pooler() {
    assert_snapshot!(page(&fixture::behind_a_pooler(), Action::FullAnalysis, FIXED_WIDTH));
}

#[test]
fn monitor_of_a_server_in_order() {
    assert_snapshot!(page(&fixture::healthy(), Action::Monitor, FIXED_WIDTH));
}

#[test]
fn health_check_of_a_server_in_order() {
    assert_snapshot!(page(&fixture::healthy(), Action::HealthCheck, FIXED_WIDTH));
}

#[test]
fn detect_leaks_with_hidden_sessions() {
    assert_snapshot!(page(&fixture::half_blind(), Action::DetectLeaks, FIXED_WIDTH));
}

#[test]
fn auto_scale() {
    assert_snapshot!(page(&fixture::healthy(), Action::AutoScale, FIXED_WIDTH));
}

#[test]
fn auto_scale_of_a_pooler() {
    assert_snapshot!(page(&fixture::scaled(), Action::AutoScale, FIXED_WIDTH));
}

#[test]
fn explanation_of_one_session() {
    let mut session = fixture::full().leak_detection.suspected_connections[0].clone();
    session.evidence.push(Evidence {
        id: "rests-like-others".into(),
        weight: -1.2,
        value: "idle for 32 min, others went on after 33 min".into(),
        explanation: "its group was used again after rests as long as this".into(),
    });
    let missing = vec!["it has no name: others of that name may be another application's".into()];
    let explained = Explanation { session, suspected: true, prior: -1.2, threshold: 80, missing };
    let look = |at: &str, confidence| Look { at: at.into(), confidence };
    let looks = [
        look("2026-11-23T08:15:04Z", Some(41)),
        look("2026-11-23T08:15:09Z", None),
        look("2026-11-23T08:15:14Z", Some(97)),
    ];
    assert_snapshot!(strip_str(&render::explanation(&explained, &looks, FIXED_WIDTH)).to_string());
}

#[test]
fn kill_idle_as_a_plan() {
    assert_snapshot!(page(&fixture::kill_plan(), Action::KillIdle, FIXED_WIDTH));
}

#[test]
fn kill_idle_carried_out() {
    assert_snapshot!(page(&fixture::kill_done(), Action::KillIdle, FIXED_WIDTH));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let report = fixture::kill_plan();
    // SQL is copied: it is never wrapped.
    let sql: Vec<_> = report.findings.iter().filter_map(|finding| finding.fix.as_ref()?.sql.as_deref()).collect();
    let is_sql = |line: &str| sql.iter().any(|sql| sql.contains(line.trim()));
    for width in [60, 79, 80, 100, 200] {
        for line in page(&report, Action::FullAnalysis, width).lines() {
            assert!(line.width() <= width || is_sql(line), "at {width}: {line}");
        }
    }
}

#[test]
fn differences_between_two_reports() {
    let [before, after] =
        [fixture::healthy(), fixture::full()].map(|report| serde_json::to_value(report).expect("JSON"));
    let shown = |before, after| {
        let differences = comparison::differences(before, after, false);
        strip_str(&render::differences(&differences, FIXED_WIDTH)).to_string()
    };
    assert_snapshot!(shown(&before, &after));
    let mut other = after.clone();
    other["leakDetection"]["suspectedConnections"][0]["confidence"] = 81.into();
    other["findings"].as_array_mut().expect("a list").remove(0);
    assert_snapshot!(shown(&after, &other));
    assert_snapshot!(shown(&after, &after));
}

#[test]
fn watch_lines() {
    let lines = [fixture::full(), fixture::healthy(), fixture::half_blind(), fixture::scaled()]
        .map(|report| render::watch_line(&report, usize::MAX));
    assert_snapshot!(strip_str(&lines.join("\n")).to_string());
}

#[test]
fn watch_fault() {
    let fault = Fault::new(kind::CONNECTION_LOST, "the server closed the connection");
    let line = render::watch_fault("07:03:22", &fault, Duration::from_secs(10));
    assert_snapshot!(strip_str(&line).to_string(), @"07:03:22  error: the server closed the connection (connection-lost); next try in 10 s");
}

#[test]
fn every_kind_of_fault() {
    let faults = kind::ALL.iter().map(|kind| {
        let sqlstate = (*kind == kind::TOO_MANY_CONNECTIONS).then(|| "53300".to_owned());
        render::fault(&Fault { sqlstate, ..Fault::new(kind, "what happened") })
    });
    assert_snapshot!(strip_str(&faults.collect::<Vec<_>>().join("\n---\n")).to_string());
}

#[test]
fn text_of_a_server_cannot_control_the_terminal() {
    let hostile = "\u{1b}[2J\u{9b}31m\u{7}x\r\ny\u{202e}";
    let mut report = serde_json::to_value(fixture::kill_plan()).expect("JSON");
    change_texts(&mut report, &|string| string.push_str(hostile));
    let answer = Answer::of_output((&json!({"success": true, "data": report})).into()).expect("an answer");
    let report = answer.report().expect("a report");
    let shown =
        Action::ALL.map(|action| page(report, action, FIXED_WIDTH)).concat() + &render::watch_line(report, usize::MAX);
    let fault = render::fault(&Fault { sqlstate: Some(hostile.into()), ..Fault::new(hostile, hostile) });
    // The program's own styles are the only escapes, and they are stripped here.
    let shown = strip_str(&(shown + &fault)).to_string();
    assert!(!shown.chars().any(|letter| letter != '\n' && letter.is_control()), "{shown}");
    assert!(shown.contains("�[2J�31m�x  y�"), "{shown}");
    let printed = sanitize::json(answer.text().as_str());
    assert!(!printed.chars().any(char::is_control), "{printed}");
}

/// Changes every string of a value.
fn change_texts(value: &mut serde_json::Value, change: &impl Fn(&mut String)) {
    match value {
        serde_json::Value::String(string) => change(string),
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| change_texts(item, change)),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(|field| change_texts(field, change)),
        _ => {}
    }
}

#[test]
fn colour_is_removed_when_it_is_disabled() {
    for (choice, coloured) in [(ColorChoice::Always, true), (ColorChoice::Never, false)] {
        let (mut terminal, stdout, _) = captured(false, choice);
        terminal.data(&render::report(&fixture::full(), Action::Monitor, FIXED_WIDTH)).expect("written");
        assert_eq!(stdout.text().contains('\u{1b}'), coloured);
    }
}

#[test]
fn a_fault_is_printed_on_stderr_and_as_json_on_stdout() {
    let fault = || CliError::from(Fault::new(kind::SERVER_UNREACHABLE, "nothing answers at db:5432"));
    let (mut terminal, stdout, stderr) = captured(false, ColorChoice::Never);
    assert_eq!(fault().report(&mut terminal), Exit::Failed);
    assert_eq!(stdout.text(), "");
    assert_snapshot!(stderr.text());

    let (mut terminal, stdout, stderr) = captured(true, ColorChoice::Never);
    fault().report(&mut terminal);
    let output: serde_json::Value = serde_json::from_str(&stdout.text()).expect("a SkillOutput");
    assert_eq!((&output["success"], &output["error"]["kind"]), (&json!(false), &json!("server-unreachable")));
    assert!(stderr.text().starts_with("error: nothing answers"));
}

/// Returns the help of a subcommand, or of the program.
fn help(words: &[&str]) -> String {
    let mut command = Args::command().term_width(FIXED_WIDTH);
    command.build();
    for word in words {
        command = command.find_subcommand(word).expect("a subcommand").clone().term_width(FIXED_WIDTH);
    }
    command.render_long_help().to_string()
}

#[test]
fn help_of_the_program() {
    assert_snapshot!(help(&[]));
}

#[test]
fn help_of_kill_idle() {
    assert_snapshot!(help(&["kill-idle"]));
}

#[test]
fn help_of_watch() {
    assert_snapshot!(help(&["watch"]));
}

#[test]
fn help_of_run() {
    assert_snapshot!(help(&["run"]));
}

#[test]
fn help_of_report() {
    assert_snapshot!(help(&["report"]));
}

#[test]
fn short_help_of_monitor() {
    let mut command = Args::command();
    command.build();
    let mut monitor = command.find_subcommand("monitor").expect("a subcommand").clone().term_width(FIXED_WIDTH);
    assert_snapshot!(monitor.render_help().to_string());
}

#[test]
fn the_command_line_is_consistent() {
    Args::command().debug_assert();
}

#[test]
fn wrong_command_lines_are_usage_errors() {
    for words in [
        &["archon-pool"][..],
        &["archon-pool", "purge"],
        &["archon-pool", "monitor", "--apply"],
        &["archon-pool", "watch", "purge"],
        &["archon-pool", "watch", "--interval", "0"],
        &["archon-pool", "monitor", "--idle-timeout-ms", "-1"],
        &["archon-pool", "monitor", "--option", "minSize"],
        &["archon-pool", "monitor", "--url", ""],
        &["archon-pool", "monitor", "--url", "postgres://db", "--credential", "main"],
        &["archon-pool", "describe", "a.wasm", "--plugin", "b.wasm"],
        &["archon-pool", "run"],
        &["archon-pool", "report"],
        &["archon-pool", "report", "--html", "a.html", "--rounds", "0"],
        &["archon-pool", "report", "--html", "a.html", "--from", "a.json", "--replay", "b.jsonl"],
        &["archon-pool", "report", "--html", "a.html", "--from", "a.json", "--rounds", "2"],
    ] {
        let Err(error) = Args::try_parse_from(words) else { panic!("accepted: {}", words.join(" ")) };
        assert_eq!(error.exit_code(), Exit::Usage as i32, "{}", words.join(" "));
    }
}

#[test]
fn global_flags_are_accepted_before_and_after_the_command() {
    for words in [["archon-pool", "--json", "monitor"], ["archon-pool", "monitor", "--json"]] {
        assert!(Args::try_parse_from(words).is_ok_and(|args| args.global.json));
    }
}

fn as_json(report: &Report) -> serde_json::Value {
    serde_json::to_value(report).expect("JSON")
}

#[test]
fn finds_no_difference_in_a_report_that_differs_in_time_only() {
    let mut later = fixture::full();
    later.timestamp = "2026-01-01T00:00:00Z".into();
    later.analysis_duration += 1;
    later.leak_detection.suspected_connections[0].idle_time += 1;
    assert_eq!(comparison::differences(&as_json(&fixture::full()), &as_json(&later), false), []);
    assert_eq!(comparison::differences(&as_json(&fixture::full()), &as_json(&later), true).len(), 3);
}
