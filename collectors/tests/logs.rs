//! Reading logs of events from a small meter on a memory line.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use collectors::{
    Event, LogEntry, LogLoss, LogLossCause, LogRange, LogRead, ProfileRange, Reason, Report, Station, Task,
};
use common::*;
use dlms::{DateTime, axdr::Data};
use jiff::Timestamp;

const CODE: (u16, &str) = (1, "0.0.96.11.1.255");
const FRAUD: &str = "0.0.99.98.1.255";
const WORDS: &str = "1.0.99.98.0.255";

/// A station of this model.
fn of_model(name: &str) -> Arc<Station> {
    let mut model = (*models::builtin().unwrap()[name]).clone();
    model.association.max_pdu = PDU;
    Arc::new(Station { model: Arc::new(model), ..station(Level::None) })
}

fn log(name: &str, mark: Option<&str>) -> LogRange {
    let range = ProfileRange {
        obis: name.parse().unwrap(),
        from: at("2026-05-01T00:00:00Z"),
        to: at("2026-06-02T12:00:00Z"),
        layout: None,
        last: None,
    };
    LogRange { range, mark: mark.map(at) }
}

fn time(text: &str) -> DateTime {
    DateTime::from_unix(at(text).as_second(), Some(-120), 0x80)
}

fn code(code: u8) -> Data {
    Data::Unsigned(code)
}

async fn read(book: LogBook, model: &str, wanted: LogRange) -> Vec<Report> {
    let meter = Meter { log: Some(book), ..Meter::new(Level::None) }.share();
    collect(&meter, vec![work(1, &of_model(model), Task::ReadLog(wanted))]).await
}

fn entries(reports: &[Report]) -> Vec<LogEntry> {
    let logged = reports.iter().filter_map(|report| match &report.event {
        Event::Logged(logged) => Some(&logged.entries),
        _ => None,
    });
    logged.flatten().cloned().collect()
}

fn keys(reports: &[Report]) -> Vec<(String, i64, Option<u8>)> {
    let key =
        |entry: &LogEntry| entry.meaning.as_ref().map_or("?", |meaning| meaning.key.as_str()).to_owned();
    let phase = |entry: &LogEntry| entry.meaning.as_ref().and_then(|meaning| meaning.phase);
    entries(reports).iter().map(|entry| (key(entry), entry.code, phase(entry))).collect()
}

fn end(reports: &[Report]) -> Option<LogRead> {
    let mut ends = reports.iter().filter_map(|report| match &report.event {
        Event::LogRead(read) => Some(read.clone()),
        _ => None,
    });
    let end = ends.next();
    assert_eq!(ends.next(), None);
    end
}

#[tokio::test(start_paused = true)]
async fn x_06_entries_get_their_meaning_and_what_no_table_has_is_kept() {
    // A text that no capture could hold stands beside the codes.
    let book = LogBook::new(&[(1, "0.0.97.97.1.255"), CODE])
        .with(time("2026-06-01T10:00:00Z"), &[Data::OctetString(b"cover".to_vec()), code(40)])
        .with(time("2026-06-01T10:00:00Z"), &[Data::NullData, code(42)])
        .with(time("2026-06-01T11:00:00Z"), &[Data::NullData, Data::DoubleLongUnsigned(4711)])
        .with(time("2026-06-01T12:00:00Z"), &[Data::NullData, Data::Long(-1)]);
    let wanted = log(FRAUD, None);
    let reports = read(book, "generic-dlms", wanted.clone()).await;
    let expected = [("tamper.terminal_cover_open", 40), ("tamper.magnet_on", 42), ("?", 4711), ("?", -1)];
    assert_eq!(keys(&reports), expected.map(|(key, code)| (key.to_owned(), code, None)));
    let first = &entries(&reports)[0];
    assert_eq!(first.at, Some(at("2026-06-01T10:00:00Z")));
    assert_eq!((first.time, first.logged), (time("2026-06-01T10:00:00Z"), 40));
    let last = Some(at("2026-06-01T12:00:00Z"));
    assert_eq!(end(&reports), Some(LogRead { log: FRAUD.parse().unwrap(), last, loss: None }));
    assert_eq!(ended(&reports, 1).unwrap().range, Some((wanted.range.from, wanted.range.to)));
}

#[tokio::test(start_paused = true)]
async fn mt_06_status_words_become_an_event_for_each_bit() {
    for column in [(1, "0.0.97.97.0.255"), (1, "0.0.96.10.1.255")] {
        let book = LogBook::new(&[column])
            .with(time("2026-06-01T10:00:00Z"), &[Data::LongUnsigned(0x00C0)])
            .with(time("2026-06-01T11:00:00Z"), &[Data::LongUnsigned(32_785)])
            .with(time("2026-06-01T12:00:00Z"), &[Data::LongUnsigned(0x8002)]);
        let reports = read(book, "mt371", log(WORDS, None)).await;
        let expected = [
            ("power.up", 0x0040, None),
            ("power.down", 0x0080, None),
            ("tamper.terminal_cover_open", 0x8011, None),
            ("phase.fail", 0x8002, Some(2)),
        ];
        assert_eq!(
            keys(&reports),
            expected.map(|(key, code, phase)| (key.to_owned(), code, phase)),
            "{column:?}"
        );
        assert_eq!(entries(&reports)[1].logged, 0x00C0);
    }
}

#[tokio::test(start_paused = true)]
async fn mt_09_an_entry_of_the_log_of_outages_is_as_long_as_it_says() {
    let outages = |column| {
        LogBook::new(&[(1, "0.0.96.10.1.255"), column])
            .with(time("2026-06-01T10:00:00Z"), &[Data::Unsigned(8), Data::DoubleLongUnsigned(179)])
            .with(time("2026-06-01T11:00:00Z"), &[Data::Unsigned(8), Data::DoubleLongUnsigned(180)])
    };
    let wanted = || log("1.0.99.97.0.255", None);
    let reports = read(outages((3, "0.0.96.7.19.255")), "mt371", wanted()).await;
    let expected = [("outage.short", 0, None), ("outage.long", 1, None)];
    assert_eq!(keys(&reports), expected.map(|(key, code, phase)| (key.to_owned(), code, phase)));
    assert_eq!(entries(&reports).iter().map(|entry| entry.logged).collect::<Vec<_>>(), [179, 180]);
    // What is no time without supply is taken for none.
    let reports = read(outages((1, "0.0.97.97.0.255")), "mt371", wanted()).await;
    assert_eq!((reason(&reports, 1), entries(&reports)), (Reason::Unsupported, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_the_meter_does_not_have_is_nothing_to_complain_of_unless_it_had_it() {
    let meter = Meter::new(Level::None).share();
    let station = of_model("generic-dlms");
    let reports = collect(&meter, vec![work(1, &station, Task::ReadLog(log(FRAUD, None)))]).await;
    assert_eq!((ended(&reports, 1).unwrap().range, end(&reports)), (None, None));
    let known = layout(&read(LogBook::new(&[CODE]), "generic-dlms", log(FRAUD, None)).await);
    let mut wanted = log(FRAUD, None);
    wanted.range.layout = Some(known);
    let reports = collect(&meter, vec![work(1, &station, Task::ReadLog(wanted))]).await;
    assert_eq!(reason(&reports, 1), Reason::MeterRefused);
    meter.lock().unwrap().mischief.denied = vec![(FRAUD.parse().unwrap(), 3)];
    let reports = collect(&meter, vec![work(1, &station, Task::ReadLog(log(FRAUD, None)))]).await;
    assert_eq!(reason(&reports, 1), Reason::MeterRefused, "a right that is missing is no log that is");
}

#[tokio::test(start_paused = true)]
async fn entries_of_one_second_survive_a_cut_between_them() {
    let codes = 1..=60_u8;
    let book = codes.clone().fold(LogBook::new(&[CODE]), |book, number| {
        let second = i64::from(number / 20);
        let at = Timestamp::from_second(at("2026-06-01T10:00:00Z").as_second() + second).unwrap();
        book.with(DateTime::from_unix(at.as_second(), Some(-120), 0x80), &[code(number)])
    });
    for cut in 4..=9 {
        let meter = Meter { log: Some(book.clone()), ..Meter::new(Level::None) };
        let meter = meter.share();
        meter.lock().unwrap().mischief.cut_after = [(1, cut)].into();
        let wanted = Task::ReadLog(log(FRAUD, None));
        let reports = collect(&meter, vec![work(1, &of_model("generic-dlms"), wanted)]).await;
        assert!(ended(&reports, 1).is_ok() && meter.lock().unwrap().seen.connections == 2, "cut after {cut}");
        let read: BTreeSet<i64> = entries(&reports).iter().map(|entry| entry.code).collect();
        assert_eq!(read, codes.clone().map(i64::from).collect(), "cut after {cut}");
    }
}

#[tokio::test(start_paused = true)]
async fn times_that_are_none_are_kept_and_move_nothing() {
    let invalid = DateTime::from_unix(at("2026-06-02T10:00:00Z").as_second(), Some(-120), 0x81);
    let mut second = time("2026-06-01T11:00:00Z").octets();
    second[7] = 65;
    let book = LogBook::new(&[CODE])
        .with(time("2026-06-01T10:00:00Z"), &[code(40)])
        .with(DateTime::new([0xFF; 12]), &[code(41)])
        .with(DateTime::new(second), &[code(42)])
        .with(invalid, &[code(43)]);
    let reports = read(book, "generic-dlms", log(FRAUD, None)).await;
    let times: Vec<_> = entries(&reports).iter().map(|entry| (entry.code, entry.at)).collect();
    let [first, last] = ["2026-06-01T10:00:00Z", "2026-06-02T10:00:00Z"].map(|text| Some(at(text)));
    assert_eq!(times, [(40, first), (41, None), (42, None), (43, last)]);
    assert_eq!(entries(&reports)[2].time.octets()[7], 65);
    assert_eq!(end(&reports).unwrap().last, first, "a clock that says it is wrong is not believed");
}

#[tokio::test(start_paused = true)]
async fn mt_06_a_log_that_overflowed_shows_by_what_is_not_there_any_more() {
    let full = |from: u8| {
        (from..from + 64).fold(LogBook::new(&[CODE]), |book, minute| {
            let second = at("2026-06-01T00:00:00Z").as_second() + i64::from(minute) * 60;
            book.with(DateTime::from_unix(second, Some(-120), 0x80), &[code(40 + minute % 2)])
        })
    };
    let loss = |reports: &[Report]| end(reports).unwrap().loss;
    let lost = |until: Option<&str>, entries, cause| {
        Some(LogLoss { after: at("2026-06-01T00:00:00Z"), until: until.map(at), entries, cause })
    };
    let mark = || log(FRAUD, Some("2026-06-01T00:00:00Z"));
    assert_eq!(
        loss(&read(full(0), "generic-dlms", mark()).await),
        None,
        "the latest known entry is still there"
    );
    let expected = lost(Some("2026-06-01T00:01:00Z"), 64, LogLossCause::Overflow);
    assert_eq!(loss(&read(full(1), "generic-dlms", mark()).await), expected);
    let cleared = LogBook::new(&[CODE]).with(time("2026-06-01T08:00:00Z"), &[code(255)]);
    let expected = lost(Some("2026-06-01T08:00:00Z"), 1, LogLossCause::Cleared);
    assert_eq!(loss(&read(cleared, "generic-dlms", mark()).await), expected);
    assert_eq!(
        loss(&read(LogBook::new(&[CODE]), "generic-dlms", mark()).await),
        lost(None, 0, LogLossCause::Cleared)
    );
    // How full it was says the meter itself, where it does.
    let with_room = |room| LogBook { room: Some(room), ..full(1) };
    let cause = |reports: &[Report]| loss(reports).map(|loss| loss.cause);
    let small = LogBook { room: Some(1), ..LogBook::new(&[CODE]) };
    let small = small.with(time("2026-06-01T08:00:00Z"), &[code(40)]);
    assert_eq!(cause(&read(small, "generic-dlms", mark()).await), Some(LogLossCause::Overflow));
    assert_eq!(cause(&read(with_room(65), "generic-dlms", mark()).await), Some(LogLossCause::Cleared));
    assert_eq!(cause(&read(with_room(0), "generic-dlms", mark()).await), Some(LogLossCause::Overflow));
    // An order for a later part says nothing about what lies before it.
    let mut part = mark();
    part.range.from = at("2026-06-01T00:30:00Z");
    assert_eq!(loss(&read(full(1), "generic-dlms", part).await), None);
}
