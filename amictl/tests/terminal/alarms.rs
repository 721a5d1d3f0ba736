//! Alarms: followed, listed, acknowledged; what became none.

use crate::bench::Bench;

#[test]
fn a_last_gasp_reaches_the_terminal_and_is_acknowledged_once() {
    let bench = Bench::new("sed302", 2);
    let serial = Bench::serial(0);
    let mut watch = bench.follow("alarms watch --min-severity critical --json");
    let begun = watch.token();
    bench.push(1, "clock.adjusted");
    bench.push(0, "power.last_gasp");
    let gasp = watch.line("power.last_gasp");
    assert!(gasp.contains(&serial) && gasp.contains(r#""severity":"critical""#), "{gasp}");
    assert!(gasp.contains(r#""authenticated":true"#), "{gasp}");
    assert_eq!(watch.interrupt().code, 0);
    let again =
        bench.follow(&format!("alarms watch {serial} --json --resume {begun}")).line("power.last_gasp");
    assert_eq!(again, gasp, "whoever goes on misses nothing");

    let open = format!("alarms list {serial} --open --min-severity critical --json");
    let listed = bench.done(&open);
    assert_eq!(listed.trim_end(), gasp);
    let id = gasp.split(&[':', ','][..]).nth(1).unwrap();
    let acknowledged = bench.done(&format!("--json alarms ack {id} --note crew"));
    assert!(acknowledged.contains(r#""note":"crew""#), "{acknowledged}");
    let second = bench.done(&format!("--json alarms ack {id} --note other"));
    assert_eq!(second, acknowledged, "the first who took notice stays on record");
    assert_eq!(bench.done(&open), "");
    let all = bench.done("alarms list --format csv");
    assert!(all.lines().count() == 3 && all.contains("clock.adjusted"), "{all}");
    let nothing = bench.run("alarms ack 4711");
    assert!(nothing.code == 4 && nothing.err.contains("4711"), "{nothing:?}");
}

#[test]
fn what_became_no_alarm_is_shown_and_counted() {
    let bench = Bench::new("generic-dlms", 1);
    bench.send(b"no push at all");
    let push = bench.something("alarms quarantine --json");
    assert!(push.contains(r#""reason":"undecodable""#) && push.contains(r#""octets":"6e6f20"#), "{push}");
    assert_eq!(bench.done("alarms quarantine --reason wrong_tag --json"), "");
    let counts = bench.done("alarms quarantine --counts");
    assert!(counts.contains("undecodable") && counts.starts_with(" FATE"), "{counts}");
}
