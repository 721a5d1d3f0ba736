//! Orders: meant, placed once, followed to their ends.

use crate::bench::Bench;

#[test]
fn an_order_is_followed_to_what_the_meters_really_did() {
    let bench = Bench::new("sed302", 2);
    let (one, two) = (Bench::serial(0), Bench::serial(1));
    let off =
        format!("disconnect {one} {two} --idempotency-key off-1 --reason debt --yes --wait --timeout 60s");

    let text = bench.done(&off);
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    let expected = [one, two.clone()].map(|serial| format!("{serial}: disconnect confirmed (disconnected)"));
    assert_eq!(lines, expected);
    assert_eq!([bench.moves(0), bench.moves(1)], [[false], [false]]);

    // The answer was lost, so the script orders again.
    bench.done(&off);
    let list = bench.done("commands list --json --kind disconnect");
    assert_eq!(list.lines().count(), 2, "{list}");
    assert!(list.lines().all(|line| line.contains(r#""idempotency_key":"off-1""#)), "{list}");

    let other = bench.run(&format!("reconnect {two} --idempotency-key off-1 --yes"));
    assert!(other.code == 1 && other.err.contains("key"), "{other:?}");

    let on = bench.run(&format!("--json reconnect {two} --yes --wait"));
    assert!(on.code == 0 && on.out.contains(r#""state":"confirmed","outcome":"connected""#), "{on:?}");
    assert!(on.err.contains("repeat this with --idempotency-key "), "{on:?}");
    assert_eq!(bench.moves(1), [false, true]);

    let released = bench.done(&format!("release-tamper-lock {two} --reason inspected --yes --wait"));
    assert_eq!(released, format!("{two}: release_tamper_lock confirmed (lock_released)\n"));
}

#[test]
fn nothing_is_ordered_that_nobody_meant() {
    let bench = Bench::new("sed302", 1);
    let serial = Bench::serial(0);
    let off = format!("disconnect {serial}");

    let nobody = bench.run(&off);
    assert_eq!(nobody.code, 2);
    assert!(nobody.err.contains(&format!("disconnect meter {serial}: add --yes")), "{nobody:?}");
    let declined = bench.typed(&off, "n");
    assert_eq!(declined.code, 1, "{declined:?}");
    assert!(declined.out.contains(&format!("disconnect meter {serial}? [y/N]")), "{declined:?}");
    assert!(declined.out.contains("nothing was ordered"), "{declined:?}");
    assert_eq!(bench.done("commands list --json"), "");

    let meant = bench.typed(&format!("{off} --wait"), "y");
    assert!(meant.code == 0 && meant.out.contains("confirmed (disconnected)"), "{meant:?}");
    assert_eq!(bench.moves(0), [false]);
}

#[test]
fn refusals_name_every_field_and_have_their_exit_codes() {
    let bench = Bench::new("generic-dlms", 1);
    let serial = Bench::serial(0);
    let wrong = format!("disconnect {serial} --yes --idempotency-key k --deadline 2001-01-01 --priority 101");
    let wrong = bench.run(&wrong);
    assert_eq!(wrong.code, 2);
    let fields: Vec<_> =
        wrong.err.lines().skip(1).map(|line| line.trim().split(':').next().unwrap()).collect();
    assert_eq!(fields, ["terms.priority", "terms.deadline", "terms.deadline"], "{wrong:?}");

    let unknown = bench.run("reconnect 4711 --yes");
    assert!(unknown.code == 4 && unknown.err.contains("4711"), "{unknown:?}");
    let incapable = bench.run(&format!("release-tamper-lock {serial} --reason x --yes"));
    assert!(incapable.code == 1 && incapable.err.contains("no tamper lock"), "{incapable:?}");
    assert_eq!(bench.run(&format!("release-tamper-lock {serial} --yes")).code, 2, "no reason");
    assert_eq!(bench.done("commands list --json"), "");
}

#[test]
fn a_meter_that_does_not_answer_is_waited_for_until_the_deadline() {
    let bench = Bench::new("generic-dlms", 1);
    let serial = Bench::serial(0);
    // Port 1 (tcpmux) has no listener on any machine that runs tests.
    bench.done("meters add 99 --model generic-dlms --address 127.0.0.1:1 --zone UTC");

    let slow = bench.run("disconnect 99 --yes --wait --timeout 1s");
    assert!(slow.code == 5 && slow.err.contains("1 go on by themselves"), "{slow:?}");
    let order = slow.err.split("--order ").nth(1).unwrap().trim().trim_end_matches('\'');
    assert!(bench.done(&format!("commands list --order {order}")).contains("disconnect"));

    let late = bench.run(&format!("disconnect 99 {serial} --within 3s --yes --wait"));
    assert!(late.code == 1 && late.err.contains("1 of 2 commands"), "{late:?}");
    assert!(late.out.contains("99: disconnect expired"), "{late:?}");
    assert!(late.out.contains(&format!("{serial}: disconnect confirmed (disconnected)")), "{late:?}");
}
