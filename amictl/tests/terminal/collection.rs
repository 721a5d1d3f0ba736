//! Gaps, the work list and schedules, as an operations centre sees them.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::bench::Bench;

fn rows(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_a_meter_does_not_hold_is_listed_as_lost() {
    let bench = Bench::new("sed302", 1);
    let serial = Bench::serial(0);
    let now = Timestamp::now();
    let (from, to) = (now - SignedDuration::from_hours(96), now - SignedDuration::from_hours(1));
    for _look in 0..2 {
        bench.done(&format!("read {serial} --profile 1.0.99.1.0.255 --from {from} --to {to}"));
    }
    let lost = rows(&bench.done(&format!("--json gaps lost {serial}")));
    let [loss] = &lost[..] else { panic!("{lost:?}") };
    // It was made with the captures of one day.
    assert_eq!((&loss["cause"], &loss["meter"]), (&"before_first".into(), &serial.as_str().into()));
    let until: Timestamp = loss["until"].as_str().unwrap().parse().unwrap();
    assert!(until < now && until > now - SignedDuration::from_hours(50), "{loss}");
    assert_eq!(bench.done(&format!("--json gaps list {serial} --holes")), "", "what is lost is no gap");
    assert!(bench.done("gaps list").contains("OVERWRITTEN_FROM"));
}

#[test]
fn a_meter_that_is_not_reached_is_in_the_work_list_until_it_is_mended() {
    let bench = Bench::new("sed302", 1);
    // Port 1 of this machine: nobody listens there.
    bench.done("meters add 4711 --model sed302 --address 127.0.0.1:1 --zone UTC");
    let failed = bench.run("read 4711 --identify");
    assert_ne!(failed.code, 0, "{failed:?}");
    let list = rows(&bench.done("--json worklist list"));
    let [trouble] = &list[..] else { panic!("{list:?}") };
    let of = |name: &str| trouble[name].as_str().unwrap_or_default().to_owned();
    assert_eq!((of("meter"), of("likely"), of("reason")), ("4711".into(), "in_use".into(), "refused".into()));
    assert_eq!(bench.done("--json worklist list --needs-person"), "", "it may come back by itself");
    assert_eq!(bench.run("worklist resolve 4711").code, 2, "what was done is told");
    assert_eq!(bench.done("worklist resolve 4711 --reason plugged-in"), "1 resolved\n");
    assert_eq!(bench.done("--json worklist list"), "");
}

#[test]
fn that_no_day_is_added_up_yet_is_said() {
    let bench = Bench::new("sed302", 1);
    let none = bench.run(&format!("--json days {} --from 2020-01-01 --to 2020-01-01", Bench::serial(0)));
    assert_eq!((none.code, none.out.as_str()), (0, ""), "{none:?}");
    assert!(none.err.contains("added up every ten minutes"), "{none:?}");
}

#[test]
fn a_meter_that_is_corrected_is_in_the_work_list_no_more() {
    let bench = Bench::new("sed302", 1);
    bench.done("meters add 4711 --model sed302 --address 127.0.0.1:1 --zone UTC");
    assert_ne!(bench.run("read 4711 --identify").code, 0);
    let file = bench.file("changes.csv", b"serial,address,zone\n4711,127.0.0.1:2,UTC\n");
    assert_eq!(bench.done(&format!("meters correct {file}")), "1 meters corrected, 0 were so already\n");
    assert_eq!(bench.done("--json worklist list"), "");
    assert!(bench.done("meters show 4711").contains("127.0.0.1:2"));
    let file = bench.file("wrong.csv", b"serial,zone\n4712,UTC\n4711,Mars/Olympus\n");
    let wrong = bench.run(&format!("meters correct {file}"));
    assert!(
        wrong.code == 1 && wrong.err.contains("nothing was corrected: correct the 2 problems"),
        "{wrong:?}"
    );
}

#[test]
fn a_schedule_is_set_shown_and_removed() {
    let bench = Bench::new("sed302", 1);
    bench.done("schedules set night --goal 98@06:00 --goal 100@24:00 --zone Europe/Berlin --model sed302");
    let list = rows(&bench.done("--json schedules list"));
    let told: Vec<_> =
        list.iter().map(|row| (row["percent"].as_str().unwrap(), row["by"].as_str().unwrap())).collect();
    assert_eq!(told, [("98", "06:00"), ("100", "24:00")]);
    assert_eq!((&list[0]["meters"], &list[0]["zone"]), (&"model sed302".into(), &"Europe/Berlin".into()));
    assert_eq!(bench.done("--json schedules late night"), "", "it came into the inventory today");
    assert_eq!(bench.done("--json schedules late night --day 2026-01-31"), "");
    let wrong = bench.run("schedules late night --day 2999-01-31");
    assert!(wrong.code == 2 && wrong.err.contains("day"), "{wrong:?}");
    let wrong = bench.run("schedules set night --goal 98@06:00 --zone Mars/Olympus");
    assert!(wrong.code == 2 && wrong.err.contains("schedule.zone"), "{wrong:?}");
    bench.done("schedules remove night");
    assert_eq!(bench.done("--json schedules list"), "");
}
