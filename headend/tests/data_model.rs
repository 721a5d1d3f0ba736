//! One set of words: SQL, the program, `ami.v1` and docs/data-model.md name the same states, kinds and outcomes.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod common;
mod template;

use std::collections::BTreeSet;

use ami_proto::v1;
use ami_proto::words::Word;
use common::Database;
use headend::store::CommandState;

const DOCUMENT: &str = include_str!("../../docs/data-model.md");

/// The words of the first column of the table that follows a heading row beginning with `| title |`.
fn documented(title: &str, after: &str) -> Vec<String> {
    let section = DOCUMENT.split_once(after).unwrap().1;
    let table = section.split_once(&format!("| {title} |")).unwrap().1;
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('`').nth(1).unwrap().to_owned()).collect()
}

/// The arrows of the first diagram behind a heading.
fn drawn(after: &str) -> BTreeSet<(String, String)> {
    let section = DOCUMENT.split_once(after).unwrap().1;
    let diagram = section.split_once("stateDiagram-v2").unwrap().1.split_once("```").unwrap().0;
    let arrows = diagram.lines().filter_map(|line| line.trim().split_once(" --> "));
    let between = arrows.filter(|(from, to)| *from != "[*]" && *to != "[*]");
    between.map(|(from, to)| (from.to_owned(), to.to_owned())).collect()
}

fn words<W: Word>() -> Vec<String> {
    W::ALL.iter().map(|value| value.word().to_owned()).collect()
}

fn stored(database: &Database, name: &str) -> Vec<String> {
    let rows = database.sql(&format!("SELECT unnest(enum_range(NULL::{name}))"));
    rows.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn the_words_are_the_same_everywhere() {
    let database = Database::new().await;
    let life = "## The life of a command";
    assert_eq!(stored(&database, "command_state"), words::<v1::CommandState>());
    assert_eq!(documented("state", life), words::<v1::CommandState>());
    assert_eq!(stored(&database, "command_kind"), words::<v1::CommandKind>());
    assert_eq!(documented("kind", life), words::<v1::CommandKind>());
    assert_eq!(stored(&database, "command_outcome"), words::<v1::CommandOutcome>());
    assert_eq!(documented("outcome", life), words::<v1::CommandOutcome>());
    let outcomes = collectors::Outcome::ALL.map(|(_, word)| word.to_owned());
    assert_eq!(outcomes.to_vec(), words::<v1::CommandOutcome>());
    let reasons: Vec<_> = collectors::Reason::ALL.iter().map(|(_, word)| (*word).to_owned()).collect();
    assert_eq!(stored(&database, "failure_reason"), reasons);
    assert_eq!(words::<v1::FailureReason>(), reasons);
    assert_eq!(stored(&database, "job_state"), words::<v1::JobState>());
    assert_eq!(documented("state", "## The life of a job"), words::<v1::JobState>());
    assert_eq!(stored(&database, "job_kind"), words::<v1::JobKind>());
    assert_eq!(stored(&database, "clock_zone_fault"), words::<v1::ZoneFault>());
    let faults = collectors::ZoneFault::ALL.map(|(_, word)| word.to_owned());
    assert_eq!(faults.to_vec(), words::<v1::ZoneFault>());
    let push = "## What becomes of a push";
    assert_eq!(stored(&database, "push_fate"), words::<v1::PushFate>());
    assert_eq!(documented("fate", push), words::<v1::PushFate>());
    assert_eq!(stored(&database, "alarm_severity"), words::<v1::AlarmSeverity>());
    assert_eq!(documented("severity", push), words::<v1::AlarmSeverity>());
    assert_eq!(stored(&database, "alarm_source"), words::<v1::AlarmSource>());
    assert_eq!(documented("source", push), words::<v1::AlarmSource>());
    assert_eq!(stored(&database, "event_loss_cause"), words::<v1::EventLossCause>());
    assert_eq!(documented("cause", "## Events"), words::<v1::EventLossCause>());
    assert_eq!(stored(&database, "profile_loss_cause"), words::<v1::ProfileLossCause>());
    assert_eq!(documented("cause", "## Gaps"), words::<v1::ProfileLossCause>());
    assert_eq!(stored(&database, "trouble_cause"), words::<v1::TroubleCause>());
    assert_eq!(documented("cause", "## Troubles"), words::<v1::TroubleCause>());
    assert_eq!(documented("likely", "## Troubles"), words::<v1::LikelyCause>());
    assert_eq!(stored(&database, "flag_rule"), words::<v1::FlagRule>());
    assert_eq!(documented("rule", "## Flags"), words::<v1::FlagRule>());
    assert_eq!(stored(&database, "result_state"), words::<v1::ResultState>());
    assert_eq!(documented("state", "## Result files"), words::<v1::ResultState>());
}

#[test]
fn the_arrows_of_the_drawing_are_those_of_the_program() {
    let states = words::<v1::CommandState>();
    let mut arrows = BTreeSet::new();
    for (from, from_word) in CommandState::ALL.into_iter().zip(&states) {
        for (to, to_word) in CommandState::ALL.into_iter().zip(&states) {
            if from != to && from.may_become(to) {
                arrows.insert((from_word.clone(), to_word.clone()));
            }
        }
    }
    assert_eq!(drawn("## The life of a command"), arrows);
}
