//! Commands: looked at, followed, taken back.

use jiff::{SignedDuration, Timestamp};

use crate::bench::Bench;

#[test]
fn a_life_is_shown_and_followed_without_a_gap() {
    let bench = Bench::new("generic-dlms", 1);
    let serial = Bench::serial(0);
    let id = number(&bench.done(&format!("--json disconnect {serial} --yes --wait")));
    let mut watch = bench.follow(&format!("commands watch {id} --json"));
    let confirmed = watch.line(r#""state":"confirmed""#);
    assert!(confirmed.contains(&format!(r#""meter":"{serial}","kind":"disconnect""#)), "{confirmed}");
    let token = watch.token();
    let ended = watch.interrupt();
    assert!(ended.code == 0 && ended.err.contains(&format!("go on with --resume {token}")), "{ended:?}");

    bench.done(&format!("reconnect {serial} --yes --wait"));
    let mut again = bench.follow(&format!("commands watch --resume {token} --format csv"));
    assert_eq!(again.line(""), "at,command,meter,kind,state,progress,what,value");
    assert!(again.line("").contains(&format!("{serial},reconnect,accepted")), "what came since, and no more");

    let shown = bench.done(&format!("commands show {id}"));
    for part in ["outcome          disconnected", "state before", "connected, output on", "state after"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let shown = bench.done(&format!("commands show {id} --json"));
    assert!(shown.lines().count() == 1 && shown.contains(r#""life":[{"at":""#), "{shown}");
    assert_eq!(bench.run("commands show 4711").code, 4);
}

#[test]
fn what_was_not_begun_is_taken_back() {
    let bench = Bench::new("generic-dlms", 1);
    let serial = Bench::serial(0);
    let later = Timestamp::now() + SignedDuration::from_hours(24);
    let id = number(&bench.done(&format!("--json disconnect {serial} --not-before {later} --yes")));
    let accepted = bench.done("commands list --state accepted --format csv");
    assert!(accepted.contains(&format!("{id},{serial},disconnect,accepted")), "{accepted}");

    let cancelled = bench.done(&format!("commands cancel {id} --reason paid"));
    assert!(cancelled.contains("cancelled"), "{cancelled}");
    assert_eq!(bench.done(&format!("commands cancel {id} --reason paid")), cancelled);
    assert_eq!(bench.done("commands list --state accepted --json"), "");

    let id = number(&bench.done(&format!("--json disconnect {serial} --yes --wait")));
    let begun = bench.run(&format!("commands cancel {id} --reason paid"));
    assert!(begun.code == 1 && begun.err.contains("amictl: "), "{begun:?}");
    assert_eq!(bench.moves(0), [false]);
}

/// The number of the command in the first line.
fn number(json: &str) -> String {
    json.split(&[':', ','][..]).nth(1).unwrap().to_owned()
}
