//! Checks the score on a small generated part of the laboratory.

use std::sync::LazyLock;

use archon_pool_contract::params::Options;
use archon_pool_lab::case::Case;
use archon_pool_lab::score::{self, Score};
use archon_pool_lab::split::Split;
use archon_pool_lab::table::table;

/// Number of cases large enough that the checks hold for any draw.
static SCORE: LazyLock<Score> = LazyLock::new(|| score(Split::Train.numbers().take(240)));

fn score(numbers: impl Iterator<Item = u32>) -> Score {
    score::of(numbers.map(Case::generate), &Options::default()).expect("every case can be judged")
}

#[test]
fn the_classification_keeps_its_score_on_training_cases() {
    let score = &*SCORE;
    let judgement = &score.rules[0];
    assert!(judgement.all.precision() >= Some(0.92), "{}", table(score));
    assert!(judgement.all.recall() >= Some(0.85), "{}", table(score));
    assert!(score.calibration.error <= 0.05 && score.with_evidence.error <= 0.05, "{}", table(score));
}

#[test]
fn no_needed_session_is_ended() {
    let score = &*SCORE;
    assert_eq!(score.wrongly_ended, []);
    assert!(score.kills.lost > 100, "the plan ends what is lost");
}

#[test]
fn baseline_rules_score_lower() {
    let score = &*SCORE;
    let ours = score.rules[0].all.f1();
    for rule in &score.rules[1..] {
        assert!(rule.all.f1() < ours - 0.15, "{} has {:.3}, ours is {ours:.3}", rule.name, rule.all.f1());
    }
}

#[test]
fn a_case_is_determined_by_its_number() {
    let (one, other) = (Case::generate(34), Case::generate(34));
    let rows = |case: &Case| case.looks.iter().map(|look| format!("{:?}", look.answers)).collect::<Vec<_>>();
    assert_eq!(rows(&one), rows(&other));
    assert_eq!(one.forgotten, other.forgotten);
}

#[test]
fn held_out_kinds_are_not_in_the_training_cases() {
    for case in Split::Train.numbers().take(60).map(Case::generate) {
        let held_out = case.parts.iter().find(|kind| kind.held_out);
        assert!(held_out.is_none(), "case {} has {:?}", case.number, held_out.map(|kind| kind.name));
    }
}

#[test]
fn table_of_four_cases() {
    insta::assert_snapshot!(table(&score([0, 2, 4, 6].into_iter())));
}
