//! What the planner makes of a meter by itself, without anybody's order: all that the meter holds, whatever its period is and wherever its buffer begins;
//! and what is lost, and nothing else.

use std::time::Duration;

use ami_proto::v1::ProfileTarget;
use ami_proto::v1::read_now_request::Target;
use jiff::{SignedDuration, Timestamp};

use crate::head::Head;
use crate::meter::Meter;

const WIDTH: usize = 8;
const ENERGY: &str = "1.0.99.1.0.255";
const DAILY: &str = "1.0.99.2.0.255";
const MONTHLY: &str = "1.0.98.1.0.255";

/// How far the clocks of meters are behind at first, so that a later read has something new.
const BEHIND: SignedDuration = SignedDuration::from_hours(5);

/// Longer than any buffer.
const BUFFER: SignedDuration = SignedDuration::from_hours(24 * 60);

/// A meter with a period in seconds, which its model takes for 900, and a buffer of some days.
struct Case {
    interval_s: i64,
    days: u32,
    extra: &'static [&'static str],
}

const CASES: [Case; 6] = [
    Case { interval_s: 60, days: 2, extra: &["--missing", "0.02"] },
    Case { interval_s: 300, days: 4, extra: &["--missing", "0.1"] },
    Case { interval_s: 300, days: 4, extra: &["--missing", "0.1", "--null-timestamps"] },
    Case { interval_s: 900, days: 8, extra: &["--missing", "0.3", "--unspecified-deviation"] },
    Case { interval_s: 3600, days: 20, extra: &["--missing", "0.1"] },
    Case { interval_s: 3600, days: 40, extra: &[] },
];

impl Case {
    fn start(&self, serial: &str, port: u16, now: Timestamp, days: u32) -> Meter {
        let (interval, days, now) = (self.interval_s.to_string(), days.to_string(), now.to_string());
        let common = ["--now", &now, "--interval", &interval, "--days", &days, "--serial-base", serial];
        Meter::at_port(port, &[&common, self.extra].concat())
    }
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn all_that_meters_of_any_period_hold_is_read_and_what_they_lack_is_lost() {
    let now = Timestamp::now();
    let serials: Vec<_> = (0..CASES.len()).map(|number| (31_000_000 + number).to_string()).collect();
    let head = Head::start().await;
    let mut early = Vec::new();
    for (case, serial) in CASES.iter().zip(&serials) {
        let meter = case.start(serial, 0, now - BEHIND, case.days);
        head.register(&meter, "lls", "UTC").await;
        early.push(meter);
    }
    let head = head.planning().await;
    until(&head, "count(read_at) = 6", ENERGY).await;
    // Five hours pass.
    let mut late = Vec::new();
    for ((case, serial), meter) in CASES.iter().zip(&serials).zip(early) {
        let (first, port) = (
            meter.expected(&(now - BUFFER).to_string(), &now.to_string())[0].clone(),
            meter.address().port(),
        );
        meter.stop();
        // The truth needs those captures, too, which a buffer of as many days has overwritten by now.
        late.push((first, case.start(serial, port, now, case.days + 1)));
    }
    head.sql("UPDATE meter_profile SET tried_at = tried_at - interval '5 hours'; UPDATE meter_plan SET look_at = now()");
    let all =
        format!("bool_and(last_ts > to_timestamp({}) AND absent = '{{}}')", (now - BEHIND / 2).as_second());
    until(&head, &all, ENERGY).await;
    for ((case, serial), (first, meter)) in CASES.iter().zip(&serials).zip(late) {
        compare(&head, (case, serial), (now, &first), &meter);
    }
}

/// Compares all that is stored of a meter, and all that is said about it, with what it holds.
fn compare(head: &Head, (case, serial): (&Case, &str), (now, first): (Timestamp, &str), meter: &Meter) {
    let (period, what) = (case.interval_s, format!("every {} s {:?}", case.interval_s, case.extra));
    let instant = |row: &String| row.split('|').next().unwrap().parse::<i64>().unwrap();
    let text = |at: i64| Timestamp::from_second(at).unwrap().to_string();
    let stored = head.stored_of(serial, WIDTH);
    let (begin, end) = (instant(&stored[0]), instant(stored.last().unwrap()));
    // What was captured while the test ran is not in the list of the meter, whose clock begins anew with it.
    let truth = meter.expected(&text(begin), &text(end));
    assert_eq!(stored[..truth.len().min(stored.len())], truth, "{what}");
    assert!(stored[truth.len()..].iter().all(|row| instant(row) > now.as_second()), "{what}");
    // The oldest may have been overwritten before it was read, or be found by a second look at the meter that has a day more.
    let horizon = Timestamp::now().as_second() - 30 * 86_400;
    let oldest = instant(&first.to_owned()).max(horizon);
    assert!((oldest - 86_400 - period..oldest + 10 * period).contains(&begin), "{what}: {begin}, {oldest}");
    // The last may be missing.
    assert!(end > (Timestamp::now().as_second() - 10 * period), "{what}: {end}");

    let there: Vec<_> = stored.iter().map(instant).collect();
    let missing: Vec<_> =
        (begin..end).step_by(usize::try_from(period).unwrap()).filter(|at| !there.contains(at)).collect();
    assert!(case.extra.first() != Some(&"--missing") || missing.len() > 10, "{what}");
    let lost = head.sql(&format!(
        "SELECT extract(epoch FROM at)::int8 FROM profile_loss l JOIN meter m ON m.id = l.meter_id,
             generate_series(after_ts + {period} * interval '1 second', until_ts, {period} * interval '1 second') AS at
         WHERE serial = '{serial}' AND obis_text(obis) = '{ENERGY}' AND at > to_timestamp({begin}) ORDER BY 1"
    ));
    let lost: Vec<i64> = lost.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(lost, missing, "{what}");
    let before = format!(
        "SELECT extract(epoch FROM until_ts)::int8 FROM profile_loss l JOIN meter m ON m.id = l.meter_id
         WHERE serial = '{serial}' AND obis_text(obis) = '{ENERGY}' AND until_ts <= to_timestamp({begin})"
    );
    let is_whole = begin - period <= horizon;
    assert_eq!(
        head.sql(&before),
        if is_whole { String::new() } else { (begin - period).to_string() },
        "{what}"
    );
    let covered = format!(
        "SELECT tstzmultirange(range_merge(coverage)) - coverage, extract(epoch FROM upper(coverage))::int8
         FROM meter_profile p JOIN meter m ON m.id = p.meter_id WHERE serial = '{serial}' AND obis_text(obis) = '{ENERGY}'"
    );
    assert_eq!(head.sql(&covered), format!("{{}}|{end}"), "{what}");
}

/// In India a day begins at half past six of UTC.
#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn a_day_that_is_missing_in_india_is_fetched() {
    let now = Timestamp::now();
    let meter = Meter::start(&["--timezone", "Asia/Kolkata", "--days", "12", "--now", &now.to_string()]);
    let head = Head::start().await;
    head.register(&meter, "lls", "Asia/Kolkata").await;
    let head = head.planning().await;
    until(&head, "count(read_at) = 1", DAILY).await;
    let days = rows(&head, DAILY);
    // What counted at midnight is what the load profile has there.
    let load = meter.expected(&(now - BUFFER).to_string(), &now.to_string());
    let load = load.iter().map(|row| row.split('|').collect::<Vec<_>>());
    let midnights = load.filter(|row| (row[0].parse::<i64>().unwrap() + 19_800) % 86_400 == 0);
    let truth: Vec<_> = midnights.map(|row| [&row[..1], &row[2..6]].concat().join("|")).collect();
    assert_eq!(days[days.len() - truth.len()..], truth);
    assert!(truth.len() > 10, "{truth:?}");
    let at: i64 = days[5].split('|').next().unwrap().parse().unwrap();
    head.sql(&format!(
        "DELETE FROM profile_row r USING profile_layout l WHERE l.id = r.layout_id AND obis_text(l.obis) = '{DAILY}' AND ts = to_timestamp({at});
         UPDATE meter_profile SET coverage = coverage - tstzmultirange(tstzrange(to_timestamp({at} - 86400), to_timestamp({at}), '(]'))
         WHERE obis_text(obis) = '{DAILY}';
         UPDATE meter_plan SET look_at = now()"
    ));
    until(&head, "bool_and(coverage = tstzmultirange(range_merge(coverage)) AND absent = '{}')", DAILY).await;
    assert_eq!(rows(&head, DAILY), days);
    assert_eq!(
        head.sql(&format!("SELECT cause FROM profile_loss WHERE obis_text(obis) = '{DAILY}'")),
        "before_first",
        "the meter has it"
    );
}

/// A meter keeps thirteen months. When it comes back later than that, it has overwritten some.
#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn sen_05_months_that_were_overwritten_are_lost() {
    let now = Timestamp::now();
    let then = now - SignedDuration::from_hours(24 * 490);
    let meter = Meter::start(&["--now", &then.to_string()]);
    let head = Head::start().await;
    head.register(&meter, "lls", "UTC").await;
    let instant = |at: Timestamp| Some(prost_types::Timestamp { seconds: at.as_second(), nanos: 0 });
    let from = then - SignedDuration::from_hours(24 * 100);
    let target = ProfileTarget { profile: MONTHLY.into(), from: instant(from), to: instant(then) };
    head.read(&meter.text("serial"), Target::Profile(target)).await.unwrap();
    let known = rows(&head, MONTHLY);
    let port = meter.address().port();
    meter.stop();
    let meter = Meter::at_port(port, &["--now", &now.to_string()]);
    let head = head.planning().await;
    until(&head, &format!("bool_and(last_ts > to_timestamp({}))", then.as_second()), MONTHLY).await;
    let all = rows(&head, MONTHLY);
    assert_eq!((&all[..known.len()], all.len()), (&known[..], known.len() + 13));
    let at = |row: &str| row.split('|').next().unwrap().parse::<i64>().unwrap();
    let lost = head.sql(&format!(
        "SELECT cause, extract(epoch FROM after_ts)::int8 BETWEEN {} AND {}, extract(epoch FROM until_ts)::int8
         FROM profile_loss WHERE obis_text(obis) = '{MONTHLY}' AND until_ts > to_timestamp({})",
        at(known.last().unwrap()),
        then.as_second(),
        then.as_second()
    ));
    assert_eq!(lost, format!("overwritten|t|{}", at(&all[known.len()]) - 1));
    meter.stop();
}

/// Waits until this holds of the profiles of that name.
async fn until(head: &Head, holds: &str, profile: &str) {
    let question = format!("SELECT {holds} FROM meter_profile WHERE obis_text(obis) = '{profile}'");
    for _ in 0..1200 {
        if head.sql(&question) == "t" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{question}\n{}", head.log());
}

/// What is stored of a profile of counters: unix time and values.
fn rows(head: &Head, profile: &str) -> Vec<String> {
    let rows = head.sql(&format!(
        "SELECT extract(epoch FROM ts)::int8, v0, v1, v2, v3 FROM profile_row r JOIN profile_layout l ON l.id = r.layout_id
         WHERE obis_text(l.obis) = '{profile}' ORDER BY ts"
    ));
    rows.lines().map(str::to_owned).collect()
}
