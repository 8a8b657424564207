//! HTML pages and Markdown: golden files, hostile texts, and their size.

use std::time::{Duration, Instant};

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::report::Report;
use archon_pool_report::html::live::{self, Addresses, Trouble, Watched};
use archon_pool_report::{Document, Failure, Holder, LockTree, Round, html, markdown};
use html5gum::{Token, Tokenizer};
use insta::assert_snapshot;
use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser};

use super::{change_texts, fixture};

/// Text that would be markup, a script, a link or a mention if it were not escaped.
const HOSTILE: &str = "x<script>alert(1)</script>\" onload='alert(2)' --><img src=x onerror=alert(3)>\u{202e}\u{1b}[2J \
                       `*_[a](javascript:alert(4))|~$1$ @team #12 https://evil.example &lt;b&gt;\n# b\n```\n- c";

fn tree() -> LockTree {
    let waiter = |name: &str, waiters| Holder {
        pid: None,
        name: name.into(),
        wait: Some("waits 15.3 s for ShareLock on transaction 745".into()),
        waiters,
        more: 0,
    };
    let waiters = vec![waiter("pid 5230, web, role app_user: active", vec![waiter("pid 5231, web: active", vec![])])];
    let head = Holder {
        pid: Some(5102),
        name: "pid 5102, reporting, role reporter: idle in transaction".into(),
        wait: None,
        waiters,
        more: 3,
    };
    LockTree { heads: vec![head], waiting: 5 }
}

/// Three rounds at intervals of ten seconds.
fn rounds(latest: Report) -> Vec<Report> {
    let mut rounds = vec![fixture::healthy(), latest.clone(), latest];
    rounds.iter_mut().zip(["07:03:02", "07:03:12", "07:03:22"]).for_each(|(round, time)| {
        round.timestamp = format!("2026-11-23T{time}.481Z");
    });
    rounds
}

/// Calls a renderer with everything that a document can have.
fn whole(rounds: &[Report], render: impl Fn(&Document<'_>) -> String) -> String {
    let failures = [Failure { round: 2, message: "the server closed the connection".into() }];
    let tree = tree();
    let document = Document::of(rounds).expect("a report").locks(Some(&tree)).failures(&failures);
    render(&document.origin("program", "archon-pool 1.0.0").origin("source", "credential shop"))
}

fn single(report: Report, render: impl Fn(&Document<'_>) -> String) -> String {
    render(&Document::of(&[report]).expect("a report"))
}

/// Puts each element on a line of its own, for a readable difference.
fn lines(page: &str) -> String {
    page.replace("><", ">\n<")
}

#[test]
fn html_of_several_rounds() {
    assert_snapshot!(lines(&whole(&rounds(fixture::full()), html::page)));
}

#[test]
fn html_of_hidden_sessions() {
    assert_snapshot!(lines(&single(fixture::half_blind(), html::main)));
}

#[test]
fn html_of_a_plan() {
    assert_snapshot!(lines(&single(fixture::kill_plan(), html::main)));
}

#[test]
fn html_of_a_resized_pool() {
    assert_snapshot!(lines(&single(fixture::scaled(), html::main)));
}

/// Renders the page of a target and the overview, each with the report and a fault since then.
fn live_pages(report: &Report, text: &str, pages: impl Fn(String)) {
    let (rounds, fault) = ([Round::of(report), Round::of(report)], Fault::new(kind::SERVER_UNREACHABLE, text));
    let (at, last_success) = (Some(1_796_029_402.0), Some(1_796_029_272.5));
    let trouble = Trouble { fault: &fault, rounds: 3, last_success };
    let watched = |name, document, trouble| Watched { name, path: "/t/shop", document, trouble, at };
    let document = || Some(Document::latest_of(report, &rounds).whole().origin("target", "shop"));
    let all = [
        watched("well", document(), None),
        watched("shop", document(), Some(trouble)),
        watched("gone", None, Some(trouble)),
        watched("new", None, None),
    ];
    let addresses = Addresses { script: "/live.js", events: "/t/shop/events", seen: "1-2", build: "1.0.0" };
    for content in all.iter().map(live::target).chain([html::fleet(&all)]) {
        pages(live::page(&content, addresses));
    }
}

#[test]
fn live_html_of_a_fault_after_a_report() {
    let page = std::cell::RefCell::new(Vec::new());
    live_pages(&fixture::healthy(), "no server answers at db:5432", |html| page.borrow_mut().push(html));
    let pages = page.into_inner();
    let body = |page: &str| lines(page.split_once("<body").expect("a body").1);
    assert_snapshot!("live_html_of_a_fault_after_a_report", body(&pages[1]));
    assert_snapshot!("live_html_of_an_overview", body(&pages[4]));
}

#[test]
fn no_text_changes_a_live_page() {
    let of = |text: &str| {
        let shown = std::cell::RefCell::new(Vec::new());
        let report = with_texts(&fixture::behind_a_pooler(), text);
        live_pages(&report, text, |page| shown.borrow_mut().push(elements(&page)));
        shown.into_inner()
    };
    for ((harmless, _), (hostile, text)) in of("x").into_iter().zip(of(HOSTILE)) {
        assert_eq!(harmless, hostile);
        let scripts = hostile.iter().filter(|element| element.starts_with("script")).count();
        assert!(scripts == 1 && !text.contains(['\u{1b}', '\u{202e}']), "{text}");
    }
}

#[test]
fn markdown_of_several_rounds() {
    assert_snapshot!(whole(&rounds(fixture::behind_a_pooler()), markdown::page));
}

#[test]
fn markdown_of_hidden_sessions() {
    assert_snapshot!(single(fixture::half_blind(), markdown::page));
}

#[test]
fn markdown_of_a_plan() {
    assert_snapshot!(single(fixture::kill_done(), markdown::page));
}

/// Sets every text of a report; numbers and lists stay.
fn with_texts(report: &Report, text: &str) -> Report {
    let mut value = serde_json::to_value(report).expect("JSON");
    let carry = value["carry"].take();
    change_texts(&mut value, &|string| text.clone_into(string));
    value["carry"] = carry;
    serde_json::from_value(value).expect("a report")
}

/// Renders a document in which each text of a server or a component is the same.
fn hostile(text: &str, render: impl Fn(&Document<'_>) -> String) -> String {
    let rounds = vec![with_texts(&fixture::behind_a_pooler(), text), with_texts(&fixture::kill_done(), text)];
    let holder = |waiters| Holder { pid: None, name: text.to_owned(), wait: Some(text.to_owned()), waiters, more: 1 };
    let tree = LockTree { heads: vec![holder(vec![holder(Vec::new())])], waiting: 2 };
    let failures = [Failure { round: 1, message: text.to_owned() }];
    let document = Document::of(&rounds).expect("a report").locks(Some(&tree)).failures(&failures);
    render(&document.origin("source", text))
}

/// Lists the elements of a page with the attributes that act, and returns its text.
fn elements(page: &str) -> (Vec<String>, String) {
    let (mut elements, mut text) = (Vec::new(), String::new());
    for Ok(token) in Tokenizer::new(page) {
        match token {
            Token::StartTag(tag) => {
                let utf8 = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let mut element = utf8(&tag.name);
                for (name, value) in &tag.attributes {
                    let name = utf8(name);
                    // Texts may stand in labels, which act on nothing.
                    let is_text = matches!(&*name, "aria-label" | "data-key" | "data-title");
                    let value = if is_text { String::new() } else { utf8(value) };
                    element.push_str(&format!(" {name}={value}"));
                }
                elements.push(element);
            }
            Token::String(string) => text.push_str(&String::from_utf8_lossy(&string)),
            Token::Comment(_) => elements.push("comment".into()),
            _ => {}
        }
    }
    (elements, text)
}

/// Lists the parts of a Markdown text without its words.
fn structure(markdown: &str) -> Vec<String> {
    Parser::new_ext(markdown, Options::all())
        .filter(|event| !matches!(event, Event::Text(_)))
        .map(|event| format!("{event:?}"))
        .collect()
}

#[test]
fn a_script_in_every_text_is_shown_as_text() {
    let (elements, text) = elements(&hostile(HOSTILE, html::page));
    assert!(text.matches("<script>alert(1)</script>").count() > 50, "{text}");
    assert!(!elements.iter().any(|element| ["script", "img", "comment"].iter().any(|it| element.starts_with(it))));
    assert!(!text.contains(['\u{1b}', '\u{202e}']));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_changes_the_elements_of_a_page(text in "([<>&\"'/=!`a-z\\PC\\pC-]|script|--|<!|]]>|\\n)*") {
        let harmless = hostile("x", html::page);
        let page = hostile(&format!("x{text}"), html::page);
        prop_assert!(elements(&page).0 == elements(&harmless).0, "{page}");
    }

    #[test]
    fn no_text_changes_the_parts_of_a_ticket(text in "([-+#>*_`~|<&\\[\\]()!:.$^=0-9a-z\\PC\\pC]|```|https://|\\n|    )*") {
        let harmless = hostile("x", markdown::page);
        let page = hostile(&format!("x{text}"), markdown::page);
        prop_assert!(structure(&page) == structure(&harmless), "{page}");
        let begins = hostile(&format!("{text}x"), markdown::page);
        prop_assert!(structure(&begins) == structure(&harmless), "{begins}");
    }
}

#[test]
fn hostile_text_changes_no_part_of_a_ticket() {
    assert_eq!(structure(&hostile(HOSTILE, markdown::page)), structure(&hostile("x", markdown::page)));
}

#[test]
fn a_report_of_20000_sessions_is_small_and_quick() {
    let mut report = fixture::full();
    let leaks = &mut report.leak_detection;
    leaks.suspected_connections = leaks.suspected_connections.iter().cycle().take(20_000).cloned().collect();
    for suspect in &mut leaks.suspected_connections {
        suspect.last_query = "SELECT '…' ".repeat(180);
        suspect.evidence = suspect.evidence.iter().cycle().take(8).cloned().collect();
    }
    leaks.excluded_connections = leaks.suspected_connections.clone();
    leaks.groups = leaks.groups.iter().cycle().take(20_000).cloned().collect();
    report.health_summary.checks = report.health_summary.checks.iter().cycle().take(20_000).cloned().collect();
    report.findings = report.findings.iter().cycle().take(20_000).cloned().collect();
    report.actions = fixture::kill_plan().actions;
    report.actions[0].targets = report.actions[0].targets.iter().cycle().take(20_000).cloned().collect();
    let rounds: Vec<_> = (0..3).map(|_| report.clone()).chain((0..2_000).map(|_| fixture::healthy())).collect();
    let rounds: Vec<_> = rounds.into_iter().rev().collect();

    let waiter = tree().heads[0].waiters[0].clone();
    let head = Holder { waiters: vec![waiter; 250], ..tree().heads[0].clone() };
    let tree = LockTree { heads: vec![head], waiting: 20_000 };
    let failures: Vec<_> = (0..20_000).map(|round| Failure { round, message: "connection lost".repeat(20) }).collect();
    let document = Document::of(&rounds).expect("a report").locks(Some(&tree)).failures(&failures);

    let started = Instant::now();
    let page = html::page(&document);
    let took = started.elapsed();
    assert!(page.len() <= 2_000_000, "{} bytes", page.len());
    assert!(page.contains("more: the JSON has them all") && page.contains("<ul class=\"tree\"><li>"));
    assert!(took <= Duration::from_secs(1), "{took:?}");
    let ticket = markdown::page(&document);
    assert!(ticket.len() <= 65_536, "{} bytes", ticket.len());
}
