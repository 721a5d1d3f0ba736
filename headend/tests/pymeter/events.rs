//! The log of a foreign meter becomes events, each once.

use std::net::{TcpListener, UdpSocket};

use ami_proto::v1::read_now_request::Target;
use ami_proto::v1::{CommandState, ProfileTarget};
use collectors::SwitchTo;
use dlms::wrapper;
use jiff::{SignedDuration, Timestamp};

use crate::head::Head;
use crate::meter::{Meter, NOW};

const LOG: &str = "0.0.99.98.0.255";
const EVENTS: &str =
    "SELECT extract(epoch FROM meter_ts)::bigint, code, key, cim FROM event ORDER BY meter_ts, code";

/// A read of the log up to a time.
fn log(until: &str) -> Target {
    let at = |instant: Timestamp| Some(prost_types::Timestamp { seconds: instant.as_second(), nanos: 0 });
    let until: Timestamp = until.parse().unwrap();
    let from = until - SignedDuration::from_hours(24 * 180);
    Target::Profile(ProfileTarget { profile: LOG.into(), from: at(from), to: at(until) })
}

/// What the meter logs by itself: an event at one o'clock after noon of each day, with a code from 1 to 3 that is not known beforehand.
fn days(until: &str, count: i64) -> Vec<i64> {
    let now = until.parse::<Timestamp>().unwrap().as_second();
    (1..=count).rev().map(|back| now - back * 86_400 + 3600).collect()
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn sen_24_entries_are_events_and_a_lost_push_is_found_once_only() {
    for security in ["lls", "gmac"] {
        let meter = Meter::start(&["--event-entries", "40", "--days", "20"]);
        let head = Head::start().await;
        head.register(&meter, security, "UTC").await;
        let serial = meter.text("serial");
        for _ in 0..2 {
            head.read(&serial, log(NOW)).await.unwrap_or_else(|status| panic!("{status:?}\n{}", head.log()));
        }
        let shown = head.sql(EVENTS);
        let rows: Vec<Vec<&str>> = shown.lines().map(|row| row.split('|').collect()).collect();
        let times: Vec<i64> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
        assert_eq!(times, days(NOW, 20), "{security}");
        for row in rows {
            let expected = match row[1] {
                "1" => ["power.down", "3.26.0.47"],
                "2" => ["power.up", "3.26.0.216"],
                _ => ["clock.dst", "3.36.0.79"],
            };
            assert_eq!(row[2..], expected);
        }
        assert_eq!(head.sql("SELECT count(*) FROM event WHERE pushed_at IS NULL AND authenticated"), "20");
        assert_eq!(head.sql("SELECT count(*) FROM profile_row"), "0");
        assert_eq!(head.sql("SELECT count(*) FROM event_loss"), "0");
    }
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn sen_24_push_and_poll_of_the_same_event_are_one() {
    let meter = Meter::start(&["--event-entries", "40", "--days", "20"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let head = Head::listening(listener).await;
    head.register(&meter, "lls", "UTC").await;
    let serial = meter.text("serial");
    head.read(&serial, log(NOW)).await.unwrap();
    let all = head.sql(EVENTS);
    let one = head.sql(
        "SELECT encode(meter_time, 'hex'), lpad(to_hex(code), 2, '0') FROM event ORDER BY id DESC LIMIT 1",
    );
    let (time, code) = one.split_once('|').unwrap();
    // The row as the meter has it, in the buffer of the log.
    let apdu = format!("c2000007{}0201010202090c{time}11{code}", "0000636200ff");
    let octets: Vec<u8> =
        (0..apdu.len()).step_by(2).map(|at| u8::from_str_radix(&apdu[at..at + 2], 16).unwrap()).collect();
    let mut frame = Vec::new();
    wrapper::frame(1, 1, &octets, &mut frame).unwrap();
    let push = || {
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(&frame, listener).unwrap();
    };
    let until = async |question: &str, answer: &str| {
        for _ in 0..400 {
            if head.sql(question) == answer {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{question}: {} instead of {answer}\n{}", head.sql(question), head.log());
    };
    let both = "SELECT count(*) FROM event e JOIN alarm a ON a.event_id = e.id WHERE e.pushed_at = a.received_at AND e.polled_at IS NOT NULL";
    // Read first.
    push();
    until(both, "1").await;
    assert_eq!(head.sql(EVENTS), all);
    // Pushed first.
    head.sql("DELETE FROM alarm; DELETE FROM event");
    push();
    until("SELECT count(*) FROM event WHERE polled_at IS NULL AND NOT authenticated", "1").await;
    head.read(&serial, log(NOW)).await.unwrap();
    assert_eq!((head.sql(EVENTS), head.sql(both)), (all, "1".to_owned()));
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn mt_06_a_log_that_overflowed_is_noted_as_a_possible_loss() {
    // That four entries have room, the meter says itself; its model says 64.
    let meter = Meter::start(&["--event-entries", "4"]);
    let head = Head::start().await;
    head.register(&meter, "gmac", "UTC").await;
    let serial = meter.text("serial");
    head.read(&serial, log(NOW)).await.unwrap();
    assert_eq!(head.sql("SELECT count(*) FROM event_loss"), "0");
    // Each order is an entry, and four of them leave nothing of what was read.
    for (number, to) in [SwitchTo::Disconnected, SwitchTo::Connected].iter().cycle().take(4).enumerate() {
        let command = head.switch(&serial, *to, &number.to_string()).await;
        assert_eq!(command.state(), CommandState::Confirmed, "{command:?}\n{}", head.log());
    }
    let later = (NOW.parse::<Timestamp>().unwrap() + SignedDuration::from_hours(1)).to_string();
    for _ in 0..2 {
        head.read(&serial, log(&later)).await.unwrap_or_else(|status| panic!("{status:?}\n{}", head.log()));
    }
    let loss = head.sql(
        "SELECT obis_text(log), cause, extract(epoch FROM after_ts)::bigint, until_ts > after_ts, entries FROM event_loss",
    );
    assert_eq!(loss, format!("{LOG}|overflow|{}|t|4", days(NOW, 2).last().unwrap()));
}
